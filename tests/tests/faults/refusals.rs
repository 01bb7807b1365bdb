//! Settings and files that the elements must refuse before PLAYING.

use std::path::Path;

use gst::prelude::*;
use gst_osha_tests::{Pipeline, file};

use crate::common::{assert_refused, faulty, play, run, yolo};

/// A file called `name` with `contents` in `folder`.
fn write(folder: &tempfile::TempDir, name: &str, contents: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, contents).unwrap();
    path.display().to_string()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn assert_model_refused(model: &str, says: [&str; 2]) {
    assert_refused("trtinfer", &format!("model={model}"), "model", &[model, says[0], says[1]]);
}

#[test]
fn no_model() {
    for settings in ["", "model=\"\""] {
        assert_refused("trtinfer", settings, "model", &["no model is set", "trtinfer model=ppe.onnx"]);
    }
}

#[test]
fn models_that_are_no_detectors() {
    let image = ["expected an image input [N, 3, H, W]", "re-export the model with such an input"];
    let kind = "Export the model with one of them";
    let outputs = ["fit no known detector", "Re-export the model in one of these layouts"];
    for (name, says) in [
        ("rank-3", image),
        ("channels-4", image),
        ("int64", image),
        ("double", ["\"images\" is of type f64", kind]),
        ("bool", ["\"images\" is of type bool", kind]),
        ("string", ["\"images\" is of type String", kind]),
        ("classifier", outputs),
        ("segmentation", outputs),
        ("two-vectors", outputs),
        ("task-segment", ["task is `segment`, but only `detect` is supported", "export a detection model"]),
        ("names-broken", ["expected class number 1, found 2", "re-export the model or correct the entry"]),
    ] {
        assert_model_refused(&faulty(name), says);
    }
}

#[test]
fn files_that_are_no_models() {
    let folder = folder();
    assert_model_refused(&file("tests/data/faults/missing.onnx"), ["does not exist", "Check the path"]);
    let again = "Export or download it again";
    assert_model_refused(&folder.path().display().to_string(), ["it is a folder", again]);
    for (name, contents) in
        [("text.onnx", "person\nvest\n"), ("picture.onnx", "\u{89}PNG\r\n"), ("empty.onnx", "")]
    {
        assert_model_refused(&write(&folder, name, contents), ["is no valid ONNX model", again]);
    }
}

#[test]
fn truncated_models() {
    let (folder, whole) = (folder(), std::fs::read(yolo()).unwrap());
    for length in [1, whole.len() / 4, whole.len() / 2, whole.len() * 3 / 4, whole.len() - 1] {
        let model = write(&folder, &format!("{length}.onnx"), &whole[..length]);
        assert_model_refused(&model, ["is no valid ONNX model", "Export or download it again"]);
    }
}

#[test]
fn labels() {
    let folder = folder();
    let refused = |labels: &str, says: [&str; 2]| {
        let settings = format!("model={} labels={labels}", yolo());
        assert_refused("trtinfer", &settings, "labels", &[labels, says[0], says[1]]);
    };
    let (one_a_line, correct) = ("Write one class name a line", "correct the labels");
    refused("/no/such/labels.txt", ["cannot be read", "Check the path"]);
    refused(&write(&folder, "empty", ""), ["found none", one_a_line]);
    refused(&write(&folder, "comment", "# person\n\n"), ["found none", one_a_line]);
    refused(&write(&folder, "list", "['person', "), ["expected a JSON list", one_a_line]);
    refused(&write(&folder, "bytes", [0xff, 0xfe, 0xfa]), ["not contain valid UTF-8", "Check the path"]);
    refused(&write(&folder, "few", "person\n"), ["expected 3 class names", correct]);
    refused(&write(&folder, "many", "a\nb\nc\nd\n"), ["found 4 in the labels file", correct]);
}

#[test]
fn sidecar_files() {
    let folder = folder();
    std::fs::copy(yolo(), folder.path().join("ppe.onnx")).unwrap();
    let model = folder.path().join("ppe.onnx").display().to_string();
    let file = folder.path().join("ppe.toml").display().to_string();
    for (text, reason, remedy) in [
        ("pad = 114\nhed = 'yolo'", "line 2, column 1: unknown field `hed`", "Correct the file or remove it"),
        ("head = ", "line 1, column", "Correct the file or remove it"),
        ("score_threshold = 7", "expected a number from 0 to 1, found 7", "Correct the file or remove it"),
        ("head = 'detr'", "do not fit head Detr", "correct `head` in the sidecar file"),
        ("size = [640, 640]", "asks for `size = [640, 640]`", "correct the sidecar file"),
        ("labels = ['person']", "found 1 in the sidecar file", "correct the labels"),
    ] {
        write(&folder, "ppe.toml", text);
        assert_refused("trtinfer", &format!("model={model}"), "model", &[&file, reason, remedy]);
    }
}

#[test]
fn settings_that_contradict_the_model() {
    let models = "tests/golden/models";
    for (model, property, value, says) in [
        (
            yolo(),
            "classes",
            "person,welder",
            ["\"welder\" is no class", "or their numbers from 0: hard hat, it's a vest, person"],
        ),
        (yolo(), "classes", "3", ["\"3\" is no class", "Name some of these"]),
        (yolo(), "batch-size", "2", ["batches of 1, not 2", "Leave batch-size unset"]),
        (faulty("batch-4"), "batch-size", "2", ["batches of 4, not 2", "Leave batch-size unset"]),
        (yolo(), "precision", "fp16", ["computes in F32", "Use precision=model"]),
        (
            file(&format!("{models}/yolo-fp16.onnx")),
            "precision",
            "fp32",
            ["computes in F16", "Use precision=model"],
        ),
    ] {
        let settings = format!("model={model} {property}={value}");
        assert_refused("trtinfer", &settings, property, &[&model, says[0], says[1]]);
    }
}

#[test]
fn a_gpu_without_a_driver() {
    if gpu::cuda::status().is_ok() {
        println!("SKIPPED: there is a driver");
        return;
    }
    for settings in ["backend=onnxruntime-cuda", "device=cuda", "device=cuda:1"] {
        let settings = format!("model={} {settings}", yolo());
        assert_refused("trtinfer", &settings, "backend", &["ONNX Runtime with CUDA", "choose the CPU"]);
    }
}

#[test]
fn a_device_that_the_backend_does_not_run_on() {
    for (backend, device) in [("onnxruntime-cuda", "cpu"), ("onnxruntime-cpu", "cuda:0")] {
        let settings = format!("model={} backend={backend} device={device}", yolo());
        assert_refused("trtinfer", &settings, "device", &[device, "Leave one of the properties at auto"]);
    }
}

#[test]
fn a_device_that_is_not_there() {
    let settings = format!("model={} device=tpu:7", yolo());
    assert_refused("trtinfer", &settings, "device", &["\"tpu:7\"", "Use auto or cpu"]);
}

#[test]
fn another_library_than_the_one_in_use() {
    let folder = folder();
    let other = write(&folder, "libonnxruntime.so.1", "no library");
    let settings = format!("model={} onnxruntime-library=", yolo());
    run(&format!("videotestsrc num-buffers=1 ! trtinfer name=infer model={} ! fakesink", yolo()));
    let property = "onnxruntime-library";
    let says = ["already runs ONNX Runtime from", &other, "Name the same file everywhere"];
    assert_refused("trtinfer", &format!("{settings}{other}"), property, &says);
    let missing = folder.path().join("missing.so").display().to_string();
    assert_refused(
        "trtinfer",
        &format!("{settings}{missing}"),
        property,
        &["not installed", &missing, "Install it"],
    );
}

#[test]
fn site_files() {
    let folder = folder();
    let refused = |rules: &str, says: [&str; 2]| {
        assert_refused("oshaannotate", &format!("rules={rules}"), "rules", &[rules, says[0], says[1]]);
    };
    refused("/no/such/site.toml", ["cannot be read", "Check the path"]);
    refused(&folder.path().display().to_string(), ["cannot be read", "Check the path"]);
    let correct = "Correct the file";
    for (name, text, reason) in [
        ("syntax", "scope = \"construction\"\nwatch = [", "line 2, column"),
        ("key", "\n\nwhatch = []", "line 3, column 1"),
        ("value", "scope = \"the moon\"", "line 1, column 9"),
        ("scope", "watch = []", "line 1, column 1: scope is missing: add scope"),
        (
            "class",
            "scope = \"construction\"\n[classes]\nhelm = \"sombrero\"",
            "line 3, column 8: \"sombrero\" is not",
        ),
    ] {
        refused(&write(&folder, name, text), [reason, correct]);
    }
}

#[test]
fn streams_that_the_site_file_does_not_name() {
    let text = "scope = \"construction\"\n[[streams]]\nname = \"gate\"\n[[streams]]\nname = \"yard\"";
    let folder = folder();
    let rules = write(&folder, "streams", text);
    for (settings, reason) in
        [("", "serves several streams"), (" stream-name=gates", "names no stream \"gates\"")]
    {
        let settings = format!("rules={rules}{settings}");
        let says = [rules.as_str(), reason, "Set stream-name to one of \"gate\", \"yard\""];
        assert_refused("oshaannotate", &settings, "stream-name", &says);
    }
}

#[test]
fn event_logs_that_cannot_be_opened() {
    let folder = folder();
    let plain = write(&folder, "plain", "");
    for (location, remedy) in [
        (folder.path().join("missing/events.jsonl"), "create its folder"),
        (folder.path().to_owned(), "name a file"),
        (Path::new(&plain).join("events.jsonl"), "choose another path"),
        ("/proc/events.jsonl".into(), "create its folder"),
    ] {
        let location = location.display().to_string();
        let settings = format!("events-location={location}");
        assert_refused("oshaannotate", &settings, "events-location", &[&location, remedy]);
    }
}

#[test]
fn what_was_refused_plays_once_it_is_put_right() {
    let folder = folder();
    let line = "videotestsrc num-buffers=3 ! trtinfer name=infer model=/no/such.onnx ! \
        oshaannotate name=annotate rules=/no/such.toml ! appsink name=out";
    let pipeline = Pipeline::new(line).unwrap();
    assert!(pipeline.0.set_state(gst::State::Paused).is_err());
    pipeline.0.set_state(gst::State::Null).unwrap();
    pipeline.element("infer").unwrap().set_property("model", yolo());
    let rules = write(&folder, "site.toml", "scope = \"construction\"");
    pipeline.element("annotate").unwrap().set_property("rules", rules);
    let run = play(&pipeline, line);
    assert_eq!((run.samples.len(), run.errors), (3, vec![]));
}
