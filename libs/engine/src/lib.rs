//! Inference engines behind one trait.

pub mod completion;
pub mod error;
pub mod onnxruntime;
pub mod shared;
pub mod tensor;

use std::collections::BTreeMap;

use gpu::MemoryKind;
use vision::tensor::TensorInfo;

pub use completion::{Completion, Promise};
pub use error::EngineError;
pub use tensor::{InputTensor, Outputs};

/// What a model file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelInfo {
    /// Inputs in graph order.
    pub inputs: Vec<TensorInfo>,
    /// Outputs in graph order.
    pub outputs: Vec<TensorInfo>,
    /// Key-value metadata that the exporter stored (`names`, `stride`, `imgsz`, ...).
    pub metadata: BTreeMap<String, String>,
}

/// What came of one submitted batch.
pub struct Outcome {
    /// The input tensors, to be filled and submitted again.
    pub inputs: Vec<InputTensor>,
    /// What the network returned, or why it did not.
    pub outputs: Result<Outputs, EngineError>,
    /// Time that the engine itself took, waiting in its queue not counted.
    pub elapsed: std::time::Duration,
}

/// A loaded model on a device. Shared by everybody in the process who names the same model, device and precision.
pub trait InferenceEngine: Send + Sync {
    /// What the model declares.
    fn model(&self) -> &ModelInfo;

    /// One line for people: backend, library version, device, precision.
    fn description(&self) -> &str;

    /// Memory in which input tensors lie. A frame in this kind of memory reaches the engine without a copy.
    fn memory(&self) -> MemoryKind;

    /// A zeroed tensor for input `index` of the model with the concrete `shape` (outermost dimension first).
    ///
    /// # Errors
    /// When `shape` contradicts the model or memory is short.
    fn allocate(&self, index: usize, shape: &[usize]) -> Result<InputTensor, EngineError>;

    /// Hands one batch (one tensor for each input of the model, in order) to the engine and returns at once. Batches
    /// complete in the order of submission. On a device the work is queued on the tensors' stream.
    fn submit(&self, inputs: Vec<InputTensor>) -> Completion;
}
