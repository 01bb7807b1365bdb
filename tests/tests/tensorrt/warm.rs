//! A warm start: another backend serves frames while TensorRT builds.

use std::path::Path;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_osha_tests::record::{Item, Record};
use gst_osha_tests::{Pipeline, eventually};

use crate::{Heard, double, listen, pipeline_of};

const WARM: &str = "backend=tensorrt warm-start=onnxruntime-cpu";
/// Three times as long as the build below.
const SOURCE: &str = "videotestsrc pattern=smpte horizontal-speed=3 num-buffers=150 ! video/x-raw,format=RGB,width=96,height=64 \
                      ! identity sleep-time=10000";

fn slow_build(steps: u64) {
    double::builder().set("build_steps", steps);
    double::builder().set("build_step_ms", 100);
}

/// Plays to the end or an error, with what left the element.
fn play(cache: &Path, properties: &str) -> (Heard, Record, gst::Structure) {
    let pipeline = pipeline_of(SOURCE, cache, properties);
    let left = Record::of(&pipeline.pad("infer", "src").unwrap());
    let started = Instant::now();
    let _ = pipeline.0.set_state(gst::State::Playing);
    assert!(started.elapsed() < Duration::from_secs(1), "the state change waited for the build");
    let heard = listen(&pipeline);
    (heard, left, stats(&pipeline))
}

pub fn stats(pipeline: &Pipeline) -> gst::Structure {
    pipeline.element("infer").unwrap().property("stats")
}

/// How many frames there are before each event that tells of the network.
pub fn announced_at(left: &Record) -> Vec<usize> {
    let mut frames = 0;
    let mut found = Vec::new();
    for item in left.items() {
        match item {
            Item::Frame(..) => frames += 1,
            Item::Event(event) => {
                let is_model =
                    event.structure().is_some_and(|structure| structure.name() == "gst-osha/model");
                found.extend(is_model.then_some(frames));
            }
        }
    }
    found
}

pub fn every_frame_is_seen_once_by_one_engine_or_the_other() {
    for schedule in [
        "in-flight=1",
        "in-flight=6",
        "batch-size=4 in-flight=9 batch-timeout=60000",
        "batch-size=3 optimize-for=latency",
    ] {
        let cache = tempfile::tempdir().unwrap();
        double::reset();
        slow_build(5);
        let (heard, left, stats) = play(cache.path(), &format!("{WARM} {schedule}"));
        assert_eq!(heard.error, None);
        double::reset();
        let (_, after, _) = play(cache.path(), &format!("backend=tensorrt {schedule}"));
        let (_, before, _) = play(cache.path(), &format!("backend=onnxruntime-cpu {schedule}"));

        let announced = announced_at(&left);
        let &[0, swap] = &announced[..] else { panic!("{schedule}: announced at {announced:?}") };
        assert!((10..140).contains(&swap), "{schedule}: swapped at frame {swap}");
        assert!(!schedule.contains("batch-timeout") || swap % 4 == 0, "within a batch, at frame {swap}");
        let (left, before, after) = (left.frames(), before.frames(), after.frames());
        assert!(before != after, "the engines cannot be told apart");
        assert_eq!(left.len(), 150);
        assert!(left[..swap] == before[..swap], "{schedule}: {:?}", &left[..swap]);
        assert!(left[swap..] == after[swap..], "{schedule}: {:?}", &left[swap..]);

        let [told] = &heard.engines[..] else { panic!("{:?}", heard.engines) };
        let text = |name: &str| told.get::<String>(name).unwrap();
        assert!(text("from").starts_with("ONNX Runtime") && text("to").starts_with("TensorRT 11."), "{told}");
        assert_eq!(told.get::<gst::ClockTime>("pts").ok(), left[swap].0.pts);
        assert_eq!(stats.get::<String>("engine").unwrap(), text("to"));
        assert_eq!(stats.get::<bool>("warm-start"), Ok(false));
        assert_eq!(stats.get::<u64>("frames-inferred"), Ok(150));
    }
}

pub fn an_engine_in_the_cache_needs_no_warm_start() {
    let cache = tempfile::tempdir().unwrap();
    let _ = play(cache.path(), "backend=tensorrt");
    let (heard, left, stats) = play(cache.path(), WARM);
    assert_eq!((heard.error, heard.engines.len(), heard.progress.len()), (None, 0, 0));
    assert_eq!(announced_at(&left), [0]);
    assert!(stats.get::<String>("engine").unwrap().starts_with("TensorRT 11."), "{stats}");
}

pub fn null_gives_a_build_up_within_two_seconds() {
    let cache = tempfile::tempdir().unwrap();
    slow_build(100);
    let pipeline = pipeline_of(SOURCE, cache.path(), WARM);
    let left = Record::of(&pipeline.pad("infer", "src").unwrap());
    pipeline.0.set_state(gst::State::Playing).unwrap();
    assert!(
        left.wait_until(|items| items.iter().filter(|item| matches!(item, Item::Frame(..))).count() > 20)
    );
    let stats = stats(&pipeline);
    assert!(stats.get::<String>("engine").unwrap().starts_with("ONNX Runtime"), "{stats}");
    assert_eq!(stats.get::<bool>("warm-start"), Ok(true));
    let started = Instant::now();
    pipeline.0.set_state(gst::State::Null).unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    double::reset();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    assert!(eventually(|| self::stats(&pipeline).get::<bool>("warm-start") == Ok(false)));
}

pub fn a_failed_build_ends_a_warm_start() {
    let cache = tempfile::tempdir().unwrap();
    double::builder().set("fail_build", 1);
    let pipeline = pipeline_of(&SOURCE.replace("150", "100000"), cache.path(), WARM);
    let left = Record::of(&pipeline.pad("infer", "src").unwrap());
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let heard = listen(&pipeline);
    let error = heard.error.unwrap();
    assert!(error.starts_with("model: ") && error.contains("no implementation was found"), "{error}");
    assert!(heard.engines.is_empty());
    // Those that were under way leave.
    std::thread::sleep(Duration::from_millis(300));
    let count = left.frames().len();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(left.frames().len(), count, "frames are served still");
}

pub fn auto_goes_on_when_nothing_can_be_built() {
    let cache = tempfile::tempdir().unwrap();
    double::builder().set("fail_build", 1);
    let (heard, left, stats) = play(cache.path(), "backend=auto warm-start=onnxruntime-cpu");
    assert_eq!((heard.error, heard.engines.len()), (None, 1));
    let refused = heard.engines[0].get::<String>("refused").unwrap();
    assert!(refused.contains("no implementation was found"), "{refused}");
    assert_eq!(stats.get::<bool>("warm-start"), Ok(false));
    assert_eq!(left.frames().len(), 150);
}

pub fn what_cannot_be_had_is_refused_at_the_start() {
    let cases = [
        // The library of the tests runs on the CPU alone.
        ("warm-start=onnxruntime-cuda", "warm-start: nothing serves frames while the engine is built: "),
        ("warm-start=onnxruntime-cpu precision=int8", "warm-start: nothing serves frames"),
        ("warm-start=onnxruntime-cpu fail-on-copy=true", "warm-start: fail-on-copy=true: "),
    ];
    for (properties, expected) in cases {
        let cache = tempfile::tempdir().unwrap();
        let pipeline = pipeline_of(SOURCE, cache.path(), &format!("backend=tensorrt {properties}"));
        assert!(pipeline.0.set_state(gst::State::Playing).is_err(), "{properties}");
        let error = listen(&pipeline).error.unwrap();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(stats(&pipeline).get::<String>("engine").as_deref(), Ok(""));
    }
}

pub fn seeks_while_the_engine_is_built_lose_nothing() {
    for schedule in ["in-flight=6", "batch-size=4 in-flight=9 batch-timeout=60000"] {
        let cache = tempfile::tempdir().unwrap();
        double::reset();
        slow_build(8);
        let pipeline = pipeline_of(SOURCE, cache.path(), &format!("{WARM} {schedule}"));
        let [entered, left] = ["sink", "src"].map(|pad| Record::of(&pipeline.pad("infer", pad).unwrap()));
        pipeline.0.set_state(gst::State::Playing).unwrap();
        let frames = |items: &[Item]| items.iter().filter(|item| matches!(item, Item::Frame(..))).count();
        for round in 1..8 {
            assert!(left.wait_until(|items| frames(items) >= 8 * round), "{schedule}: {:?}", left.words());
            let target = gst::ClockTime::from_mseconds(100 * round as u64);
            pipeline.0.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, target).unwrap();
        }
        let heard = listen(&pipeline);
        assert_eq!((heard.error, heard.engines.len()), (None, 1), "{schedule}");
        assert_eq!(stats(&pipeline).get::<bool>("warm-start"), Ok(false));
        let (entered, left) = (last_segment(&entered), last_segment(&left));
        assert_eq!(entered.first(), Some(&gst::ClockTime::from_mseconds(700)));
        assert!(entered.len() > 50 && left == entered, "{schedule}: {left:?} of {entered:?}");
    }
}

/// Times of the frames after the last seek.
fn last_segment(record: &Record) -> Vec<gst::ClockTime> {
    let items = record.items();
    let is_segment =
        |item: &Item| matches!(item, Item::Event(event) if event.type_() == gst::EventType::Segment);
    let begin = items.iter().rposition(is_segment).unwrap();
    let time = |item: &Item| match item {
        Item::Frame(print, _) => print.pts,
        Item::Event(_) => None,
    };
    items[begin..].iter().filter_map(time).collect()
}
