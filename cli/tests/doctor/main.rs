//! The program itself, on this machine and on machines that are faked with variables, folders and a driver of our own.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const TIME: Duration = Duration::from_secs(5);

/// The command, with nothing of the tests' own environment that it looks at.
fn doctor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gst-osha"));
    command.arg("doctor").args(arguments);
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "CUDA_CACHE_PATH"] {
        command.env_remove(name);
    }
    command
}

/// Without GStreamer's plugins, which take long to scan, and with a folder of its own.
fn bare(arguments: &[&str], folder: &Path) -> Command {
    let mut command = doctor(arguments);
    command
        .env("HOME", folder)
        .env("XDG_CACHE_HOME", folder)
        .env("GST_REGISTRY", folder.join("registry.bin"));
    command.env("GST_PLUGIN_SYSTEM_PATH", folder.join("none")).env_remove("GST_PLUGIN_PATH");
    command
}

/// Runs it, which must take no longer than promised.
#[track_caller]
fn run(command: &mut Command) -> Output {
    let began = Instant::now();
    let output = command.output().unwrap();
    assert!(began.elapsed() < TIME, "{:?}", began.elapsed());
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
    output
}

#[track_caller]
fn report(command: &mut Command) -> Value {
    let output = run(command);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(report["exit_code"], output.status.code().unwrap());
    report
}

/// The finding `id`, which must be of status `status`.
#[track_caller]
fn finding<'a>(report: &'a Value, id: &str, status: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings
        .iter()
        .find(|finding| finding["id"] == id)
        .unwrap_or_else(|| panic!("no {id}: {findings:#?}"));
    assert_eq!(found["status"], status, "{found:#}");
    found
}

#[track_caller]
fn says(finding: &Value, key: &str, words: &str) {
    let text = finding[key].as_str().map_or_else(|| finding[key].to_string(), str::to_owned);
    assert!(text.contains(words), "{finding:#}");
}

#[test]
fn on_this_machine_it_prints_one_page_without_colour() {
    let output = run(&mut doctor(&[]));
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(matches!(output.status.code(), Some(0..=3)), "{page}");
    assert!(!page.contains('\x1b') && page.lines().count() < 100, "{page}");
    assert!(page.contains("Unified Memory: True") || page.contains("Unified Memory: False"), "{page}");
    assert!(
        page.lines().all(|line| line.chars().count() <= 120 || line.contains('$') || line.contains('/')),
        "{page}"
    );
}

#[test]
fn on_this_machine_the_object_agrees_with_the_exit_code() {
    let report = report(&mut doctor(&["--json"]));
    assert_eq!(report["schema"], "gst-osha.doctor/1");
    assert!(report["facts"]["host"]["facts"]["cores"].as_u64().unwrap() > 0);
    finding(&report, "machine.system", "ok");
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let folder = TempDir::new().unwrap();
    let coloured = |name: &str, value: &str| {
        let mut command = bare(&[], folder.path());
        command.env("TERM", "xterm").env("CLICOLOR_FORCE", "1").env(name, value);
        String::from_utf8(run(&mut command).stdout).unwrap().contains('\x1b')
    };
    assert!(coloured("CLICOLOR", "1") && !coloured("NO_COLOR", "1"));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = TempDir::new().unwrap();
    let mut child =
        bare(&["--json"], folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.code().is_some() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_path_without_onnx_runtime_is_named() {
    let folder = TempDir::new().unwrap();
    let report = report(bare(&["--json"], folder.path()).env("GST_OSHA_ONNXRUNTIME", "/nonexistent/ort"));
    let found = finding(&report, "onnxruntime", "missing");
    says(found, "cause", "/nonexistent/ort");
    assert_eq!((&report["verdict"], &report["exit_code"]), (&"missing".into(), &2.into()));
}

#[test]
fn plugins_that_are_not_there_are_missed_and_their_packages_named() {
    let folder = TempDir::new().unwrap();
    let report = report(&mut bare(&["--json"], folder.path()));
    says(&finding(&report, "gstreamer.elements", "missing")["remedy"], "debian", "gstreamer1.0-plugins-base");
    says(finding(&report, "gstreamer.software-decoder", "missing"), "remedy", "gstreamer1.0-libav");
    finding(&report, "gstreamer.own-elements", "missing");
}

#[test]
fn a_plugin_that_does_not_load_is_on_the_blacklist() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("libgsttrtinfer.so"), "no library").unwrap();
    let report = report(bare(&["--json"], folder.path()).env("GST_PLUGIN_PATH", folder.path()));
    says(finding(&report, "gstreamer.own-elements", "missing"), "found", "trtinfer");
    says(finding(&report, "gstreamer.blacklisted", "slower"), "details", "libgsttrtinfer.so");
}

#[test]
fn folders_that_cannot_be_written_are_told() {
    let (folder, driver) = (TempDir::new().unwrap(), driver());
    let mut command = bare(&["--json"], folder.path());
    // Root may write anywhere but where there is nothing to write to.
    command.env_remove("GST_REGISTRY").env("XDG_CACHE_HOME", "/proc/1").env("CUDA_CACHE_PATH", "/sys/kernel");
    command.env("TMPDIR", folder.path()).env("LD_LIBRARY_PATH", driver.path());
    let report = report(&mut command);
    says(finding(&report, "folders.registry", "slower"), "found", "/proc/1/gstreamer-1.0");
    says(finding(&report, "folders.kernels", "slower"), "cause", "compiles the kernels anew");
    says(finding(&report, "folders.engines", "slower"), "cause", "builds TensorRT's engines anew");
    finding(&report, "folders.temporary", "ok");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the probes' own files are left");
}

/// A folder with the fake driver.
fn driver() -> TempDir {
    let folder = TempDir::new().unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctor/fake_driver.c");
    let library: PathBuf = folder.path().join("libcuda.so.1");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", source, "-o"]).arg(&library).status();
    assert!(compiled.unwrap().success(), "the C compiler that Rust itself links with is missing");
    for name in ["libnvcuvid.so.1", "libnvidia-ml.so.1"] {
        std::fs::copy(&library, folder.path().join(name)).unwrap();
    }
    folder
}

fn with_driver(driver: &TempDir, variables: &[(&str, &str)]) -> Value {
    let mut command = bare(&["--json"], driver.path());
    command.env("LD_LIBRARY_PATH", driver.path()).envs(variables.iter().copied());
    report(&mut command)
}

#[test]
fn what_a_driver_says_is_what_is_reported() {
    let report = with_driver(&driver(), &[]);
    says(finding(&report, "gpu.driver", "ok"), "found", "999.1, CUDA 13.0");
    let device = "Fake GPU (Blackwell), compute capability 12.1, 48 multiprocessors, 64.0 GiB, 300 MiB free";
    assert_eq!(finding(&report, "gpu.device.0", "ok")["found"], device);
    says(finding(&report, "gpu.memory.0", "slower"), "remedy", "pool-size-mb=128");
    let decoder = finding(&report, "media.nvdec.0", "ok");
    assert_eq!(
        decoder["details"][0],
        "H.264 8 bits    48x16 to 4096x4096, at most 16.8 megapixels a picture"
    );
    assert_eq!((&decoder["found"], decoder["details"].as_array().unwrap().len()), (&"3 engines".into(), 1));
    let encoder = finding(&report, "media.nvenc.0", "slower");
    says(encoder, "found", "H.264, H.265, but not from here");
    says(encoder, "cause", "libnvidia-encode.so.1");
    finding(&report, "media.nvjpg.0", "ok");
    finding(&report, "onnxruntime.cuda", "slower");
}

#[test]
fn unified_memory_is_decided_by_attributes() {
    let driver = driver();
    let (discrete, unified) = (with_driver(&driver, &[]), with_driver(&driver, &[("FAKE_UNIFIED", "1")]));
    assert_eq!((&discrete["unified_memory"], &unified["unified_memory"]), (&false.into(), &true.into()));
    says(
        finding(&discrete, "memory.unified.0", "ok"),
        "found",
        "False: discrete: the GPU has its own memory",
    );
    let found = finding(&unified, "memory.unified.0", "ok");
    says(
        found,
        "found",
        "True: integrated: the CPU and the GPU share one memory; frames lie in memory=mapped",
    );
    says(finding(&unified, "gpu.device.0", "ok"), "found", "256 MiB free");
    says(found, "details", "yes INTEGRATED");
    says(found, "details", "?   HOST_REGISTER_SUPPORTED");
}

#[test]
fn a_hidden_device_is_told_from_none() {
    let report = with_driver(&driver(), &[("CUDA_VISIBLE_DEVICES", "")]);
    let found = finding(&report, "gpu.driver", "slower");
    says(found, "cause", "CUDA_VISIBLE_DEVICES= hides every GPU");
    says(&found["remedy"], "jetpack", "unset CUDA_VISIBLE_DEVICES");
}

#[test]
fn a_driver_that_hangs_costs_seconds_and_its_own_part_only() {
    let report = with_driver(&driver(), &[("FAKE_HANG", "1")]);
    says(finding(&report, "gpu.answer", "unknown"), "found", "did not end within 4.0 s");
    finding(&report, "machine.system", "ok");
    finding(&report, "gstreamer.version", "ok");
    let waited =
        report["findings"].as_array().unwrap().iter().filter(|finding| finding["status"] == "unknown");
    assert_eq!(waited.count(), 1, "who waited for the driver is blamed: {report:#}");
}

#[test]
fn a_driver_that_crashes_costs_its_own_part_only() {
    let report = with_driver(&driver(), &[("FAKE_CRASH", "1")]);
    says(finding(&report, "gpu.answer", "unknown"), "found", "signal");
    finding(&report, "gstreamer.version", "ok");
}
