//! Sessions on a CUDA device: inputs and outputs stay in device memory, everything runs on one stream of ours, and
//! where the shapes are fixed the runtime records a CUDA graph for each set of tensors.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use gpu::cuda::{Context, Stream};
use ort::ep::{self, cuda::ConvAlgorithmSearch};
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::DynTensor;
use vision::tensor::TensorInfo;

use super::library::{self, Library};
use super::{session, tensorrt};
use crate::device_io::{self, DeviceOutput, Results};
use crate::log::{self, Severity};
use crate::options::Backend;
use crate::tensor::element_type;
use crate::worker::{Answer, DeviceSession, Running};
use crate::{EngineError, InputTensor, ModelInfo, Options, Outputs, Search, lock, model_file};

/// Tells the runtime to record no graph for a run.
const NO_GRAPH: &str = "-1";

/// Gives input tensors in the device's memory.
pub(super) struct DeviceMemory {
    allocator: Mutex<Allocator>,
    context: Arc<Context>,
}

impl DeviceMemory {
    /// A zeroed tensor for `input`.
    pub fn allocate(&self, input: &TensorInfo, shape: &[usize]) -> Result<InputTensor, EngineError> {
        let allocator = lock(&self.allocator);
        let tensor =
            crate::device::DeviceTensor::of_onnxruntime(&allocator, &self.context, input.data_type, shape)?;
        Ok(InputTensor::device(input.data_type, shape, tensor))
    }
}

/// What a session was opened from, to open it anew.
struct Source {
    library: Arc<Library>,
    path: PathBuf,
    options: Options,
    ordinal: u32,
    /// Runs what it can, before the CUDA provider.
    tensorrt: Option<ep::TensorRT>,
}

/// A session on a CUDA device. Everything of it is used on one thread at a time, as CUDA graphs demand.
pub(super) struct CudaSession {
    bound: Vec<Bound>,
    session: Session,
    source: Source,
    model: Arc<ModelInfo>,
    context: Arc<Context>,
    graphs: bool,
    graph_count: usize,
    results: Results,
    /// After everything that works on it.
    stream: Arc<Stream>,
}

fn unavailable(reason: impl ToString) -> EngineError {
    let reason = format!("{}; choose the CPU, or put this right", reason.to_string().trim());
    EngineError::Unavailable { backend: "ONNX Runtime with CUDA".to_owned(), reason }
}

fn failed(error: &ort::Error) -> EngineError {
    EngineError::Inference { reason: error.message().trim().to_owned() }
}

impl Source {
    fn device_id(&self) -> i32 {
        i32::try_from(self.ordinal).unwrap_or(i32::MAX)
    }

    /// Opens a session on `stream`. With `graphs` everything must run on the device; without, operators that the
    /// device lacks run on the CPU.
    fn open(&self, stream: &Stream, graphs: bool) -> Result<Session, ort::Error> {
        let provider = ep::CUDA::default()
            .with_device_id(self.device_id())
            .with_tf32(false)
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            .with_fuse_conv_bias(true)
            .with_cuda_graph(graphs);
        // SAFETY: the stream lives as long as the session and what it returns.
        #[allow(unsafe_code)]
        let provider = unsafe { provider.with_compute_stream(stream.raw().cast()) };
        // SAFETY: as above.
        #[allow(unsafe_code)]
        let tensorrt = self.tensorrt.clone().map(|tensorrt| unsafe {
            tensorrt.with_compute_stream(stream.raw().cast()).build().error_on_failure()
        });
        let providers: Vec<_> = tensorrt.into_iter().chain([provider.build().error_on_failure()]).collect();
        let builder = session::builder(&self.library, &self.options, self.options.thread_count())?;
        let mut builder = builder.with_execution_providers(providers)?;
        if graphs {
            builder = builder.with_disable_cpu_fallback()?;
        }
        builder.commit_from_file(&self.path)
    }
}

impl Source {
    /// As [`Source::open`], with graphs if the model can be recorded. The TensorRT provider would need graphs of its own.
    fn open_best(&self, stream: &Stream) -> Result<(Session, bool), EngineError> {
        match self.tensorrt.is_none().then(|| self.open(stream, true)) {
            Some(Ok(session)) => return Ok((session, true)),
            Some(Err(error)) => warn_of_no_graph(&self.path, &error),
            None => {}
        }
        let session = self.open(stream, false).map_err(|error| session::refused(&self.path, &error))?;
        Ok((session, false))
    }
}

/// Whether ONNX Runtime can run networks on device number `ordinal`: the driver works and all libraries load. Takes some
/// seconds where they are read from disk for the first time.
///
/// # Errors
/// What is missing.
pub fn check_cuda(options: &Options, ordinal: u32) -> Result<(), EngineError> {
    let library = library::open(options)?;
    Context::primary(i32::try_from(ordinal).map_err(unavailable)?).map_err(unavailable)?;
    check_provider(&library, options, ordinal)
}

/// Whether the provider that runs networks on the device can be had: its libraries load.
fn check_provider(library: &Library, options: &Options, ordinal: u32) -> Result<(), EngineError> {
    let provider = ep::CUDA::default().with_device_id(i32::try_from(ordinal).unwrap_or(i32::MAX));
    let checked = session::builder(library, options, options.thread_count())
        .and_then(|builder| Ok(builder.with_execution_providers([provider.build().error_on_failure()])?));
    checked.map(drop).map_err(|error| {
        unavailable(format!("{} cannot use it: {}", library.path().display(), error.message()))
    })
}

impl CudaSession {
    /// Opens the model file `path` on device number `ordinal`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when the driver, the device or the runtime's part for it is missing; otherwise as
    /// [`session::open`].
    pub fn open(
        library: &Arc<Library>,
        path: &Path,
        options: &Options,
        ordinal: u32,
    ) -> Result<Self, EngineError> {
        model_file::check(path)?;
        let number = i32::try_from(ordinal).map_err(unavailable)?;
        let context = Context::primary(number).map_err(unavailable)?;
        let tensorrt = match options.backend {
            Backend::OnnxRuntimeTensorRt => {
                tensorrt::check()?;
                Some(tensorrt::provider(library, path, &context, options)?)
            }
            _ => None,
        };
        check_provider(library, options, ordinal)?;
        let (library, options) = (Arc::clone(library), options.clone());
        let source = Source { library, path: path.to_owned(), options, ordinal, tensorrt };
        let stream = Arc::new(Stream::new(&context)?);
        let (session, graphs) = source.open_best(&stream)?;
        let model = Arc::new(session::model_info(&session, path)?);
        let (bound, results) = (Vec::new(), Results::new(&context));
        Ok(Self { bound, session, source, model, context, graphs, graph_count: 0, results, stream })
    }

    /// What the model says of itself.
    pub fn model(&self) -> &Arc<ModelInfo> {
        &self.model
    }

    /// One line for people about device and ways.
    pub fn description(&self) -> String {
        let graphs = if self.graphs { "CUDA graphs" } else { "no CUDA graphs" };
        let provider = if self.source.tensorrt.is_some() { "TensorRT provider" } else { "CUDA" };
        format!("{provider}, {}, {graphs}, no TF32", self.context.device())
    }

    /// Where input tensors come from.
    pub fn memory(&self) -> Result<DeviceMemory, EngineError> {
        let allocator = Allocator::new(&self.session, self.memory_info(AllocationDevice::CUDA)?);
        let allocator = Mutex::new(allocator.map_err(|error| failed(&error))?);
        Ok(DeviceMemory { allocator, context: Arc::clone(&self.context) })
    }

    fn memory_info(&self, device: AllocationDevice<'_>) -> Result<MemoryInfo<'static>, EngineError> {
        let id = if device == AllocationDevice::CPU { 0 } else { self.source.device_id() };
        MemoryInfo::new(device, id, AllocatorType::Device, MemoryType::Default)
            .map_err(|error| failed(&error))
    }

    /// A stream whose recording failed cannot be used any more.
    fn reopen_without_graphs(&mut self) -> Result<(), EngineError> {
        let stream = Arc::new(Stream::new(&self.context)?);
        let session = self.source.open(&stream, false);
        self.bound.clear();
        self.session = session.map_err(|error| session::refused(&self.source.path, &error))?;
        self.stream = stream;
        self.graphs = false;
        Ok(())
    }

    /// A run that fails because the device does says so; the runtime's words would not tell.
    fn run(&mut self, inputs: &mut [InputTensor], search: Option<&Search>) -> Result<Answer, EngineError> {
        let index = self.bound_to(inputs)?;
        device_io::settle(inputs, &self.stream)?;
        let bound = &self.bound[index];
        let values = self
            .session
            .run_binding_with_options(&bound.binding, &bound.options)
            .map_err(|error| self.context.memory().map_or_else(EngineError::from, |_| failed(&error)))?;
        match &bound.outputs {
            Some(outputs) => self.results.bring(outputs.iter(), search, &self.stream),
            None => {
                let values = values.into_iter().map(|(_, value)| value).collect();
                Ok(Answer::All(Outputs::new(values, Some(Arc::clone(&self.stream)))))
            }
        }
    }

    /// The binding of `inputs`, made when they come for the first time.
    fn bound_to(&mut self, inputs: &mut [InputTensor]) -> Result<usize, EngineError> {
        let key = device_io::addresses(inputs);
        self.bound.retain(|bound| bound.alive.iter().all(|alive| alive.strong_count() > 0));
        if let Some(index) = self.bound.iter().position(|bound| bound.key == key) {
            return Ok(index);
        }
        let bound = self.bind(key, inputs)?;
        self.bound.push(bound);
        Ok(self.bound.len() - 1)
    }

    fn bind(&mut self, key: Vec<u64>, inputs: &mut [InputTensor]) -> Result<Bound, EngineError> {
        let mut binding = self.session.create_binding().map_err(|error| failed(&error))?;
        for (info, input) in self.model.inputs.iter().zip(inputs.iter()) {
            binding.bind_input(info.name.as_str(), input.value()?).map_err(|error| failed(&error))?;
        }
        let batch = inputs.first().and_then(|input| input.shape().first().copied());
        let shapes: Option<Vec<_>> =
            self.model.outputs.iter().map(|output| fixed_shape(output, batch)).collect();
        let outputs = match shapes {
            Some(shapes) => Some(self.bind_outputs(&mut binding, &shapes)?),
            None => {
                self.bind_outputs_to_host(&mut binding)?;
                None
            }
        };
        let options = self.run_options(outputs.is_some()).map_err(|error| failed(&error))?;
        let alive = device_io::alive(inputs);
        Ok(Bound { key, alive, binding, options, outputs })
    }

    /// Outputs of known shapes lie at a fixed place on the device.
    fn bind_outputs(
        &self,
        binding: &mut IoBinding,
        shapes: &[Vec<usize>],
    ) -> Result<Vec<DeviceOutput>, EngineError> {
        let allocator = Allocator::new(&self.session, self.memory_info(AllocationDevice::CUDA)?);
        let allocator = allocator.map_err(|error| failed(&error))?;
        let bind = |(info, shape): (&TensorInfo, &Vec<usize>)| {
            let tensor = DynTensor::new(&allocator, element_type(info.data_type), shape.clone())?;
            let address = tensor.data_ptr() as u64;
            binding.bind_output(info.name.as_str(), tensor)?;
            Ok(DeviceOutput { info: info.clone(), shape: shape.clone(), address })
        };
        let outputs: Result<_, ort::Error> = self.model.outputs.iter().zip(shapes).map(bind).collect();
        outputs.map_err(|error| failed(&error))
    }

    /// Outputs whose shapes depend on what is seen are brought to the host by the runtime.
    fn bind_outputs_to_host(&self, binding: &mut IoBinding) -> Result<(), EngineError> {
        let host = self.memory_info(AllocationDevice::CPU)?;
        for output in &self.model.outputs {
            binding.bind_output_to_device(output.name.as_str(), &host).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn run_options(&mut self, fixed: bool) -> Result<RunOptions<NoSelectedOutputs>, ort::Error> {
        let mut options = RunOptions::new()?;
        if fixed {
            options.disable_device_sync()?;
        }
        if self.graphs {
            self.graph_count += 1;
            let graph = if fixed { self.graph_count.to_string() } else { NO_GRAPH.to_owned() };
            options.set("gpu_graph_id", graph)?;
        }
        Ok(options)
    }
}

impl DeviceSession for CudaSession {
    fn start(&mut self, inputs: &mut [InputTensor], search: Option<&Search>) -> Result<Running, EngineError> {
        let answer = match self.run(inputs, search) {
            Err(EngineError::Inference { reason }) if self.graphs => {
                let text = format!("{}: no CUDA graph: {reason}", self.source.path.display());
                log::emit(Severity::Warning, &text);
                self.reopen_without_graphs()?;
                self.run(inputs, search)
            }
            other => other,
        }?;
        Running::new(answer, &self.stream)
    }
}

fn warn_of_no_graph(path: &Path, error: &ort::Error) {
    let text = format!(
        "{}: some of it cannot run on the GPU or be recorded, so that it is slower: {}",
        path.display(),
        error.message().trim()
    );
    log::emit(Severity::Warning, &text);
}

/// The shape that an output will have, if it is certain beforehand.
fn fixed_shape(output: &TensorInfo, batch: Option<usize>) -> Option<Vec<usize>> {
    let (first, rest) = output.shape.split_first()?;
    let rest: Option<Vec<usize>> = rest.iter().copied().collect();
    let mut shape = vec![first.or(batch)?];
    shape.extend(rest?);
    (!shape.contains(&0)).then_some(shape)
}

/// Tensors of a batch as the runtime knows them.
struct Bound {
    /// Addresses of the inputs.
    key: Vec<u64>,
    /// Whether the inputs are still there.
    alive: Vec<Weak<()>>,
    binding: IoBinding,
    options: RunOptions<NoSelectedOutputs>,
    /// `None` if the runtime brings them to the host.
    outputs: Option<Vec<DeviceOutput>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision::tensor::DataType;

    #[test]
    fn only_the_batch_may_be_open() {
        let output = |shape: &[Option<usize>]| TensorInfo {
            name: "y".to_owned(),
            data_type: DataType::F32,
            shape: shape.to_vec(),
        };
        assert_eq!(fixed_shape(&output(&[None, Some(84), Some(8400)]), Some(2)), Some(vec![2, 84, 8400]));
        assert_eq!(fixed_shape(&output(&[Some(1), None, Some(6)]), Some(1)), None);
        assert_eq!(fixed_shape(&output(&[None]), None), None);
    }
}
