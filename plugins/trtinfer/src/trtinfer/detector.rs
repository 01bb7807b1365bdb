//! A loaded model: the engine that runs it, and what its inputs and outputs mean.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::tensor::Candidates;
use engine::tensorrt::{Prepared, Watch};
use engine::{EngineError, InferenceEngine, InputTensor, ModelInfo, Outputs, Search};
use gpu::cuda::{DeviceElementsMut, Error as CudaError, Stream};
use gpu::{FrameError, MemoryKind};
use gst::glib;
use gstsupport::lock;
use vision::detection::Detection;
use vision::geometry::Placement;
use vision::head;
use vision::image::{Image, ImageInfo};
use vision::model::{
    AuxiliaryInput, Contract, ContractError, LabelsError, Sidecar, SidecarError, parse_labels,
};
use vision::preprocess::{InputSpec, PreprocessError, Preprocessor};
use vision::tensor::{DataType, Elements, TensorView};

use super::announce;
use super::backend::{self, Chosen};
use super::batch::Batch;
use super::cuda;
use super::queue::Gathering;
use super::settings::Settings;
use super::{OptimizeFor, Output, Precision};

/// So many frames more are in flight where frames wait for each other.
const GATHERED: usize = 2;

/// How long they do at most. Those of a stream that is too slow for it do not wait.
const LONGEST_GATHERING: Duration = Duration::from_millis(10);

/// Where a frame's results are to be found.
pub(super) struct Slot {
    pub detector: Arc<Detector>,
    pub batch: Arc<Batch>,
    pub index: usize,
    pub placement: Placement,
}

/// The settings and the model do not go together.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("no model is set. Name an ONNX file, as in trtinfer model=ppe.onnx")]
    NoModel,
    #[error("device {0:?} is not known. Use auto or cpu, or cuda or cuda:N for a GPU")]
    Device(String),
    #[error("device {0:?} is not the backend's. Leave one of the properties at auto")]
    Contradiction(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(
        "nothing serves frames while the engine is built: {0}. Leave the property at none, and they wait for it"
    )]
    WarmStart(Box<OpenError>),
    #[error(
        "fail-on-copy=true: with onnxruntime-cpu frames are negotiated in host memory, and the engine gets a copy of \
        each. Use onnxruntime-cuda"
    )]
    WarmStartCopies,
    #[error("{files}: {error}")]
    Contract { property: &'static str, files: String, error: ContractError },
    #[error("{}: {error}. Correct the file or remove it", path.display())]
    Sidecar { path: PathBuf, error: SidecarError },
    #[error("{}: {error}. Write one class name a line, in the order of the model's output", path.display())]
    Labels { path: PathBuf, error: LabelsError },
    #[error("{} cannot be read: {error}. Check the path and the permissions", path.display())]
    Read { property: &'static str, path: PathBuf, error: std::io::Error },
    #[error("{name:?} is no class of {path}. Name some of these or their numbers from 0: {known}", path = path.display())]
    Class { path: PathBuf, name: String, known: String },
    #[error("{path} computes in {found:?}, and this backend converts nothing. Use precision=model or another file; bf16, \
        int8 and fp8 need backend=tensorrt",
        path = path.display())]
    Precision { path: PathBuf, found: DataType },
    #[error("{path} takes batches of {prescribed}, not {asked}. Leave batch-size unset or export the model with a \
        dynamic batch", path = path.display())]
    Batch { path: PathBuf, asked: usize, prescribed: usize },
}

impl OpenError {
    /// The property that is to be changed.
    pub fn property(&self) -> &'static str {
        match self {
            Self::NoModel | Self::Sidecar { .. } => "model",
            Self::Contract { property, .. } => property,
            Self::Device(_) | Self::Contradiction(_) => "device",
            Self::WarmStart(_) | Self::WarmStartCopies => "warm-start",
            Self::Labels { .. } => "labels",
            Self::Read { property, .. } => property,
            Self::Class { .. } => "classes",
            Self::Precision { .. } => "precision",
            Self::Batch { .. } => "batch-size",
            Self::Engine(
                EngineError::LibraryNotFound { .. }
                | EngineError::LibraryUnusable { .. }
                | EngineError::LibraryTooOld { .. }
                | EngineError::LibraryConflict { .. },
            ) => "onnxruntime-library",
            Self::Engine(EngineError::PrecisionMismatch { .. }) => "precision",
            Self::Engine(EngineError::Cache(_)) => "engine-cache",
            Self::Engine(EngineError::EngineFile { .. }) => "engine-file",
            Self::Engine(EngineError::DeviceMemory { .. }) => "workspace",
            Self::Engine(error) if error.needs_new_process() => "device",
            Self::Engine(error) if backend::is_missing(error) => "backend",
            Self::Engine(_) => "model",
        }
    }

    /// Whether a file is missing.
    pub fn is_not_found(&self) -> bool {
        let missing = std::io::ErrorKind::NotFound;
        match self {
            Self::NoModel
            | Self::Engine(EngineError::ModelNotFound(_) | EngineError::LibraryNotFound { .. }) => true,
            Self::Read { error, .. } => error.kind() == missing,
            Self::WarmStart(error) => error.is_not_found(),
            _ => false,
        }
    }
}

/// A frame cannot be handed to the network.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Cuda(#[from] CudaError),
    #[error(
        "the frame lies in another CUDA context than the network. Let the pipeline share one: set none by hand"
    )]
    Context,
    #[error("input tensor {0} has no room in this memory")]
    Tensor(usize),
}

/// The network's answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Head(#[from] head::HeadError),
}

pub(super) struct Detector {
    engine: Arc<dyn InferenceEngine>,
    cuda: Option<cuda::Device>,
    is_warm_start: bool,
    refused: Vec<String>,
    contract: Contract,
    labels: Vec<glib::Quark>,
    classes: Option<BTreeSet<usize>>,
    batch_size: usize,
    announcement: gst::Event,
    /// Input tensors that wait to be filled again.
    free: Mutex<Vec<Vec<InputTensor>>>,
}

impl Detector {
    /// Loads the model that `settings` name and checks that everything said of it agrees. `prepared` is what
    /// [`backend::prepare`] gave.
    ///
    /// # Errors
    /// Whatever is missing or contradicts itself.
    pub fn open(settings: &Settings, prepared: Option<Prepared>, watch: &Watch) -> Result<Self, OpenError> {
        let path = settings.model.as_deref().ok_or(OpenError::NoModel)?;
        Self::of(path, settings, backend::open(path, settings, prepared, watch)?)
    }

    /// The detector that serves frames while TensorRT builds, if `settings` ask for one.
    ///
    /// # Errors
    /// As [`Self::open`]: what was asked for and cannot be had.
    pub fn open_warm(settings: &Settings) -> Result<Option<Self>, OpenError> {
        let path = settings.model.as_deref().ok_or(OpenError::NoModel)?;
        let opened = backend::open_warm(path, settings).and_then(|chosen| {
            let detector = chosen.map(|chosen| Self::of(path, settings, chosen)).transpose()?;
            Ok(detector.map(|detector| Self { is_warm_start: true, ..detector }))
        });
        opened.map_err(|error| OpenError::WarmStart(Box::new(error)))
    }

    /// What `chosen` makes of the model file `path`.
    fn of(path: &Path, settings: &Settings, chosen: Chosen) -> Result<Self, OpenError> {
        let Chosen { engine, attempt, refused } = chosen;
        let contract = contract(path, engine.model(), settings)?;
        // TensorRT has looked at the whole network.
        if attempt.backend != engine::Backend::TensorRt {
            check_precision(path, settings.precision, contract.image.data_type)?;
        }
        let announcement = announce::model(path, &contract.labels, engine.description())
            .map_err(|error| OpenError::Read { property: "model", path: path.to_owned(), error })?;
        let detector = Self {
            announcement,
            classes: settings
                .classes
                .as_deref()
                .map(|text| class_filter(path, text, &contract))
                .transpose()?,
            batch_size: batch_size(path, settings.batch_size as usize, contract.image.batch)?,
            engine,
            cuda: cuda::open(attempt.device),
            is_warm_start: false,
            refused,
            labels: contract.labels.iter().map(glib::Quark::from_str).collect(),
            contract,
            free: Mutex::default(),
        };
        if detector.memory() == MemoryKind::Cuda {
            let count = detector.depth(settings).div_ceil(detector.batch_size) + 1;
            detector.warm_up(count, detector.search(settings))?;
        }
        Ok(detector)
    }

    /// Runs `count` empty batches, one by one: what takes time for the first batch over its tensors is done before frames
    /// come, and CUDA graphs are recorded while nobody else uses the device.
    fn warm_up(&self, count: usize, search: Option<Search>) -> Result<(), EngineError> {
        let batches = (0..count).map(|_| self.allocate()).collect::<Result<Vec<_>, _>>()?;
        batches.into_iter().try_for_each(|inputs| {
            let outcome = self.engine.submit_for(inputs, search).wait();
            self.recycle(outcome.inputs);
            outcome.outputs.map(drop)
        })
    }

    /// The GPU that the network runs on, and on which frames are read; `None` if they are read in host memory only.
    pub fn cuda(&self) -> Option<&cuda::Device> {
        self.cuda.as_ref()
    }

    /// Whether it serves frames only until TensorRT has built an engine.
    pub fn is_warm_start(&self) -> bool {
        self.is_warm_start
    }

    /// Memory of the network's input.
    pub fn memory(&self) -> MemoryKind {
        self.engine.memory()
    }

    /// Why the backends that come before this one do not run; empty if none does.
    pub fn refused(&self) -> String {
        self.refused.join(". ")
    }

    /// The event that tells downstream what runs here.
    pub fn announcement(&self) -> gst::Event {
        self.announcement.clone()
    }

    /// What the network wants to see.
    pub fn input(&self) -> InputSpec {
        self.contract.image.spec
    }

    /// One line for people about engine and model.
    pub fn description(&self) -> &str {
        self.engine.description()
    }

    pub fn model(&self) -> &ModelInfo {
        self.engine.model()
    }

    /// Frames in one inference.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Frames that may be between the sink and the source pad.
    pub fn depth(&self, settings: &Settings) -> usize {
        let gathered = if self.gathers(settings) { GATHERED } else { 0 };
        settings.depth(self.batch_size(), self.engine.concurrency(), gathered)
    }

    /// How frames leave.
    pub fn gathering(&self, settings: &Settings) -> Gathering {
        match self.gathers(settings) {
            true => Gathering { frames: self.depth(settings) - 1, at_most: LONGEST_GATHERING },
            false => Gathering::NONE,
        }
    }

    /// Whether frames leave several at a time, which saves CPU time where a GPU does the rest. Those of a larger batch do so
    /// anyhow.
    fn gathers(&self, settings: &Settings) -> bool {
        let is_for_throughput = settings.optimize_for == OptimizeFor::Throughput;
        is_for_throughput && self.memory() == MemoryKind::Cuda && self.batch_size == 1
    }

    /// The name of class `class`, for a detection's meta.
    pub fn label(&self, class: usize) -> glib::Quark {
        let named = self.labels.get(class).copied();
        named.unwrap_or_else(|| glib::Quark::from_str(self.contract.label(class)))
    }

    /// What turns frames of `source` into the network's input.
    ///
    /// # Errors
    /// When the frames have no pixels.
    pub fn preprocessor(&self, source: ImageInfo) -> Result<Preprocessor, PreprocessError> {
        Preprocessor::new(source, self.contract.image.spec)
    }

    /// An empty batch over tensors that were used before, or new ones, for what `settings` want of the outputs.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new_batch(&self, settings: &Settings) -> Result<Batch, EngineError> {
        let free = lock(&self.free).pop();
        let inputs = free.map_or_else(|| self.allocate(), Ok)?;
        Ok(Batch::new(Arc::clone(&self.engine), inputs, self.batch_size, self.search(settings)))
    }

    /// Takes tensors back that the engine is done with.
    pub fn recycle(&self, inputs: Vec<InputTensor>) {
        if !inputs.is_empty() {
            lock(&self.free).push(inputs);
        }
    }

    fn allocate(&self) -> Result<Vec<InputTensor>, EngineError> {
        let image = &self.contract.image;
        (0..self.model().inputs.len())
            .map(|index| match self.contract.auxiliary.iter().find(|auxiliary| auxiliary.index == index) {
                Some(auxiliary) => self.allocate_auxiliary(auxiliary),
                None => self.engine.allocate(index, &image.shape(self.batch_size)),
            })
            .collect()
    }

    fn allocate_auxiliary(&self, auxiliary: &AuxiliaryInput) -> Result<InputTensor, EngineError> {
        let mut tensor = self.engine.allocate(auxiliary.index, &[self.batch_size, 2])?;
        let values = || std::iter::repeat_n(auxiliary.row, self.batch_size).flatten();
        match auxiliary.data_type {
            DataType::I32 => tensor.write(Elements::I32(&values().map(i32::from).collect::<Vec<_>>()))?,
            DataType::I64 => tensor.write(Elements::I64(&values().map(i64::from).collect::<Vec<_>>()))?,
            _ => tensor.write(Elements::F32(&values().map(f32::from).collect::<Vec<_>>()))?,
        }
        Ok(tensor)
    }

    /// Writes `image` into slot `slot` of the image tensor.
    ///
    /// # Errors
    /// When the image is not what `preprocessor` was made for.
    pub fn write(
        &self,
        preprocessor: &mut Preprocessor,
        image: &Image<'_>,
        inputs: &mut [InputTensor],
        slot: usize,
    ) -> Result<(), WriteError> {
        let (index, range) = self.place(slot);
        let elements = inputs[index].elements_mut()?.and_then(|elements| elements.get(range));
        Ok(preprocessor.run(image, elements.ok_or(WriteError::Tensor(index))?)?)
    }

    /// Lets `work` put work into `stream` that writes slot `slot` of the image tensor on the device.
    ///
    /// # Errors
    /// When the tensor does not lie there, or `work` fails.
    pub fn write_on(
        &self,
        stream: &Stream,
        inputs: &mut [InputTensor],
        slot: usize,
        work: impl FnOnce(&mut DeviceElementsMut<'_>) -> Result<(), CudaError>,
    ) -> Result<(), WriteError> {
        let (index, range) = self.place(slot);
        let written = inputs[index].write_on(stream, range, work);
        Ok(written.ok_or(WriteError::Tensor(index))??)
    }

    /// The image tensor's index among the inputs, and the elements of slot `slot`.
    fn place(&self, slot: usize) -> (usize, Range<usize>) {
        let length = self.contract.image.spec.len();
        (self.contract.image.index, slot * length..(slot + 1) * length)
    }

    /// The detections in the frame of `slot`, in source pixels, surest first.
    ///
    /// # Errors
    /// When the network returned something else than it declared.
    pub fn decode(
        &self,
        outputs: &Outputs,
        slot: &Slot,
        options: &head::Options,
    ) -> Result<Vec<Detection>, DecodeError> {
        let head = &self.contract.head;
        if let Some(Candidates { found, positions }) = outputs.candidates(slot.index) {
            return Ok(head.decode_candidates(found, positions, &slot.placement, options)?);
        }
        let views: Vec<TensorView<'_>> =
            (0..outputs.len()).map(|index| outputs.view(index)).collect::<Result<_, _>>()?;
        Ok(head.decode(&views, slot.index, &slot.placement, options)?)
    }

    /// What is wanted of the outputs, where that is less than all.
    fn search(&self, settings: &Settings) -> Option<Search> {
        let layout = self.contract.head.dense_layout().filter(|_| settings.output == Output::Detections)?;
        Some(Search { layout, confidence: self.head_options(settings).confidence })
    }

    /// What of the outputs becomes a detection.
    pub fn head_options(&self, settings: &Settings) -> head::Options {
        let usual = head::Options::default();
        head::Options {
            confidence: settings.confidence.or(self.contract.confidence).unwrap_or(usual.confidence),
            iou: settings.iou.or(self.contract.iou).unwrap_or(usual.iou),
            max_detections: settings.max_detections as usize,
            classes: self.classes.clone(),
            class_agnostic: settings.class_agnostic,
        }
    }
}

fn contract(path: &Path, model: &ModelInfo, settings: &Settings) -> Result<Contract, OpenError> {
    let sidecar = sidecar(path)?;
    let labels = settings.labels.as_deref().map(labels).transpose()?;
    Contract::recognise(&model.inputs, &model.outputs, &model.metadata, sidecar.as_ref(), labels)
        .map_err(|error| contract_error(path, settings, error))
}

/// Names the files that contradict each other or themselves.
fn contract_error(model: &Path, settings: &Settings, error: ContractError) -> OpenError {
    if let (ContractError::Labels { .. }, Some(labels)) = (&error, &settings.labels) {
        return OpenError::Contract { property: "labels", files: labels.display().to_string(), error };
    }
    let sidecar = Some(model.with_extension("toml")).filter(|path| path.exists());
    let beside = sidecar.map(|path| format!(" with {}", path.display())).unwrap_or_default();
    OpenError::Contract { property: "model", files: format!("{}{beside}", model.display()), error }
}

fn read(property: &'static str, path: &Path) -> Result<String, OpenError> {
    std::fs::read_to_string(path).map_err(|error| OpenError::Read { property, path: path.to_owned(), error })
}

/// The TOML file beside the model, if there is one.
fn sidecar(model: &Path) -> Result<Option<Sidecar>, OpenError> {
    let path = model.with_extension("toml");
    if !path.exists() {
        return Ok(None);
    }
    let parsed = Sidecar::parse(&read("model", &path)?);
    parsed.map(Some).map_err(|error| OpenError::Sidecar { path, error })
}

fn labels(path: &Path) -> Result<Vec<String>, OpenError> {
    parse_labels(&read("labels", path)?).map_err(|error| OpenError::Labels { path: path.to_owned(), error })
}

fn check_precision(path: &Path, asked: Precision, found: DataType) -> Result<(), OpenError> {
    let fits = match asked {
        Precision::Model => true,
        Precision::Fp32 => found != DataType::F16,
        Precision::Fp16 => found == DataType::F16,
        Precision::Bf16 | Precision::Int8 | Precision::Fp8 => false,
    };
    if fits { Ok(()) } else { Err(OpenError::Precision { path: path.to_owned(), found }) }
}

fn batch_size(path: &Path, asked: usize, prescribed: Option<usize>) -> Result<usize, OpenError> {
    match (asked, prescribed) {
        (0, prescribed) => Ok(prescribed.unwrap_or(1)),
        (asked, Some(prescribed)) if asked != prescribed => {
            Err(OpenError::Batch { path: path.to_owned(), asked, prescribed })
        }
        (asked, _) => Ok(asked),
    }
}

/// The classes that a comma-separated list of names and indices means.
fn class_filter(path: &Path, text: &str, contract: &Contract) -> Result<BTreeSet<usize>, OpenError> {
    let index = |wanted: &str| {
        let named = contract.labels.iter().position(|label| label == wanted);
        let known = contract.head.classes().unwrap_or(contract.labels.len());
        named.or_else(|| wanted.parse().ok().filter(|&index: &usize| index < known))
    };
    let wanted = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let unknown = |name: &str| OpenError::Class {
        path: path.to_owned(),
        name: name.to_owned(),
        known: contract.labels.join(", "),
    };
    wanted.map(|name| index(name).ok_or_else(|| unknown(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_is_what_the_model_prescribes() {
        let batch_size = |asked, prescribed| batch_size(Path::new("m.onnx"), asked, prescribed);
        assert_eq!(batch_size(0, None).unwrap(), 1);
        assert_eq!(batch_size(0, Some(4)).unwrap(), 4);
        assert_eq!(batch_size(8, None).unwrap(), 8);
        let error = batch_size(2, Some(4)).unwrap_err();
        assert_eq!(error.property(), "batch-size");
        assert!(error.to_string().contains("m.onnx takes batches of 4, not 2"), "{error}");
    }

    #[test]
    fn a_precision_that_the_model_lacks_is_refused() {
        let path = Path::new("m.onnx");
        assert!(check_precision(path, Precision::Fp32, DataType::F32).is_ok());
        assert!(check_precision(path, Precision::Model, DataType::F16).is_ok());
        let error = check_precision(path, Precision::Fp16, DataType::F32).unwrap_err();
        assert!(error.to_string().starts_with("m.onnx computes in F32"), "{error}");
    }
}
