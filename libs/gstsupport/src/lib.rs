//! What the GStreamer elements share: locks, properties, durations, messages, copy accounting, faults of a GPU, and the memory on
//! every link.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod copies;
pub mod fault;
pub mod flow;
pub mod message;
pub mod property;
pub mod samples;
pub mod socket;

/// Locks `mutex`. A panic elsewhere has been turned into an error message; what it left is used on.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
