//! An engine that runs batches: inputs and outputs stay in device memory, everything runs on one stream of ours, and each set
//! of tensors has an execution and a CUDA graph of its own.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gpu::cuda::{Context, DeviceBuffer, Stream};
use vision::tensor::{DataType, Dim, TensorInfo};

use super::runtime::{Engine, Execution, IoTensor};
use crate::device_io::{self, Bindings, DeviceOutput, Work};
use crate::log::{self, Severity};
use crate::model_file::Declared;
use crate::tensor::element_size;
use crate::worker::{Answer, DeviceSession};
use crate::{EngineError, InputTensor, Search};

/// An input or output, for us and for the library.
pub(super) struct Named {
    pub info: TensorInfo,
    name: CString,
}

/// Inputs and outputs of an engine in the network's order.
pub(super) struct Signature {
    pub inputs: Vec<Named>,
    pub outputs: Vec<Named>,
}

impl Signature {
    /// What `engine`, made of the model file `path`, takes and gives.
    ///
    /// # Errors
    /// When a tensor has a type that no tensor here has, or lies in host memory.
    pub fn of(engine: &Engine, path: &Path) -> Result<Self, EngineError> {
        let (inputs, outputs): (Vec<_>, Vec<_>) =
            engine.tensors()?.into_iter().partition(|tensor| tensor.is_input);
        let named = |tensors: Vec<IoTensor>| {
            tensors.into_iter().map(|tensor| Named::new(tensor, path)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { inputs: named(inputs)?, outputs: named(outputs)? })
    }

    /// Whether it may be that of the model that says `declared` of itself.
    ///
    /// # Errors
    /// What the model does not have.
    pub fn check(&self, declared: &Declared) -> Result<(), String> {
        let is_known = |input: &&Named| {
            let mut alike = declared.inputs.iter().filter(|found| found.name == input.info.name);
            alike.any(|found| are_alike(&found.shape, &input.info.shape))
        };
        let input = self.inputs.iter().find(|input| !is_known(input)).map(|named| ("input", named));
        let is_given = |output: &&Named| declared.outputs.contains(&output.info.name);
        let output = self.outputs.iter().find(|output| !is_given(output)).map(|named| ("output", named));
        match input.or(output) {
            Some((kind, Named { info, .. })) => Err(format!("the model has no {kind} {info}")),
            None => Ok(()),
        }
    }
}

impl Named {
    fn new(tensor: IoTensor, path: &Path) -> Result<Self, EngineError> {
        let IoTensor { name, data_type, shape, .. } = tensor;
        let text = name.to_string_lossy().into_owned();
        let found = data_type.and_then(data_type_of).ok_or_else(|| EngineError::UnsupportedDataType {
            path: path.to_owned(),
            tensor: text.clone(),
            data_type: data_type.map_or_else(
                || "shapes in host memory".to_owned(),
                |number| format!("TensorRT's number {number}"),
            ),
        })?;
        Ok(Self { info: TensorInfo { name: text, data_type: found, shape }, name })
    }
}

/// Whether two shapes agree where neither is open.
fn are_alike(left: &[Dim], right: &[Dim]) -> bool {
    let agree = |(left, right): (&Dim, &Dim)| left.is_none() || right.is_none() || left == right;
    left.len() == right.len() && left.iter().zip(right).all(agree)
}

/// The type of ours that number `number` of the library's `DataType` is, if any.
fn data_type_of(number: i32) -> Option<DataType> {
    match number {
        0 => Some(DataType::F32),
        1 => Some(DataType::F16),
        3 => Some(DataType::I32),
        5 => Some(DataType::U8),
        8 => Some(DataType::I64),
        _ => None,
    }
}

/// Runs batches on a device.
pub(super) struct Session {
    /// Before what they use.
    bound: Bindings<Bound>,
    engine: Arc<Engine>,
    signature: Signature,
    path: PathBuf,
    context: Arc<Context>,
    /// Cleared when a recording fails.
    graphs: bool,
    stream: Stream,
}

/// All that belongs to one set of input tensors. What is recorded or runs names its addresses, so it stays whole.
struct Bound {
    work: Work,
    execution: Execution,
    outputs: Vec<(DeviceOutput, DeviceBuffer)>,
}

impl Session {
    /// For `engine`, which was made of the model file `path`.
    pub fn new(engine: Arc<Engine>, signature: Signature, path: &Path) -> Result<Self, EngineError> {
        let context = Arc::clone(engine.runtime().context());
        let stream = Stream::new(&context)?;
        let (bound, path) = (Bindings::default(), path.to_owned());
        Ok(Self { bound, engine, signature, path, context, graphs: true, stream })
    }

    /// The place of what belongs to `inputs`.
    fn place(&mut self, inputs: &mut [InputTensor]) -> Result<usize, EngineError> {
        let mut bound = std::mem::take(&mut self.bound);
        let place = bound.place(inputs, &self.stream, |inputs, addresses| self.bind(inputs, addresses));
        self.bound = bound;
        place
    }

    fn bind(&self, inputs: &[InputTensor], addresses: &[u64]) -> Result<Bound, EngineError> {
        let mut execution = Execution::new(&self.engine)?;
        for ((named, input), &address) in self.signature.inputs.iter().zip(inputs).zip(addresses) {
            execution.set_input(&named.name, input.shape(), address)?;
        }
        let outputs = self.signature.outputs.iter().map(|named| self.bind_output(&mut execution, named));
        let outputs = outputs.collect::<Result<_, _>>()?;
        Ok(Bound { work: Work::default(), execution, outputs })
    }

    /// An output lies at a fixed place, as a CUDA graph demands.
    fn bind_output(
        &self,
        execution: &mut Execution,
        named: &Named,
    ) -> Result<(DeviceOutput, DeviceBuffer), EngineError> {
        let open = || EngineError::ModelRejected {
            path: self.path.clone(),
            reason: format!(
                "the shape of output {:?} depends on what is seen, which TensorRT is not used for here; choose \
                 backend=onnxruntime-cuda, or leave the suppression of overlapping boxes out of the model",
                named.info.name
            ),
        };
        let shape = execution.shape(&named.name).ok_or_else(open)?;
        let length = shape.iter().product::<usize>() * element_size(named.info.data_type);
        let buffer = DeviceBuffer::new(&self.context, length)?;
        execution.set_output(&named.name, buffer.address())?;
        Ok((DeviceOutput { info: named.info.clone(), shape, address: buffer.address() }, buffer))
    }

    /// Records the work for the runs to come. Without it they are slower, and that is all.
    fn record(&mut self, place: usize, search: Option<&Search>) {
        let Bound { work, execution, outputs } = self.bound.get(place);
        let outputs = outputs.iter().map(|(output, _)| output);
        let recorded = work.record(outputs, search, &self.stream, || execution.enqueue(&self.stream));
        if let Err(error) = recorded {
            self.graphs = false;
            log::emit(Severity::Warning, &format!("{}: no CUDA graph: {error}", self.path.display()));
        }
    }
}

impl DeviceSession for Session {
    fn stream(&self) -> &Stream {
        &self.stream
    }

    fn start(&mut self, inputs: &mut [InputTensor], search: Option<&Search>) -> Result<Answer, EngineError> {
        let place = self.place(inputs)?;
        device_io::settle(inputs, &self.stream)?;
        let Bound { work, execution, outputs } = self.bound.get(place);
        let outputs = outputs.iter().map(|(output, _)| output);
        if let Some(answer) = work.launch(outputs.clone(), search, &self.stream)? {
            return Ok(answer);
        }
        // The library allocates and chooses in the first run, which cannot be recorded; the next ones can.
        execution.enqueue(&self.stream)?;
        let answer = work.bring(outputs, search, &self.stream)?;
        if self.graphs {
            self.record(place, search);
        }
        Ok(answer)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A device that fails here does not use the memory any more.
        let _ = self.stream.synchronize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_the_headers() {
        let known = [
            (0, DataType::F32),
            (1, DataType::F16),
            (3, DataType::I32),
            (5, DataType::U8),
            (8, DataType::I64),
        ];
        for number in -1..12 {
            let expected = known.iter().find(|(known, _)| *known == number).map(|(_, data_type)| *data_type);
            assert_eq!(data_type_of(number), expected, "{number}");
        }
    }
}
