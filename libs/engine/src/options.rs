//! How a model is to be run.

use std::path::PathBuf;

/// Where the network runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// The CUDA device of this index.
    Cuda(u32),
}

/// In which arithmetic the network runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// The model's own.
    #[default]
    Model,
    /// 16-bit floats, which change results slightly.
    F16,
}

/// What the CPU's threads do between two pieces of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Goal {
    /// They sleep and leave the cores to decoding and drawing: most frames per second for a pipeline as a whole. Costs
    /// about 4 % of the speed that an idle machine has; on busy cores it is up to twice as fast as spinning.
    #[default]
    Throughput,
    /// They spin: the least time for one batch, if the cores have nothing else to do.
    Latency,
}

/// How a model is to be run. The default runs on any machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// The runtime's shared library or the folder that holds it. `None`: the environment variables
    /// `GST_OSHA_ONNXRUNTIME` and `ORT_DYLIB_PATH`, then `folders`, then the system's library folders.
    pub library: Option<PathBuf>,
    /// Folders searched before the system's, such as [`crate::own_folder`].
    pub folders: Vec<PathBuf>,
    /// Where the network runs.
    pub device: Device,
    /// In which arithmetic.
    pub precision: Precision,
    /// CPU threads for one batch; 0 for as many as there are cores that the process may use.
    pub threads: usize,
    /// What the CPU's threads are tuned for.
    pub goal: Goal,
}

impl Options {
    /// [`Self::threads`] with 0 resolved.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }
}
