//! Where messages of the runtimes go: nowhere, until a handler is set.

use std::sync::OnceLock;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Of interest when looking for a fault.
    Info,
    /// Something is not as it should be; work goes on.
    Warning,
    /// Something failed.
    Error,
}

/// Takes one message. Called from any thread, those of a runtime among them; it must neither panic nor block.
pub type Handler = fn(Severity, &str);

static HANDLER: OnceLock<Handler> = OnceLock::new();

/// Sends all further messages to `handler`. The first handler stays; later calls change nothing.
pub fn set_handler(handler: Handler) {
    let _ = HANDLER.set(handler);
}

pub(crate) fn emit(severity: Severity, message: &str) {
    if let Some(handler) = HANDLER.get() {
        handler(severity, message);
    }
}
