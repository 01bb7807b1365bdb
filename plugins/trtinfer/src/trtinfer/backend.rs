//! Which backend runs the network, and on which device.

use std::path::Path;
use std::sync::Arc;

use engine::tensorrt::{self, Prepared, Watch};
use engine::{Convolutions, Device, EngineError, InferenceEngine, Options, TensorRtOptions};

use super::detector::OpenError;
use super::settings::Settings;
use super::{Backend, Precision, WarmStart};

/// An engine, and why those that come before it do not run.
pub(super) struct Chosen {
    pub engine: Arc<dyn InferenceEngine>,
    pub attempt: Attempt,
    pub refused: Vec<String>,
}

/// A backend on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub backend: engine::Backend,
    pub device: Device,
}

impl Attempt {
    /// The nick of the property `backend` that asks for it.
    fn name(self) -> &'static str {
        match (self.backend, self.device) {
            (engine::Backend::TensorRt, _) => "tensorrt",
            (engine::Backend::OnnxRuntimeTensorRt, _) => "onnxruntime-tensorrt",
            (engine::Backend::OnnxRuntime, Device::Cuda(_)) => "onnxruntime-cuda",
            (engine::Backend::OnnxRuntime, Device::Cpu) => "onnxruntime-cpu",
        }
    }
}

/// Loads the model file `path` with the first backend that works of those that `settings` allow. `prepared` is what
/// [`prepare`] gave.
///
/// # Errors
/// What the last of them says, or that `settings` contradict themselves.
pub(super) fn open(
    path: &Path,
    settings: &Settings,
    mut prepared: Option<Prepared>,
    watch: &Watch,
) -> Result<Chosen, OpenError> {
    let mut refused = Vec::new();
    let mut last = None;
    for attempt in attempts(settings.backend, &settings.device)? {
        match engine::shared::load_watched(path, &options(settings, attempt), prepared.take(), watch) {
            Ok(engine) => return Ok(Chosen { engine, attempt, refused }),
            // Another backend would hide that the GPU is lost.
            Err(error) if error == EngineError::Cancelled || error.needs_new_process() => {
                return Err(error.into());
            }
            Err(error) => {
                refused.push(format!("{}: {error}", attempt.name()));
                last = Some(error);
            }
        }
    }
    Err(last.map_or_else(|| OpenError::Device(settings.device.clone()), OpenError::from))
}

/// What is known before the network is loaded, if TensorRT is the first backend to try and can be had, and nobody in the
/// process has loaded it.
pub(super) fn prepare(settings: &Settings) -> Option<Prepared> {
    let attempt = attempts(settings.backend, &settings.device).ok()?.into_iter().next()?;
    let path = settings.model.as_deref().filter(|_| attempt.backend == engine::Backend::TensorRt)?;
    let options = options(settings, attempt);
    if engine::shared::is_loaded(path, &options) {
        return None;
    }
    // What is wrong is told when the model is loaded.
    tensorrt::prepare(path, &options).ok()
}

/// Loads the model file `path` with the backend that serves frames while TensorRT builds. `None` if none is asked for.
///
/// # Errors
/// Why it cannot.
pub(super) fn open_warm(path: &Path, settings: &Settings) -> Result<Option<Chosen>, OpenError> {
    let device = match settings.warm_start {
        WarmStart::None => return Ok(None),
        WarmStart::OnnxRuntimeCpu => Device::Cpu,
        WarmStart::OnnxRuntimeCuda => Device::Cuda(cuda_ordinal(settings).unwrap_or(0).unsigned_abs()),
    };
    let attempt = Attempt { backend: engine::Backend::OnnxRuntime, device };
    let engine = engine::shared::load(path, &options(settings, attempt))?;
    Ok(Some(Chosen { engine, attempt, refused: Vec::new() }))
}

/// The device whose context this element shares: the one that it runs on, or might.
pub(super) fn cuda_ordinal(settings: &Settings) -> Option<i32> {
    let attempts = attempts(settings.backend, &settings.device).ok()?;
    attempts.into_iter().find_map(|attempt| match attempt.device {
        Device::Cpu => None,
        Device::Cuda(ordinal) => i32::try_from(ordinal).ok(),
    })
}

/// What to try, in order.
fn attempts(backend: Backend, name: &str) -> Result<Vec<Attempt>, OpenError> {
    use engine::Backend::{OnnxRuntime, OnnxRuntimeTensorRt, TensorRt};
    let asked = Asked::parse(name).ok_or_else(|| OpenError::Device(name.to_owned()))?;
    let on_cuda: &[engine::Backend] = match backend {
        Backend::Auto => &[TensorRt, OnnxRuntimeTensorRt, OnnxRuntime],
        Backend::TensorRt => &[TensorRt],
        Backend::OnnxRuntimeTensorRt => &[OnnxRuntimeTensorRt],
        Backend::OnnxRuntimeCuda => &[OnnxRuntime],
        Backend::OnnxRuntimeCpu => &[],
    };
    let has_cpu = matches!(backend, Backend::Auto | Backend::OnnxRuntimeCpu);
    let (ordinal, cpu) = match asked {
        Asked::Any => (Some(0), has_cpu),
        Asked::Cpu => (None, has_cpu),
        Asked::Cuda(ordinal) => (Some(ordinal), false),
    };
    let device = |backend: &engine::Backend| {
        ordinal.map(|ordinal| Attempt { backend: *backend, device: Device::Cuda(ordinal) })
    };
    let cpu = cpu.then_some(Attempt { backend: OnnxRuntime, device: Device::Cpu });
    let attempts: Vec<_> = on_cuda.iter().filter_map(device).chain(cpu).collect();
    if attempts.is_empty() { Err(OpenError::Contradiction(name.to_owned())) } else { Ok(attempts) }
}

/// The property `device`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Any,
    Cpu,
    Cuda(u32),
}

impl Asked {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Any),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            _ => text.strip_prefix("cuda:")?.parse().ok().map(Self::Cuda),
        }
    }
}

fn options(settings: &Settings, attempt: Attempt) -> Options {
    let Attempt { backend, device } = attempt;
    // ONNX Runtime takes models as they are; the detector checks that they are what was asked for.
    let precision = match backend {
        engine::Backend::TensorRt => precision(settings.precision),
        _ => engine::Precision::Model,
    };
    let convolutions = if settings.fuse_convolutions { Convolutions::Fused } else { Convolutions::Runtime };
    Options {
        convolutions,
        library: settings.library.clone(),
        folders: engine::own_folder().into_iter().collect(),
        threads: settings.threads as usize,
        requests: settings.requests(attempt.device),
        device,
        precision,
        backend,
        tensorrt: TensorRtOptions { batch_size: settings.batch_size as usize, ..settings.tensorrt.clone() },
        ..Options::default()
    }
}

fn precision(asked: Precision) -> engine::Precision {
    match asked {
        Precision::Model => engine::Precision::Model,
        Precision::Fp32 => engine::Precision::F32,
        Precision::Fp16 => engine::Precision::F16,
        Precision::Bf16 => engine::Precision::Bf16,
        Precision::Int8 => engine::Precision::Int8,
        Precision::Fp8 => engine::Precision::Fp8,
    }
}

/// Whether an error says that a backend cannot be had here, whatever the model.
pub(super) fn is_missing(error: &EngineError) -> bool {
    matches!(error, EngineError::Unavailable { .. } | EngineError::Device(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gpu_comes_first_unless_told_otherwise() {
        let try_in_order = |backend, device: &str| {
            let attempts = attempts(backend, device).ok()?;
            Some(attempts.into_iter().map(|attempt| (attempt.name(), attempt.device)).collect::<Vec<_>>())
        };
        let (gpu, other) = (Device::Cuda(0), Device::Cuda(2));
        let on_gpus = |device| {
            ["tensorrt", "onnxruntime-tensorrt", "onnxruntime-cuda"].map(|name| (name, device)).to_vec()
        };
        let cpu = ("onnxruntime-cpu", Device::Cpu);
        assert_eq!(try_in_order(Backend::Auto, "auto"), Some([on_gpus(gpu), vec![cpu]].concat()));
        assert_eq!(try_in_order(Backend::Auto, "cuda:2"), Some(on_gpus(other)));
        assert_eq!(try_in_order(Backend::Auto, "cpu"), Some(vec![cpu]));
        assert_eq!(try_in_order(Backend::OnnxRuntimeCpu, "auto"), Some(vec![cpu]));
        assert_eq!(try_in_order(Backend::OnnxRuntimeCuda, "auto"), Some(vec![("onnxruntime-cuda", gpu)]));
        assert_eq!(try_in_order(Backend::TensorRt, "cuda:2"), Some(vec![("tensorrt", other)]));
        for backend in [Backend::TensorRt, Backend::OnnxRuntimeTensorRt, Backend::OnnxRuntimeCuda] {
            assert_eq!(try_in_order(backend, "cpu"), None);
        }
        assert_eq!(try_in_order(Backend::OnnxRuntimeCpu, "cuda"), None);
        assert_eq!(try_in_order(Backend::Auto, "cuda:x"), None);
    }
}
