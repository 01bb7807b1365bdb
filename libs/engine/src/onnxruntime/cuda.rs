//! Sessions on a CUDA device: inputs and outputs stay in device memory, everything runs on one stream of ours, and
//! where the shapes are fixed a CUDA graph is recorded for each set of tensors.

use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gpu::cuda::{Context, Stream};
use half::f16;
use ort::AsPointer;
use ort::ep::{self, cuda::ConvAlgorithmSearch};
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::{DynTensor, PrimitiveTensorElementType, Shape, TensorRefMut};
use vision::tensor::{DataType, TensorInfo};

use super::fusion::{self, Fused};
use super::library::{self, Library};
use super::{convolution, session, tensorrt};
use crate::device_io::{self, Bindings, DeviceOutput, Work};
use crate::log::{self, Severity};
use crate::options::{Backend, Convolutions};
use crate::tensor::element_type;
use crate::worker::{Answer, DeviceSession};
use crate::{EngineError, InputTensor, ModelInfo, Options, Outputs, Search, model_file};

/// Tells the runtime to record nothing by itself.
const NO_GRAPH: &str = "-1";

/// Plain runs after which the runtime has got all the memory that it needs: what comes then can be recorded.
const RUNS_BEFORE_GRAPHS: usize = 2;

/// What sessions are opened from. Made once for all that run side by side.
#[derive(Clone)]
pub(super) struct Source {
    library: Arc<Library>,
    path: PathBuf,
    options: Options,
    ordinal: u32,
    context: Arc<Context>,
    /// Runs what it can, before the CUDA provider.
    tensorrt: Option<ep::TensorRT>,
    /// The network with nodes of ours, if it is to have them.
    fused: Option<Arc<Fused>>,
}

/// A session on a CUDA device. Everything of it is used on one thread at a time, as CUDA graphs demand.
pub(super) struct CudaSession {
    bound: Bindings<Bound>,
    session: Session,
    source: Source,
    model: Arc<ModelInfo>,
    /// Whether everything runs on the device and can be recorded; cleared when a recording fails.
    graphs: bool,
    /// Plain runs so far.
    runs: usize,
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
    /// Of the model file `path` on device number `ordinal`.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when the driver, the device or the runtime's part for it is missing; otherwise as
    /// [`session::open`].
    pub fn new(
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
        let fused = match (options.convolutions, &tensorrt) {
            (Convolutions::Fused, None) => fusion::fuse(path)?.map(Arc::new),
            _ => None,
        };
        let (library, options) = (Arc::clone(library), options.clone());
        Ok(Self { library, path: path.to_owned(), options, ordinal, context, tensorrt, fused })
    }

    fn device_id(&self) -> i32 {
        i32::try_from(self.ordinal).unwrap_or(i32::MAX)
    }

    /// Opens a session on `stream`. With `wholly` everything must run on the device; without, operators that the device
    /// lacks run on the CPU.
    fn open(&self, stream: &Arc<Stream>, wholly: bool) -> Result<Session, ort::Error> {
        let provider = ep::CUDA::default()
            .with_device_id(self.device_id())
            .with_tf32(false)
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            // So that it leaves nothing to be done once by the device's callbacks: they are recorded, too. What has to be
            // done then cannot be recorded.
            .with_cuda_graph(wholly);
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
        if wholly {
            builder = builder.with_disable_cpu_fallback()?;
        }
        match &self.fused {
            None => builder.commit_from_file(&self.path),
            Some(fused) => {
                builder.with_operators(convolution::operators(stream)?)?.commit_from_memory(&fused.model)
            }
        }
    }

    /// As [`Source::open`], and whether the network can be recorded: it runs on the device wholly. The TensorRT provider
    /// would need graphs of its own.
    fn open_best(&mut self, stream: &Arc<Stream>) -> Result<(Session, bool), EngineError> {
        match self.tensorrt.is_none().then(|| self.open(stream, true)) {
            Some(Ok(session)) => return Ok((session, true)),
            Some(Err(error)) => warn_of_no_graph(&self.path, &error),
            None => {}
        }
        Ok((self.open_unrecorded(stream)?, false))
    }

    /// As [`Source::open`], for a network that is not recorded. One that cannot be opened with nodes of ours is opened as it
    /// is.
    fn open_unrecorded(&mut self, stream: &Arc<Stream>) -> Result<Session, EngineError> {
        let opened = match self.open(stream, false) {
            Err(error) if self.fused.take().is_some() => {
                let path = self.path.display();
                let text =
                    format!("{path}: convolutions are left to ONNX Runtime: {}", error.message().trim());
                log::emit(Severity::Warning, &text);
                self.open(stream, false)
            }
            opened => opened,
        };
        opened.map_err(|error| {
            shortage(stream.context(), &error).unwrap_or_else(|| session::refused(&self.path, &error))
        })
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
    /// Opens one more session.
    ///
    /// # Errors
    /// As [`session::open`].
    pub fn open(mut source: Source) -> Result<Self, EngineError> {
        let stream = Arc::new(Stream::new(&source.context)?);
        let (session, graphs) = source.open_best(&stream)?;
        let model = Arc::new(session::model_info(&session, &source.path)?);
        Ok(Self { bound: Bindings::default(), session, source, model, graphs, runs: 0, stream })
    }

    /// What the model says of itself.
    pub fn model(&self) -> &Arc<ModelInfo> {
        &self.model
    }

    /// One line for people about device and ways.
    pub fn description(&self) -> String {
        let graphs = if self.graphs { "CUDA graphs" } else { "no CUDA graphs" };
        let provider = if self.source.tensorrt.is_some() { "TensorRT provider" } else { "CUDA" };
        let fused = match &self.source.fused {
            Some(fused) => format!(", {} convolutions fused", fused.convolutions),
            None => String::new(),
        };
        format!("{provider}, {}, {graphs}, no TF32{fused}", self.source.context.device())
    }

    /// Where input tensors lie. Not in the runtime's memory: what is recorded uses that again and again.
    pub fn context(&self) -> &Arc<Context> {
        &self.source.context
    }

    fn memory_info(&self, device: AllocationDevice<'_>) -> Result<MemoryInfo<'static>, EngineError> {
        let id = if device == AllocationDevice::CPU { 0 } else { self.source.device_id() };
        MemoryInfo::new(device, id, AllocatorType::Device, MemoryType::Default)
            .map_err(|error| failed(&error))
    }

    /// Runs a network whose outputs the runtime brings to the host.
    fn run_to_host(&mut self, place: usize) -> Result<Answer, EngineError> {
        let Bound { binding, options, .. } = self.bound.get(place);
        let values = self.session.run_binding_with_options(binding, options);
        let values = values.map_err(|error| device_failure(&self.source.context, &error))?;
        let values = values.into_iter().map(|(_, value)| value).collect();
        Ok(Answer::All(Outputs::new(values, Some(Arc::clone(&self.stream)))))
    }

    /// Puts the network's work into the stream, as often as it takes until it can be recorded.
    fn run(&mut self, place: usize) -> Result<(), EngineError> {
        self.enqueue(place)?;
        self.runs += 1;
        while self.graphs && self.runs < RUNS_BEFORE_GRAPHS {
            self.enqueue(place)?;
            self.runs += 1;
        }
        Ok(())
    }

    fn enqueue(&mut self, place: usize) -> Result<(), EngineError> {
        let Self { bound, session, source, .. } = self;
        let Bound { binding, options, .. } = bound.get(place);
        enqueue(session, binding, options).map_err(|error| device_failure(&source.context, &error))
    }

    /// Records the work for the runs to come. A network that cannot be recorded is opened anew: what the runtime holds of
    /// a failed recording is not to be relied on.
    fn record(&mut self, place: usize, search: Option<&Search>) -> Result<(), EngineError> {
        let Self { bound, session, stream, .. } = self;
        let Bound { work, binding, options, outputs } = bound.get(place);
        let network = || enqueue(session, binding, options).map_err(|error| failed(&error));
        let recorded = work.record(outputs.iter().flatten(), search, stream, network);
        recorded.or_else(|error| {
            let text = format!("{}: no CUDA graph: {error}", self.source.path.display());
            log::emit(Severity::Warning, &text);
            self.reopen_without_graphs()
        })
    }

    fn reopen_without_graphs(&mut self) -> Result<(), EngineError> {
        self.stream.synchronize()?;
        let stream = Arc::new(Stream::new(&self.source.context)?);
        let session = self.source.open_unrecorded(&stream)?;
        self.bound = Bindings::default();
        self.session = session;
        self.stream = stream;
        self.graphs = false;
        Ok(())
    }

    /// The place of what belongs to `inputs`.
    fn place(&mut self, inputs: &mut [InputTensor]) -> Result<usize, EngineError> {
        let mut bound = std::mem::take(&mut self.bound);
        let place = bound.place(inputs, &self.stream, |inputs, addresses| self.bind(inputs, addresses));
        self.bound = bound;
        place
    }

    fn bind(&self, inputs: &[InputTensor], addresses: &[u64]) -> Result<Bound, EngineError> {
        let mut binding = self.session.create_binding().map_err(|error| failed(&error))?;
        for ((info, input), &address) in self.model.inputs.iter().zip(inputs).zip(addresses) {
            let memory = self.memory_info(AllocationDevice::CUDA)?;
            bind_input(&mut binding, info, input.shape(), address, memory).map_err(|error| failed(&error))?;
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
        let options = run_options(outputs.is_some(), self.graphs).map_err(|error| failed(&error))?;
        Ok(Bound { work: Work::default(), binding, options, outputs })
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
}

impl Drop for CudaSession {
    fn drop(&mut self) {
        // A device that fails here does not use the memory any more.
        let _ = self.stream.synchronize();
    }
}

/// Where the outputs stay on the device, nobody waits for it. What can be recorded is recorded by us alone.
fn run_options(stay: bool, graphs: bool) -> Result<RunOptions<NoSelectedOutputs>, ort::Error> {
    let mut options = RunOptions::new()?;
    if stay {
        options.disable_device_sync()?;
    }
    if graphs {
        options.set("gpu_graph_id", NO_GRAPH)?;
    }
    Ok(options)
}

/// Puts the work of a network whose outputs stay on the device into the session's stream.
fn enqueue(
    session: &mut Session,
    binding: &IoBinding,
    options: &RunOptions<NoSelectedOutputs>,
) -> Result<(), ort::Error> {
    session.run_binding_with_options(binding, options).map(drop)
}

/// A run that fails because the device does, or its memory is short, says so; the runtime's words would not tell.
fn device_failure(context: &Context, error: &ort::Error) -> EngineError {
    let other = || context.memory().map_or_else(EngineError::from, |_| failed(error));
    shortage(context, error).unwrap_or_else(other)
}

/// That the device's memory is short, if this is what `error` means.
fn shortage(context: &Context, error: &ort::Error) -> Option<EngineError> {
    const WORDS: [&str; 4] =
        ["out of memory", "Failed to allocate memory", "resource allocation failed", "ALLOC_FAILED"];
    let is_short = WORDS.iter().any(|words| error.message().contains(words));
    // How much the runtime wanted it does not say.
    is_short.then(|| context.shortage(1).into())
}

/// Lets the network read its input `info` at `address` on the device, in memory of the kind `memory`.
fn bind_input(
    binding: &mut IoBinding,
    info: &TensorInfo,
    shape: &[usize],
    address: u64,
    memory: MemoryInfo<'static>,
) -> Result<(), ort::Error> {
    let bind = match info.data_type {
        DataType::F32 => bind_elements::<f32>,
        DataType::F16 => bind_elements::<f16>,
        DataType::U8 => bind_elements::<u8>,
        DataType::I32 => bind_elements::<i32>,
        DataType::I64 => bind_elements::<i64>,
    };
    bind(binding, &info.name, shape, address, memory)
}

/// As [`bind_input`]. The crate's own function would copy the elements.
fn bind_elements<T: PrimitiveTensorElementType + std::fmt::Debug>(
    binding: &mut IoBinding,
    name: &str,
    shape: &[usize],
    address: u64,
    memory: MemoryInfo<'static>,
) -> Result<(), ort::Error> {
    let name = CString::new(name).map_err(|_| ort::Error::new("an input's name holds a zero byte"))?;
    let shape = Shape::new(shape.iter().map(|&size| size as i64));
    // SAFETY: the elements lie there as long as the input tensor lives, and what is bound to it is dropped when it is gone.
    // The runtime keeps what it needs of the tensor and copies the name.
    #[allow(unsafe_code)]
    unsafe {
        let tensor = TensorRefMut::<T>::from_raw(memory, address as *mut c_void, shape)?;
        let bind = ort::api().BindInput;
        ort::Error::result_from_status(bind(binding.ptr_mut(), name.as_ptr(), tensor.ptr()))
    }
}

impl DeviceSession for CudaSession {
    fn stream(&self) -> &Stream {
        &self.stream
    }

    fn start(&mut self, inputs: &mut [InputTensor], search: Option<&Search>) -> Result<Answer, EngineError> {
        let place = self.place(inputs)?;
        device_io::settle(inputs, &self.stream)?;
        if self.bound.get(place).outputs.is_none() {
            return self.run_to_host(place);
        }
        let Bound { work, outputs, .. } = self.bound.get(place);
        if let Some(answer) = work.launch(outputs.iter().flatten(), search, &self.stream)? {
            return Ok(answer);
        }
        self.run(place)?;
        let Bound { work, outputs, .. } = self.bound.get(place);
        let answer = work.bring(outputs.iter().flatten(), search, &self.stream)?;
        if self.graphs {
            self.record(place, search)?;
        }
        Ok(answer)
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

/// A batch's tensors as the runtime knows them.
struct Bound {
    /// What is recorded in it names the addresses of the others.
    work: Work,
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
