//! Properties of the element: defaults, blurbs, limits.

use std::path::PathBuf;
use std::time::Duration;

use engine::{Device, TensorRtOptions, Waiting};
use gst::glib::{self, ParamSpec, Value};
use gst::prelude::*;
use gstsupport::copies;
use gstsupport::property::{path, path_value, take, text};
use vision::head;

use super::{Backend, OptimizeFor, Output, Precision, WarmStart};

/// Without being asked, a CPU computes at most so many batches side by side: each costs memory.
const MOST_REQUESTS: usize = 4;
/// As many fill a GPU.
const MOST_ON_GPU: usize = 2;

/// What the user asked for. `Settings::default()` is the one source of defaults.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub model: Option<PathBuf>,
    pub labels: Option<PathBuf>,
    pub library: Option<PathBuf>,
    pub backend: Backend,
    pub device: String,
    pub precision: Precision,
    pub threads: u32,
    pub requests: u32,
    pub fuse_convolutions: bool,
    /// `None`: what the model's sidecar file says, else the usual value.
    pub confidence: Option<f32>,
    /// As `confidence`.
    pub iou: Option<f32>,
    pub max_detections: u32,
    pub classes: Option<String>,
    pub class_agnostic: bool,
    pub interval: u32,
    pub batch_size: u32,
    pub batch_timeout: u32,
    pub in_flight: u32,
    pub optimize_for: OptimizeFor,
    pub output: Output,
    /// All but the batch size, which is a property of its own.
    pub tensorrt: TensorRtOptions,
    pub warm_start: WarmStart,
    pub fail_on_copy: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: None,
            labels: None,
            library: None,
            backend: Backend::default(),
            device: "auto".into(),
            precision: Precision::default(),
            threads: 0,
            requests: 0,
            fuse_convolutions: true,
            confidence: None,
            iou: None,
            max_detections: 300,
            classes: None,
            class_agnostic: false,
            interval: 1,
            batch_size: 0,
            batch_timeout: 40,
            in_flight: 0,
            optimize_for: OptimizeFor::default(),
            output: Output::default(),
            tensorrt: TensorRtOptions::default(),
            warm_start: WarmStart::default(),
            fail_on_copy: false,
        }
    }
}

impl Settings {
    /// Batches that `device` computes side by side: no more than `in_flight` lets in.
    pub fn requests(&self, device: Device) -> usize {
        let most = if device == Device::Cpu { MOST_REQUESTS } else { MOST_ON_GPU };
        match (self.requests, self.optimize_for, self.in_flight) {
            (0, OptimizeFor::Latency, _) => 1,
            (0, OptimizeFor::Throughput, 0) => most,
            (0, OptimizeFor::Throughput, frames) => {
                (frames.div_ceil(self.batch_size.max(1)) as usize).min(most)
            }
            (asked, ..) => asked as usize,
        }
    }

    /// Frames that may be between the sink and the source pad, with `concurrency` batches of `batch` computed at a time, and
    /// `gathered` more that wait for each other.
    pub fn depth(&self, batch: usize, concurrency: usize, gathered: usize) -> usize {
        let automatic = match self.optimize_for {
            OptimizeFor::Latency => concurrency * batch + 1,
            OptimizeFor::Throughput => (concurrency + 1) * batch + 1 + gathered,
        };
        match self.in_flight {
            0 => automatic,
            asked => (asked as usize).max(batch),
        }
    }

    /// How long an incomplete batch waits for further frames.
    pub fn linger(&self) -> Duration {
        match self.optimize_for {
            OptimizeFor::Latency => Duration::ZERO,
            OptimizeFor::Throughput => Duration::from_millis(self.batch_timeout.into()),
        }
    }

    /// How results are waited for.
    pub fn waiting(&self) -> Waiting {
        match self.optimize_for {
            OptimizeFor::Latency => Waiting::Awake,
            OptimizeFor::Throughput => Waiting::Asleep,
        }
    }

    /// Takes over the value of property `name`.
    pub fn set(&mut self, name: &str, value: &Value) {
        match name {
            "model" => self.model = path(value),
            "labels" => self.labels = path(value),
            "onnxruntime-library" => self.library = path(value),
            "backend" => take(&mut self.backend, value),
            "tensorrt-library" => self.tensorrt.library = path(value),
            "engine-file" => self.tensorrt.engine = path(value),
            "engine-cache" => self.tensorrt.cache = path(value),
            "workspace" => take(&mut self.tensorrt.workspace_mib, value),
            "optimization-level" => self.tensorrt.optimization_level = level(value),
            "version-compatible" => take(&mut self.tensorrt.version_compatible, value),
            "hardware-compatible" => take(&mut self.tensorrt.hardware_compatible, value),
            "warm-start" => take(&mut self.warm_start, value),
            "device" => self.device = value.get().ok().flatten().unwrap_or_else(|| Self::default().device),
            "precision" => take(&mut self.precision, value),
            "threads" => take(&mut self.threads, value),
            "requests" => take(&mut self.requests, value),
            "fuse-convolutions" => take(&mut self.fuse_convolutions, value),
            "confidence" => self.confidence = value.get().ok(),
            "iou" => self.iou = value.get().ok(),
            "max-detections" => take(&mut self.max_detections, value),
            "classes" => self.classes = text(value),
            "class-agnostic" => take(&mut self.class_agnostic, value),
            "interval" => take(&mut self.interval, value),
            "batch-size" => take(&mut self.batch_size, value),
            "batch-timeout" => take(&mut self.batch_timeout, value),
            "in-flight" => take(&mut self.in_flight, value),
            "optimize-for" => take(&mut self.optimize_for, value),
            "output" => take(&mut self.output, value),
            "fail-on-copy" => take(&mut self.fail_on_copy, value),
            _ => {}
        }
    }

    /// The value of property `name`; `None` for one that is no setting.
    pub fn get(&self, name: &str) -> Option<Value> {
        Some(match name {
            "model" => path_value(&self.model),
            "labels" => path_value(&self.labels),
            "onnxruntime-library" => path_value(&self.library),
            "backend" => self.backend.to_value(),
            "tensorrt-library" => path_value(&self.tensorrt.library),
            "engine-file" => path_value(&self.tensorrt.engine),
            "engine-cache" => path_value(&self.tensorrt.cache),
            "workspace" => self.tensorrt.workspace_mib.to_value(),
            "optimization-level" => self.tensorrt.optimization_level.map_or(-1, i32::from).to_value(),
            "version-compatible" => self.tensorrt.version_compatible.to_value(),
            "hardware-compatible" => self.tensorrt.hardware_compatible.to_value(),
            "warm-start" => self.warm_start.to_value(),
            "device" => self.device.to_value(),
            "precision" => self.precision.to_value(),
            "threads" => self.threads.to_value(),
            "requests" => self.requests.to_value(),
            "fuse-convolutions" => self.fuse_convolutions.to_value(),
            "confidence" => self.confidence.unwrap_or(head::Options::default().confidence).to_value(),
            "iou" => self.iou.unwrap_or(head::Options::default().iou).to_value(),
            "max-detections" => self.max_detections.to_value(),
            "classes" => self.classes.to_value(),
            "class-agnostic" => self.class_agnostic.to_value(),
            "interval" => self.interval.to_value(),
            "batch-size" => self.batch_size.to_value(),
            "batch-timeout" => self.batch_timeout.to_value(),
            "in-flight" => self.in_flight.to_value(),
            "optimize-for" => self.optimize_for.to_value(),
            "output" => self.output.to_value(),
            "fail-on-copy" => self.fail_on_copy.to_value(),
            _ => return None,
        })
    }
}

/// Negative for the library's own choice.
fn level(value: &Value) -> Option<u8> {
    value.get::<i32>().ok().and_then(|level| u8::try_from(level).ok())
}

/// Every property of the element.
pub(super) fn properties() -> Vec<ParamSpec> {
    let mut all = model_properties();
    all.extend(tensorrt_properties());
    all.extend(detection_properties());
    all.extend(scheduling_properties());
    all
}

fn string(name: &'static str, nick: &'static str, blurb: &'static str) -> ParamSpec {
    glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).mutable_ready().build()
}

fn model_properties() -> Vec<ParamSpec> {
    let defaults = Settings::default();
    vec![
        string(
            "model",
            "Model",
            "ONNX file of the detector. Its layout, classes, input size and normalisation are read from the file; a \
             TOML file of the same name beside it (ppe.toml for ppe.onnx) overrides what the file says",
        ),
        string(
            "labels",
            "Labels",
            "File with the class names, one a line or a JSON list, in the order of the model's output. Overrides the \
             names in the model",
        ),
        string(
            "onnxruntime-library",
            "ONNX Runtime library",
            "Path of libonnxruntime.so. Searched by default: $GST_OSHA_ONNXRUNTIME, $ORT_DYLIB_PATH, beside the \
             plugin, the system's library folders",
        ),
        glib::ParamSpecEnum::builder_with_default("backend", defaults.backend)
            .nick("Backend")
            .blurb("What runs the network")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("device")
            .nick("Device")
            .blurb("Where the network runs: auto, cpu, cuda, or cuda:N for GPU number N")
            .default_value(Some(&*defaults.device))
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("precision", defaults.precision)
            .nick("Precision")
            .blurb(
                "Arithmetic of the network. A precision that the model and the backend cannot do is an error",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("threads")
            .nick("Threads")
            .blurb("CPU threads that compute (0 = one for each core that the process may use)")
            .maximum(1024)
            .default_value(defaults.threads)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("requests")
            .nick("Requests")
            .blurb(
                "Batches that ONNX Runtime computes side by side: on a CPU each with its share of the threads, on a GPU each \
                 in a stream of its own (0 = automatic: one for latency; for throughput up to four on a CPU, two on a GPU)",
            )
            .maximum(1024)
            .default_value(defaults.requests)
            .mutable_ready()
            .build(),
        boolean(
            "fuse-convolutions",
            "Fuse convolutions",
            "With ONNX Runtime on a GPU and batches of one, compute FP32 convolutions and the activation that follows by \
             kernels of this plugin instead of cuDNN: nearly twice as fast on an H100",
            defaults.fuse_convolutions,
        ),
    ]
}

fn boolean(name: &'static str, nick: &'static str, blurb: &'static str, default: bool) -> ParamSpec {
    glib::ParamSpecBoolean::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(default)
        .mutable_ready()
        .build()
}

fn tensorrt_properties() -> Vec<ParamSpec> {
    let defaults = Settings::default().tensorrt;
    vec![
        string(
            "tensorrt-library",
            "TensorRT library",
            "Path of libnvinfer.so.11, libtensorrt_rtx.so.1 or libnvinfer_lean.so.11, or of the folder that holds them. \
             Searched by default: $GST_OSHA_TENSORRT, beside the plugin, the system's library folders",
        ),
        string(
            "engine-file",
            "Engine file",
            "TensorRT engine of the model that was built elsewhere, with trtexec for instance. It is used as it is: nothing \
             is built or cached. Labels and layout still come from the model file",
        ),
        string(
            "engine-cache",
            "Engine cache",
            "Folder in which TensorRT's engines are kept, so that each is built once. By default \
             gst-osha/engines in the user's cache folder; see gst-osha engine",
        ),
        glib::ParamSpecUInt::builder("workspace")
            .nick("Workspace")
            .blurb("Device memory in MiB that a layer may work in (0 = as much as TensorRT thinks fit)")
            .default_value(defaults.workspace_mib)
            .mutable_ready()
            .build(),
        glib::ParamSpecInt::builder("optimization-level")
            .nick("Optimization level")
            .blurb("How hard TensorRT's builder searches: 0 = fast build, 5 = fast engine (-1 = TensorRT's default)")
            .minimum(-1)
            .maximum(5)
            .default_value(defaults.optimization_level.map_or(-1, i32::from))
            .mutable_ready()
            .build(),
        boolean(
            "version-compatible",
            "Version-compatible",
            "Build engines that run with every TensorRT of the same major version, and take such ones from the cache. The \
             lean runtime runs no others",
            defaults.version_compatible,
        ),
        boolean(
            "hardware-compatible",
            "Hardware-compatible",
            "Build engines that run on every GPU from Ampere on, at some cost in speed",
            defaults.hardware_compatible,
        ),
        glib::ParamSpecEnum::builder_with_default("warm-start", Settings::default().warm_start)
            .nick("Warm start")
            .blurb(
                "What serves frames from the start while TensorRT builds an engine; the engine takes over between two \
                 batches. With onnxruntime-cpu frames are negotiated in host memory and stay there until upstream \
                 negotiates anew; with onnxruntime-cuda they may lie in either memory",
            )
            .mutable_ready()
            .build(),
    ]
}

fn detection_properties() -> Vec<ParamSpec> {
    let defaults = Settings::default();
    let usual = head::Options::default();
    vec![
        glib::ParamSpecFloat::builder("confidence")
            .nick("Confidence")
            .blurb("Detections whose score is not above this are dropped. Unset, a sidecar file may say otherwise")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(usual.confidence)
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("iou")
            .nick("IoU")
            .blurb("Of two boxes of a class that overlap by more than this (intersection over union), the one with \
                    the lower score is dropped. Models that do this themselves are left alone")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(usual.iou)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("max-detections")
            .nick("Maximum detections")
            .blurb("At most this many detections a frame, best scores first")
            .minimum(1)
            .default_value(defaults.max_detections)
            .mutable_playing()
            .build(),
        string("classes", "Classes", "Comma-separated names or indices of the classes to keep (unset = all)"),
        glib::ParamSpecBoolean::builder("class-agnostic")
            .nick("Class-agnostic suppression")
            .blurb("Let overlapping boxes suppress each other whatever their classes")
            .default_value(defaults.class_agnostic)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("interval")
            .nick("Interval")
            .blurb("Infer every n-th frame (1 = every frame). The frames between pass without detections")
            .minimum(1)
            .default_value(defaults.interval)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("output", defaults.output)
            .nick("Output")
            .blurb("What is attached to each buffer")
            .mutable_ready()
            .build(),
    ]
}

fn scheduling_properties() -> Vec<ParamSpec> {
    let defaults = Settings::default();
    vec![
        glib::ParamSpecUInt::builder("batch-size")
            .nick("Batch size")
            .blurb("Frames in one inference (0 = what the model prescribes, else 1). An incomplete batch is padded")
            .maximum(256)
            .default_value(defaults.batch_size)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("batch-timeout")
            .nick("Batch timeout")
            .blurb("With optimize-for=throughput, milliseconds that an incomplete batch waits for further frames")
            .maximum(60_000)
            .default_value(defaults.batch_timeout)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("in-flight")
            .nick("Frames in flight")
            .blurb("Frames that may wait for results before upstream is held back (0 = automatic: what is computed at \
                    a time and one more for latency, a batch on top of that for throughput, and two more on a GPU with batches of one)")
            .maximum(1024)
            .default_value(defaults.in_flight)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("optimize-for", defaults.optimize_for)
            .nick("Optimize for")
            .blurb("Whether single frames should be fast or the whole stream. For latency a core waits for the GPU without sleeping, \
                    for up to 5 ms a frame. For throughput frames leave a GPU several at a time, after at most 10 ms")
            .mutable_ready()
            .build(),
        copies::fail_on_copy("a host frame for a network on the GPU, or one that an element upstream copied"),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Engine, and why no faster one; frames in, inferred and out, detections, milliseconds per stage \
                    (mean, p50, p95, p99 of the last 4096 frames; a GPU measures a hundred inferences a second), frames read where they lay, copied; bytes copied for inference in this process")
            .read_only()
            .build(),
    ]
}
