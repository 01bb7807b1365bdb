//! Tensors that go into an engine and come out of it.

use gpu::MemoryKind;
use ort::memory::Allocator;
use ort::value::{DynTensor, DynValue, PrimitiveTensorElementType, TensorElementType};
use vision::tensor::{DataType, Elements, ElementsMut, TensorView};

use crate::EngineError;

/// An input of a batch: allocated by an engine, filled by the caller, read by the engine where it lies.
#[derive(Debug)]
pub struct InputTensor {
    data_type: DataType,
    shape: Vec<usize>,
    memory: Memory,
}

#[derive(Debug)]
enum Memory {
    Host(DynTensor),
}

impl InputTensor {
    /// A zeroed tensor in host memory. ONNX Runtime must have been loaded.
    pub(crate) fn host(data_type: DataType, shape: &[usize]) -> Result<Self, EngineError> {
        let out_of_memory = || EngineError::OutOfMemory { shape: shape.to_vec() };
        if !is_addressable(data_type, shape) {
            return Err(out_of_memory());
        }
        let tensor = DynTensor::new(&Allocator::default(), element_type(data_type), shape.to_vec())
            .map_err(|_| out_of_memory())?;
        Ok(Self { data_type, shape: shape.to_vec(), memory: Memory::Host(tensor) })
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
        }
    }

    /// The elements to write an image into, outermost dimension first; `None` if they do not lie in host memory or are
    /// of a type that no image is written in.
    pub fn elements_mut(&mut self) -> Option<ElementsMut<'_>> {
        let Memory::Host(tensor) = &mut self.memory;
        match self.data_type {
            DataType::F32 => slice_mut(tensor).map(ElementsMut::F32),
            DataType::F16 => slice_mut(tensor).map(ElementsMut::F16),
            DataType::U8 => slice_mut(tensor).map(ElementsMut::U8),
            DataType::I32 | DataType::I64 => None,
        }
    }

    /// Copies `elements` into the tensor: for the small inputs beside the image, such as the sizes that RT-DETR scales
    /// its boxes to.
    ///
    /// # Errors
    /// When type or number of `elements` are not the tensor's.
    pub fn write(&mut self, elements: Elements<'_>) -> Result<(), EngineError> {
        let Memory::Host(tensor) = &mut self.memory;
        let written = match elements {
            Elements::F32(values) => copy(tensor, values),
            Elements::F16(values) => copy(tensor, values),
            Elements::U8(values) => copy(tensor, values),
            Elements::I32(values) => copy(tensor, values),
            Elements::I64(values) => copy(tensor, values),
        };
        written.ok_or_else(|| EngineError::WrongElements {
            data_type: self.data_type,
            shape: self.shape.clone(),
        })
    }

    /// The tensor as ONNX Runtime takes it.
    pub(crate) fn value(&self) -> &DynTensor {
        let Memory::Host(tensor) = &self.memory;
        tensor
    }
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
fn is_addressable(data_type: DataType, shape: &[usize]) -> bool {
    let bytes = shape.iter().try_fold(element_size(data_type), |size, &dim| size.checked_mul(dim));
    bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}

fn element_size(data_type: DataType) -> usize {
    match data_type {
        DataType::U8 => 1,
        DataType::F16 => 2,
        DataType::F32 | DataType::I32 => 4,
        DataType::I64 => 8,
    }
}

fn element_type(data_type: DataType) -> TensorElementType {
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
pub struct Outputs(Vec<DynValue>);

impl Outputs {
    pub(crate) fn new(values: Vec<DynValue>) -> Self {
        Self(values)
    }

    /// Number of outputs, the same as in [`crate::ModelInfo::outputs`].
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the network has no output.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Output `index` of the model, read where the engine left it.
    ///
    /// # Errors
    /// When there is no such output or it is no tensor of a supported type.
    pub fn view(&self, index: usize) -> Result<TensorView<'_>, EngineError> {
        let value =
            self.0.get(index).ok_or(EngineError::TensorCount { expected: self.len(), found: index })?;
        let elements = match value.dtype().tensor_type().and_then(data_type) {
            Some(DataType::F32) => Elements::F32(slice(value)?),
            Some(DataType::F16) => Elements::F16(slice(value)?),
            Some(DataType::U8) => Elements::U8(slice(value)?),
            Some(DataType::I32) => Elements::I32(slice(value)?),
            Some(DataType::I64) => Elements::I64(slice(value)?),
            None => {
                return Err(EngineError::Inference {
                    reason: format!("output {index} is {}", value.dtype()),
                });
            }
        };
        let shape = value.shape().iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect();
        Ok(TensorView { shape, elements })
    }
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
    fn a_size_beyond_the_address_space_is_told_before_it_is_asked_for() {
        assert!(is_addressable(DataType::F32, &[16, 3, 640, 640]));
        assert!(!is_addressable(DataType::F32, &[1 << 40, 1 << 30]));
        assert!(!is_addressable(DataType::U8, &[1 << 63]));
        assert!(is_addressable(DataType::U8, &[(1 << 63) - 1]));
    }
}
