//! The element `trtinfer`.

mod announce;
mod attach;
mod backend;
mod batch;
mod cuda;
mod detector;
mod errors;
mod imp;
mod output;
mod pads;
mod queue;
mod settings;
mod source;
mod startup;
mod stats;
mod swap;
#[cfg(feature = "v1_26")]
mod tensors;

use gst::glib;
use gst::prelude::*;

/// Where and by what the network is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstTrtInferBackend")]
#[repr(u32)]
pub enum Backend {
    /// The first of the others that works.
    #[default]
    #[enum_value(name = "Auto: the fastest backend that works here", nick = "auto")]
    Auto,
    /// TensorRT on an NVIDIA GPU.
    #[enum_value(name = "TensorRT on an NVIDIA GPU", nick = "tensorrt")]
    TensorRt,
    /// ONNX Runtime with its TensorRT provider on an NVIDIA GPU.
    #[enum_value(name = "ONNX Runtime on an NVIDIA GPU (TensorRT 10)", nick = "onnxruntime-tensorrt")]
    OnnxRuntimeTensorRt,
    /// ONNX Runtime on the CPU.
    #[enum_value(name = "ONNX Runtime on the CPU", nick = "onnxruntime-cpu")]
    OnnxRuntimeCpu,
    /// ONNX Runtime on an NVIDIA GPU.
    #[enum_value(name = "ONNX Runtime on an NVIDIA GPU (CUDA)", nick = "onnxruntime-cuda")]
    OnnxRuntimeCuda,
}

/// What serves frames while TensorRT builds an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstTrtInferWarmStart")]
#[repr(u32)]
pub enum WarmStart {
    /// Frames wait for the engine.
    #[default]
    #[enum_value(name = "None: frames wait for the engine", nick = "none")]
    None,
    /// ONNX Runtime on the GPU that the engine is built for.
    #[enum_value(
        name = "ONNX Runtime on the GPU that the engine is built for (CUDA)",
        nick = "onnxruntime-cuda"
    )]
    OnnxRuntimeCuda,
    /// ONNX Runtime on the CPU.
    #[enum_value(name = "ONNX Runtime on the CPU; frames in host memory only", nick = "onnxruntime-cpu")]
    OnnxRuntimeCpu,
}

/// Arithmetic of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstTrtInferPrecision")]
#[repr(u32)]
pub enum Precision {
    /// As the model file has it.
    #[default]
    #[enum_value(name = "Model: what the model file holds, nothing converted", nick = "model")]
    Model,
    /// 32-bit floats; a model of another type is refused.
    #[enum_value(name = "FP32: 32-bit floats; refuses other models", nick = "fp32")]
    Fp32,
    /// 16-bit floats; a model of another type is refused.
    #[enum_value(name = "FP16: 16-bit floats; refuses other models", nick = "fp16")]
    Fp16,
    /// 16-bit floats with the exponent of 32-bit ones; TensorRT only.
    #[enum_value(
        name = "BF16: 16-bit floats of the range of 32-bit ones; refuses other models",
        nick = "bf16"
    )]
    Bf16,
    /// 8-bit integers in a quantised model; TensorRT only.
    #[enum_value(name = "INT8: quantised models (QDQ); refuses other models", nick = "int8")]
    Int8,
    /// 8-bit floats in a quantised model; TensorRT only.
    #[enum_value(name = "FP8: models quantised to 8-bit floats (QDQ); refuses other models", nick = "fp8")]
    Fp8,
}

/// What a trade-off is decided for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstTrtInferOptimizeFor")]
#[repr(u32)]
pub enum OptimizeFor {
    /// One inference at a time with all threads, few frames in flight, batches go out as they are, results are waited for
    /// without sleeping.
    #[enum_value(name = "Latency: each frame as soon as possible", nick = "latency")]
    Latency,
    /// Several inferences side by side, more frames in flight, batches wait to be full.
    #[default]
    #[enum_value(name = "Throughput: as many frames per second as possible", nick = "throughput")]
    Throughput,
}

/// What is attached to buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstTrtInferOutput")]
#[repr(u32)]
pub enum Output {
    /// Decoded detections.
    #[default]
    #[enum_value(
        name = "Detections: GstAnalyticsRelationMeta with one object detection a box",
        nick = "detections"
    )]
    Detections,
    /// The network's output tensors as they are.
    #[cfg(feature = "v1_26")]
    #[enum_value(
        name = "Tensors: GstTensorMeta for tensor decoders (GStreamer 1.26 or newer)",
        nick = "tensors"
    )]
    Tensors,
}

glib::wrapper! {
    /// The element `trtinfer`.
    pub struct TrtInfer(ObjectSubclass<imp::TrtInfer>) @extends gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    for kind in [
        Backend::static_type(),
        WarmStart::static_type(),
        Precision::static_type(),
        OptimizeFor::static_type(),
        Output::static_type(),
    ] {
        kind.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "trtinfer", gst::Rank::NONE, TrtInfer::static_type())
}
