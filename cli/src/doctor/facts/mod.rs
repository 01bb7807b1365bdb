//! What is there, without a judgement. Each module collects the facts of one probe.

pub mod gpu;
pub mod gstreamer;
pub mod host;
pub mod libraries;
pub mod onnxruntime;
pub mod tensorrt;

use serde::{Deserialize, Serialize};

/// What a probe came to. One that was cut short may have both.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer<T> {
    /// What it found out.
    pub facts: Option<T>,
    /// Why that is not all.
    pub problem: Option<String>,
}

/// All facts.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// System, memory, limits, folders.
    pub host: Answer<host::Host>,
    /// Driver, devices, media engines.
    pub gpu: Answer<gpu::Gpu>,
    /// Version, elements, plugins.
    pub gstreamer: Answer<gstreamer::GStreamer>,
    /// The library that runs networks.
    pub onnxruntime: Answer<onnxruntime::OnnxRuntime>,
    /// NVIDIA's library that runs networks.
    pub tensorrt: Answer<tensorrt::TensorRt>,
    /// Other libraries.
    pub libraries: Answer<libraries::Libraries>,
}
