//! The engine on a real ONNX Runtime, with small networks.

#![allow(clippy::unwrap_used)]

mod common;
mod fusion;
mod inference;
mod refusals;
mod sharing;
