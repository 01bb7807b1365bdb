//! Events on disk: JSON lines, appended whole or not at all, each with a hash that ties it to the line before it.
//!
//! A line is an [`Event`](crate::event::Event) with two more keys at its end: `previous`, the hash of the line before it
//! (zeros for the first one), and `hash`, the SHA-256 of all bytes of the line in front of `,"hash":`.

mod check;
mod error;
mod files;
mod reader;
mod seal;
mod tail;
mod writer;

pub use check::{Problem, ProblemKind, Report, check};
pub use error::SpoolError;
pub use files::files;
pub use reader::{Content, Line, Lines, Place, lines};
pub use seal::{Head, SealError, Sealed, open, seal};
pub use writer::{FsyncPolicy, Options, Recovery, Spool};
