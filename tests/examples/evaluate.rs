//! Scores tracking and violations on rendered clips, with the demo model's own detections.
//!
//! ```sh
//! cd models && env/bin/python -m demo.episodes build/episodes
//! cargo run --release -p gst-osha-tests --example evaluate -- models/build/episodes/*.mp4
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsODMtd, AnalyticsRelationMeta, AnalyticsTrackingMtd, RelTypes};
use gst_osha_tests::evaluation::tracking::{self, Places};
use gst_osha_tests::evaluation::truth::Truth;
use gst_osha_tests::evaluation::violations;
use gst_osha_tests::{collect, file};
use osha::event::Event;

/// What one clip came to.
struct Outcome {
    seconds: f64,
    person_minutes: f64,
    tracking: tracking::Counts,
    violations: violations::Counts,
}

fn main() -> Result<()> {
    let clips: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let outcomes = clips.iter().map(|clip| evaluate(clip)).collect::<Result<Vec<_>>>()?;
    let tracking =
        outcomes.iter().map(|outcome| outcome.tracking).fold(tracking::Counts::default(), |a, b| a.and(b));
    let found = outcomes
        .iter()
        .map(|outcome| outcome.violations)
        .fold(violations::Counts::default(), |a, b| a.and(b));
    let minutes: f64 = outcomes.iter().map(|outcome| outcome.person_minutes).sum();
    let hours = outcomes.iter().map(|outcome| outcome.seconds).sum::<f64>() / 3600.0;
    println!("clips {}, {:.2} min of video, {minutes:.1} person-minutes", clips.len(), hours * 60.0);
    println!("tracking: {tracking:?}");
    println!(
        "  MOTA {:.3}, identity switches per person-minute {:.2}",
        tracking.mota(),
        tracking.switches as f64 / minutes
    );
    println!("violations: {found:?}");
    println!("  precision {:.3}, recall {:.3}", found.precision(), found.recall());
    println!("  false alarms per hour of video {:.1}", found.false_alarms as f64 / hours);
    Ok(())
}

fn evaluate(clip: &Path) -> Result<Outcome> {
    let truth = Truth::beside(clip)?;
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("events.jsonl");
    let delivered = collect(&format!(
        "filesrc location={} ! decodebin3 ! trtinfer model={} ! oshaannotate draw=false events-location={} ! \
         appsink name=out",
        clip.display(),
        file("models/ppe-demo.onnx"),
        log.display()
    ))?;
    anyhow::ensure!(delivered.error.is_none(), "{}: {:?}", clip.display(), delivered.error);
    let mut score = tracking::Score::default();
    for (frame, sample) in truth.frames.iter().zip(&delivered.samples) {
        let [people, hidden] = frame.people();
        score.add(&people, &hidden, &tracks(sample.buffer().context("a sample without a buffer")?));
    }
    let events = events(&log)?;
    let name = clip.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let violations = violations::score(&truth, &events, |mistake| println!("{name}: {mistake}"));
    let counts = score.counts();
    println!("{name}: MOTA {:.3}, {} switches, {violations:?}", counts.mota(), counts.switches);
    let seconds = truth.seconds();
    let person_minutes = counts.objects as f64 / truth.frames.len().max(1) as f64 * seconds / 60.0;
    Ok(Outcome { seconds, person_minutes, tracking: counts, violations })
}

fn events(log: &Path) -> Result<Vec<Event>> {
    let text = std::fs::read_to_string(log)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The people on `buffer` that have a track.
fn tracks(buffer: &gst::BufferRef) -> Places<u64> {
    let Some(meta) = buffer.meta::<AnalyticsRelationMeta>() else { return Vec::new() };
    let is_person = |mtd: &gst_analytics::AnalyticsMtdRef<'_, AnalyticsODMtd>| {
        mtd.obj_type().is_some_and(|class| class.as_str() == "person")
    };
    let people = meta.iter::<AnalyticsODMtd>().filter(is_person);
    people
        .filter_map(|person| {
            let place = person.location().ok()?;
            let related = meta
                .iter::<AnalyticsTrackingMtd>()
                .find(|track| meta.relation(person.id(), track.id()).contains(RelTypes::RELATE_TO))?;
            Some((related.info().0, [place.x as f32, place.y as f32, place.w as f32, place.h as f32]))
        })
        .collect()
}
