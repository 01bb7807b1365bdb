//! Compliance in plain Rust: from what a detector sees to violations of cited standards, as states to draw and events to
//! keep. Knows neither GStreamer nor a GPU.
#![forbid(unsafe_code)]

pub mod association;
pub mod classes;
pub mod corpus;
pub mod engine;
pub mod event;
pub mod expression;
pub mod geometry;
pub mod hash;
pub mod hazard;
pub mod provenance;
pub mod related;
pub mod retrieval;
pub mod rules;
pub mod schedule;
pub mod site;
pub mod spool;
pub mod standards;
pub mod state;
pub mod zone;

mod equipment;
mod ledger;
mod motion;
mod scene;
