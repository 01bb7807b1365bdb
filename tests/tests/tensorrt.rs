//! `trtinfer` with TensorRT: an engine is built while the pipeline starts. Runs against the doubles of `libs/engine`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../libs/engine/tests/tensorrt/double.rs"]
#[allow(dead_code)]
mod double;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_osha_tests::{Pipeline, init, model};
use libtest_mimic::{Arguments, Trial};

const DEADLINE: gst::ClockTime = gst::ClockTime::from_seconds(30);

fn pipeline(cache: &Path, backend: &str) -> Pipeline {
    let line = format!(
        "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=64,height=64 ! trtinfer name=infer model={} \
         backend={backend} tensorrt-library={} engine-cache={} ! fakesink",
        model("yolo-dynamic"),
        double::folder("full").display(),
        cache.display()
    );
    Pipeline::new(&line).unwrap()
}

/// What the bus said until the end or an error.
#[derive(Default)]
struct Heard {
    progress: Vec<(gst::ProgressType, String)>,
    percents: Vec<u32>,
    error: Option<String>,
}

fn listen(pipeline: &Pipeline) -> Heard {
    let bus = pipeline.0.bus().unwrap();
    let mut heard = Heard::default();
    loop {
        let message = bus.timed_pop(DEADLINE).expect("nothing happens");
        match message.view() {
            gst::MessageView::Eos(_) => return heard,
            gst::MessageView::Error(error) => {
                heard.error = Some(error.error().to_string());
                return heard;
            }
            gst::MessageView::Progress(progress) => {
                let (kind, _, text) = progress.get();
                heard.progress.push((kind, text.to_owned()));
            }
            gst::MessageView::Element(element) => {
                let structure = element.structure().filter(|found| found.name() == "trtinfer-progress");
                heard.percents.extend(structure.and_then(|found| found.get::<u32>("percent").ok()));
            }
            _ => {}
        }
    }
}

fn play(cache: &Path, backend: &str) -> (Heard, gst::Structure) {
    let pipeline = pipeline(cache, backend);
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let heard = listen(&pipeline);
    let stats = pipeline.element("infer").unwrap().property("stats");
    pipeline.0.set_state(gst::State::Null).unwrap();
    (heard, stats)
}

fn a_pipeline_starts_while_its_engine_is_built() {
    let cache = tempfile::tempdir().unwrap();
    double::builder().set("build_steps", 6);
    double::builder().set("build_step_ms", 400);
    let pipeline = pipeline(cache.path(), "tensorrt");
    let started = Instant::now();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "the state change waited for the build");
    let heard = listen(&pipeline);
    assert_eq!(heard.error, None);
    let kinds: Vec<_> = heard.progress.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.first(), Some(&gst::ProgressType::Start));
    assert_eq!(kinds.last(), Some(&gst::ProgressType::Complete));
    assert!(kinds.contains(&gst::ProgressType::Continue), "{:?}", heard.progress);
    assert!(!heard.percents.is_empty() && heard.percents.is_sorted(), "{:?}", heard.percents);
    let stats = pipeline.element("infer").unwrap().property::<gst::Structure>("stats");
    assert!(stats.get::<String>("engine").unwrap().starts_with("TensorRT 11."), "{stats}");
    assert_eq!(stats.get::<u64>("frames-inferred"), Ok(3));
    pipeline.0.set_state(gst::State::Null).unwrap();

    let (again, stats) = play(cache.path(), "tensorrt");
    assert!(again.progress.is_empty() && again.error.is_none(), "it was built again");
    assert_eq!(stats.get::<u64>("frames-inferred"), Ok(3));
}

fn null_gives_a_build_up_within_two_seconds() {
    let cache = tempfile::tempdir().unwrap();
    double::builder().set("build_steps", 100);
    double::builder().set("build_step_ms", 100);
    let pipeline = pipeline(cache.path(), "tensorrt");
    pipeline.0.set_state(gst::State::Playing).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let started = Instant::now();
    pipeline.0.set_state(gst::State::Null).unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(pipeline.0.current_state(), gst::State::Null);
    double::reset();
    assert_eq!(play(cache.path(), "tensorrt").0.error, None);
}

fn a_failed_build_is_an_error_on_the_bus() {
    let cache = tempfile::tempdir().unwrap();
    double::builder().set("fail_build", 1);
    let error = play(cache.path(), "tensorrt").0.error.unwrap();
    assert!(error.starts_with("model: ") && error.contains("no implementation was found"), "{error}");
}

fn auto_goes_on_when_nothing_can_be_built() {
    let cache = tempfile::tempdir().unwrap();
    double::builder().set("fail_build", 1);
    let (heard, stats) = play(cache.path(), "auto");
    assert_eq!(heard.error, None);
    assert!(stats.get::<String>("engine").unwrap().starts_with("ONNX Runtime"), "{stats}");
    let refused = stats.get::<String>("refused").unwrap();
    assert!(
        refused.starts_with("tensorrt: ") && refused.contains("no implementation was found"),
        "{refused}"
    );
}

fn main() -> ExitCode {
    if !double::is_in_place() {
        return double::rerun();
    }
    init();
    let tests: [(&str, fn()); 4] = [
        ("a_pipeline_starts_while_its_engine_is_built", a_pipeline_starts_while_its_engine_is_built),
        ("null_gives_a_build_up_within_two_seconds", null_gives_a_build_up_within_two_seconds),
        ("a_failed_build_is_an_error_on_the_bus", a_failed_build_is_an_error_on_the_bus),
        ("auto_goes_on_when_nothing_can_be_built", auto_goes_on_when_nothing_can_be_built),
    ];
    let trial = |(name, body): (&'static str, fn())| {
        Trial::test(name, move || {
            double::reset();
            body();
            Ok(())
        })
    };
    let mut arguments = Arguments::from_args();
    // The doubles are told what to do for one test at a time.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit_code()
}
