//! Compliance in plain Rust: from what a detector sees to violations of cited standards, as states to draw and events to
//! keep. Knows neither GStreamer nor a GPU.
#![forbid(unsafe_code)]

pub mod association;
pub mod classes;
pub mod engine;
pub mod event;
pub mod hash;
pub mod hazard;
pub mod provenance;
pub mod site;
pub mod spool;
pub mod standards;
pub mod state;
