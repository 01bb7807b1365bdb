//! Runs tests that need a CUDA device, and counts them as ignored where there is none.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial, run};

/// A test's name and body.
pub type Test = (&'static str, fn());

/// Runs the tests `on_device`, which are ignored if `missing` says what is not there, and those that hold `everywhere`.
/// One at a time, unless asked otherwise: some measure the device's memory and the process's copies.
pub fn run_on_device(missing: Option<String>, on_device: &[Test], everywhere: &[Test]) -> ExitCode {
    if let Some(reason) = &missing {
        println!("SKIPPED: no CUDA device ({reason})");
    }
    let trial = |&(name, body): &Test| {
        Trial::test(name, move || {
            body();
            Ok(())
        })
    };
    let on_device = on_device.iter().map(|test| trial(test).with_ignored_flag(missing.is_some()));
    let trials = on_device.chain(everywhere.iter().map(trial)).collect();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    run(&arguments, trials).exit_code()
}

/// The names and bodies of the functions given.
#[macro_export]
macro_rules! tests {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), $name as fn())),+] };
}
