//! Video frames over kinds of memory: what an element maps, whatever memory it lies in. The CUDA driver and
//! GStreamer's CUDA library are found at run time; without them everything here still loads and says what is missing.

#[allow(unsafe_code)]
pub mod cuda;
#[allow(unsafe_code)]
pub mod dynamic;
#[cfg(feature = "faiss")]
#[allow(unsafe_code)]
pub mod faiss;
pub mod format;
pub mod frame;
#[allow(unsafe_code)]
pub mod gstcuda;
#[allow(unsafe_code)]
pub mod kernels;

pub use frame::{Frame, FrameError, FrameMut, MemoryKind};
