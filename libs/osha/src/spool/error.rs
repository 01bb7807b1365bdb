//! What can go wrong with a spool, and what a user can do about it.

use crate::event::EventError;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// Why an event is not in the spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file cannot be opened.
    #[error("cannot open the event spool {}: {source}; {}", path.display(), remedy(source))]
    Open {
        /// The spool.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else writes to it.
    #[error("cannot open the event spool {}: another writer has it open; give every stream a spool of its own", path.display())]
    Busy {
        /// The spool.
        path: PathBuf,
    },
    /// It holds something else.
    #[error("cannot open the event spool {}: it holds other lines than sealed events; choose another path, or move the file away", path.display())]
    Foreign {
        /// The spool.
        path: PathBuf,
    },
    /// A line cannot be written.
    #[error("cannot write to the event spool {}: {source}{}; {}", path.display(), half(*torn), remedy(source))]
    Write {
        /// The spool.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// Whether a part of the line is in the file and could not be taken back.
        torn: bool,
    },
    /// A new file cannot be begun.
    #[error("cannot rotate the event spool {}: {source}; {}", path.display(), remedy(source))]
    Rotate {
        /// The spool.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Lines are written but may not be on the disk.
    #[error("cannot sync the event spool {}: {source}; {}", path.display(), remedy(source))]
    Sync {
        /// The spool.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The event has no JSON form.
    #[error(transparent)]
    Event(#[from] EventError),
}

fn half(torn: bool) -> &'static str {
    if torn { ", and half a line is left in it" } else { "" }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "create its folder first, or choose another path",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "choose a path that this user may read and write"
        }
        ErrorKind::IsADirectory => "name a file, not a folder",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space, or choose a path on another volume"
        }
        ErrorKind::FileTooLarge => "set a smaller size to rotate at, or move the file away",
        _ => "check the volume, or choose another path",
    }
}
