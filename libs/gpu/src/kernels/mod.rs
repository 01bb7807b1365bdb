//! What the GPU computes: frames into network inputs, a network's output into candidates, display lists onto frames, and
//! convolutions of networks. The arithmetic of the first three is that of `vision::preprocess`, `vision::head` and `vision::draw`, operation by operation, so that both give
//! the same bytes.

mod candidates;
mod colour;
mod component;
mod convolution;
mod draw;
mod preprocess;

#[cfg(test)]
mod tests;

pub use candidates::{CandidateFinder, Searched};
pub(crate) use convolution::Kernels as ConvolutionKernels;
pub use convolution::{Activation, Convolution, Operands};
pub use draw::Painter;
pub use preprocess::Preprocessor;

use crate::cuda::{Error, Function, Module};

const PREPROCESS: &str = include_str!(concat!(env!("OUT_DIR"), "/preprocess.ptx"));
const CANDIDATES: &str = include_str!(concat!(env!("OUT_DIR"), "/candidates.ptx"));
const DRAW: &str = include_str!(concat!(env!("OUT_DIR"), "/draw.ptx"));

/// The kernels, compiled for one context.
pub(crate) struct Kernels {
    preprocess: Function,
    draw: Function,
    candidates: Function,
}

impl Kernels {
    /// Compiles them for the current context.
    pub fn load() -> Result<Self, Error> {
        Ok(Self {
            preprocess: Module::load(PREPROCESS)?.function(c"preprocess")?,
            draw: Module::load(DRAW)?.function(c"draw")?,
            candidates: Module::load(CANDIDATES)?.function(c"candidates")?,
        })
    }
}
