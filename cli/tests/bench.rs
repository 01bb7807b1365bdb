//! `gst-osha bench` and `gst-osha top` as programs: what they print, and how they end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gst-osha"))
        .args(arguments)
        .current_dir(repository())
        .env("GST_PLUGIN_PATH", repository().join("build/plugins"))
        .env_remove("GST_TRACERS")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

/// A video that `elements` make, in `folder`.
fn clip(folder: &Path, elements: &str) -> PathBuf {
    let path = folder.join("clip.mkv");
    let line = format!("matroskamux name=mux ! filesink location={} {elements}", path.display());
    let made = Command::new("gst-launch-1.0").arg("-q").args(line.split(' ')).status().unwrap();
    assert!(made.success(), "{line}");
    path
}

#[test]
fn wrong_arguments_name_what_is_wrong() {
    let cases: [(&[&str], &str, i32); 14] = [
        (&["bench", "--frames", "0"], "--frames", 2),
        (&["bench", "--frames", "many"], "--frames", 2),
        (&["bench", "--streams", "0"], "--streams", 2),
        (&["bench", "--threads", "5000"], "--threads", 2),
        (&["bench", "--plot", "a.jpg"], ".png or .svg", 2),
        (&["bench", "--render", "7x"], "1920x1080", 2),
        (&["bench", "--render", "33x18"], "33x18: both must be even", 1),
        (&["bench", "--verify", "--overhead"], "cannot be used with", 2),
        (&["bench", "--verify", "--plot", "a.svg"], "cannot be used with", 2),
        (&["bench", "--plot", "/nowhere/a.svg"], "--plot /nowhere/a.svg: No such file", 1),
        (
            &["bench", "--input", "README.md"],
            "--input README.md: no video in it can be read: parse: This appears",
            1,
        ),
        (&["bench", "--model", "none.onnx"], "none.onnx: there is no such file", 1),
        (&["bench", "--input", "none.mp4"], "none.mp4: there is no such file", 1),
        (&["top", "--interval", "0"], "--interval", 2),
    ];
    for (arguments, expected, code) in cases {
        let output = run(arguments);
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_wrong_element_in_between_is_an_error() {
    let output = run(&["bench", "--frames", "2", "--rounds", "1", "--insert", "nosuchelement"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nosuchelement"), "{}", text(&output.stderr));
}

#[test]
fn sound_in_the_file_is_not_measured() {
    let folder = tempfile::tempdir().unwrap();
    let elements = "audiotestsrc num-buffers=50 ! opusenc ! mux.audio_0 videotestsrc num-buffers=30 ! \
                    video/x-raw,format=I420,width=64,height=48 ! x264enc ! mux.video_0";
    let clip = clip(folder.path(), elements);
    let input = clip.to_str().unwrap();
    for stage in ["decode", "infer-alone"] {
        let figures = json(&run(&["bench", "--stage", stage, "--frames", "4", "--input", input]));
        assert_eq!(figures["frames"], 4);
        assert_eq!(figures["parts"]["decode"].is_object(), stage == "decode", "{figures}");
    }
    let verdicts = json(&run(&["bench", "--verify", "--json", "--frames", "4", "--input", input]));
    for check in ["bit-exact decode", "no frame drops", "full resolution", "deterministic"] {
        assert_eq!(verdict(&verdicts, check).0, "ok", "{verdicts}");
    }
}

#[test]
fn a_file_that_was_cut_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.mp4");
    let whole = std::fs::read(repository().join("tests/data/site.mp4")).unwrap();
    std::fs::write(&cut, &whole[..20_000]).unwrap();
    let output = run(&["bench", "--verify", "--frames", "4", "--input", cut.to_str().unwrap()]);
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("is the file whole?"), "{error}");
}

#[test]
fn where_no_frame_gets_through_nothing_is_found_good_and_nothing_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let elements =
        "videotestsrc num-buffers=3 ! video/x-raw,format=Y444,width=64,height=48 ! x264enc ! mux.video_0";
    let clip = clip(folder.path(), elements);
    let input = clip.to_str().unwrap();
    let began = Instant::now();
    let verdicts = json(&run(&["bench", "--verify", "--json", "--frames", "8", "--input", input]));
    assert_eq!(verdict(&verdicts, "bit-exact decode").0, "ok", "{verdicts}");
    for check in ["no frame drops", "full resolution", "deterministic", "no unexpected copies"] {
        assert_eq!(verdict(&verdicts, check).0, "failed", "{verdicts}");
    }
    let (_, text) = verdict(&verdicts, "no unexpected copies");
    assert!(text.contains("--insert videoconvert"), "{text}");
    let convert = ["--insert", "videoconvert", "--frames", "8", "--input", input];
    for stage in ["infer", "infer-alone"] {
        let figures = json(&run(&[&["bench", "--stage", stage], &convert[..]].concat()));
        assert_eq!(figures["frames"], 8);
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_reader_that_leaves_early_changes_no_verdict() {
    let mut verify = Command::new(env!("CARGO_BIN_EXE_gst-osha"));
    verify.args(["bench", "--verify", "--frames", "2"]).current_dir(repository());
    verify.env("GST_PLUGIN_PATH", repository().join("build/plugins")).env_remove("GST_TRACERS");
    let mut child = verify.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = verify.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("gst-osha: standard output: No space left"), "{output:?}");
}

#[test]
fn everything_is_measured_in_one_json_object() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("parts.svg");
    let output =
        run(&["bench", "--frames", "4", "--rounds", "1", "--json", "--plot", plot.to_str().unwrap()]);
    let results = json(&output);
    assert_eq!(results["schema"], "gst-osha.bench/1");
    let programs = results["programs"].as_array().unwrap();
    for name in ["bare", "decode", "infer", "annotate", "infer-alone", "annotate-alone"] {
        let figures = programs.iter().find(|figures| figures["stage"] == name).expect(name);
        assert_eq!(figures["frames"], 4, "{name}");
        assert!(figures["fps"].as_f64().unwrap() > 0.0 && figures["peak_mib"].as_f64().unwrap() > 1.0);
    }
    for name in ["decode", "preprocess", "inference", "postprocess", "annotate"] {
        let part = results["parts"].as_array().unwrap().iter().find(|part| part["part"] == name).expect(name);
        for column in ["alone", "pipeline"] {
            let [p50, p99] = ["p50", "p99"].map(|rank| part[column][rank].as_f64().unwrap());
            assert!(0.0 < p50 && p50 <= p99, "{name} {column}");
        }
    }
    // What is installed is measured: GStreamer's own onnxinference, too.
    for left_out in results["left_out"].as_array().unwrap() {
        let reason = left_out["reason"].as_str().unwrap();
        assert!(reason.ends_with("is not installed"), "{left_out}");
    }
    assert!(results["bandwidth"][0]["gigabytes_per_second"].as_f64().unwrap() > 0.01);
    assert!(results["overlap"]["pipeline_ms"].as_f64().unwrap() > 0.0);
    // Counted where there are a GPU and CUPTI, else there is a reason.
    let pcie = &results["pcie"];
    assert_ne!(pcie["counted_by_cupti"].is_number(), pcie["why_not"].is_string(), "{pcie}");
    assert_eq!(pcie["counted_by_cupti"].is_number(), pcie["agree"].is_boolean(), "{pcie}");
    assert!(std::fs::read_to_string(&plot).unwrap().contains("annotate"));
}

#[test]
fn streams_side_by_side_share_the_frames() {
    let output = run(&[
        "bench",
        "--stage",
        "annotate",
        "--frames",
        "8",
        "--streams",
        "3",
        "--input",
        "tests/data/site.mp4",
    ]);
    assert_eq!(json(&output)["frames"], 8);
}

#[test]
fn who_measures_cpu_time_alone_may_leave_parts_unwatched() {
    let decode = ["bench", "--stage", "decode", "--frames", "8", "--input", "tests/data/site.mp4"];
    let parts = |options: &[&str]| json(&run(&[&decode, options].concat()))["parts"].clone();
    assert!(parts(&[])["decode"]["p50"].as_f64().unwrap() > 0.0);
    assert_eq!(parts(&["--unwatched"]), serde_json::json!({}));
}

fn verdict<'v>(verdicts: &'v Value, check: &str) -> (&'v str, &'v str) {
    let line = verdicts.as_array().unwrap().iter().find(|line| line["check"] == check).expect(check);
    (line["outcome"].as_str().unwrap(), line["text"].as_str().unwrap())
}

/// Whether the tracer has been built: `make test` does it.
fn has_tracer() -> bool {
    repository().join("build/plugins/libgstzcopies.so").is_file()
}

#[test]
fn the_guarantees_hold() {
    assert!(has_tracer(), "make build puts the tracer into build/plugins");
    let output = run(&["bench", "--verify", "--json", "--frames", "6"]);
    let verdicts = json(&output);
    assert!(output.status.success(), "{verdicts}");
    for check in ["no frame drops", "full resolution", "deterministic", "no unexpected copies"] {
        assert_eq!(verdict(&verdicts, check).0, "ok", "{verdicts}");
    }
    assert_ne!(verdict(&verdicts, "CPU and GPU agree").0, "failed");
}

#[test]
fn a_copy_in_between_is_found_and_named() {
    let between = "videoconvert name=culprit ! video/x-raw,format=RGB";
    let output = run(&["bench", "--verify", "--json", "--frames", "4", "--insert", between]);
    assert_eq!(output.status.code(), Some(1));
    let verdicts = json(&output);
    let (outcome, text) = verdict(&verdicts, "no unexpected copies");
    assert!(outcome == "failed" && text.starts_with("culprit (videoconvert)"), "{text}");
}

/// `cargo test -p gst-osha-cli --test bench -- --ignored`, on a machine that has them.
#[test]
#[ignore = "needs a CUDA device, the elements cudadownload and cudaupload, and CUPTI"]
fn a_round_trip_to_the_host_is_found_and_counted_twice() {
    // Otherwise both agree on device memory, under caps of host memory.
    let between = "cudadownload ! video/x-raw ! identity drop-allocation=true ! cudaupload ! \
                   video/x-raw(memory:CUDAMemory)";
    let output = run(&["bench", "--verify", "--json", "--frames", "20", "--insert", between]);
    assert_eq!(output.status.code(), Some(1));
    let verdicts = json(&output);
    let (outcome, text) = verdict(&verdicts, "no unexpected copies");
    assert!(outcome == "failed" && text.contains("(cudadownload)"), "{text}");
    assert!(text.contains("by CUPTI: ") && text.contains("they agree"), "{text}");
}

#[test]
fn the_decoder_can_be_named() {
    let verify = |decoder| run(&["bench", "--verify", "--json", "--frames", "2", "--decoder", decoder]);
    let verdicts = json(&verify("avdec_h264 max-threads=2"));
    assert_eq!(verdict(&verdicts, "bit-exact decode").0, "ok", "{verdicts}");
    let verdicts = json(&verify("nosuchdecoder"));
    let (outcome, text) = verdict(&verdicts, "bit-exact decode");
    assert!(outcome == "failed" && text.contains("nosuchdecoder"), "{text}");
}

#[test]
fn a_smaller_picture_is_found() {
    let between = "videoscale ! video/x-raw,width=320,height=180";
    let output = run(&["bench", "--verify", "--json", "--frames", "2", "--insert", between]);
    let verdicts = json(&output);
    assert_eq!(verdict(&verdicts, "full resolution").0, "failed", "{verdicts}");
}

#[test]
fn lost_frames_are_found() {
    let between = "identity drop-probability=0.5";
    let output = run(&["bench", "--verify", "--json", "--frames", "20", "--insert", between]);
    let verdicts = json(&output);
    assert_eq!(verdict(&verdicts, "no frame drops").0, "failed", "{verdicts}");
}

#[test]
fn top_says_when_there_is_nothing_to_see() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gst-osha"))
        .arg("top")
        .env("XDG_RUNTIME_DIR", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("GST_TRACERS=zcopies"));
    let output = run(&["top", "--socket", "/nowhere/at.all"]);
    assert!(text(&output.stderr).contains("/nowhere/at.all: there is no such socket"));
}

#[test]
fn top_tells_who_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("silent.sock");
    let silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let output = run(&["top", "--count", "1", "--socket", socket.to_str().unwrap()]);
    assert!(text(&output.stderr).contains("silent.sock: no answer within 3 s"), "{output:?}");
    drop(silent);
}

#[test]
fn top_shows_what_a_process_answers() {
    use std::io::{BufRead, BufReader, Write};
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("one.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let answer = serde_json::json!({"schema": "gst-osha.links/1", "process": 7, "pipelines": [{
        "name": "watched", "seconds": 2.0, "position_s": 1.0, "duration_s": 4.0, "elements": [],
        "links": [{"from": "a:src", "to": "b:sink", "media": "video/x-raw", "format": "NV12 64x48",
            "memory": "CUDAMemory", "buffers": 50, "bytes": 100}],
        "copies": [{"element": "culprit", "factory": "videoconvert", "change": "new-memory", "before": "x",
            "after": "y", "link": "culprit:src -> c:sink", "frames": 10, "bytes": 20}]}]});
    let server = std::thread::spawn(move || {
        // The first connection only asks whether somebody listens.
        for client in listener.incoming().take(2) {
            let mut client = client.unwrap();
            let mut line = String::new();
            if BufReader::new(client.try_clone().unwrap()).read_line(&mut line).unwrap() > 0 {
                writeln!(client, "{answer}").unwrap();
            }
        }
    });
    let output = run(&["top", "--count", "1", "--socket", socket.to_str().unwrap()]);
    let screen = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for expected in
        ["watched (process 7)", "[######------", "25.0 fps", "copies: 5.0 frames/s, 10 in all", "culprit"]
    {
        assert!(screen.contains(expected), "{expected}: {screen}");
    }
    assert!(!screen.contains('\x1b'), "no colours where nobody sees them");
    server.join().unwrap();
}
