//! What is missing costs speed or is an error that says what to do, and never a crash. What a process loads once is hidden
//! from a process of its own: this program again, which plays a line and writes down what came of it.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use gpu::cuda::{Context, DeviceBuffer};
use gst::prelude::*;
use gst_osha_tests::objects::{Object, agreement};
use gst_osha_tests::{Pipeline, file};
use serde::{Deserialize, Serialize};

use super::player::seen;
use super::{AUTOMATIC, ON_DEVICE, ON_HOST, start_of_clip, whole};

/// Names a folder with an ONNX Runtime that knows no CUDA.
pub const CPU_LIBRARY: &str = "GST_OSHA_TEST_ONNXRUNTIME_CPU";
/// The line that a child plays.
const LINE: &str = "GST_OSHA_TEST_LINE";
/// Where it writes what came of it.
const OUTCOMES: &str = "GST_OSHA_TEST_OUTCOMES";
/// MiB that it leaves free on the card; then it plays the line once more with the card to itself.
const LEFT: &str = "GST_OSHA_TEST_LEFT";

const FRAMES: usize = 20;
const MIB: usize = 1 << 20;

/// What came of a line.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    /// What was seen on each frame that reached the sink.
    frames: Vec<Option<Vec<Object>>>,
    /// Element and text of the error that ended it.
    error: Option<(String, String)>,
    /// What ran the network.
    engine: String,
}

fn outcome(line: &str) -> Outcome {
    let pipeline = match Pipeline::new(&format!("{line} ! fakesink name=out")) {
        Ok(pipeline) => pipeline,
        Err(error) => {
            let error = Some(("GStreamer".to_owned(), format!("{error:#}")));
            return Outcome { frames: Vec::new(), error, engine: String::new() };
        }
    };
    let seen = seen(&pipeline, "out", "sink");
    let error = pipeline.play().unwrap().err().map(|error| (error.element.clone(), error.text()));
    let stats: gst::Structure = pipeline.element("infer").unwrap().property("stats");
    drop(pipeline);
    let frames = std::mem::take(&mut *seen.lock().unwrap());
    Outcome { frames, error, engine: stats.get("engine").unwrap_or_default() }
}

/// If this process is a child: plays its line.
pub fn child() -> Option<ExitCode> {
    let (line, file) = (std::env::var(LINE).ok()?, std::env::var(OUTCOMES).ok()?);
    let mut outcomes = Vec::new();
    if let Some(left) = std::env::var(LEFT).ok().and_then(|left| left.parse::<usize>().ok()) {
        // On a full card GStreamer's plugin would not even know its decoders.
        drop(Pipeline::new(&format!("{line} ! fakesink name=out")).unwrap());
        let full = fill(left * MIB);
        outcomes.push(outcome(&line));
        drop(full);
    }
    outcomes.push(outcome(&line));
    std::fs::write(file, serde_json::to_string(&outcomes).unwrap()).unwrap();
    Some(ExitCode::SUCCESS)
}

/// Takes the device's memory but for `left` bytes.
fn fill(left: usize) -> Vec<DeviceBuffer> {
    let context = Context::primary(0).unwrap();
    let (mut taken, mut step) = (Vec::new(), 1 << 30);
    while step >= MIB {
        let room = context.memory().unwrap().0.saturating_sub(left);
        match DeviceBuffer::new(&context, step.min(room)) {
            Ok(buffer) if room >= MIB => taken.push(buffer),
            _ => step /= 2,
        }
    }
    println!("FULL: {} MiB are free", context.memory().unwrap().0 / MIB);
    taken
}

/// Where GStreamer remembers its plugins.
fn registry_in_use() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let file = format!("gstreamer-1.0/registry.{}.bin", std::env::consts::ARCH);
    variable("GST_REGISTRY").or_else(|| Some(cache()?.join(file)))
}

/// Plays `line` in a process with `environment`, which must not crash or hang.
fn in_child(line: &str, environment: &[(&str, &str)]) -> Vec<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let (file, registry) = (folder.path().join("outcomes.json"), folder.path().join("registry.bin"));
    // What the child finds missing must not be remembered here.
    if let Some(known) = registry_in_use() {
        let _ = std::fs::copy(known, &registry);
    }
    let mut command = Command::new("timeout");
    command.arg("150").arg(std::env::current_exe().unwrap());
    command
        .env(LINE, line)
        .env(OUTCOMES, &file)
        .env("GST_REGISTRY", &registry)
        .envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{:?} with {environment:?}: {line}\n{out}\n{errors}", output.status);
    print!("{out}");
    serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap()
}

/// What the CPU sees on the frames.
fn expected() -> Vec<Vec<Object>> {
    let outcome = outcome(&whole(&start_of_clip(FRAMES), "avdec_h264", ON_HOST));
    assert_eq!((outcome.error, outcome.frames.len()), (None, FRAMES));
    outcome.frames.into_iter().map(Option::unwrap).collect()
}

fn assert_seen(what: &str, expected: &[Vec<Object>], outcome: Outcome) {
    assert_eq!(outcome.error, None, "{what}");
    let found: Vec<_> = outcome.frames.into_iter().map(|frame| frame.expect("inferred")).collect();
    let (matched, all) = agreement(expected, &found);
    println!("FALLBACK: {what}: {matched} of {all} detections agree; {}", outcome.engine);
    assert!(all > 0 && matched * 1000 >= all * 995, "{what}");
}

pub fn without_nvdec_frames_are_seen_alike() {
    let expected = expected();
    for decoder in [
        "avdec_h264",
        "avdec_h264 ! zcbufferpool",
        "avdec_h264 ! zcbufferpool memory=mapped",
        "avdec_h264 ! zcbufferpool memory=managed",
    ] {
        assert_seen(decoder, &expected, outcome(&whole(&start_of_clip(FRAMES), decoder, ON_DEVICE)));
    }
}

/// Without hardware decoders, whatever takes their place.
fn assert_seen_in_child(what: &str, environment: &[(&str, &str)]) {
    let expected = expected();
    for decoder in ["avdec_h264", "avdec_h264 ! zcbufferpool"] {
        let outcome = in_child(&whole(&start_of_clip(FRAMES), decoder, ""), environment).remove(0);
        assert!(outcome.engine.contains("CPU"), "{outcome:?}");
        assert_seen(&format!("{decoder}, {what}"), &expected, outcome);
    }
}

pub fn without_devices_frames_are_seen_alike() {
    assert_seen_in_child("no device", &[("CUDA_VISIBLE_DEVICES", "")]);
}

pub fn without_a_driver_frames_are_seen_alike() {
    let folder = tempfile::tempdir().unwrap();
    // The linker finds these first, and that they are no libraries.
    for name in ["libcuda.so.1", "libcuda.so"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let path = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let path = format!("{}:{path}", folder.path().display());
    assert_seen_in_child("no driver", &[("LD_LIBRARY_PATH", path.as_str())]);
}

/// GStreamer may remember hardware decoders of another day: then they fail or make way.
pub fn a_decoder_bin_without_devices_ends_well() {
    let source = format!("filesrc location={}", file("tests/data/site.mp4"));
    let line = whole(&source, "decodebin3 ! zcbufferpool", "interval=50");
    let outcome = in_child(&line, &[("CUDA_VISIBLE_DEVICES", "")]).remove(0);
    println!(
        "FALLBACK: decodebin3: {} frames, {:?}; {}",
        outcome.frames.len(),
        outcome.error,
        outcome.engine
    );
    match outcome.error {
        None => assert_eq!(outcome.frames.len(), super::CLIP_FRAMES),
        Some((element, text)) => assert!(!element.is_empty() && !text.is_empty()),
    }
}

pub fn without_a_cuda_build_of_the_runtime_frames_are_seen_alike() {
    let folder = std::env::var(CPU_LIBRARY).unwrap();
    let expected = expected();
    for decoder in [AUTOMATIC, "nvh264dec", "avdec_h264 ! zcbufferpool"] {
        let line = whole(&start_of_clip(FRAMES), decoder, "");
        let outcome = in_child(&line, &[("GST_OSHA_ONNXRUNTIME", folder.as_str())]).remove(0);
        assert!(outcome.engine.contains("CPU"), "{outcome:?}");
        assert_seen(&format!("{decoder} with an ONNX Runtime for the CPU"), &expected, outcome);
    }
}

/// What our own errors advise when memory is short.
const REMEDIES: [&str; 4] = ["fewer streams", "free memory on the device", "raise ", "set "];

/// What was seen, or an error that says what to do if it is one of ours.
fn assert_seen_or_told(what: &str, expected: &[Vec<Object>], outcome: Outcome) {
    let Some((element, text)) = &outcome.error else { return assert_seen(what, expected, outcome) };
    println!("FALLBACK: {what}: {element}: {text}");
    let is_ours = ["pool", "infer", "annotate"].contains(&element.as_str());
    assert!(!is_ours || REMEDIES.iter().any(|remedy| text.contains(remedy)), "{what}: {element}: {text}");
}

pub fn a_card_that_is_full_is_an_error_or_no_matter() {
    let expected = expected();
    for left in ["50", "300", "1200"] {
        for infer in ["", ON_DEVICE] {
            let line = whole(&start_of_clip(FRAMES), AUTOMATIC, infer);
            let mut outcomes = in_child(&line, &[(LEFT, left)]);
            assert_seen_or_told(&format!("{left} MiB free, {infer}"), &expected, outcomes.remove(0));
            assert_seen(&format!("after {left} MiB free, {infer}"), &expected, outcomes.remove(0));
        }
    }
}

pub fn a_card_that_others_filled_is_an_error_or_no_matter() {
    let expected = expected();
    for decoder in [AUTOMATIC, "avdec_h264 ! zcbufferpool"] {
        let line = whole(&start_of_clip(FRAMES), decoder, "");
        let full = fill(50 * MIB);
        let outcome = in_child(&line, &[]).remove(0);
        drop(full);
        assert_seen_or_told(&format!("{decoder}, another process has the card"), &expected, outcome);
        assert_seen(&format!("{decoder}, the card is free again"), &expected, in_child(&line, &[]).remove(0));
    }
}
