//! Without a warm start: frames wait for the engine.

use std::path::Path;
use std::time::{Duration, Instant};

use gst::prelude::*;

use gst_osha_tests::Pipeline;

use crate::{Heard, double, listen, pipeline, play};

/// A pipeline that plays at once while its engine is built, and what it said until its end.
fn start_of_a_long_build(cache: &Path) -> (Pipeline, Heard) {
    double::builder().set("build_steps", 6);
    double::builder().set("build_step_ms", 400);
    let pipeline = pipeline(cache, "tensorrt");
    let started = Instant::now();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "the state change waited for the build");
    let heard = listen(&pipeline);
    assert_eq!(heard.error, None);
    (pipeline, heard)
}

pub fn a_pipeline_starts_while_its_engine_is_built() {
    let cache = tempfile::tempdir().unwrap();
    let (pipeline, heard) = start_of_a_long_build(cache.path());
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

pub fn null_gives_a_build_up_within_two_seconds() {
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

pub fn a_failed_build_is_an_error_on_the_bus() {
    let cache = tempfile::tempdir().unwrap();
    double::builder().set("fail_build", 1);
    let error = play(cache.path(), "tensorrt").0.error.unwrap();
    assert!(error.starts_with("model: ") && error.contains("no implementation was found"), "{error}");
}

pub fn auto_goes_on_when_nothing_can_be_built() {
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

pub fn an_engine_that_the_library_refuses_is_built_anew_in_the_background() {
    let cache = tempfile::tempdir().unwrap();
    double::builder().set("plan_version", 100_100);
    assert!(play(cache.path(), "tensorrt").0.error.is_some());
    double::reset();
    let (pipeline, heard) = start_of_a_long_build(cache.path());
    let (kind, text) = &heard.progress[0];
    assert_eq!(*kind, gst::ProgressType::Start);
    assert!(text.contains("version tag 100100 does not match"), "{text}");
    pipeline.0.set_state(gst::State::Null).unwrap();
}

pub fn an_engine_that_cannot_be_kept_is_a_warning() {
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(play(cache.path(), "tensorrt").0.error, None);
    let entry = std::fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path());
    let entry =
        entry.into_iter().find(|path| path.extension().is_some_and(|found| found == "engine")).unwrap();
    std::fs::remove_file(&entry).unwrap();
    std::fs::create_dir(entry.with_extension("unfinished")).unwrap();
    let (heard, stats) = play(cache.path(), "tensorrt");
    assert_eq!(heard.error, None);
    assert_eq!(stats.get::<u64>("frames-inferred"), Ok(3));
    let [warning] = &heard.warnings[..] else { panic!("{:?}", heard.warnings) };
    assert!(warning.starts_with("engine-cache: the engine is built anew next time"), "{warning}");
}
