//! Video frames over kinds of memory: what an element maps, whatever memory it lies in.

pub mod format;
pub mod frame;

pub use frame::{Frame, FrameError, FrameMut, MemoryKind};
