//! Memory stays flat, however long a pipeline runs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gst::prelude::*;
use gst_osha_tests::{Pipeline, model};

const FRAMES: u64 = 20_000;
const WARM: u64 = 2_000;
/// Three labels a frame that change take some of it: what is written is kept, up to a limit of its own.
const ALLOWED_KIB: i64 = 4 * 1024;

/// Resident memory of this process in KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn twenty_thousand_frames_need_no_more_memory_than_two_thousand() {
    let line = format!(
        "videotestsrc num-buffers={FRAMES} pattern=smpte horizontal-speed=3 ! \
         video/x-raw,format=RGB,width=320,height=240,framerate=30/1 ! trtinfer model={} max-detections=3 ! \
         oshaannotate ! fakesink name=sink",
        model("yolo")
    );
    let pipeline = Pipeline::new(&line).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    pipeline.pad("sink", "sink").unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let frame = info.buffer().unwrap().offset();
        if frame == WARM || frame == FRAMES - 1 {
            sender.send(resident()).unwrap();
        }
        gst::PadProbeReturn::Ok
    });
    assert_eq!(pipeline.play_for(gst::ClockTime::from_seconds(300)).unwrap(), Ok(()));
    let sizes: Vec<_> = receiver.try_iter().collect();
    let grown = sizes[1] - sizes[0];
    println!("{} KiB after {WARM} frames, {grown} KiB more after {FRAMES}", sizes[0]);
    assert!(grown <= ALLOWED_KIB, "{grown} KiB more after {FRAMES} frames than after {WARM}");
}
