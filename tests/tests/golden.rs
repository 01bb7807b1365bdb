//! Detections against the usual Python way, for every output layout. `tests/golden/README.md` tells how those came about.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use gst_osha_tests::objects::{self, Object};
use gst_osha_tests::{collect, file, repository};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    image: String,
    model: String,
    confidence: f32,
    iou: f32,
    detections: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    label: String,
    score: f32,
    #[serde(rename = "box")]
    corners: [f32; 4],
}

fn goldens() -> Vec<Golden> {
    let folder = repository().join("tests/golden/detections");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

fn found(golden: &Golden, format: &str, extra: &str) -> Vec<Object> {
    let line = format!(
        "filesrc location={} ! pngdec ! videoconvert ! video/x-raw,format={format} ! \
         trtinfer model={} confidence={} iou={} {extra} ! appsink name=out",
        file(&format!("tests/golden/images/{}", golden.image)),
        file(&format!("tests/golden/models/{}", golden.model)),
        golden.confidence,
        golden.iou,
    );
    let delivered = collect(&line).unwrap();
    assert_eq!(delivered.error, None, "{} on {}", golden.model, golden.image);
    objects::of(delivered.samples[0].buffer().unwrap()).expect("the network saw the frame")
}

fn object(expected: &Expected) -> Object {
    Object { class: expected.label.clone(), score: expected.score, corners: expected.corners }
}

/// Matched and all detections over every golden file.
fn agreement(format: &str, extra: &str) -> (usize, usize) {
    let mut totals = (0, 0);
    for golden in goldens() {
        let (expected, found) =
            (golden.detections.iter().map(object).collect::<Vec<_>>(), found(&golden, format, extra));
        let matched = objects::matched(&expected, &found, 1.0, 0.01);
        let larger = expected.len().max(found.len());
        if matched < larger {
            eprintln!("{} on {}: {matched} of {larger} agree", golden.model, golden.image);
        }
        totals = (totals.0 + matched, totals.1 + larger);
    }
    totals
}

#[test]
fn every_layout_agrees_with_the_reference() {
    assert!(goldens().len() >= 40, "golden files are missing");
    let (matched, all) = agreement("RGB", "");
    assert!(matched * 1000 >= all * 995, "only {matched} of {all} detections agree");
}

#[test]
fn the_order_of_the_bytes_changes_nothing() {
    for format in ["BGRx", "ARGB"] {
        let (matched, all) = agreement(format, "optimize-for=throughput in-flight=1");
        assert!(matched * 1000 >= all * 995, "{format}: only {matched} of {all} detections agree");
    }
}

#[derive(Deserialize)]
struct GoldenClip {
    confidence: f32,
    iou: f32,
    frames: Vec<GoldenFrame>,
}

#[derive(Deserialize)]
struct GoldenFrame {
    frame: usize,
    detections: Vec<Expected>,
}

#[test]
fn the_decoders_frames_agree_with_the_reference() {
    let text = std::fs::read_to_string(repository().join("tests/golden/clip.json")).unwrap();
    let golden: GoldenClip = serde_json::from_str(&text).unwrap();
    let delivered = collect(&format!(
        "filesrc location={} ! decodebin3 ! trtinfer model={} confidence={} iou={} ! appsink name=out",
        file("tests/data/site.mp4"),
        file("models/ppe-demo.onnx"),
        golden.confidence,
        golden.iou,
    ))
    .unwrap();
    let (mut matched, mut all) = (0, 0);
    for GoldenFrame { frame, detections } in &golden.frames {
        let found =
            objects::of(delivered.samples[*frame].buffer().unwrap()).expect("every frame was inferred");
        let expected: Vec<Object> = detections.iter().map(object).collect();
        matched += objects::matched(&expected, &found, 3.0, 0.05);
        all += expected.len().max(found.len());
    }
    eprintln!("{matched} of {all} detections agree");
    assert!(matched * 100 >= all * 97, "only {matched} of {all} detections agree");
}
