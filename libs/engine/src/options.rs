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
    /// 32-bit floats throughout.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats with the exponent of 32-bit ones.
    Bf16,
    /// 8-bit integers in a quantised model.
    Int8,
    /// 8-bit floats in a quantised model.
    Fp8,
}

/// Which runtime runs the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Backend {
    /// ONNX Runtime on the CPU, or on a CUDA device with its CUDA provider.
    #[default]
    OnnxRuntime,
    /// ONNX Runtime on a CUDA device with its TensorRT provider.
    OnnxRuntimeTensorRt,
    /// TensorRT on a CUDA device.
    TensorRt,
}

/// Who computes convolutions of FP32 networks that ONNX Runtime runs on a CUDA device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Convolutions {
    /// Kernels of this project, each with the activation that follows: faster for single images.
    #[default]
    Fused,
    /// ONNX Runtime, with cuDNN.
    Runtime,
}

/// How TensorRT is found, and how it builds engines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TensorRtOptions {
    /// TensorRT's shared library or the folder that holds it. `None`: the environment variable `GST_OSHA_TENSORRT`, then
    /// [`Options::folders`], then the system's library folders; the full library before that for RTX, and that before the
    /// lean one.
    pub library: Option<PathBuf>,
    /// The file of an engine that was built elsewhere. It is used as it is, and nothing is built.
    pub engine: Option<PathBuf>,
    /// The folder in which built engines are kept; `None` for the user's own.
    pub cache: Option<PathBuf>,
    /// Images in the largest batch, where the model leaves that open; 0 for one.
    pub batch_size: usize,
    /// Device memory in MiB that a layer may work in; 0 for as much as the library thinks fit.
    pub workspace_mib: u32,
    /// How hard the builder searches, 0 (fast build) to 5 (fast engine); `None` for the library's default.
    pub optimization_level: Option<u8>,
    /// Engines that run with every release of the library's major version, the lean library included.
    pub version_compatible: bool,
    /// Engines that run on every GPU from Ampere on, at some cost in speed.
    pub hardware_compatible: bool,
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
    /// In which arithmetic. One that the backend, the device or the model has not is an error.
    pub precision: Precision,
    /// CPU threads; 0 for as many as there are cores that the process may use.
    pub threads: usize,
    /// Batches that are computed side by side; 0 for one after the other. More than one cost memory and make a single batch
    /// slower. But on a CPU, each with its share of the threads, none waits for another one's, and on a GPU, each in a
    /// stream of its own, one fills what another leaves idle: more frames a second. TensorRT runs one after the other.
    pub requests: usize,
    /// What the CPU's threads are tuned for.
    pub goal: Goal,
    /// Which runtime runs the network.
    pub backend: Backend,
    /// Who computes convolutions on a CUDA device.
    pub convolutions: Convolutions,
    /// What concerns [`Backend::TensorRt`] alone.
    pub tensorrt: TensorRtOptions,
}

impl Options {
    /// [`Self::threads`] with 0 resolved.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }

    /// Batches that are computed side by side on the device.
    pub fn concurrency(&self) -> usize {
        match self.device {
            Device::Cpu => self.shares().len(),
            Device::Cuda(_) => self.requests.max(1),
        }
    }

    /// The threads of each batch that a CPU computes at a time.
    pub fn shares(&self) -> Vec<usize> {
        let threads = self.thread_count();
        let requests = self.requests.clamp(1, threads);
        (0..requests).map(|index| threads / requests + usize::from(index < threads % requests)).collect()
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Model => "the model's own precision",
            Self::F32 => "fp32",
            Self::F16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
            Self::Fp8 => "fp8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_shared_out() {
        let shares = |threads, requests| Options { threads, requests, ..Options::default() }.shares();
        assert_eq!(shares(4, 0), [4]);
        assert_eq!(shares(4, 1), [4]);
        assert_eq!(shares(2, 2), [1, 1]);
        assert_eq!(shares(6, 4), [2, 2, 1, 1]);
        assert_eq!(shares(2, 9), [1, 1]);
    }
}
