//! What the properties do, and when.

use std::collections::BTreeSet;

use gst::prelude::*;
use gst_osha_tests::Pipeline;
use gst_osha_tests::objects::Object;

use super::{detections, moving, play};

const RGB: &str = "video/x-raw,format=RGB";

fn odd(properties: &str) -> Vec<Object> {
    detections("odd", RGB, properties)
}

fn classes(objects: &[Object]) -> BTreeSet<&str> {
    objects.iter().map(|object| object.class.as_str()).collect()
}

#[test]
fn every_nth_frame_is_inferred() {
    for interval in [1, 2, 5] {
        for schedule in ["", "batch-size=3 optimize-for=throughput"] {
            let frames = play(&moving(21), &format!("interval={interval} {schedule}"), |_| {}).left.frames();
            let inferred: Vec<_> = (0..21).filter(|&index| frames[index].1.is_some()).collect();
            assert_eq!(inferred, (0..21).step_by(interval).collect::<Vec<_>>());
        }
    }
}

#[test]
fn scores_exceed_the_confidence() {
    let (low, high) = (odd("confidence=0.3"), odd("confidence=0.6"));
    assert!(low.iter().all(|object| object.score > 0.3) && high.iter().all(|object| object.score > 0.6));
    let sure: Vec<_> = low.into_iter().filter(|object| object.score > 0.6).collect();
    assert!(!sure.is_empty());
    assert_eq!(high, sure);
}

#[test]
fn only_the_surest_are_kept() {
    let all = odd("confidence=0.3");
    assert!(all.windows(2).all(|pair| pair[0].score >= pair[1].score), "not in order");
    assert_eq!(odd("confidence=0.3 max-detections=5"), all[..5]);
}

#[test]
fn classes_are_chosen_by_name_or_index() {
    let cases: [(&str, &[&str]); 4] = [
        ("person", &["person"]),
        ("2", &["person"]),
        ("hard hat, it's a vest", &["hard hat", "it's a vest"]),
        ("0,person", &["hard hat", "person"]),
    ];
    let all = odd("confidence=0.3");
    assert_eq!(classes(&all).len(), 3);
    for (wanted, names) in cases {
        let kept: Vec<_> =
            all.iter().filter(|object| names.contains(&object.class.as_str())).cloned().collect();
        assert_eq!(odd(&format!("confidence=0.3 classes=\"{wanted}\"")), kept, "{wanted}");
    }
}

/// Whether boxes of one class, or else of different classes, overlap by more than `iou`. Boxes that the border of
/// the picture cuts do not count: they were larger when they were compared.
fn overlap(objects: &[Object], same_class: bool, iou: f32) -> bool {
    let whole = |object: &&Object| {
        let [left, top, right, bottom] = object.corners;
        left > 0.0 && top > 0.0 && right < 333.0 && bottom < 517.0
    };
    let objects: Vec<_> = objects.iter().filter(whole).collect();
    let mut pairs =
        objects.iter().enumerate().flat_map(|(index, a)| objects[..index].iter().map(move |b| (a, b)));
    pairs.any(|(a, b)| (a.class == b.class) == same_class && a.iou(b) > iou)
}

#[test]
fn boxes_of_a_class_overlap_no_more_than_iou() {
    for iou in [0.2, 0.5] {
        let found = odd(&format!("confidence=0.1 iou={iou}"));
        // Whole pixels give and take a little.
        assert!(!overlap(&found, true, iou + 0.05));
    }
}

#[test]
fn class_agnostic_suppression_looks_past_the_class() {
    assert!(overlap(&odd("confidence=0.1 iou=0.2"), false, 0.25));
    let found = odd("confidence=0.1 iou=0.2 class-agnostic=true");
    assert!(!overlap(&found, false, 0.25) && !overlap(&found, true, 0.25));
}

#[test]
fn a_labels_file_renames_the_classes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("lines.txt", "Helm\nWeste\nMensch\n"), ("list.json", r#"["Helm", "Weste", "Mensch"]"#)]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let found = odd(&format!("confidence=0.3 labels={}", path.display()));
        assert_eq!(classes(&found), BTreeSet::from(["Helm", "Mensch", "Weste"]), "{name}");
    }
}

/// Calls `change` when the frame of index `at` leaves the element.
fn change_at(pipeline: &Pipeline, at: u64, change: impl Fn(&gst::Element) + Send + Sync + 'static) {
    let infer = pipeline.element("infer").unwrap();
    let pad = infer.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if info.buffer().unwrap().offset() == at {
            change(&infer);
        }
        gst::PadProbeReturn::Ok
    });
}

#[test]
fn changes_take_effect_while_playing() {
    type Case = (&'static str, fn(&gst::Element), fn(&[Object]) -> bool);
    let cases: [Case; 3] = [
        ("confidence", |infer| infer.set_property("confidence", 1.0f32), <[_]>::is_empty),
        ("max-detections", |infer| infer.set_property("max-detections", 2u32), |objects| objects.len() == 2),
        ("iou", |infer| infer.set_property("iou", 0.0f32), |objects| (1..150).contains(&objects.len())),
    ];
    for (name, change, holds) in cases {
        let played = play(&moving(40), "confidence=0.1", |pipeline| change_at(pipeline, 10, change));
        let found: Vec<_> = played.left.frames().into_iter().map(|(_, objects)| objects.unwrap()).collect();
        assert!(!found[..11].iter().any(|objects| holds(objects)), "{name}: before");
        assert!(found[11..].iter().all(|objects| holds(objects)), "{name}: after");
    }
}

#[test]
fn the_interval_may_change_while_playing() {
    let widen = |infer: &gst::Element| infer.set_property("interval", 4u32);
    let played = play(&moving(40), "in-flight=1", |pipeline| change_at(pipeline, 10, widen));
    let inferred: Vec<_> = played.left.frames().iter().map(|(_, objects)| objects.is_some()).collect();
    assert!(inferred[..11].iter().all(|&inferred| inferred));
    // Two frames may have been taken in before the change.
    let later: Vec<_> = (13..40).filter(|&index| inferred[index]).collect();
    assert_eq!(later, (16..40).step_by(4).collect::<Vec<_>>());
}

#[test]
fn statistics_count_what_happened() {
    let played = play(&moving(60), "interval=3 batch-size=4 optimize-for=throughput", |_| {});
    let found: usize =
        played.left.frames().iter().filter_map(|(_, objects)| objects.as_ref()).map(Vec::len).sum();
    let count = |name: &str| played.stats.get::<u64>(name).unwrap();
    assert_eq!((count("frames-in"), count("frames-inferred"), count("frames-out")), (60, 20, 60));
    assert_eq!(count("detections"), found as u64);
    assert!(!played.stats.get::<String>("engine").unwrap().is_empty());
    for stage in ["preprocess-ms", "inference-ms", "postprocess-ms", "total-ms"] {
        let times = played.stats.get::<gst::Structure>(stage).unwrap();
        let [mean, p50, p95, p99] = ["mean", "p50", "p95", "p99"].map(|name| times.get::<f64>(name).unwrap());
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99 && mean <= p99, "{stage}: {times}");
    }
}

#[test]
fn statistics_begin_anew_with_every_start() {
    let pipeline = Pipeline::new(&format!("{} ! {} ! fakesink", moving(5), super::infer(""))).unwrap();
    for _ in 0..2 {
        assert_eq!(pipeline.play().unwrap(), Ok(()));
        let stats: gst::Structure = pipeline.element("infer").unwrap().property("stats");
        assert_eq!(stats.get::<u64>("frames-out").unwrap(), 5);
        pipeline.0.set_state(gst::State::Ready).unwrap();
    }
}
