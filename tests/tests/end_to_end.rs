//! The shipped clip through the documented pipeline, scored against its ground truth.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::fs;

use gst_osha_tests::objects::{self, Object};
use gst_osha_tests::{collect, file, repository};
use osha::event::{Body, Event, Violation};
use serde::Deserialize;

#[derive(Deserialize)]
struct TruthFrame {
    objects: Vec<TruthObject>,
}

#[derive(Deserialize)]
struct TruthObject {
    class: String,
    #[serde(rename = "box")]
    rect: [f32; 4],
}

#[derive(Deserialize)]
struct TruthViolation {
    class: String,
    start_ms: u64,
    end_ms: u64,
}

fn truth_frames() -> Vec<Vec<Object>> {
    let text = fs::read_to_string(repository().join("tests/data/site.truth.jsonl")).unwrap();
    let object = |TruthObject { class, rect: [x, y, w, h] }| Object {
        class,
        score: 1.0,
        corners: [x, y, x + w, y + h],
    };
    text.lines()
        .map(|line| {
            serde_json::from_str::<TruthFrame>(line).unwrap().objects.into_iter().map(object).collect()
        })
        .collect()
}

fn truth_violations() -> Vec<TruthViolation> {
    serde_json::from_str(&fs::read_to_string(repository().join("tests/data/site.violations.json")).unwrap())
        .unwrap()
}

struct Run {
    frames: Vec<Vec<Object>>,
    events: Vec<Event>,
}

fn run() -> Run {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("events.jsonl");
    let delivered = collect(&format!(
        "filesrc location={} ! decodebin3 ! trtinfer model={} confidence=0.4 ! \
         oshaannotate rules={} events-location={} events-wall-clock=false ! appsink name=out",
        file("tests/data/site.mp4"),
        file("models/ppe-demo.onnx"),
        file("pipelines/site.toml"),
        log.display(),
    ))
    .unwrap();
    assert_eq!(delivered.error, None);
    let frame =
        |sample: &gst::Sample| objects::of(sample.buffer().unwrap()).expect("every frame was inferred");
    let text = fs::read_to_string(log).unwrap();
    Run {
        frames: delivered.samples.iter().map(frame).collect(),
        events: text.lines().map(|line| Event::from_line(line).unwrap()).collect(),
    }
}

/// Detections with a true object of their class at an IoU of at least 0.5.
fn hits(found: &[Object], truth: &[Object]) -> usize {
    let mut free: Vec<&Object> = truth.iter().collect();
    let mut count = 0;
    for object in found {
        let best = (0..free.len())
            .filter(|&index| free[index].class == object.class && free[index].iou(object) >= 0.5)
            .max_by(|&a, &b| free[a].iou(object).total_cmp(&free[b].iou(object)));
        if let Some(index) = best {
            free.swap_remove(index);
            count += 1;
        }
    }
    count
}

fn ends(events: &[Event]) -> Vec<&Violation> {
    let end = |event| match event {
        &Event { body: Body::End(ref violation), .. } => Some(violation),
        _ => None,
    };
    events.iter().filter_map(end).collect()
}

/// Whether `found` tells of `truth`: the same rule, both ends within a second.
fn tells_of(found: &Violation, truth: &TruthViolation) -> bool {
    let near = |a: f64, b: u64| (a - b as f64 / 1e3).abs() <= 1.0;
    found.rule == truth.class
        && near(found.start_s, truth.start_ms)
        && near(found.end_s.unwrap_or_default(), truth.end_ms)
}

#[test]
fn detections_and_violations_are_the_true_ones() {
    let (run, truth) = (run(), truth_frames());
    assert_eq!(run.frames.len(), truth.len(), "frames out");

    let hits: usize = run.frames.iter().zip(&truth).map(|(found, truth)| hits(found, truth)).sum();
    let (found, real): (usize, usize) =
        (run.frames.iter().map(Vec::len).sum(), truth.iter().map(Vec::len).sum());
    let (precision, recall) = (hits as f64 / found as f64, hits as f64 / real as f64);
    eprintln!("precision {precision:.3}, recall {recall:.3} of {real} objects in {} frames", truth.len());
    assert!(precision >= 0.9, "precision {precision:.3}");
    assert!(recall >= 0.8, "recall {recall:.3}");

    let (ends, real) = (ends(&run.events), truth_violations());
    for violation in &real {
        let told = ends.iter().any(|found| tells_of(found, violation));
        assert!(told, "{} from {} ms is not among {ends:#?}", violation.class, violation.start_ms);
    }
    assert_eq!(ends.len(), real.len(), "violations that are none: {ends:#?}");
    assert!(ends.iter().all(|violation| !violation.citation.is_empty()));

    let summary = run.events.last().map(|event| &event.body);
    assert!(
        matches!(summary, Some(Body::Summary(summary)) if summary.frames == truth.len() as u64),
        "{summary:?}"
    );
}

#[test]
fn the_same_video_gives_the_same_events() {
    let lines = |events: &[Event]| events.iter().map(|event| event.to_line().unwrap()).collect::<String>();
    assert_eq!(lines(&run().events), lines(&run().events));
}
