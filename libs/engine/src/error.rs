//! What can go wrong, worded for the person who has to put it right.

use std::path::{Path, PathBuf};

use vision::tensor::{DataType, Dim};

use crate::cache::CacheError;
use crate::options::Precision;

/// Why a model could not be loaded or a batch not be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No shared library of the runtime lies where it is looked for.
    #[error(
        "ONNX Runtime's library is not installed; looked in {}. Install it (Debian: libonnxruntime1.21), put \
         libonnxruntime.so.1 beside the plugins or name the file in GST_OSHA_ONNXRUNTIME",
        list(.searched)
    )]
    LibraryNotFound {
        /// Files and folders that were looked at, in order.
        searched: Vec<PathBuf>,
    },
    /// The file exists but is no library that this process can load.
    #[error("{path} cannot be loaded as ONNX Runtime: {reason}. Name another file in GST_OSHA_ONNXRUNTIME", path = .path.display())]
    LibraryUnusable {
        /// The file.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// The library is older than the interface that it is called through.
    #[error("{path} is ONNX Runtime {version}; 1.21 or newer is needed. Install a newer one or name it in GST_OSHA_ONNXRUNTIME", path = .path.display())]
    LibraryTooOld {
        /// The file.
        path: PathBuf,
        /// The version that it reports.
        version: String,
    },
    /// A process loads the runtime once; a second file cannot be had beside it.
    #[error(
        "this process already runs ONNX Runtime from {loaded} and cannot load {asked} too. Name the same file everywhere",
        loaded = .loaded.display(), asked = .asked.display()
    )]
    LibraryConflict {
        /// The file in use.
        loaded: PathBuf,
        /// The file asked for.
        asked: PathBuf,
    },
    /// There is no such model file.
    #[error("model {path} does not exist. Check the path", path = .0.display())]
    ModelNotFound(PathBuf),
    /// The model file cannot be read.
    #[error("model {path} cannot be read: {reason}. Check its permissions", path = .path.display())]
    ModelUnreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The file is no model, or a damaged one.
    #[error("{path} is no valid ONNX model: {reason}. Export or download it again", path = .path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A valid model that the backend cannot run.
    #[error("model {path} cannot run here: {reason}. Export it with standard operators and an older opset", path = .path.display())]
    ModelRejected {
        /// The file.
        path: PathBuf,
        /// What the backend refuses.
        reason: String,
    },
    /// An input or output of the model has a type that no tensor here has.
    #[error(
        "model {path}: tensor {tensor:?} is of type {data_type}; f32, f16, u8, i32 and i64 are supported. Export the \
         model with one of them",
        path = .path.display()
    )]
    UnsupportedDataType {
        /// The model file.
        path: PathBuf,
        /// Name of the input or output.
        tensor: String,
        /// The type as the runtime names it.
        data_type: String,
    },
    /// A batch has too many or too few tensors, or an index names none.
    #[error("the model has {expected} tensors here, {found} was asked for. Fill one tensor for each input")]
    TensorCount {
        /// Number of inputs or outputs of the model.
        expected: usize,
        /// Number or index given.
        found: usize,
    },
    /// A tensor's type is not the one that the model declares.
    #[error(
        "input {tensor:?} takes {expected:?} elements, not {found:?}. Allocate the tensor from this engine"
    )]
    DataTypeMismatch {
        /// Name of the input.
        tensor: String,
        /// Type declared.
        expected: DataType,
        /// Type given.
        found: DataType,
    },
    /// A tensor lies in memory that the engine cannot read.
    #[error(
        "an input tensor was allocated from an engine of another backend. Allocate it from the one that runs it"
    )]
    ForeignTensor,
    /// A tensor's shape contradicts the model.
    #[error("input {tensor:?} takes shape {}, not {found:?}. Change the size or export the model with dynamic shapes", declared(.expected))]
    ShapeMismatch {
        /// Name of the input.
        tensor: String,
        /// Shape declared.
        expected: Vec<Dim>,
        /// Shape given.
        found: Vec<usize>,
    },
    /// What was to be written into a tensor is of another type or number.
    #[error("a tensor of shape {shape:?} takes that many {data_type:?} elements. Give it exactly those")]
    WrongElements {
        /// Type of the tensor.
        data_type: DataType,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// There is not enough memory for a tensor.
    #[error("no memory for a tensor of shape {shape:?}. Lower the batch or input size")]
    OutOfMemory {
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// The network was run and failed.
    #[error("inference failed: {reason}. Check that the input shapes suit the model")]
    Inference {
        /// The backend's words.
        reason: String,
    },
    /// The GPU failed or has not enough memory.
    #[error("the GPU failed: {0}")]
    Device(gpu::cuda::Error),
    /// The device has no room for what a runtime asked for.
    #[error(
        "the GPU has no room for {} MiB more: {} of {} MiB are free. Use a smaller batch, fewer streams or a smaller \
         workspace",
        asked.div_ceil(1 << 20), free >> 20, total >> 20
    )]
    DeviceMemory {
        /// Bytes asked for.
        asked: u64,
        /// Bytes free.
        free: u64,
        /// Bytes that the device has.
        total: u64,
    },
    /// A built engine is not accepted.
    #[error(
        "the runtime refuses the engine: {reason}. Build it for this GPU and this TensorRT, for the lean runtime with \
         version-compatible"
    )]
    PlanRefused {
        /// The runtime's words.
        reason: String,
    },
    /// An engine of the user's own is not accepted.
    #[error(
        "{path}: {reason}. Name an engine that was built of this model, for this GPU and this TensorRT, or none: then one \
         is built, or found in the cache",
        path = .path.display()
    )]
    EngineFile {
        /// The engine's file.
        path: PathBuf,
        /// The runtime's words, or why the file cannot be read.
        reason: String,
    },
    /// No engine could be built of the model.
    #[error("no engine can be built of {path}: {reason}", path = .path.display())]
    BuildFailed {
        /// The model file.
        path: PathBuf,
        /// The builder's words.
        reason: String,
    },
    /// The model file was replaced while an engine was built of it.
    #[error("model {path} was changed while its engine was built. Start again: then one is built of the new model", path = .0.display())]
    ModelChanged(PathBuf),
    /// The model computes in another arithmetic than asked for.
    #[error(
        "model {path} computes in {found}, not in {asked}. Export it in {asked} (quantised models: with \
         QuantizeLinear and DequantizeLinear), or ask for precision {found}",
        path = .path.display()
    )]
    PrecisionMismatch {
        /// The model file.
        path: PathBuf,
        /// What was asked for.
        asked: Precision,
        /// What the model has.
        found: Precision,
    },
    /// The cache of built engines cannot be used.
    #[error("{0}")]
    Cache(String),
    /// It was cancelled by the caller.
    #[error("cancelled while the engine was being built")]
    Cancelled,
    /// The engine went away before it answered.
    #[error("the inference engine stopped before the batch was run. Restart the pipeline")]
    Stopped,
    /// What was asked for cannot be had on this machine or in this build.
    #[error("{backend} cannot be used: {reason}")]
    Unavailable {
        /// The backend.
        backend: String,
        /// Why, and what to do.
        reason: String,
    },
}

impl From<CacheError> for EngineError {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Cancelled => Self::Cancelled,
            other => Self::Cache(other.to_string()),
        }
    }
}

impl From<gpu::cuda::Error> for EngineError {
    fn from(error: gpu::cuda::Error) -> Self {
        match error {
            gpu::cuda::Error::OutOfMemory { asked, free, total } => Self::DeviceMemory { asked, free, total },
            other => Self::Device(other),
        }
    }
}

impl EngineError {
    /// What failed on the device, if that is the cause.
    pub fn device(&self) -> Option<gpu::cuda::Error> {
        match self {
            Self::Device(error) => Some(error.clone()),
            Self::DeviceMemory { asked, free, total } => {
                let (asked, free, total) = (*asked, *free, *total);
                Some(gpu::cuda::Error::OutOfMemory { asked, free, total })
            }
            _ => None,
        }
    }

    /// Whether nothing of this process will run on the device again: only a new process helps.
    pub fn needs_new_process(&self) -> bool {
        self.device().is_some_and(|error| error.kind().is_sticky())
    }

    /// Words an input/output error on the model file `path`.
    pub(crate) fn reading(path: &Path, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::ModelNotFound(path.to_owned()),
            _ => Self::ModelUnreadable { path: path.to_owned(), reason: error.to_string() },
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A declared shape for people: `[?, 3, 640, 640]`.
fn declared(shape: &[Dim]) -> String {
    let dims: Vec<_> = shape.iter().map(|dim| dim.map_or("?".to_owned(), |size| size.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_mismatch_shows_open_dimensions() {
        let error = EngineError::ShapeMismatch {
            tensor: "images".to_owned(),
            expected: vec![None, Some(3), Some(640)],
            found: vec![1, 3, 320],
        };
        assert!(
            error.to_string().starts_with(r#"input "images" takes shape [?, 3, 640], not [1, 3, 320]."#),
            "{error}"
        );
    }

    #[test]
    fn a_missing_library_lists_where_it_was_looked_for() {
        let error = EngineError::LibraryNotFound { searched: vec!["/a".into(), "/b/c".into()] };
        assert!(error.to_string().contains("looked in /a, /b/c. Install it"), "{error}");
    }
}
