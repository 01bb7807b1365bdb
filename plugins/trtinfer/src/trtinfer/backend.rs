//! Which backend runs the network, and on which device.

use std::path::Path;
use std::sync::Arc;

use engine::{Device, EngineError, InferenceEngine, Options};

use super::Backend;
use super::detector::OpenError;
use super::settings::Settings;

/// An engine, and why those that come before it do not run.
pub(super) struct Chosen {
    pub engine: Arc<dyn InferenceEngine>,
    pub device: Device,
    pub refused: Vec<String>,
}

/// Loads the model file `path` with the first backend that works of those that `settings` allow.
///
/// # Errors
/// What the last of them says, or that `settings` contradict themselves.
pub(super) fn open(path: &Path, settings: &Settings) -> Result<Chosen, OpenError> {
    let devices = devices(settings.backend, &settings.device)?;
    let mut refused = Vec::new();
    let mut last = None;
    for device in devices {
        match engine::shared::load(path, &options(settings, device)) {
            Ok(engine) => return Ok(Chosen { engine, device, refused }),
            Err(error) => {
                refused.push(error.to_string());
                last = Some(error);
            }
        }
    }
    Err(last.map_or_else(|| OpenError::Device(settings.device.clone()), OpenError::from))
}

/// The device whose context this element shares: the one that it runs on, or might.
pub(super) fn cuda_ordinal(settings: &Settings) -> Option<i32> {
    let devices = devices(settings.backend, &settings.device).ok()?;
    devices.into_iter().find_map(|device| match device {
        Device::Cpu => None,
        Device::Cuda(ordinal) => i32::try_from(ordinal).ok(),
    })
}

/// What to try, in order.
fn devices(backend: Backend, device: &str) -> Result<Vec<Device>, OpenError> {
    let asked = Asked::parse(device).ok_or_else(|| OpenError::Device(device.to_owned()))?;
    Ok(match (backend, asked) {
        (Backend::Auto, Asked::Any) => vec![Device::Cuda(0), Device::Cpu],
        (Backend::Auto | Backend::OnnxRuntimeCpu, Asked::Cpu) | (Backend::OnnxRuntimeCpu, Asked::Any) => {
            vec![Device::Cpu]
        }
        (Backend::Auto | Backend::OnnxRuntimeCuda, Asked::Cuda(ordinal)) => vec![Device::Cuda(ordinal)],
        (Backend::OnnxRuntimeCuda, Asked::Any) => vec![Device::Cuda(0)],
        (Backend::OnnxRuntimeCuda, Asked::Cpu) | (Backend::OnnxRuntimeCpu, Asked::Cuda(_)) => {
            return Err(OpenError::Contradiction(device.to_owned()));
        }
    })
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

fn options(settings: &Settings, device: Device) -> Options {
    Options {
        library: settings.library.clone(),
        folders: engine::own_folder().into_iter().collect(),
        threads: settings.threads as usize,
        device,
        ..Options::default()
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
        let try_in_order = |backend, device: &str| devices(backend, device).ok();
        assert_eq!(try_in_order(Backend::Auto, "auto"), Some(vec![Device::Cuda(0), Device::Cpu]));
        assert_eq!(try_in_order(Backend::Auto, "cuda:2"), Some(vec![Device::Cuda(2)]));
        assert_eq!(try_in_order(Backend::OnnxRuntimeCpu, "auto"), Some(vec![Device::Cpu]));
        assert_eq!(try_in_order(Backend::OnnxRuntimeCuda, "auto"), Some(vec![Device::Cuda(0)]));
        assert_eq!(try_in_order(Backend::OnnxRuntimeCuda, "cpu"), None);
        assert_eq!(try_in_order(Backend::Auto, "cuda:x"), None);
    }
}
