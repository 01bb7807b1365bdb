//! Scripted sequences and the events that they have to give; see `scenarios/README.md`.

#[path = "scenarios/script.rs"]
mod script;

use osha::engine::{Analyser, Engine, FrameObservations};
use osha::event::{Body, Violation};
use osha::rules::Outcome;
use osha::site::Site;
use script::{Expected, Script};

const FILES: [&str; 5] = [
    include_str!("scenarios/equipment.txt"),
    include_str!("scenarios/disturbances.txt"),
    include_str!("scenarios/absence.txt"),
    include_str!("scenarios/places.txt"),
    include_str!("scenarios/conduct.txt"),
];

/// Both ends of a found violation may be so far from the expected ones, in seconds.
const TOLERANCE: f64 = 0.5;

/// Plays a script and gives every violation as its last event tells it.
fn play(script: &Script) -> Vec<Violation> {
    let site = Site::from_toml(&script.site).unwrap_or_else(|error| panic!("{}: {error}", script.name));
    let mut engine = Engine::new(site);
    let mut ended = Vec::new();
    for frame in script.frames() {
        let objects = frame.objects();
        let observations =
            FrameObservations { pts: frame.pts, size: script::SIZE, objects: &objects, clock: None };
        ended.extend(engine.analyse(&observations).events);
    }
    ended.extend(engine.finish());
    let end = |body| match body {
        Body::End(violation) => Some(violation),
        _ => None,
    };
    ended.into_iter().filter_map(|event| end(event.body)).collect()
}

fn agrees(expected: &Expected, found: &Violation) -> bool {
    expected.rule == found.rule
        && expected.track == found.track
        && expected.review == (found.outcome == Outcome::NeedsReview)
        && (expected.start - found.start_s).abs() <= TOLERANCE
        && found.end_s.is_some_and(|end| (expected.end - end).abs() <= TOLERANCE)
}

/// How many expected violations were found, and what was found wrongly or missed.
fn compare(script: &Script) -> (usize, usize, usize) {
    let mut found = play(script);
    let mut right = 0;
    for expected in &script.expected {
        match found.iter().position(|found| agrees(expected, found)) {
            Some(index) => {
                found.swap_remove(index);
                right += 1;
            }
            None => println!("MISSED in \"{}\": {expected:?}", script.name),
        }
    }
    for wrong in &found {
        println!(
            "WRONG in \"{}\": {} {:?} {:?} {}-{:?}",
            script.name, wrong.rule, wrong.track, wrong.outcome, wrong.start_s, wrong.end_s
        );
    }
    (right, script.expected.len() - right, found.len())
}

#[test]
fn the_table_is_met() {
    let scripts: Vec<_> = FILES.into_iter().flat_map(script::read).collect();
    assert!(scripts.len() >= 60, "{} scenarios", scripts.len());
    let counts: Vec<_> = scripts.iter().map(compare).collect();
    let sum = |part: fn(&(usize, usize, usize)) -> usize| counts.iter().map(part).sum::<usize>() as f64;
    let (right, missed, wrong) = (sum(|c| c.0), sum(|c| c.1), sum(|c| c.2));
    let (precision, recall) = (right / (right + wrong), right / (right + missed));
    println!("{} scenarios, {right} right: precision {precision:.3}, recall {recall:.3}", scripts.len());
    assert!(precision >= 0.95 && recall >= 0.95, "precision {precision:.3}, recall {recall:.3}");
}

/// The same scenes at twice the resolution give the same violations.
#[test]
fn the_resolution_does_not_matter() {
    for script in FILES.into_iter().flat_map(script::read) {
        let site = Site::from_toml(&script.site).unwrap();
        let run = |scale: u32| {
            let mut engine = Engine::new(site.clone());
            let mut events = Vec::new();
            for frame in script.frames() {
                let mut objects = frame.objects();
                objects
                    .iter_mut()
                    .flat_map(|object| &mut object.rect)
                    .for_each(|value| *value *= scale as f32);
                let size = (script::SIZE.0 * scale, script::SIZE.1 * scale);
                events.extend(
                    engine
                        .analyse(&FrameObservations { pts: frame.pts, size, objects: &objects, clock: None })
                        .events,
                );
            }
            events.extend(engine.finish());
            let key = |body: &Body| {
                body.violation().map(|v| (v.rule.clone(), v.track, v.start_pts_ns, v.end_pts_ns))
            };
            events.iter().map(|event| key(&event.body)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(2), "{}", script.name);
    }
}
