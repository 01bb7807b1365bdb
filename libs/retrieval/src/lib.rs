//! What the standards index of `libs/osha` can stand on besides plain Rust: vectors in FAISS, and the MiniLM embedder on
//! `libs/engine`. Apart from it, so that `libs/osha` and the plugins need neither library.

#[cfg(feature = "faiss")]
mod faiss;
#[cfg(feature = "faiss-gpu")]
mod faiss_gpu;
mod minilm;

#[cfg(feature = "faiss")]
pub use crate::faiss::Faiss;
#[cfg(feature = "faiss-gpu")]
pub use crate::faiss_gpu::{FaissGpu, GpuFirst, LEAST_ROWS, unusable};
pub use minilm::{MiniLm, OpenError};
