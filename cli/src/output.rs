//! Standard output, which may be closed or full before all is said.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use anyhow::{Result, anyhow};

/// Why standard output takes no more.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// As [`std::println`], but never panics: [`outcome`] tells what went wrong.
macro_rules! println {
    () => { $crate::output::line(format_args!("")) };
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use println;

/// Writes one line; none after one that failed.
pub fn line(text: Arguments<'_>) {
    if FAILURE.get().is_none()
        && let Err(error) = writeln!(io::stdout().lock(), "{text}")
    {
        // Nobody else has set it: the first reason stays.
        let _ = FAILURE.set(error);
    }
}

/// Whether everything was written. Whoever closes standard output has seen enough.
///
/// # Errors
/// Why not.
pub fn outcome() -> Result<()> {
    match FAILURE.get() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(anyhow!("standard output: {error}")),
        _ => Ok(()),
    }
}
