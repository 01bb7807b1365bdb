//! The examples, run on the demo clip as a user would.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What `command` prints of the demo clip.
fn run(command: &mut Command) -> Output {
    let plugins = repository().join("build/plugins");
    assert!(plugins.join("libgstoshaannotate.so").exists(), "the plugins are not built: run make build");
    let registry = tempfile::tempdir().unwrap();
    command
        .args(["tests/data/site.mp4", "models/ppe-demo.onnx", "pipelines/site.toml"])
        .current_dir(repository())
        .env("GST_PLUGIN_PATH", plugins)
        .env("GST_REGISTRY", registry.path().join("registry"))
        .output()
        .unwrap()
}

/// Two violations in the clip: each is told by a frame's meta, and by two messages.
fn assert_tells(output: &Output) -> String {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    for start in ["frame ", "start of violation ", "end of violation "] {
        assert_eq!(out.lines().filter(|line| line.starts_with(start)).count(), 2, "{start}: {out}");
    }
    for part in ["person", "no_hard_hat, 29 CFR 1926.100(a)", "no_safety_vest"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    out.into_owned()
}

#[test]
fn rust_and_python_tell_the_same() {
    let rust = assert_tells(&run(&mut Command::new(env!("CARGO_BIN_EXE_violations"))));
    let python = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let imports =
            "import gi; gi.require_version('GstAnalytics', '1.0'); from gi.repository import GstAnalytics";
        Command::new(python).args(["-c", imports]).output().is_ok_and(|output| output.status.success())
    });
    let Some(python) = python else {
        println!("SKIPPED: no python3-gi with GStreamer's introspection data; scripts/bootstrap installs it");
        return;
    };
    let python = assert_tells(&run(Command::new(python).arg("examples/python/violations.py")));
    let mut lines = [rust, python].map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    // Frames and messages come from two threads.
    lines.iter_mut().for_each(|lines| lines.sort());
    let [rust, python] = lines;
    assert_eq!(rust, python);
}

#[test]
fn wrong_arguments_are_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_violations")).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage"));
}
