//! What runs beside what, and what the element says about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use gst::prelude::*;
use gst_osha_tests::{Pipeline, file};

use super::{Fed, SMALL, infer};

/// Latency of `source` and `middle`: whether they are live, and the smallest one.
fn latency(source: &str, middle: &str) -> (bool, gst::ClockTime) {
    let line = format!("{source} ! {SMALL} ! {middle} ! fakesink name=sink sync=true");
    let pipeline = Pipeline::new(&line).unwrap();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    pipeline.0.state(gst::ClockTime::from_seconds(10)).0.unwrap();
    let mut query = gst::query::Latency::new();
    assert!(pipeline.pad("sink", "sink").unwrap().peer_query(&mut query));
    let (live, min, _) = query.result();
    (live, min)
}

#[test]
fn a_live_stream_is_as_late_as_the_frames_in_flight() {
    let frame = gst::ClockTime::SECOND / 30;
    let (_, source) = latency("videotestsrc is-live=true", "identity");
    let cases = [
        ("in-flight=1", 1),
        ("in-flight=5", 5),
        ("threads=1", 3),
        ("threads=3 requests=2", 4),
        ("threads=2 batch-size=3", 10),
        ("optimize-for=latency", 2),
        ("optimize-for=latency threads=2 requests=2", 3),
    ];
    for (properties, frames) in cases {
        let (live, all) = latency("videotestsrc is-live=true", &infer(properties));
        assert!(live);
        let own = all - source;
        let error = own.nseconds().abs_diff((frame * frames).nseconds());
        assert!(error < 100, "{properties}: {own} instead of {frames} frames");
    }
}

#[test]
fn what_is_not_live_is_not_late() {
    let (live, latency) = latency("videotestsrc", &infer("in-flight=8"));
    assert_eq!((live, latency), (false, gst::ClockTime::ZERO));
}

/// A model for which the network takes longer than everything else.
fn slow() -> String {
    format!("trtinfer name=infer model={}", file("models/ppe-demo.onnx"))
}

/// The most frames that are in the element at once.
fn most_at_once(properties: &str) -> isize {
    let line = format!("videotestsrc num-buffers=12 ! {SMALL} ! {} {properties} ! fakesink", slow());
    let pipeline = Pipeline::new(&line).unwrap();
    let (inside, most) = (Arc::new(AtomicIsize::new(0)), Arc::new(AtomicIsize::new(0)));
    for (pad, change) in [("sink", 1), ("src", -1)] {
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        pipeline.pad("infer", pad).unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let now = inside.fetch_add(change, Ordering::SeqCst) + change;
            most.fetch_max(now, Ordering::SeqCst);
            gst::PadProbeReturn::Ok
        });
    }
    assert_eq!(pipeline.play().unwrap(), Ok(()));
    assert_eq!(inside.load(Ordering::SeqCst), 0);
    most.load(Ordering::SeqCst)
}

#[test]
fn frames_come_in_while_others_are_inferred_up_to_the_bound() {
    for (properties, depth) in
        [("in-flight=1", 1), ("optimize-for=latency", 2), ("threads=2", 4), ("threads=1", 3)]
    {
        let most = most_at_once(properties);
        // One more frame may wait at the door, and one be about to leave.
        assert!((depth + 1..=depth + 2).contains(&most), "{properties}: {most} frames at once");
    }
}

#[test]
fn the_streaming_thread_does_not_wait_for_the_network() {
    let mut fed = Fed::of(&format!("{} threads=1 in-flight=4", slow()));
    for index in 0..4 {
        fed.push(index).unwrap();
    }
    assert!(fed.left.prints().len() < 2, "every frame was waited for: {:?}", fed.left.words());
    fed.words_until("0.003");
}
