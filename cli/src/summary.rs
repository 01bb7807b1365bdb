//! `gst-osha summary`: what a finished run came to.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use osha::rules::Outcome;

use crate::events::incident::{Incident, Reading};
use crate::output::println;

/// What to summarise.
#[derive(clap::Args)]
pub struct Args {
    /// Event spool that oshaannotate wrote
    #[arg(long)]
    events: PathBuf,
    /// Video that was read
    #[arg(long)]
    input: Option<PathBuf>,
    /// Video that was written
    #[arg(long)]
    output: Option<PathBuf>,
    /// How long the run took, in seconds
    #[arg(long)]
    seconds: Option<f64>,
}

/// Prints the summary.
///
/// # Errors
/// When a file cannot be read or is not what it should be.
pub fn run(args: &Args) -> Result<()> {
    let mut reading = Reading::default();
    for path in osha::spool::files(&args.events).with_context(|| args.events.display().to_string())? {
        reading.read(&path)?;
    }
    let frames_in = args.input.as_deref().map(count_frames).transpose()?;
    let frames_out = args.output.as_deref().map(count_frames).transpose()?;
    print_frames("frames in", frames_in, args.input.as_deref());
    print_frames("frames out", frames_out, args.output.as_deref());
    if let Some(detections) = reading.detections {
        println!("{:<12} {detections}", "detections");
    }
    if let (Some(frames), Some(seconds)) =
        (frames_out.or(frames_in), args.seconds.filter(|seconds| *seconds > 0.0))
    {
        println!("{:<12} {:.1} ({seconds:.1} s from start to end)", "frames/s", frames as f64 / seconds);
    }
    print_violations(&args.events, &reading);
    for complaint in &reading.complaints {
        eprintln!("gst-osha: {complaint}");
    }
    if frames_in.zip(frames_out).is_some_and(|(before, after)| before != after) {
        bail!("frames were lost or added on the way");
    }
    Ok(())
}

fn print_frames(title: &str, frames: Option<u64>, path: Option<&Path>) {
    if let (Some(frames), Some(path)) = (frames, path) {
        println!("{title:<12} {frames} ({})", path.display());
    }
}

/// One line for each violation.
fn print_violations(path: &Path, reading: &Reading) {
    println!("{:<12} {} ({})", "violations", reading.incidents().count(), path.display());
    for incident in reading.incidents() {
        println!("  {}", line(incident));
    }
}

fn line(incident: &Incident) -> String {
    let Incident { start_s, duration_s, citation, title, .. } = incident;
    let rule = incident.rule.replace('_', " ");
    let who = incident.track.map_or_else(|| "the place".to_owned(), |track| format!("track {track}"));
    let end = start_s + duration_s;
    let review = if incident.outcome == Outcome::NeedsReview { ", needs review" } else { "" };
    format!("{start_s:6.2} s to {end:6.2} s   {who:<10} {rule:<15} {citation:<20} {title}{review}")
}

/// Pictures in a video file, counted without decoding them.
fn count_frames(path: &Path) -> Result<u64> {
    gst::init()?;
    let source = gst::ElementFactory::make("filesrc").property("location", path).build()?;
    let parser = gst::ElementFactory::make("parsebin").build()?;
    let sink = gst::ElementFactory::make("fakesink").property("sync", false).build()?;
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([&source, &parser, &sink])?;
    source.link(&parser)?;
    let target = sink.clone();
    parser.connect_pad_added(move |_, pad| link_video(pad, &target));
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("the pipeline has no bus")?;
    let message =
        bus.timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Eos, gst::MessageType::Error]);
    let stats = sink.property::<gst::Structure>("stats");
    pipeline.set_state(gst::State::Null)?;
    if let Some(gst::MessageView::Error(error)) = message.as_ref().map(|message| message.view()) {
        bail!("{}: {}", path.display(), error.error());
    }
    Ok(stats.get("rendered")?)
}

fn link_video(pad: &gst::Pad, sink: &gst::Element) {
    let is_video =
        pad.query_caps(None).structure(0).is_some_and(|structure| structure.name().starts_with("video/"));
    if let Some(target) = sink.static_pad("sink").filter(|target| is_video && !target.is_linked())
        && let Err(error) = pad.link(&target)
    {
        eprintln!("gst-osha: {error}");
    }
}
