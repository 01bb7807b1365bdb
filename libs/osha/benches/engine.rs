//! How long a frame full of people takes to be judged, without and with zones and rules.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use osha::engine::{Analyser, Engine, FrameObservations, Object};
use osha::site::Site;

const PEOPLE: u64 = 50;

fn object(class: &'static str, rect: [f32; 4], track: u64) -> Object<'static> {
    Object { class, score: 0.8, rect, track: Some(track) }
}

/// A person and a head, with or without a hard hat.
fn worker(index: u64) -> [Object<'static>; 2] {
    let (x, y) = ((index % 10) as f32 * 120.0, (index / 10) as f32 * 200.0);
    let hat = if index.is_multiple_of(3) { "no_helmet" } else { "helmet" };
    [object("person", [x, y, 60.0, 180.0], index), object(hat, [x + 15.0, y, 30.0, 30.0], index + PEOPLE)]
}

/// Fifty objects as a detector gives them on a busy site: people, what they wear, machines.
fn site_objects() -> Vec<Object<'static>> {
    let people = (0..18).flat_map(worker);
    let machines = (0..14).map(|index| {
        let class = ["truck", "forklift", "excavator", "pallet"][index as usize % 4];
        object(class, [index as f32 * 90.0, 500.0, 120.0, 150.0], 200 + index)
    });
    people.chain(machines).collect()
}

/// Twenty zones, and a rule of every kind.
const BUSY: &str = include_str!("../tests/sites/busy.toml");

fn judge(criterion: &mut Criterion) {
    let crowd: Vec<_> = (0..PEOPLE).flat_map(worker).collect();
    let busy = Site::from_toml(BUSY).unwrap_or_default();
    let cases = [
        (format!("judge {PEOPLE} people with a head each"), Site::default(), crowd),
        ("judge 50 objects, 20 zones, 13 rules".to_owned(), busy, site_objects()),
    ];
    for (name, site, objects) in cases {
        let mut engine = Engine::new(site);
        let mut pts = Duration::ZERO;
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| {
                pts += Duration::from_millis(40);
                engine.analyse(&FrameObservations { pts, size: (1280, 1080), objects: &objects, clock: None })
            });
        });
    }
}

criterion_group!(benches, judge);
criterion_main!(benches);
