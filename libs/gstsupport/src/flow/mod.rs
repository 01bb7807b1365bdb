//! The memory on every link of a pipeline, and the elements that copy frames from one memory to another.
//!
//! A [`Ledger`] is told of every buffer that leaves a source pad. An element copies when a raw video frame leaves it in
//! other memory than the frame of the same time came in. It is fed by the tracer `zcopies` for a whole process, and by a
//! [`Guard`] for what lies upstream of one element.

mod guard;
mod input;
mod ledger;
mod link;
mod report;
#[cfg(test)]
mod tests;

pub use guard::{Guard, Upstream};
pub use ledger::{CopySeen, Ledger};
pub use link::real_peer;
pub use report::{Change, CopyReport, ElementReport, LinkReport, PipelineReport, Report, SCHEMA};
