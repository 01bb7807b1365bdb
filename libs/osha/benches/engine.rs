//! How long a frame full of people takes to be judged.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use osha::engine::{Analyser, Engine, FrameObservations, Object};
use osha::site::Site;

const PEOPLE: u64 = 50;

/// A person and a head, with or without a hard hat.
fn worker(index: u64) -> [Object<'static>; 2] {
    let (x, y) = ((index % 10) as f32 * 120.0, (index / 10) as f32 * 200.0);
    let hat = if index.is_multiple_of(3) { "no_helmet" } else { "helmet" };
    let object = |class, rect, track| Object { class, score: 0.8, rect, track: Some(track) };
    [object("person", [x, y, 60.0, 180.0], index), object(hat, [x + 15.0, y, 30.0, 30.0], index + PEOPLE)]
}

fn judge(criterion: &mut Criterion) {
    let objects: Vec<_> = (0..PEOPLE).flat_map(worker).collect();
    let mut engine = Engine::new(Site::default());
    let mut pts = Duration::ZERO;
    criterion.bench_function(&format!("judge {PEOPLE} people with a head each"), |bencher| {
        bencher.iter(|| {
            pts += Duration::from_millis(40);
            engine.analyse(&FrameObservations { pts, size: (1280, 1080), objects: &objects, clock: None })
        });
    });
}

criterion_group!(benches, judge);
criterion_main!(benches);
