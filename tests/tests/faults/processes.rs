//! Faults that need a process of their own: libraries that are loaded once, and leaks, which show when a process ends.

use std::process::{Command, Output};

use gst_osha_tests::{file, repository};

const YOLO: &str = "tests/golden/models/yolo.onnx";
const SOURCE: &str =
    "videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=320,height=240,framerate=5/1";

/// A command that sees the built plugins, in the repository's root, for at most a minute.
fn command(program: &str) -> Command {
    let plugins = file("build/plugins");
    for plugin in ["trtinfer", "oshaannotate"] {
        let built = repository().join(format!("build/plugins/libgst{plugin}.so"));
        assert!(built.exists(), "{} is missing: run make build", built.display());
    }
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(program)
        .current_dir(repository())
        .env("GST_PLUGIN_PATH", &plugins)
        .env("LC_ALL", "C");
    command
}

fn launch(line: &str, environment: &[(&str, &str)]) -> (Output, String) {
    let mut launch = command("gst-launch-1.0");
    launch.args(line.split_whitespace()).envs(environment.iter().copied());
    let output = launch.output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // 255 is a pipeline that did not start; what hangs or crashes has other numbers.
    assert!(matches!(output.status.code(), Some(0 | 1 | 255)), "{:?}: {line}\n{text}", output.status);
    assert!(!text.to_lowercase().contains("panicked"), "{line}\n{text}");
    (output, text)
}

#[test]
fn libraries_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (text, empty) = (folder.path().join("text.so"), folder.path().join("empty"));
    std::fs::write(&text, "no library").unwrap();
    std::fs::create_dir(&empty).unwrap();
    let missing = ["ONNX Runtime's library is not installed", "Install it"];
    let unusable = ["cannot be loaded as ONNX Runtime", "Name another file"];
    for (library, says) in [(folder.path().join("missing.so"), missing), (empty, missing), (text, unusable)] {
        let library = library.display().to_string();
        let line = format!("{SOURCE} ! trtinfer name=infer model={YOLO} ! fakesink");
        let by_property = line.replace("! fakesink", &format!("onnxruntime-library={library} ! fakesink"));
        let variable = ("GST_OSHA_ONNXRUNTIME", library.as_str());
        for (output, text) in [launch(&by_property, &[]), launch(&line, &[variable])] {
            assert!(!output.status.success(), "{text}");
            assert!(text.contains("GstTrtInfer:infer: onnxruntime-library: "), "{text}");
            assert!(
                says.iter().chain([&library.as_str()]).all(|said| text.contains(said)),
                "{says:?}: {text}"
            );
        }
    }
}

#[test]
fn elements_can_be_inspected_without_a_library() {
    for element in ["trtinfer", "oshaannotate"] {
        let mut inspect = command("gst-inspect-1.0");
        let output = inspect.arg(element).env("GST_OSHA_ONNXRUNTIME", "/no/such/library").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("Factory Details"), "{text}");
    }
}

/// What is still alive when the pipeline `line` has ended and GStreamer is shut down.
fn leaks(line: &str) -> Vec<String> {
    let (_, text) =
        launch(line, &[("GST_TRACERS", "leaks"), ("GST_DEBUG", "GST_TRACER:7"), ("GST_DEBUG_NO_COLOR", "1")]);
    assert!(text.contains("object-alive.class"), "the tracer does not work: {text}");
    let leaks =
        text.lines().filter(|line| line.contains(" object-alive, ") && !line.contains("new format string"));
    leaks.map(str::to_owned).collect()
}

#[test]
fn nothing_leaks() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.jsonl").display().to_string();
    let shots = folder.path().join("{violation}.png").display().to_string();
    let site = folder.path().join("site.toml");
    let zone = "[[zones]]\nid = 'all'\nkind = 'exclusion'\npoints = [[0, 0], [1, 0], [1, 1], [0, 1]]\n";
    std::fs::write(&site, format!("scope = 'construction'\n{zone}")).unwrap();
    let site = site.display();
    let infer = format!("trtinfer model={YOLO}");
    let end = "! fakesink";
    for line in [
        format!("{SOURCE} ! {infer} ! oshaannotate events-location={events} {end}"),
        format!(
            "{SOURCE} ! {infer} batch-size=0 in-flight=9 optimize-for=throughput ! oshaannotate draw=false {end}"
        ),
        // The clip shows a violation before its tenth second: zones, metas and pictures.
        format!(
            "filesrc location=tests/data/site.mp4 ! decodebin3 ! trtinfer model=models/ppe-demo.onnx confidence=0.4 ! \
             oshaannotate rules={site} snapshot-location={shots} snapshot-picture=both {end}"
        ),
        format!("{SOURCE} ! trtinfer ! oshaannotate {end}"),
        format!("{SOURCE} ! trtinfer model=/no/such.onnx ! oshaannotate {end}"),
        format!("{SOURCE} ! trtinfer model=tests/data/faults/classifier.onnx ! oshaannotate {end}"),
        format!("{SOURCE} ! trtinfer model=tests/data/faults/fails.onnx ! oshaannotate {end}"),
        format!("{SOURCE} ! {infer} ! oshaannotate rules=/no/such.toml {end}"),
        format!("{SOURCE} ! {infer} ! oshaannotate events-location=/dev/full {end}"),
        format!("{SOURCE} ! {infer} ! identity error-after=7 ! oshaannotate {end}"),
        format!(
            "concat name=c ! {infer} ! oshaannotate {end} {SOURCE} ! c. {SOURCE} ! videoconvert ! video/x-raw,format=RGB ! c."
        ),
    ] {
        assert_eq!(leaks(&line), Vec::<String>::new(), "{line}");
    }
    let pictures = std::fs::read_dir(folder.path()).unwrap().filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "png"))
    });
    assert!(pictures.count() > 1, "no violation was pictured");
}
