//! The backend on ONNX Runtime, whose library is loaded at run time.
//!
//! Networks run on the CPU. With [`crate::Goal::Throughput`] its threads sleep between operators' pieces of work.

pub mod library;
mod session;
mod worker;

use std::path::Path;
use std::sync::Arc;

use gpu::MemoryKind;

use self::library::Library;
use self::worker::Worker;
use crate::options::{Device, Options, Precision};
use crate::{Completion, EngineError, InferenceEngine, InputTensor, ModelInfo};

/// A model that ONNX Runtime runs on a thread of its own.
struct Engine {
    model: Arc<ModelInfo>,
    description: String,
    worker: Worker,
}

/// Loads the model file `path`; each call loads it anew. Takes about as long as reading the file and a second more.
///
/// # Errors
/// When the library cannot be loaded, the device or precision is not to be had here, or the file is missing, damaged
/// or beyond the backend.
pub fn load(path: &Path, options: &Options) -> Result<Arc<dyn InferenceEngine>, EngineError> {
    available(options)?;
    let library = library::open(options)?;
    let session = session::open(&library, path, options)?;
    let model = Arc::new(session::model_info(&session, path)?);
    let description = describe(&library, options);
    let worker = Worker::start(session, Arc::clone(&model))?;
    Ok(Arc::new(Engine { model, description, worker }))
}

/// A device or precision that would change speed or results is refused, never replaced.
fn available(options: &Options) -> Result<(), EngineError> {
    let reason = match (options.device, options.precision) {
        (Device::Cpu, Precision::Model) => return Ok(()),
        (Device::Cpu, Precision::F16) => "a CPU runs the model in the model's own precision; choose that",
        (Device::Cuda(_), _) => "this build runs it on the CPU only; choose the CPU",
    };
    Err(EngineError::Unavailable { backend: "ONNX Runtime".to_owned(), reason: reason.to_owned() })
}

fn describe(library: &Library, options: &Options) -> String {
    let threads = match options.thread_count() {
        1 => "1 thread".to_owned(),
        count => format!("{count} threads"),
    };
    format!("ONNX Runtime {}, CPU, {threads}, the model's own precision", library.version())
}

impl InferenceEngine for Engine {
    fn model(&self) -> &ModelInfo {
        &self.model
    }

    fn description(&self) -> &str {
        &self.description
    }

    fn memory(&self) -> MemoryKind {
        MemoryKind::Host
    }

    fn allocate(&self, index: usize, shape: &[usize]) -> Result<InputTensor, EngineError> {
        let inputs = &self.model.inputs;
        let input =
            inputs.get(index).ok_or(EngineError::TensorCount { expected: inputs.len(), found: index })?;
        session::check_shape(input, shape)?;
        InputTensor::host(input.data_type, shape)
    }

    fn submit(&self, inputs: Vec<InputTensor>) -> Completion {
        self.worker.submit(inputs)
    }
}
