//! Image arithmetic of gst-osha in plain Rust: how a frame becomes a network's input, how a network's output becomes
//! boxes, how boxes become tracks, and how all of it is drawn. Knows neither GStreamer nor a GPU.
#![forbid(unsafe_code)]

pub mod detection;
pub mod draw;
pub mod geometry;
pub mod head;
pub mod image;
pub mod model;
pub mod nms;
pub mod preprocess;
pub mod tensor;
pub mod track;
