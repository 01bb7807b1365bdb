//! The backend on ONNX Runtime, whose library is loaded at run time.
//!
//! Networks run on the CPU or on a CUDA device.

pub mod convolution;
mod cuda;
pub mod fusion;
pub mod library;
mod session;
mod tensorrt;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gpu::MemoryKind;
use gpu::cuda::Context;

pub use self::cuda::check_cuda;
use self::cuda::{CudaSession, Source};
use self::library::Library;
use crate::batch;
use crate::options::{Device, Options, Precision};
use crate::worker::Worker;
use crate::{Completion, EngineError, InferenceEngine, InputTensor, ModelInfo, Search};

/// A model that ONNX Runtime runs on a thread of its own.
struct Engine {
    model: Arc<ModelInfo>,
    description: String,
    /// Of the device that tensors lie on; `None` if they lie in host memory.
    context: Option<Arc<Context>>,
    concurrency: usize,
    /// First inputs that were allocated: each set of inputs belongs to one session.
    sets: AtomicUsize,
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
    match options.device {
        Device::Cpu => on_cpu(&library, path, options),
        Device::Cuda(ordinal) => on_cuda(&library, path, options, ordinal),
    }
}

fn on_cpu(
    library: &Library,
    path: &Path,
    options: &Options,
) -> Result<Arc<dyn InferenceEngine>, EngineError> {
    let sessions = session::open(library, path, options)?;
    let model = Arc::new(session::model_info(&sessions[0], path)?);
    let (description, concurrency) = (describe(library, options), sessions.len());
    let sessions = sessions.into_iter().map(|session| Box::new(session) as _).collect();
    let worker = Worker::on_host(sessions, Arc::clone(&model))?;
    Ok(Arc::new(Engine { model, description, context: None, concurrency, sets: AtomicUsize::new(0), worker }))
}

fn on_cuda(
    library: &Arc<Library>,
    path: &Path,
    options: &Options,
    ordinal: u32,
) -> Result<Arc<dyn InferenceEngine>, EngineError> {
    let source = Source::new(library, path, options, ordinal)?;
    let open = |_| CudaSession::open(source.clone());
    let sessions = (0..options.concurrency()).map(open).collect::<Result<Vec<_>, _>>()?;
    let (first, concurrency) = (&sessions[0], sessions.len());
    let (model, context) = (Arc::clone(first.model()), Some(Arc::clone(first.context())));
    let side_by_side =
        if concurrency > 1 { format!(", {concurrency} batches at a time") } else { String::new() };
    let description = format!("ONNX Runtime {}, {}{side_by_side}", library.version(), first.description());
    let sessions = sessions.into_iter().map(|session| Box::new(session) as _).collect();
    let worker = Worker::on_device(sessions, Arc::clone(&model));
    Ok(Arc::new(Engine { model, description, context, concurrency, sets: AtomicUsize::new(0), worker }))
}

/// A precision that would change results is refused, never replaced.
fn available(options: &Options) -> Result<(), EngineError> {
    if options.precision == Precision::Model {
        return Ok(());
    }
    let reason = match options.device {
        Device::Cpu => "a CPU runs the model in the model's own precision; choose that",
        Device::Cuda(_) => "it runs the model in the model's own precision; choose that or an FP16 model",
    };
    Err(EngineError::Unavailable { backend: "ONNX Runtime".to_owned(), reason: reason.to_owned() })
}

fn describe(library: &Library, options: &Options) -> String {
    let threads = match (options.thread_count(), options.shares().len()) {
        (1, _) => "1 thread".to_owned(),
        (threads, 1) => format!("{threads} threads"),
        (threads, requests) => format!("{threads} threads for {requests} batches at a time"),
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
        if self.context.is_some() { MemoryKind::Cuda } else { MemoryKind::Host }
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn allocate(&self, index: usize, shape: &[usize]) -> Result<InputTensor, EngineError> {
        let input = batch::input(&self.model, index, shape)?;
        match &self.context {
            Some(context) => {
                let tensor = InputTensor::on_device(context, input.data_type, shape)?;
                let set = if index == 0 { self.sets.fetch_add(1, Ordering::Relaxed) } else { 0 };
                Ok(tensor.in_lane(set))
            }
            None => InputTensor::host(input.data_type, shape),
        }
    }

    fn submit_for(&self, inputs: Vec<InputTensor>, search: Option<Search>) -> Completion {
        self.worker.submit(inputs, search)
    }
}
