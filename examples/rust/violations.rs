//! Prints who violates which standard: from the metas on each frame, and from the messages on the bus.
//!
//!     GST_PLUGIN_PATH=build/plugins cargo run --release -p gst-osha-examples --bin violations -- VIDEO MODEL [SITE]
//!
//! It knows the elements by their names, metas and messages only, as any application can.

use std::collections::BTreeSet;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsODMtd, AnalyticsRelationMeta};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (video, model, site) = match &arguments[..] {
        [video, model] => (video, model, None),
        [video, model, site] => (video, model, Some(site)),
        _ => bail!("usage: violations VIDEO MODEL [SITE]"),
    };
    gst::init()?;
    let line = format!(
        "filesrc location=\"{video}\" ! decodebin3 ! trtinfer name=detect confidence=0.4 ! \
         oshaannotate name=judge draw=false ! fakesink sync=false"
    );
    let pipeline = gst::parse::launch(&line)?.downcast::<gst::Pipeline>().ok().context("no pipeline")?;
    let element = |name: &str| pipeline.by_name(name).with_context(|| format!("no element called {name}"));
    element("detect")?.set_property("model", model);
    element("judge")?.set_property("rules", site);
    watch_frames(&element("judge")?)?;
    pipeline.set_state(gst::State::Playing)?;
    let played = watch_bus(&pipeline);
    pipeline.set_state(gst::State::Null)?;
    played
}

/// Prints each violation when a frame first shows it.
fn watch_frames(judge: &gst::Element) -> Result<()> {
    let seen = Mutex::new(BTreeSet::new());
    let pad = judge.static_pad("src").context("no source pad")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let (Some(buffer), Ok(mut seen)) = (info.buffer(), seen.lock())
            && let Err(error) = print_violations(buffer, &mut seen)
        {
            eprintln!("a report of another form: {error}");
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn print_violations(buffer: &gst::BufferRef, seen: &mut BTreeSet<(Option<u64>, String)>) -> Result<()> {
    let Ok(meta) = gst::meta::CustomMeta::from_buffer(buffer, "GstOshaReportMeta") else { return Ok(()) };
    let report = meta.structure();
    let at = report.get::<gst::ClockTime>("stream-time")?.mseconds() as f64 / 1000.0;
    for subject in structures(report, "subjects")? {
        for rule in structures(&subject, "rules")? {
            let key = (subject.get("track").ok(), rule.get::<String>("rule")?);
            if rule.get::<&str>("state")? == "violating" && seen.insert(key.clone()) {
                let (class, citation) = (subject.get::<&str>("class")?, rule.get::<&str>("citation")?);
                let (track, place) =
                    (key.0.unwrap_or_default(), position(buffer, subject.get("detection")?)?);
                println!("frame {at:.2} s: {class} {track} at {place:?}: {}, {citation}", key.1);
            }
        }
    }
    Ok(())
}

/// The structures in the array `name`.
fn structures(structure: &gst::StructureRef, name: &str) -> Result<Vec<gst::Structure>> {
    let array = structure.get::<gst::ArrayRef<'_>>(name)?;
    array.iter().map(|value| Ok(value.get::<gst::Structure>()?)).collect()
}

/// Left and top of the detection with that number.
fn position(buffer: &gst::BufferRef, detection: u32) -> Result<(i32, i32)> {
    let meta = buffer.meta::<AnalyticsRelationMeta>().context("no detections")?;
    let location = meta.mtd::<AnalyticsODMtd>(detection).context("no such detection")?.location()?;
    Ok((location.x, location.y))
}

/// Prints starts and ends until the stream is over.
fn watch_bus(pipeline: &gst::Pipeline) -> Result<()> {
    let bus = pipeline.bus().context("no bus")?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => bail!("{} ({:?})", error.error(), error.debug()),
            gst::MessageView::Element(element) => {
                element
                    .structure()
                    .filter(|told| told.name() == "osha-violation")
                    .map_or(Ok(()), print_event)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn print_event(told: &gst::StructureRef) -> Result<()> {
    let text = |name| told.get::<&str>(name);
    let number = told.get::<u64>("violation")?;
    println!(
        "{} of violation {number}: {} {} ({})",
        text("kind")?,
        text("citation")?,
        text("title")?,
        text("severity")?
    );
    Ok(())
}
