//! Runs tests that need a CUDA device, and counts them as ignored where there is none.

mod double;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial, run};

/// A test's name and body.
pub type Test = (&'static str, fn());

/// Runs the tests `on_device`, which are ignored if `missing` says what is not there, and those that hold `everywhere`.
#[allow(dead_code, reason = "one of the two is used")]
pub fn run_on_device(missing: Option<String>, on_device: &[Test], everywhere: &[Test]) -> ExitCode {
    run_on_device_with(missing, on_device, everywhere, &[])
}

/// As [`run_on_device`]; where there is no device, the tests `on_either` run with a double of the driver.
#[allow(dead_code, reason = "as above")]
pub fn run_on_device_or_double(
    missing: Option<String>,
    on_either: &[Test],
    on_device: &[Test],
    everywhere: &[Test],
) -> ExitCode {
    if missing.is_some() && !double::is_in_place() {
        double::rerun();
    }
    match (missing, double::is_in_place()) {
        (None, true) => {
            let everywhere: Vec<Test> = on_either.iter().chain(everywhere).copied().collect();
            run_on_device(Some("a double of the driver".into()), on_device, &everywhere)
        }
        // Otherwise what the double lacks would be counted as ignored, and nobody would know.
        (Some(reason), true) => {
            println!("the double of the driver does not stand in for a device: {reason}");
            ExitCode::FAILURE
        }
        (missing, false) => run_on_device(missing, &[on_either, on_device].concat(), everywhere),
    }
}

/// As [`run_on_device`], and those `on_request`, which also need a device, and are ignored unless their environment variable is set.
/// One at a time, unless asked otherwise: some measure the device's memory and the process's copies.
pub fn run_on_device_with(
    missing: Option<String>,
    on_device: &[Test],
    everywhere: &[Test],
    on_request: &[(&str, &[Test])],
) -> ExitCode {
    if let Some(reason) = &missing {
        println!("SKIPPED: no CUDA device ({reason})");
    }
    let mut all = trials(on_device, missing.is_none());
    all.extend(trials(everywhere, true));
    for (variable, tests) in on_request {
        all.extend(trials(tests, missing.is_none() && std::env::var_os(variable).is_some()));
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    run(&arguments, all).exit_code()
}

/// `tests` as trials, which are ignored if they are not `possible` here.
fn trials(tests: &[Test], possible: bool) -> Vec<Trial> {
    let trial = |&(name, body): &Test| {
        let run = move || {
            body();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!possible)
    };
    tests.iter().map(trial).collect()
}

/// The names and bodies of the functions given.
#[macro_export]
macro_rules! tests {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), $name as fn())),+] };
}
