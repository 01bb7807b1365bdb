//! Tensors that go into an engine and come out of it.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::{cast_slice, cast_slice_mut};
use gpu::MemoryKind;
use gpu::cuda::{self, Context, DeviceElementsMut, HostBuffer, Stream};
use ort::memory::Allocator;
use ort::value::{DynTensor, DynValue, PrimitiveTensorElementType, TensorElementType};
use vision::head::Candidate;
use vision::tensor::{DataType, Elements, ElementsMut, TensorView};

use crate::EngineError;
use crate::device::DeviceTensor;
use crate::recycling::Recycled;

/// An input of a batch: allocated by an engine, filled by the caller, read by the engine where it lies.
#[derive(Debug)]
pub struct InputTensor {
    data_type: DataType,
    shape: Vec<usize>,
    memory: Memory,
    /// Of the lanes of an engine that computes several batches at a time, the one for the batch that it comes first in.
    lane: usize,
}

#[derive(Debug)]
enum Memory {
    Host(DynTensor),
    Cuda(DeviceTensor),
}

impl InputTensor {
    /// A zeroed tensor in device memory.
    pub(crate) fn on_device(
        context: &Arc<Context>,
        data_type: DataType,
        shape: &[usize],
    ) -> Result<Self, EngineError> {
        let tensor = DeviceTensor::new(context, data_type, shape)?;
        Ok(Self { data_type, shape: shape.to_vec(), memory: Memory::Cuda(tensor), lane: 0 })
    }

    /// A zeroed tensor in host memory. ONNX Runtime must have been loaded.
    pub(crate) fn host(data_type: DataType, shape: &[usize]) -> Result<Self, EngineError> {
        let out_of_memory = || EngineError::OutOfMemory { shape: shape.to_vec() };
        if !is_addressable(data_type, shape) {
            return Err(out_of_memory());
        }
        let tensor = DynTensor::new(&Allocator::default(), element_type(data_type), shape.to_vec())
            .map_err(|_| out_of_memory())?;
        Ok(Self { data_type, shape: shape.to_vec(), memory: Memory::Host(tensor), lane: 0 })
    }

    /// The same, for lane `lane`.
    pub(crate) fn in_lane(self, lane: usize) -> Self {
        Self { lane, ..self }
    }

    pub(crate) fn lane(&self) -> usize {
        self.lane
    }

    /// Element type.
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    /// Outermost dimension first, batch included.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Where the elements lie.
    pub fn memory(&self) -> MemoryKind {
        match self.memory {
            Memory::Host(_) => MemoryKind::Host,
            Memory::Cuda(_) => MemoryKind::Cuda,
        }
    }

    /// The elements to write an image into, outermost dimension first; `None` if they are of a type that no image is
    /// written in. Those of a tensor in device memory are written to pinned host memory, which the engine uploads: all of
    /// them, so all have to be written.
    ///
    /// # Errors
    /// When there is no pinned memory, or the device is lost.
    pub fn elements_mut(&mut self) -> Result<Option<ElementsMut<'_>>, cuda::Error> {
        Ok(match (&mut self.memory, self.data_type) {
            (_, DataType::I32 | DataType::I64) => None,
            (Memory::Host(tensor), DataType::F32) => slice_mut(tensor).map(ElementsMut::F32),
            (Memory::Host(tensor), DataType::F16) => slice_mut(tensor).map(ElementsMut::F16),
            (Memory::Host(tensor), DataType::U8) => slice_mut(tensor).map(ElementsMut::U8),
            (Memory::Cuda(tensor), data_type) => {
                let bytes = tensor.stage()?;
                Some(match data_type {
                    DataType::F32 => ElementsMut::F32(cast_slice_mut(bytes)),
                    DataType::F16 => ElementsMut::F16(cast_slice_mut(bytes)),
                    _ => ElementsMut::U8(bytes),
                })
            }
        })
    }

    /// Lets `work` put work that writes elements `range` into `stream`; the engine waits for it on the device. `None`
    /// if the elements do not lie in device memory.
    ///
    /// # Errors
    /// When there are fewer elements or `work` fails.
    pub fn write_on(
        &mut self,
        stream: &Stream,
        range: Range<usize>,
        work: impl FnOnce(&mut DeviceElementsMut<'_>) -> Result<(), cuda::Error>,
    ) -> Option<Result<(), cuda::Error>> {
        match &mut self.memory {
            Memory::Host(_) => None,
            Memory::Cuda(tensor) => Some(tensor.write_on(stream, range, work)),
        }
    }

    /// Copies `elements` into the tensor: for the small inputs beside the image, such as the sizes that RT-DETR scales
    /// its boxes to.
    ///
    /// # Errors
    /// When type or number of `elements` are not the tensor's.
    pub fn write(&mut self, elements: Elements<'_>) -> Result<(), EngineError> {
        let written = match &mut self.memory {
            Memory::Host(tensor) => write_host(tensor, elements),
            Memory::Cuda(tensor) => write_staged(tensor.stage()?, self.data_type, elements),
        };
        written.ok_or_else(|| EngineError::WrongElements {
            data_type: self.data_type,
            shape: self.shape.clone(),
        })
    }

    /// The tensor as ONNX Runtime takes it.
    ///
    /// # Errors
    /// When it lies on a device.
    pub(crate) fn value(&self) -> Result<&DynTensor, EngineError> {
        match &self.memory {
            Memory::Host(tensor) => Ok(tensor),
            Memory::Cuda(_) => Err(EngineError::ForeignTensor),
        }
    }

    /// The tensor if it lies in device memory.
    pub(crate) fn as_device(&mut self) -> Option<&mut DeviceTensor> {
        match &mut self.memory {
            Memory::Host(_) => None,
            Memory::Cuda(tensor) => Some(tensor),
        }
    }
}

/// `None`, and nothing is copied, if type or number differ.
fn write_host(tensor: &mut DynTensor, elements: Elements<'_>) -> Option<()> {
    match elements {
        Elements::F32(values) => copy(tensor, values),
        Elements::F16(values) => copy(tensor, values),
        Elements::U8(values) => copy(tensor, values),
        Elements::I32(values) => copy(tensor, values),
        Elements::I64(values) => copy(tensor, values),
    }
}

/// As [`write_host`].
fn write_staged(staging: &mut [u8], data_type: DataType, elements: Elements<'_>) -> Option<()> {
    let (found, bytes): (_, &[u8]) = match elements {
        Elements::F32(values) => (DataType::F32, cast_slice(values)),
        Elements::F16(values) => (DataType::F16, cast_slice(values)),
        Elements::U8(values) => (DataType::U8, values),
        Elements::I32(values) => (DataType::I32, cast_slice(values)),
        Elements::I64(values) => (DataType::I64, cast_slice(values)),
    };
    let fits = found == data_type && bytes.len() == staging.len();
    fits.then(|| staging.copy_from_slice(bytes))
}

fn slice_mut<T: PrimitiveTensorElementType>(tensor: &mut DynTensor) -> Option<&mut [T]> {
    tensor.try_extract_tensor_mut().ok().map(|(_, elements)| elements)
}

/// `None`, and nothing is copied, if type or number differ.
fn copy<T: PrimitiveTensorElementType + Copy>(tensor: &mut DynTensor, values: &[T]) -> Option<()> {
    let elements = slice_mut(tensor).filter(|elements| elements.len() == values.len())?;
    elements.copy_from_slice(values);
    Some(())
}

/// Whether a tensor's size in bytes can be told in an `isize`, as every allocation's must.
pub(crate) fn is_addressable(data_type: DataType, shape: &[usize]) -> bool {
    let bytes = shape.iter().try_fold(element_size(data_type), |size, &dim| size.checked_mul(dim));
    bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}

pub(crate) fn element_size(data_type: DataType) -> usize {
    match data_type {
        DataType::U8 => 1,
        DataType::F16 => 2,
        DataType::F32 | DataType::I32 => 4,
        DataType::I64 => 8,
    }
}

pub(crate) fn element_type(data_type: DataType) -> TensorElementType {
    match data_type {
        DataType::F32 => TensorElementType::Float32,
        DataType::F16 => TensorElementType::Float16,
        DataType::U8 => TensorElementType::Uint8,
        DataType::I32 => TensorElementType::Int32,
        DataType::I64 => TensorElementType::Int64,
    }
}

/// The type of ours that ONNX Runtime's `element` is, if any.
pub(crate) fn data_type(element: TensorElementType) -> Option<DataType> {
    match element {
        TensorElementType::Float32 => Some(DataType::F32),
        TensorElementType::Float16 => Some(DataType::F16),
        TensorElementType::Uint8 => Some(DataType::U8),
        TensorElementType::Int32 => Some(DataType::I32),
        TensorElementType::Int64 => Some(DataType::I64),
        _ => None,
    }
}

/// What a network returned for one batch. Owns the memory; outlives the engine if need be.
#[derive(Debug)]
pub struct Outputs(Values);

#[derive(Debug)]
enum Values {
    /// What the runtime allocated, and the stream that must outlive it.
    Host { values: Vec<DynValue>, _stream: Option<Arc<Stream>> },
    /// Copies of what lies on the device.
    Copied(Vec<CopiedOutput>),
    /// What was found on the device, by image and position, among so many positions.
    Candidates(Vec<Candidate>, usize),
}

/// What was found in one image of a dense output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidates<'a> {
    /// In the order of their positions.
    pub found: &'a [Candidate],
    /// Among how many positions.
    pub positions: usize,
}

/// An output brought back from the device.
#[derive(Debug)]
pub(crate) struct CopiedOutput {
    pub data_type: DataType,
    pub shape: Vec<usize>,
    pub bytes: Recycled<HostBuffer>,
}

impl Outputs {
    /// `stream`, where there is one, is the one that the values were computed on.
    pub(crate) fn new(values: Vec<DynValue>, stream: Option<Arc<Stream>>) -> Self {
        Self(Values::Host { values, _stream: stream })
    }

    pub(crate) fn copied(outputs: Vec<CopiedOutput>) -> Self {
        Self(Values::Copied(outputs))
    }

    /// `found` lies in the order of images and positions.
    pub(crate) fn candidates_of(found: Vec<Candidate>, positions: usize) -> Self {
        Self(Values::Candidates(found, positions))
    }

    /// What was found in image `image` of the batch, if the engine brought nothing else.
    pub fn candidates(&self, image: usize) -> Option<Candidates<'_>> {
        let Values::Candidates(found, positions) = &self.0 else { return None };
        let start = found.partition_point(|candidate| (candidate.image as usize) < image);
        let length = found[start..].partition_point(|candidate| candidate.image as usize == image);
        Some(Candidates { found: &found[start..start + length], positions: *positions })
    }

    /// Number of outputs that can be viewed: as in [`crate::ModelInfo::outputs`], or none where [`Self::candidates`] has
    /// what was found.
    pub fn len(&self) -> usize {
        match &self.0 {
            Values::Host { values, .. } => values.len(),
            Values::Copied(outputs) => outputs.len(),
            Values::Candidates(..) => 0,
        }
    }

    /// Whether the network has no output.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Output `index` of the model, read where the engine left it.
    ///
    /// # Errors
    /// When there is no such output or it is no tensor of a supported type.
    pub fn view(&self, index: usize) -> Result<TensorView<'_>, EngineError> {
        let view = match &self.0 {
            Values::Host { values, .. } => values.get(index).map(|value| view_value(index, value)),
            Values::Copied(outputs) => outputs.get(index).map(CopiedOutput::view),
            Values::Candidates(..) => None,
        };
        view.ok_or(EngineError::TensorCount { expected: self.len(), found: index })?
    }
}

impl CopiedOutput {
    fn view(&self) -> Result<TensorView<'_>, EngineError> {
        let bytes =
            &self.bytes.bytes()?[..self.shape.iter().product::<usize>() * element_size(self.data_type)];
        let elements = match self.data_type {
            DataType::F32 => Elements::F32(cast_slice(bytes)),
            DataType::F16 => Elements::F16(cast_slice(bytes)),
            DataType::U8 => Elements::U8(bytes),
            DataType::I32 => Elements::I32(cast_slice(bytes)),
            DataType::I64 => Elements::I64(cast_slice(bytes)),
        };
        Ok(TensorView { shape: self.shape.clone(), elements })
    }
}

fn view_value(index: usize, value: &DynValue) -> Result<TensorView<'_>, EngineError> {
    let elements = match value.dtype().tensor_type().and_then(data_type) {
        Some(DataType::F32) => Elements::F32(slice(value)?),
        Some(DataType::F16) => Elements::F16(slice(value)?),
        Some(DataType::U8) => Elements::U8(slice(value)?),
        Some(DataType::I32) => Elements::I32(slice(value)?),
        Some(DataType::I64) => Elements::I64(slice(value)?),
        None => {
            return Err(EngineError::Inference { reason: format!("output {index} is {}", value.dtype()) });
        }
    };
    let shape = value.shape().iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect();
    Ok(TensorView { shape, elements })
}

fn slice<T: PrimitiveTensorElementType>(value: &DynValue) -> Result<&[T], EngineError> {
    let (_, elements) =
        value.try_extract_tensor().map_err(|error| EngineError::Inference { reason: error.to_string() })?;
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_told_apart_by_image() {
        let candidate = |image, position| Candidate { image, position, ..Candidate::default() };
        let outputs =
            Outputs::candidates_of([(0, 3), (2, 1), (2, 5)].map(|(i, p)| candidate(i, p)).into(), 9);
        let positions = |image| {
            let found = outputs.candidates(image).unwrap();
            found.found.iter().map(|candidate| candidate.position).collect::<Vec<_>>()
        };
        assert_eq!([0, 1, 2, 3].map(positions), [vec![3], vec![], vec![1, 5], vec![]]);
        assert!(Outputs::copied(Vec::new()).candidates(0).is_none());
    }

    #[test]
    fn a_size_beyond_the_address_space_is_told_before_it_is_asked_for() {
        assert!(is_addressable(DataType::F32, &[16, 3, 640, 640]));
        assert!(!is_addressable(DataType::F32, &[1 << 40, 1 << 30]));
        assert!(!is_addressable(DataType::U8, &[1 << 63]));
        assert!(is_addressable(DataType::U8, &[(1 << 63) - 1]));
    }
}
