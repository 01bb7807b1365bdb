//! Finds, ranks and explains standards for a text: a free question, or what was seen.
//!
//! A query passes through four steps. Standards of another scope, and those that need a context that the site does not
//! declare, are left out first. The rest are ranked by a vector's inner product and by BM25, blended. If the best is not
//! sure enough, nothing is found. Every hit says why it is one.
//!
//! What a rule of the site cites is not looked up here: see [`crate::standards`].

mod bm25;
pub mod embedder;
pub mod evaluation;
pub mod file;
mod index;
pub mod text;
pub mod vectors;

pub use embedder::{BuiltIn, Calibration, EmbedError, Embedder};
pub use file::FileError;
pub use index::{Answer, Hit, Index, Query, RetrievalError};
pub use vectors::{Scan, VectorEngine, VectorError, VectorSearch};
