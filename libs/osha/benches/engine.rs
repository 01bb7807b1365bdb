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
fn busy_site() -> Site {
    let zone = |index: u32| {
        let (x, y) = (f64::from(index % 5) * 0.2, f64::from(index / 5) * 0.25);
        format!(
            "[[zones]]\nid = 'z{index}'\nkind = 'ppe'\nppe = ['hard_hat']\n\
             points = [[{x}, {y}], [{}, {y}], [{}, {}], [{x}, {}]]\n",
            x + 0.19,
            x + 0.2,
            y + 0.24,
            y + 0.25
        )
    };
    let rule = |(id, rest): (&str, &str)| format!("[[rules]]\nid = '{id}'\nkind = '{id}'\n{rest}\n");
    let rules = [
        ("in_zone", "zones = ['z3', 'z7']"),
        ("too_near", ""),
        ("under_load", ""),
        ("unprotected_edge", "zones = ['z1']"),
        ("crowding", "zones = ['z0', 'z1', 'z2', 'z3']\nmax = 3"),
        ("blocked", "zones = ['z4', 'z5']"),
        ("fire_smoke", ""),
        ("fallen", ""),
        ("vehicle_without_spotter", ""),
        ("ladder_scaffold", ""),
        ("custom", "when = 'person without vest in \"z2\" and distance(person, forklift) < 3'"),
    ];
    let text = format!(
        "scope = 'construction'\n{}{}",
        (0..20).map(zone).collect::<String>(),
        rules.into_iter().map(rule).collect::<String>()
    );
    Site::from_toml(&text).unwrap_or_default()
}

fn judge(criterion: &mut Criterion) {
    let crowd: Vec<_> = (0..PEOPLE).flat_map(worker).collect();
    let cases = [
        (format!("judge {PEOPLE} people with a head each"), Site::default(), crowd),
        ("judge 50 objects, 20 zones, 13 rules".to_owned(), busy_site(), site_objects()),
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
