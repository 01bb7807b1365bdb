//! What is done with a file: it is read, and if it is accepted, used.

use osha::classes::Vocabulary;
use osha::corpus::Corpus;
use osha::engine::{Analyser, Engine, FrameObservations, Object};
use osha::expression::{Expression, Names};
use osha::retrieval::{BuiltIn, Index, Query, Scan};
use osha::schedule::LocalTime;
use osha::site::Site;
use std::sync::LazyLock;
use std::time::Duration;
use vision::model::{Sidecar, parse_labels};

/// Reads a site file and judges some frames by it, as each of its streams.
pub fn site(text: &str) -> bool {
    match Site::from_toml(text) {
        Ok(site) => {
            let streams: Vec<_> = site.streams.iter().take(3).cloned().collect();
            judge(site, &["person", "helmet", "truck"]);
            streams
                .iter()
                .filter_map(|name| Site::for_stream(text, name).ok())
                .for_each(|site| judge(site, &["person"]));
            true
        }
        Err(error) => {
            assert!(error.line <= text.matches('\n').count() + 1, "{error}: beyond the last line");
            assert!(error.column > 0 && !error.message.is_empty(), "{error}: says nothing");
            false
        }
    }
}

/// A person, and one object of each label, at usual and unusual times.
fn judge(site: Site, labels: &[&str]) {
    let mut engine = Engine::new(site);
    for (frame, milliseconds) in [0, 40, 80, 2000, 600_000, u64::MAX / 1_000_000].into_iter().enumerate() {
        let x = 200.0 + 10.0 * frame as f32;
        let object = |(index, class)| {
            let rect = [x + 15.0 * index as f32, 300.0, 60.0, 180.0];
            Object { class, score: 0.8, rect, track: Some(index as u64) }
        };
        let objects: Vec<_> = ["person"].iter().chain(labels).copied().enumerate().map(object).collect();
        let pts = Duration::from_millis(milliseconds);
        let clock = Some(LocalTime::from_unix(1_700_000_000));
        let report = engine.analyse(&FrameObservations { pts, size: (1280, 720), objects: &objects, clock });
        report.events.iter().for_each(|event| drop(event.to_line().unwrap()));
    }
    engine.finish();
}

/// Reads a rule in words, for a site that has zones.
pub fn expression(text: &str) -> bool {
    static SITE: LazyLock<Site> = LazyLock::new(|| {
        Site::from_toml(include_str!("../../../libs/osha/tests/sites/everything.toml")).unwrap()
    });
    match Expression::parse(text, Names { vocabulary: &Vocabulary::default(), zones: &SITE.zones }) {
        Ok(_) => true,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error}: not within the text");
            false
        }
    }
}

/// Reads a corpus, builds an index over it and asks.
pub fn corpus(text: &str) -> bool {
    let Ok(corpus) = Corpus::from_jsonl(text) else { return false };
    let question = corpus.records().first().map_or_else(String::new, |record| record.text());
    let index = Index::build(corpus, BuiltIn::get(), &Scan).unwrap();
    for text in [question.as_str(), "worker on a roof edge without harness"] {
        let query =
            Query { text: text.to_owned(), scope: Some("construction".to_owned()), contexts: None, limit: 5 };
        index.query(&query).unwrap();
    }
    true
}

/// Reads a labels file, which may be a model's sidecar as well, and judges objects that are called so.
pub fn labels(text: &str) -> bool {
    let _ = Sidecar::parse(&format!("labels = {text}"));
    let Ok(labels) = parse_labels(text) else { return false };
    let vocabulary = Vocabulary::for_labels(&labels);
    for label in &labels {
        let _ = vocabulary.resolve(label);
    }
    let few: Vec<_> = labels.iter().take(50).map(String::as_str).collect();
    judge(Site::default(), &few);
    true
}
