//! Inference engines behind one trait.
//!
//! [`shared::load`] gives an engine for a model file. Tensors are allocated from the engine, filled, handed in with
//! [`InferenceEngine::submit`] and come back with the [`Outcome`], to be filled again: after the first few batches
//! nothing is allocated for inputs.

mod batch;
pub mod cache;
pub mod completion;
mod device;
mod device_io;
pub mod error;
mod library_file;
pub mod log;
mod model_file;
mod onnx;
pub mod onnxruntime;
pub mod options;
mod recycling;
pub mod shared;
pub mod tensor;
pub mod tensorrt;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gpu::MemoryKind;
use vision::head::DenseLayout;
use vision::tensor::TensorInfo;

pub use completion::{Completion, Promise, Waiting};
pub use error::EngineError;
pub use options::{Backend, Convolutions, Device, Goal, Options, Precision, TensorRtOptions};
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
#[derive(Debug)]
pub struct Outcome {
    /// The input tensors, to be filled and submitted again. Empty after [`EngineError::Stopped`].
    pub inputs: Vec<InputTensor>,
    /// What the network returned, or why it did not.
    pub outputs: Result<Outputs, EngineError>,
    /// Time that the engine itself took, waiting in its queue not counted. `None` for batches that failed, and on a device
    /// for all but a hundred a second of each session.
    pub elapsed: Option<std::time::Duration>,
}

/// A loaded model on a device. Shared by everybody in the process who names the same model, device and precision.
pub trait InferenceEngine: Send + Sync {
    /// What the model declares.
    fn model(&self) -> &ModelInfo;

    /// One line for people: backend, library version, device, precision.
    fn description(&self) -> &str;

    /// Memory in which input tensors lie. A frame in this kind of memory reaches the engine without a copy.
    fn memory(&self) -> MemoryKind;

    /// Batches that are computed at once; on a device, where they wait for each other in its stream, one.
    fn concurrency(&self) -> usize {
        1
    }

    /// A zeroed tensor for input `index` of the model with the concrete `shape` (outermost dimension first).
    ///
    /// # Errors
    /// When the model has no such input, `shape` contradicts the model or memory is short.
    fn allocate(&self, index: usize, shape: &[usize]) -> Result<InputTensor, EngineError>;

    /// Hands one batch (one tensor for each input of the model, in order) to the engine and returns at once. Batches
    /// begin in the order of submission. On a device the work is queued on the tensors' stream. The queue has no
    /// bound: the caller limits how many batches are under way.
    ///
    /// With `search` an engine that has the outputs on a device may bring back the candidates alone
    /// ([`Outputs::candidates`]); others return all outputs.
    fn submit_for(&self, inputs: Vec<InputTensor>, search: Option<Search>) -> Completion;

    /// As [`Self::submit_for`] with all outputs.
    fn submit(&self, inputs: Vec<InputTensor>) -> Completion {
        self.submit_for(inputs, None)
    }
}

/// What is wanted of a dense output: nothing but its candidates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// How the output holds them.
    pub layout: DenseLayout,
    /// Only scores strictly above this count, 0 to 1.
    pub confidence: f32,
}

/// Locks `mutex`, also if somebody panicked while holding it: what it guards is whole after every step.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder of the shared object or program that this code is part of: for a plugin, the folder that the plugin
/// lies in. `None` where the system does not tell.
pub fn own_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let address = own_folder as *const () as usize;
    let file = maps.lines().find_map(|line| mapped_file(line, address))?;
    file.parent().map(PathBuf::from)
}

/// The file of `line` of `/proc/self/maps` if its range holds `address`.
fn mapped_file(line: &str, address: usize) -> Option<PathBuf> {
    let (range, _) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let bound = |text| usize::from_str_radix(text, 16).ok();
    let held = (bound(start)?..bound(end)?).contains(&address);
    let path = line.find('/').filter(|_| held)?;
    Some(PathBuf::from(&line[path..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_folder_is_that_of_the_running_program() {
        let program = std::env::current_exe().unwrap().canonicalize().unwrap();
        assert_eq!(own_folder().as_deref(), program.parent());
    }

    #[test]
    fn a_mapping_is_found_by_the_range_that_holds_the_address() {
        let line = "7f00-7f10 r-xp 00000000 fe:00 123    /opt/a folder/libgsttrtinfer.so";
        assert_eq!(mapped_file(line, 0x7f0f), Some(PathBuf::from("/opt/a folder/libgsttrtinfer.so")));
        assert_eq!(mapped_file(line, 0x7f10), None);
        assert_eq!(mapped_file("7f00-7f10 rw-p 00000000 00:00 0", 0x7f00), None);
    }
}
