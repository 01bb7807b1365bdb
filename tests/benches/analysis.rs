//! What a frame with fifty objects costs `oshaannotate` besides drawing: the tracker, and tracker and engine together.
//! People walk, boxes jitter, a tenth of the detections is missing and another tenth is unsure.
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use osha::engine::{Analyser, Engine, FrameObservations, FrameReport, Object};
use osha::site::Site;
use std::time::Duration;
use vision::detection::Detection;
use vision::geometry::Rect;
use vision::track::{TrackId, Tracker, TrackerConfig};

const LABELS: [&str; 7] = ["person", "helmet", "no_helmet", "truck", "forklift", "excavator", "pallet"];
const SIZE: (u32, u32) = (1280, 1080);
/// After these everything is where it was.
const FRAMES: u64 = 1000;

/// An evenly spread number from 0 to 1, the same for the same `object`, `frame` and `salt`.
fn noise(object: u64, frame: u64, salt: u64) -> f32 {
    let mut bits = (object << 40 ^ frame << 8 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((bits ^ bits >> 29) >> 40) as f32 / (1u64 << 24) as f32
}

/// What the detector says of `object`, which is at `rect` in truth; `None` where it misses it.
fn detected(object: u64, frame: u64, class: usize, rect: [f32; 4]) -> Option<Detection> {
    let jitter = |salt| 4.0 * noise(object, frame, salt) - 2.0;
    let [x, y, width, height] = [0, 1, 2, 3].map(|side| rect[side] + jitter(side as u64));
    let score = if noise(object, frame, 4) < 0.1 { 0.15 } else { 0.5 + 0.4 * noise(object, frame, 5) };
    let seen = noise(object, frame, 6) >= 0.1;
    seen.then_some(Detection { rect: Rect { x, y, width, height }, score, class })
}

/// Eighteen people who walk to and fro, each with a head, and fourteen machines and things, some of which drive.
fn scene(frame: u64) -> Vec<Detection> {
    let walked = frame.min(FRAMES - frame) as f32;
    let person = |index: u64| {
        let way = if index.is_multiple_of(2) { walked } else { -walked };
        let (x, y) = (((index * 131) as f32 + 1.5 * way).rem_euclid(1180.0), (index % 5) as f32 * 180.0);
        let head = if index.is_multiple_of(3) { 2 } else { 1 };
        [(index, 0, [x, y, 60.0, 180.0]), (20 + index, head, [x + 15.0, y, 30.0, 30.0])]
    };
    let machine = |index: u64| {
        let way = if index % 4 == 1 { walked * 0.7 } else { 0.0 };
        (40 + index, 3 + index as usize % 4, [index as f32 * 80.0 + way, 500.0, 120.0, 150.0])
    };
    let objects = (0..18).flat_map(person).chain((0..14).map(machine));
    objects.filter_map(|(object, class, rect)| detected(object, frame, class, rect)).collect()
}

/// As the element does it: detections get names, and objects are judged.
fn analyse(
    engine: &mut Engine,
    pts: Duration,
    detections: &[Detection],
    tracks: &[Option<TrackId>],
) -> FrameReport {
    let object = |(detection, track): (&Detection, &Option<TrackId>)| {
        let Rect { x, y, width, height } = detection.rect;
        let (class, track) = (LABELS[detection.class], track.map(|track| track.0));
        Object { class, score: detection.score, rect: [x, y, width, height], track }
    };
    let objects: Vec<_> = detections.iter().zip(tracks).map(object).collect();
    engine.analyse(&FrameObservations { pts, size: SIZE, objects: &objects, clock: None })
}

fn fifty_objects(criterion: &mut Criterion) {
    let scenes: Vec<_> = (0..FRAMES).map(scene).collect();
    let mut frame = 0;
    let mut next = || {
        frame += 1;
        (Duration::from_millis(frame * 40), &scenes[(frame % FRAMES) as usize])
    };
    let mut tracker = Tracker::new(TrackerConfig::default());
    criterion.bench_function("tracker, 50 objects", |bencher| {
        bencher.iter(|| {
            let (pts, detections) = next();
            tracker.update(pts, detections)
        });
    });
    let site = Site::from_toml(include_str!("../../libs/osha/tests/sites/busy.toml")).unwrap();
    let mut engine = Engine::new(site);
    criterion.bench_function("tracker and engine, 50 objects, 20 zones, 13 rules", |bencher| {
        bencher.iter(|| {
            let (pts, detections) = next();
            let tracks = tracker.update(pts, detections);
            analyse(&mut engine, pts, detections, &tracks)
        });
    });
}

criterion_group!(benches, fifty_objects);
criterion_main!(benches);
