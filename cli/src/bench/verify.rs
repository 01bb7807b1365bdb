//! `gst-osha bench --verify`: the quality guarantees, one verdict a line.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsODMtd, AnalyticsRelationMeta};
use gst_video::{VideoFrameExt, VideoFrameRef, VideoInfo};
use gstsupport::flow::{Change, CopyReport};
use gstsupport::lock;
use serde::Serialize;

use super::counts::{self, Counts};
use super::figures::Stage;
use super::launch::{self, quoted};
use super::{Args, clip, traced};
use crate::output::println;
use crate::plugins;
use crate::style::{Tone, paint, progress};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Ok,
    Failed,
    Skipped,
}

/// One line.
#[derive(Debug, Serialize)]
struct Verdict {
    check: &'static str,
    outcome: Outcome,
    text: String,
}

/// Looks at one guarantee.
type Check = fn(&Args) -> Result<(Outcome, String)>;

/// One detection: class, score, left, top, width, height.
type Detection = (String, f32, [i32; 4]);

/// A frame as it arrived at the sink.
#[derive(Clone, Debug, PartialEq)]
struct Arrived {
    pts: Option<gst::ClockTime>,
    size: (u32, u32),
    /// Of every visible byte.
    fingerprint: u64,
    detections: Vec<Detection>,
}

/// Runs every check and prints the verdicts.
///
/// # Errors
/// When a check fails.
pub fn run(args: &Args) -> Result<()> {
    plugins::init()?;
    let checks: [(&'static str, Check); 6] = [
        ("bit-exact decode", decode),
        ("no frame drops", drops),
        ("full resolution", resolution),
        ("deterministic", determinism),
        ("CPU and GPU agree", agreement),
        ("no unexpected copies", copies),
    ];
    let mut verdicts = Vec::new();
    for (check, function) in checks {
        progress(&format!("{check} …"));
        let (outcome, text) = function(args).unwrap_or_else(|error| (Outcome::Failed, format!("{error:#}")));
        progress("");
        let verdict = Verdict { check, outcome, text };
        if !args.json {
            println!("{}", line(&verdict));
        }
        verdicts.push(verdict);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&verdicts)?);
    }
    let failed = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Failed).count();
    if failed > 0 {
        bail!("{failed} of {} checks failed", verdicts.len());
    }
    Ok(())
}

fn line(verdict: &Verdict) -> String {
    let (word, tone) = match verdict.outcome {
        Outcome::Ok => ("ok     ", Tone::Good),
        Outcome::Failed => ("FAILED ", Tone::Bad),
        Outcome::Skipped => ("SKIPPED", Tone::Doubtful),
    };
    format!("{} {:<22} {}", paint(word, tone), verdict.check, verdict.text)
}

fn verdict(is_ok: bool, text: String) -> Result<(Outcome, String)> {
    Ok((if is_ok { Outcome::Ok } else { Outcome::Failed }, text))
}

/// The decoder that the pipeline takes against the software decoder, one thread.
fn decode(args: &Args) -> Result<(Outcome, String)> {
    let to_i420 = "videoconvert ! video/x-raw,format=I420";
    let source = format!("filesrc location={}", quoted(&args.input_path())?);
    let reference = match clip::coded(&args.input_path(), 1)?.media.as_str() {
        "video/x-h264" => "avdec_h264",
        "video/x-h265" => "avdec_h265",
        other => return Ok((Outcome::Skipped, format!("no reference decoder for {other}"))),
    };
    if gst::ElementFactory::find(reference).is_none() {
        return Ok((Outcome::Skipped, format!("{reference} is not installed (gstreamer1.0-libav)")));
    }
    let download = if has_gpu() { "cudadownload !" } else { "" };
    let ours = collect(&format!("{} ! {download} {to_i420}", args.decoded()?), args.frames)?;
    let expected =
        collect(&format!("{source} ! parsebin ! {reference} max-threads=1 ! {to_i420}"), args.frames)?;
    let equal = ours.iter().zip(&expected).filter(|(a, b)| a == b).count();
    let is_ok = equal == expected.len() && ours.len() == expected.len() && !ours.is_empty();
    verdict(
        is_ok,
        format!("{equal} of {} frames as {reference} decodes them with one thread", expected.len()),
    )
}

fn whole(args: &Args) -> Result<String> {
    Ok(format!(
        "{} ! trtinfer model={} threads={} ! oshaannotate {}",
        args.source()?,
        quoted(&args.model)?,
        args.threads,
        if has_gpu() { "! cudadownload" } else { "" },
    ))
}

fn drops(args: &Args) -> Result<(Outcome, String)> {
    let mut expected = clip::coded(&args.input_path(), args.frames)?.times;
    expected.truncate(args.frames as usize);
    let arrived: Vec<_> = collect(&whole(args)?, args.frames)?.iter().filter_map(|frame| frame.pts).collect();
    let missing = expected.iter().filter(|pts| !arrived.contains(pts)).count();
    let in_order = arrived.is_sorted();
    let text = format!("{} pictures in, {} frames out, {missing} missing", expected.len(), arrived.len());
    verdict(missing == 0 && in_order && arrived.len() == expected.len(), text)
}

fn resolution(args: &Args) -> Result<(Outcome, String)> {
    let source = args.decoded()?;
    let (before, after) = (collect(&source, 1)?, collect(&whole(args)?, 1)?);
    let size = |frames: &[Arrived]| frames.first().map(|frame| frame.size).context("no frame");
    let ((width, height), (out_width, out_height)) = (size(&before)?, size(&after)?);
    let text = format!("{width}x{height} decoded, {out_width}x{out_height} at the end");
    verdict((width, height) == (out_width, out_height), text)
}

fn determinism(args: &Args) -> Result<(Outcome, String)> {
    let (first, second) = (collect(&whole(args)?, args.frames)?, collect(&whole(args)?, args.frames)?);
    let equal = first.iter().zip(&second).filter(|(a, b)| a == b).count();
    let detections: usize = first.iter().map(|frame| frame.detections.len()).sum();
    let text =
        format!("{equal} of {} frames and their {detections} detections the same in two runs", first.len());
    verdict(equal == first.len() && first.len() == second.len() && !first.is_empty(), text)
}

pub fn has_gpu() -> bool {
    gpu::gstcuda::status().is_ok()
}

fn agreement(args: &Args) -> Result<(Outcome, String)> {
    if let Err(missing) = gpu::gstcuda::status() {
        return Ok((Outcome::Skipped, format!("no CUDA device: {missing}")));
    }
    // What is inserted may be made for frames on the device.
    let args = &Args { insert: None, ..args.clone() };
    let on = |backend: &str| {
        let line = whole(args)?.replace("! trtinfer", &format!("! trtinfer backend={backend}"));
        collect(&line, args.frames)
    };
    let (cpu, gpu) = (on("onnxruntime-cpu")?, on("onnxruntime-cuda")?);
    let pairs = || cpu.iter().zip(&gpu).map(|(a, b)| (&a.detections, &b.detections));
    let (agreed, all) =
        pairs().fold((0, 0), |(agreed, all), (a, b)| (agreed + agreeing(a, b), all + a.len().max(b.len())));
    let text = format!("{agreed} of {all} detections within 1 pixel and 0.01");
    verdict(cpu.len() == gpu.len() && !cpu.is_empty() && agreed * 1000 >= all * 995, text)
}

/// How many of `ours` have a partner among `theirs`; each is a partner once.
fn agreeing(ours: &[Detection], theirs: &[Detection]) -> usize {
    let mut free: Vec<&Detection> = theirs.iter().collect();
    let close = |a: &Detection, b: &Detection| {
        let edges = |[x, y, width, height]: [i32; 4]| [x, y, x + width, y + height];
        let far = edges(a.2).iter().zip(edges(b.2)).any(|(a, b)| (a - b).abs() > 1);
        a.0 == b.0 && !far && (a.1 - b.1).abs() <= 0.01
    };
    let taken = ours.iter().filter(|detection| {
        let partner = free.iter().position(|other| close(detection, other));
        partner.map(|index| free.swap_remove(index)).is_some()
    });
    taken.count()
}

/// What the tracer and CUPTI see in processes of their own. What an element of ours copies, it has to say so itself.
fn copies(args: &Args) -> Result<(Outcome, String)> {
    let folder = tempfile::tempdir()?;
    let report = traced::report(Stage::Annotate, args, &folder.path().join("links.json"))?;
    let admitted = |copy: &CopyReport| {
        let element = report.elements.iter().find(|element| element.name == copy.element)?;
        let own = ["frames-copied", "frames-uploaded", "frames-drawn-on-copy"];
        own.iter().filter_map(|name| element.stats.get(*name)?.as_u64()).max()
    };
    let is_admitted = |copy: &&CopyReport| admitted(copy).is_some_and(|frames| frames >= copy.frames);
    let (known, unexpected): (Vec<_>, Vec<_>) = report.copies.iter().partition(is_admitted);
    let raw = report.links.iter().filter(|link| link.media == "video/x-raw");
    let links = raw.map(|link| &link.from).collect::<BTreeSet<_>>().len();
    let (is_clean, by_driver) = counted(args, known.iter().any(|copy| copy.change != Change::NewMemory));
    if !unexpected.is_empty() || links == 0 {
        let texts: Vec<String> = unexpected.iter().map(|copy| copy.text()).collect();
        let text = if links == 0 { "no link carried raw frames".into() } else { texts.join("; ") };
        return verdict(false, format!("{text}; {by_driver}"));
    }
    let known =
        known.iter().map(|copy| format!("; {} copied {} frames and says so", copy.element, copy.frames));
    let known = known.collect::<String>();
    verdict(is_clean, format!("none on {links} links of raw frames{known}; {by_driver}"))
}

/// Whether CUPTI finds nothing unexpected, and what it finds. Pictures may be copied if an element `admits` it. Where
/// CUPTI is missing or refuses, the tracer alone decides.
fn counted(args: &Args, admits: bool) -> (bool, String) {
    match counts::available().and_then(|()| counts::count(Stage::Annotate, args)) {
        Ok(counts) => judged(&counts, admits),
        Err(missing) => (true, format!("by CUPTI: not available: {missing:#}")),
    }
}

fn judged(counts: &Counts, admits: bool) -> (bool, String) {
    let Counts { frames, largest_bytes, large, lost, agree, .. } = counts;
    let (own, cupti) = (counts.elements_bytes_per_frame, counts.cupti_bytes_per_frame);
    let large = if *large == 0 { "no copy".to_owned() } else { format!("{large} copies") };
    let both = if *agree { "agree" } else { "DIFFER" };
    let lost_text = if *lost > 0 { format!("; {lost} records are lost") } else { String::new() };
    let text = format!(
        "by CUPTI: {large} of 1 MB and more between host and device in {frames} frames, the largest has {largest_bytes} \
         bytes; {cupti:.0} bytes a frame, {own:.0} by the elements: they {both}{lost_text}"
    );
    (*lost == 0 && *agree && (admits || !counts.has_pictures()), text)
}

/// The first `wanted` frames that come out of `line`.
fn collect(line: &str, wanted: u64) -> Result<Vec<Arrived>> {
    let frames = Arc::new(Mutex::new(Vec::new()));
    let adding = Arc::clone(&frames);
    let pipeline = launch::pipeline(&format!("{line} ! fakesink name=out sync=false"))?;
    launch::play(&pipeline, launch::FIRST, move |pad, buffer| {
        let mut frames = lock(&adding);
        if (frames.len() as u64) < wanted {
            frames.extend(pad.current_caps().and_then(|caps| arrived(&caps, buffer)));
        }
        (frames.len() as u64) < wanted
    })?;
    let frames = std::mem::take(&mut *lock(&frames));
    Ok(frames)
}

fn arrived(caps: &gst::Caps, buffer: &gst::BufferRef) -> Option<Arrived> {
    let info = VideoInfo::from_caps(caps).ok()?;
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info).ok()?;
    Some(Arrived {
        pts: buffer.pts(),
        size: (info.width(), info.height()),
        fingerprint: fingerprint(&frame),
        detections: detections(buffer),
    })
}

/// Of the visible bytes, whatever the strides.
fn fingerprint(frame: &VideoFrameRef<&gst::BufferRef>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let info = frame.format_info();
    for plane in 0..frame.n_planes() {
        let component =
            (0..info.n_components()).find(|&index| info.plane()[index as usize] == plane).unwrap_or(0);
        let width =
            frame.comp_width(component) as usize * frame.comp_pstride(component).unsigned_abs() as usize;
        let (stride, rows) =
            (frame.plane_stride()[plane as usize].unsigned_abs() as usize, frame.comp_height(component));
        let Ok(bytes) = frame.plane_data(plane) else { continue };
        bytes
            .chunks(stride.max(1))
            .take(rows as usize)
            .for_each(|row| row[..width.min(row.len())].hash(&mut hasher));
    }
    hasher.finish()
}

fn detections(buffer: &gst::BufferRef) -> Vec<Detection> {
    let Some(meta) = buffer.meta::<AnalyticsRelationMeta>() else { return Vec::new() };
    let of = |object: gst_analytics::AnalyticsMtdRef<'_, AnalyticsODMtd>| {
        let place = object.location().ok()?;
        let class = object.obj_type().map(|class| class.as_str().to_string()).unwrap_or_default();
        Some((class, place.loc_conf_lvl, [place.x, place.y, place.w, place.h]))
    };
    meta.iter::<AnalyticsODMtd>().filter_map(of).collect()
}

/// The model file is part of what is verified.
pub fn check_files(model: &Path) -> Result<()> {
    if !model.is_file() {
        bail!("--model {}: there is no such file", model.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_between_host_and_device_is_unexpected_unless_admitted() {
        let counts = |large, lost, agree| Counts { frames: 300, large, lost, agree, ..Counts::default() };
        assert!(judged(&counts(0, 0, true), false).0);
        let (is_clean, text) = judged(&counts(600, 0, true), false);
        assert!(!is_clean && text.contains("600 copies of 1 MB and more"), "{text}");
        assert!(judged(&counts(300, 0, true), true).0);
        assert!(!judged(&counts(600, 0, false), true).0, "more than what is admitted");
        assert!(!judged(&counts(0, 0, false), false).0, "less than a picture, but nobody admits it");
        let (is_clean, text) = judged(&counts(0, 2, true), false);
        assert!(!is_clean && text.contains("2 records are lost"), "{text}");
    }

    #[test]
    fn partners_are_taken_once() {
        let detection = |x, score| ("person".to_owned(), score, [x, 0, 10, 10]);
        let ours = [detection(0, 0.5), detection(1, 0.5)];
        assert_eq!(agreeing(&ours, &[detection(0, 0.505)]), 1);
        assert_eq!(agreeing(&ours, &[detection(5, 0.5), detection(1, 0.6)]), 0);
        assert_eq!(agreeing(&ours, &ours), 2);
    }
}
