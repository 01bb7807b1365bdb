//! One builder at a time for an engine, across processes. The system frees the lock of a process that is gone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a waiting process looks whether it is its turn, and asks whether to go on.
const POLL: Duration = Duration::from_millis(50);

/// The lock's file stays when it is freed: to remove it would let two hold it.
fn path(entry: &Path) -> PathBuf {
    entry.with_extension("lock")
}

fn open(entry: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path(entry))
}

/// Waits until the lock on `entry` is ours, for as long as `wait` says so. It is freed when the file is dropped.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] when it was not waited for, otherwise the system's.
pub(super) fn acquire(entry: &Path, mut wait: impl FnMut() -> bool) -> io::Result<File> {
    let file = open(entry)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if !wait() => return Err(io::ErrorKind::Interrupted.into()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
        }
    }
}

/// The lock on `entry`, if nobody builds it now.
pub(super) fn acquire_if_free(entry: &Path) -> io::Result<Option<File>> {
    let file = open(entry)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
