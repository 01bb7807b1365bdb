//! What the library says: to the log, and kept for whoever has to explain a failure.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::{CStr, c_char};
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, ThreadId};

use super::sys;
use crate::log::{self, Severity};

/// Errors that are kept: more than one failure comes to.
const KEPT: usize = 32;

struct Errors {
    /// How many there were since the process started.
    count: u64,
    newest: VecDeque<(u64, ThreadId, String)>,
}

static ERRORS: Mutex<Errors> = Mutex::new(Errors { count: 0, newest: VecDeque::new() });

fn errors() -> MutexGuard<'static, Errors> {
    crate::lock(&ERRORS)
}

/// Sends the messages of the libraries behind `shim` here from now on.
pub(super) fn listen(shim: &sys::Shim) {
    // SAFETY: the function may be called from any thread, for ever.
    unsafe { (shim.set_log)(on_message) };
}

unsafe extern "C" fn on_message(severity: i32, message: *const c_char) {
    if message.is_null() {
        return;
    }
    // SAFETY: the library gives a terminated string.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    let severity = match severity {
        0 | 1 => Severity::Error,
        2 => Severity::Warning,
        3 => Severity::Info,
        _ => return,
    };
    if severity == Severity::Error {
        keep(text.trim());
    }
    log::emit(severity, &format!("TensorRT: {text}"));
}

fn keep(text: &str) {
    let mut errors = errors();
    errors.count += 1;
    let entry = (errors.count, thread::current().id(), text.to_owned());
    errors.newest.push_back(entry);
    if errors.newest.len() > KEPT {
        errors.newest.pop_front();
    }
}

/// Calls `work`, and tells which errors the library reported meanwhile: those of this thread, or else, since it has threads
/// of its own, of any. `None` if there was none.
pub(super) fn during<T>(work: impl FnOnce() -> T) -> (T, Option<String>) {
    let before = errors().count;
    let result = work();
    let errors = errors();
    let reported = |own: bool| {
        let current = thread::current().id();
        let since = errors
            .newest
            .iter()
            .filter(move |(number, thread, _)| *number > before && (!own || *thread == current));
        let mut texts: Vec<_> = since.map(|(_, _, text)| text.as_str()).collect();
        texts.dedup();
        (!texts.is_empty()).then(|| texts.join("; "))
    };
    let reason = reported(true).or_else(|| reported(false));
    (result, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_explained_by_what_was_said_meanwhile() {
        keep("earlier");
        let ((), reason) = during(|| {
            keep("first");
            keep("second");
        });
        assert_eq!(reason.as_deref(), Some("first; second"));
        let ((), elsewhere) = during(|| thread::spawn(|| keep("a worker's")).join().unwrap());
        assert!(elsewhere.unwrap().contains("a worker's"));
    }
}
