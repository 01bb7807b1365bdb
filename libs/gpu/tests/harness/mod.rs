//! Runs tests that need a CUDA device, and counts them as ignored where there is none.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial, run};

/// A test's name and body.
pub type Test = (&'static str, fn());

/// Runs `tests`; all are ignored if `missing` says what is not there.
pub fn run_on_device(missing: Option<String>, tests: &[Test]) -> ExitCode {
    if let Some(reason) = &missing {
        println!("SKIPPED: no CUDA device ({reason})");
    }
    let trial = |&(name, body): &Test| {
        Trial::test(name, move || {
            body();
            Ok(())
        })
        .with_ignored_flag(missing.is_some())
    };
    run(&Arguments::from_args(), tests.iter().map(trial).collect()).exit_code()
}

/// The names and bodies of the functions given.
#[macro_export]
macro_rules! tests {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), $name as fn())),+] };
}
