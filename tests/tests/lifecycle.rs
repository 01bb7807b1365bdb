//! Pipelines that are started, stopped, changed and thrown away at any moment: nothing hangs, nothing is left
//! behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;
use std::sync::mpsc;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gst::prelude::*;
use gst_osha_tests::record::Record;
use gst_osha_tests::{Pipeline, eventually, file, init, model, repository};

/// One test at a time: some count the threads and files of the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    init();
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A second of pictures at 30 frames a second.
static CLIP: LazyLock<(tempfile::TempDir, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mjpeg").display().to_string();
    let line = format!(
        "videotestsrc num-buffers=30 ! video/x-raw,width=96,height=64,framerate=30/1 ! jpegenc ! \
         filesink location={path}"
    );
    assert_eq!(Pipeline::new(&line).unwrap().play().unwrap(), Ok(()));
    (folder, path)
});

/// From an encoded clip to `sink`, by way of both elements.
fn line(properties: &str, sink: &str) -> String {
    format!(
        "filesrc location={} ! image/jpeg,framerate=30/1 ! jpegparse ! jpegdec ! \
         trtinfer name=infer model={} max-detections=5 {properties} ! \
         oshaannotate ! {sink}",
        CLIP.1,
        model("yolo-dynamic")
    )
}

/// Frames without end, as fast as they come.
fn endless(properties: &str, sink: &str) -> String {
    pictures(-1, properties, sink)
}

fn pictures(count: i32, properties: &str, sink: &str) -> String {
    format!(
        "videotestsrc num-buffers={count} ! video/x-raw,format=RGB,width=96,height=64,framerate=30/1 ! \
         trtinfer name=infer model={} {properties} ! oshaannotate ! {sink}",
        model("yolo-dynamic")
    )
}

const SCHEDULES: [&str; 3] =
    ["", "in-flight=8", "batch-size=4 in-flight=8 optimize-for=throughput batch-timeout=60000"];

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Threads and open files of this process.
fn usage() -> (usize, usize) {
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

fn reach(pipeline: &Pipeline, state: gst::State) {
    pipeline.0.set_state(state).unwrap();
    assert_eq!(pipeline.0.state(gst::ClockTime::from_seconds(10)).1, state);
}

/// Does `work` on a thread of its own, which has ten seconds.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("hangs: {what}"))
}

/// Sets `pipeline` to NULL, which must not hang.
fn stop(pipeline: &Pipeline, what: &str) {
    let pipeline = pipeline.0.clone();
    in_time(what, move || pipeline.set_state(gst::State::Null).unwrap());
}

fn wait_for_frames(record: &Record, count: usize) {
    assert!(eventually(|| record.prints().len() >= count), "frames do not come");
}

#[test]
fn starting_and_stopping_leaves_nothing_behind() {
    let _alone = alone();
    let pipeline = Pipeline::new(&line("", "fakesink")).unwrap();
    let mut after_warming_up = (0, 0);
    for cycle in 0..50 {
        assert_eq!(pipeline.play().unwrap(), Ok(()));
        pipeline.0.set_state(gst::State::Null).unwrap();
        if cycle == 5 {
            after_warming_up = usage();
        }
    }
    // GStreamer's pool lets idle threads go when it likes.
    let grown = || usage().0 > after_warming_up.0 || usage().1 > after_warming_up.1;
    assert!(eventually(|| !grown()), "{:?} became {:?}", after_warming_up, usage());
}

#[test]
fn pausing_and_going_on_loses_no_frame() {
    let _alone = alone();
    for schedule in SCHEDULES {
        let pipeline = Pipeline::new(&pictures(30, schedule, "fakesink name=sink sync=true")).unwrap();
        let record = Record::of(&pipeline.pad("sink", "sink").unwrap());
        for _ in 0..10 {
            reach(&pipeline, gst::State::Playing);
            std::thread::sleep(Duration::from_millis(10));
            reach(&pipeline, gst::State::Paused);
        }
        assert_eq!(pipeline.play().unwrap(), Ok(()));
        let times: Vec<_> = record.prints().iter().map(|print| print.pts.unwrap().mseconds()).collect();
        assert_eq!(times, (0..30).map(|frame| frame * 1000 / 30).collect::<Vec<_>>(), "{schedule}");
    }
}

#[test]
fn stopping_in_the_middle_of_the_stream_does_not_hang() {
    let _alone = alone();
    for schedule in SCHEDULES {
        let pipeline = Pipeline::new(&endless(schedule, "fakesink name=sink")).unwrap();
        for frames in [0, 1, 2, 5, 20] {
            let record = Record::of(&pipeline.pad("sink", "sink").unwrap());
            pipeline.0.set_state(gst::State::Playing).unwrap();
            wait_for_frames(&record, frames);
            stop(&pipeline, &format!("after {frames} frames with {schedule}"));
        }
    }
}

#[test]
fn stopping_at_the_first_frame_does_not_hang() {
    let _alone = alone();
    for schedule in SCHEDULES {
        let pipeline = Pipeline::new(&endless(schedule, "fakesink sync=true")).unwrap();
        for _ in 0..3 {
            reach(&pipeline, gst::State::Paused);
            stop(&pipeline, &format!("preroll with {schedule}"));
        }
    }
}

#[test]
fn stopping_while_downstream_takes_nothing_does_not_hang() {
    let _alone = alone();
    for schedule in SCHEDULES {
        // The appsink is full after one frame and waits until somebody pulls.
        let sink = "appsink name=sink max-buffers=1 sync=false";
        let pipeline = Pipeline::new(&endless(schedule, sink)).unwrap();
        let entered = Record::of(&pipeline.pad("infer", "sink").unwrap());
        pipeline.0.set_state(gst::State::Playing).unwrap();
        wait_for_frames(&entered, 4);
        std::thread::sleep(Duration::from_millis(50));
        stop(&pipeline, &format!("blocked with {schedule}"));
    }
}

#[test]
fn a_pipeline_may_be_dropped_while_it_plays() {
    let _alone = alone();
    let before = usage().1;
    for schedule in SCHEDULES {
        let pipeline = Pipeline::new(&endless(schedule, "fakesink name=sink")).unwrap();
        let record = Record::of(&pipeline.pad("sink", "sink").unwrap());
        let infer = pipeline.element("infer").unwrap().downgrade();
        pipeline.0.set_state(gst::State::Playing).unwrap();
        wait_for_frames(&record, 10);
        in_time("drop", move || drop(pipeline));
        assert!(eventually(|| infer.upgrade().is_none()), "somebody keeps the element");
    }
    assert!(eventually(|| usage().1 <= before + 2), "files stay open");
}

#[test]
fn another_model_may_be_set_between_two_runs() {
    let _alone = alone();
    let pipeline = Pipeline::new(&line("", "fakesink")).unwrap();
    let infer = pipeline.element("infer").unwrap();
    let record = Record::of(&pipeline.pad("infer", "src").unwrap());
    let mut inferred = Vec::new();
    for name in ["yolo", "yolov5", "detr", "yolo"] {
        reach(&pipeline, gst::State::Ready);
        infer.set_property("model", model(name));
        assert_eq!(pipeline.play().unwrap(), Ok(()), "{name}");
        let frames = record.frames();
        let last = frames[frames.len() - 30..].iter().map(|(_, objects)| objects.clone().unwrap());
        inferred.push(last.collect::<Vec<_>>());
    }
    assert_eq!(inferred[0], inferred[3], "the first model again");
    assert!(inferred[0] != inferred[1] && inferred[1] != inferred[2], "the model did not change");
}

#[test]
fn a_model_that_fails_may_be_corrected() {
    let _alone = alone();
    let pipeline = Pipeline::new(&line("", "fakesink")).unwrap();
    let infer = pipeline.element("infer").unwrap();
    infer.set_property("model", "/nonexistent.onnx");
    let error = pipeline.play().unwrap().unwrap_err();
    assert!(error.text().contains("/nonexistent.onnx"), "{}", error.text());
    reach(&pipeline, gst::State::Null);
    infer.set_property("model", model("yolo"));
    assert_eq!(pipeline.play().unwrap(), Ok(()));
}

#[test]
fn elements_with_the_same_model_share_an_engine() {
    let _alone = alone();
    let threads_of = |count: usize| {
        let infer = format!("trtinfer threads=4 model={} ! ", model("yolo"));
        let line = format!("videotestsrc ! {} fakesink", infer.repeat(count));
        let pipeline = Pipeline::new(&line).unwrap();
        reach(&pipeline, gst::State::Paused);
        let threads = inference_threads();
        drop(pipeline);
        assert!(eventually(|| inference_threads() == 0), "threads stay");
        threads
    };
    assert!(threads_of(1) >= 4);
    assert_eq!(threads_of(1), threads_of(3));
}

/// Threads of engines.
fn inference_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread may be gone before its name is read.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "osha-inference").count()
}

#[test]
fn nothing_leaks() {
    let plugins = repository().join("build/plugins");
    for plugin in ["libgsttrtinfer.so", "libgstoshaannotate.so"] {
        assert!(plugins.join(plugin).exists(), "{plugin} is missing: run make build");
    }
    let output = Command::new("gst-launch-1.0")
        .args(["filesrc", &format!("location={}", file("tests/golden/images/odd.png"))])
        .args(["!", "pngdec", "!", "imagefreeze", "num-buffers=50", "!", "videoconvert", "!"])
        .args(["trtinfer", &format!("model={}", model("yolo-dynamic")), "batch-size=3", "!", "oshaannotate"])
        .args(["!", "fakesink"])
        .env("GST_PLUGIN_PATH", &plugins)
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7,leaks:7")
        .env("GST_DEBUG_NO_COLOR", "1")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    // A line with `%s` in it says how such lines look.
    let alive: Vec<_> =
        log.lines().filter(|line| line.contains("object-alive, ") && !line.contains("%s")).collect();
    assert!(alive.is_empty(), "{alive:#?}");
    assert!(log.contains("object-alive"), "the tracer did not run: {log}");
}
