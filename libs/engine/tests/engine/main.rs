//! The engine on a real ONNX Runtime, with small networks.

mod common;
mod inference;
mod refusals;
mod sharing;
