//! What holds for every scene and for every file.
#![allow(clippy::unwrap_used)]

use osha::classes::Vocabulary;
use osha::engine::{Analyser, Engine, FrameObservations, Object};
use osha::expression::{Expression, Names};
use osha::site::Site;
use proptest::prelude::*;
use std::time::Duration;

const SITE: &str = include_str!("sites/everything.toml");
const CLASSES: [&str; 14] = [
    "person",
    "helmet",
    "no_helmet",
    "vest",
    "no_vest",
    "truck",
    "forklift",
    "load",
    "ladder",
    "fire",
    "pallet",
    "W",
    "Fall-Detected",
    "no_harness",
];

type Detection = (usize, [f32; 4], f32, Option<u64>);

fn detection() -> impl Strategy<Value = Detection> {
    let rect = [0.0f32..1280.0, 0.0f32..720.0, 1.0f32..300.0, 1.0f32..400.0];
    (0..CLASSES.len(), rect, 0.0f32..1.0, prop::option::weighted(0.9, 0u64..12))
}

/// Frames with times in milliseconds between them.
fn frames() -> impl Strategy<Value = Vec<(u64, Vec<Detection>)>> {
    prop::collection::vec((1u64..700, prop::collection::vec(detection(), 0..12)), 1..40)
}

fn run(frames: &[(u64, Vec<Detection>)], order: impl Fn(&mut Vec<Object<'_>>)) -> String {
    let mut engine = Engine::new(Site::from_toml(SITE).unwrap());
    let (mut pts, mut lines) = (Duration::ZERO, String::new());
    for (step, detections) in frames {
        pts += Duration::from_millis(*step);
        let object =
            |&(class, rect, score, track): &Detection| Object { class: CLASSES[class], score, rect, track };
        let mut objects: Vec<_> = detections.iter().map(object).collect();
        order(&mut objects);
        let report =
            engine.analyse(&FrameObservations { pts, size: (1280, 720), objects: &objects, clock: None });
        assert!(report.subjects.iter().all(|subject| subject.object < objects.len()));
        assert!(report.marks.iter().all(|mark| mark.object < objects.len()));
        report.events.iter().for_each(|event| lines.push_str(&event.to_line().unwrap()));
    }
    engine.finish().iter().for_each(|event| lines.push_str(&event.to_line().unwrap()));
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_detections_does_not_matter(frames in frames()) {
        let forth = run(&frames, |_| {});
        prop_assert_eq!(&forth, &run(&frames, |_| {}));
        prop_assert_eq!(&forth, &run(&frames, |objects| objects.reverse()));
        prop_assert_eq!(&forth, &run(&frames, |objects| objects.sort_by(|a, b| a.class.cmp(b.class))));
    }

    #[test]
    fn everything_that_starts_ends_once(frames in frames()) {
        let lines = run(&frames, |_| {});
        let count = |kind: &str| lines.matches(&format!("\"kind\":\"{kind}\"")).count();
        prop_assert_eq!(count("start"), count("end"));
        prop_assert_eq!(count("summary"), 1);
    }

    #[test]
    fn numbers_of_any_kind_are_survived(
        rects in prop::collection::vec((0..CLASSES.len(), [any::<f32>(), any::<f32>(), any::<f32>(), any::<f32>()], any::<f32>()), 0..8),
        size in (any::<u32>(), any::<u32>()),
        times in prop::collection::vec(any::<u64>(), 1..6),
    ) {
        let mut engine = Engine::new(Site::from_toml(SITE).unwrap());
        for time in times {
            let objects: Vec<_> = rects.iter().enumerate()
                .map(|(i, &(class, rect, score))| Object { class: CLASSES[class], score, rect, track: Some(i as u64) })
                .collect();
            engine.analyse(&FrameObservations { pts: Duration::from_nanos(time), size, objects: &objects, clock: None });
        }
        engine.finish();
    }

    /// Whatever lies between two looks at a bare head, as long as it is shorter than the memory, the violation is one.
    #[test]
    fn gaps_do_not_matter(steps in prop::collection::vec(5u64..1400, 20..80)) {
        let mut engine = Engine::new(Site::default());
        let (mut pts, mut starts) = (0, 0);
        for step in steps {
            pts += step;
            let object = |class, rect, track| Object { class, score: 0.8, rect, track: Some(track) };
            let objects = [object("person", [500.0, 200.0, 100.0, 300.0], 1), object("no_helmet", [530.0, 200.0, 40.0, 40.0], 2)];
            let frame = FrameObservations { pts: Duration::from_millis(pts), size: (1280, 720), objects: &objects, clock: None };
            starts += engine.analyse(&frame).events.iter().filter(|event| event.to_line().unwrap().contains("\"start\"")).count();
        }
        prop_assert!(starts <= 1);
        prop_assert!(starts == 1 || pts < 3000, "{} ms", pts);
    }

    #[test]
    fn site_files_of_random_text(text in "\\PC{0,200}") {
        let _ = Site::from_toml(&text);
    }

    #[test]
    fn site_files_with_a_mistake(at in 0..SITE.len(), insert in "[\\PC\n]{0,6}", cut in 0usize..12) {
        let _ = Site::from_toml(&mutated(SITE, at, cut, &insert));
    }

    #[test]
    fn expressions_of_random_words(words in prop::collection::vec(
        prop::sample::select(vec!["person", "without", "with", "vest", "in", "\"pit\"", "(", ")", "count", "distance", ",",
            "<", ">=", "3", ".", "not", "and", "or", "for", "s", "hour", "ä", "'", "\""]), 0..20)) {
        let _ = Expression::parse(&words.join(" "), Names { vocabulary: &Vocabulary::default(), zones: &[] });
        let _ = Expression::parse(&words.concat(), Names { vocabulary: &Vocabulary::default(), zones: &[] });
    }

    #[test]
    fn labels_of_random_text(labels in prop::collection::vec("\\PC{0,20}", 0..8)) {
        let vocabulary = Vocabulary::for_labels(&labels);
        for label in &labels {
            let _ = vocabulary.resolve(label);
        }
    }
}

/// `text` with `cut` characters after `at` replaced.
fn mutated(text: &str, at: usize, cut: usize, insert: &str) -> String {
    let characters: Vec<_> = text.chars().collect();
    let at = at.min(characters.len());
    let after = (at + cut).min(characters.len());
    characters[..at]
        .iter()
        .chain(insert.chars().collect::<Vec<_>>().iter())
        .chain(&characters[after..])
        .collect()
}
