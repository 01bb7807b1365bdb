//! A stream without end needs no more memory than a long one.
#![allow(clippy::unwrap_used)]

use osha::engine::{Analyser, Engine, FrameObservations, Object};
use osha::site::Site;
use std::time::Duration;

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// People who come and go in `lanes`, with tracks that are never used again; some bare, some beside a truck.
fn scene(frame: u64, lanes: u64) -> Vec<Object<'static>> {
    let object = |class, rect, track| Object { class, score: 0.8, rect, track: Some(track) };
    let mut objects = Vec::new();
    for lane in 0..lanes {
        let track = (frame / 40) * 100 + lane;
        let (x, y) = ((frame % 40) as f32 * 20.0 + lane as f32 * 30.0, 200.0 * (lane % 3) as f32);
        objects.push(object("person", [x, y, 60.0, 180.0], track));
        objects.push(object(
            if lane == 0 { "no_helmet" } else { "helmet" },
            [x + 15.0, y, 30.0, 30.0],
            track + 30,
        ));
    }
    objects.push(object(
        "truck",
        [(frame % 400) as f32 * 2.0, 400.0, 200.0, 150.0],
        (frame / 400) * 100 + 99,
    ));
    objects
}

/// Judges `frames` frames and compares the memory after the first 50,000 with that at the end.
fn assert_bounded(lanes: u64, frames: u64) {
    let mut engine = Engine::new(Site::from_toml(include_str!("sites/everything.toml")).unwrap());
    let (mut before, mut events) = (0, 0);
    for frame in 0..frames {
        let objects = scene(frame, lanes);
        let pts = Duration::from_millis(frame * 40);
        let frame_of = FrameObservations { pts, size: (1280, 720), objects: &objects, clock: None };
        events += engine.analyse(&frame_of).events.len();
        if frame == 50_000 {
            before = resident();
        }
    }
    let after = resident();
    println!("{events} events; resident {before} KiB after 50,000 frames, {after} KiB after {frames}");
    assert!(events > 10_000, "{events}");
    assert!(after <= before + 1024, "{before} KiB, then {after} KiB");
}

/// One after the other: they measure the whole process.
#[test]
#[cfg_attr(debug_assertions, ignore = "a million frames take too long without optimisation")]
fn a_million_frames_take_no_more_memory_than_fifty_thousand() {
    assert_bounded(3, 1_000_000);
    assert_bounded(24, 100_000);
}
