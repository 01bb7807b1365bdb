//! `gst-osha bench`: each program in a process of its own, several rounds, medians.

mod bandwidth;
mod clip;
mod counts;
mod feed;
mod figures;
mod latency;
mod launch;
mod plot;
mod process;
mod stage;
mod stock;
mod table;
mod timing;
mod traced;
mod verify;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use gstsupport::samples::Summary;
use serde::Serialize;

use bandwidth::Bandwidth;
use clip::Clip;
use figures::{Figures, PartFigures, Stage};
use latency::Latency;
use stock::Network;

use crate::output::println;
use crate::style::progress;

/// What to measure.
#[derive(Clone, clap::Args)]
pub struct Args {
    /// Frames per round; the clip is played again from its start where it is shorter
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    frames: u64,
    /// Streams side by side in one process
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    streams: u32,
    /// Rounds; medians are printed
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// ONNX model
    #[arg(long, default_value = "models/ppe-demo.onnx")]
    model: PathBuf,
    /// Video file; unset: the demo clip where it is found, else a rendered one
    #[arg(long)]
    input: Option<PathBuf>,
    /// Render and encode a clip of this size, such as 1920x1080, instead of reading one
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = clip::size, conflicts_with = "input")]
    render: Option<(u32, u32)>,
    /// CPU threads of the network (0 = all cores)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1024))]
    threads: u32,
    /// Decoder to take instead of the one that decodebin3 chooses, such as "nvh264dec num-output-surfaces=0"
    #[arg(long, value_name = "ELEMENT")]
    decoder: Option<String>,
    /// Elements to put behind the decoder, such as "identity"
    #[arg(long, value_name = "ELEMENTS")]
    insert: Option<String>,
    /// Check the quality guarantees instead; the exit status is 1 if one does not hold
    #[arg(long)]
    verify: bool,
    /// Measure what the tracer costs instead, in turns with and without it
    #[arg(long, conflicts_with = "verify")]
    overhead: bool,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Draw the parts of a frame's way into this file, .png or .svg
    #[arg(long, value_name = "FILE", value_parser = crate::plot::path, conflicts_with_all = ["verify", "overhead"])]
    plot: Option<PathBuf>,
    /// Run this program in this process and print its figures as JSON
    #[arg(long, hide = true)]
    stage: Option<Stage>,
    /// Count what the program copies; its speed says nothing then
    #[arg(long, hide = true)]
    count: bool,
    /// Watch no part of the program: that takes some of the CPU time that is to be measured
    #[arg(long, hide = true, conflicts_with = "count")]
    unwatched: bool,
    /// The network's input and outputs
    #[arg(long, hide = true, value_parser = Network::parse)]
    network: Option<Network>,
}

impl Args {
    fn input_path(&self) -> PathBuf {
        self.input.clone().unwrap_or_default()
    }

    /// The start of a launch line: the decoded video.
    fn decoded(&self) -> Result<String> {
        let decoder =
            self.decoder.as_ref().map_or("decodebin3".to_owned(), |decoder| format!("parsebin ! {decoder}"));
        Ok(format!("filesrc location={} ! {decoder}", launch::quoted(&self.input_path())?))
    }

    /// What comes behind the decoder, with its link.
    fn between(&self) -> String {
        self.insert.as_deref().map(|elements| format!(" ! {elements}")).unwrap_or_default()
    }

    /// The decoded video, and what comes behind it.
    fn source(&self) -> Result<String> {
        Ok(self.decoded()? + &self.between())
    }
}

/// Everything that one call measured.
#[derive(Serialize)]
struct Results {
    schema: &'static str,
    model: PathBuf,
    input: PathBuf,
    frames: u64,
    streams: u32,
    rounds: usize,
    cores: usize,
    gstreamer: String,
    /// Medians of each program.
    programs: Vec<Figures>,
    /// Programs that cannot be run here, and why.
    left_out: Vec<LeftOut>,
    /// The parts of a frame's way.
    parts: Vec<PartFigures>,
    overlap: Option<Overlap>,
    /// Detections that were tracked and drawn per frame, on average.
    objects_per_frame: f64,
    /// Of one frame after the other.
    latency: Option<Latency>,
    /// Of frames that come as from a camera.
    latency_live: Option<Latency>,
    /// Milliseconds of one core per frame for everything behind the decoder.
    cpu_ms_after_decoder: f64,
    bandwidth: Vec<Bandwidth>,
    pcie: Pcie,
}

#[derive(Serialize)]
struct LeftOut {
    program: &'static str,
    reason: String,
}

/// How much of the parts' time passes side by side.
#[derive(Serialize)]
struct Overlap {
    /// What the parts cost alone, one after the other.
    parts_ms: f64,
    /// What a frame takes in the pipeline, by its speed.
    pipeline_ms: f64,
}

/// Bytes between host and device per frame of the pipeline as given.
#[derive(Serialize)]
struct Pcie {
    /// By the elements' own accounting; without CUPTI its start is in there.
    counted_by_elements: f64,
    /// By CUPTI.
    counted_by_cupti: Option<f64>,
    /// Whether the two agree.
    agree: Option<bool>,
    /// Why CUPTI did not count.
    why_not: Option<String>,
}

impl Pcie {
    /// What `figures` say; `refused` is why nothing could be counted.
    fn of(figures: &Figures, refused: Option<String>) -> Self {
        let counts = figures.counts.as_ref();
        Self {
            counted_by_elements: counts
                .map_or(figures.pcie_bytes_per_frame, |counts| counts.elements_bytes_per_frame),
            counted_by_cupti: counts.map(|counts| counts.cupti_bytes_per_frame),
            agree: counts.map(|counts| counts.agree),
            why_not: refused.or_else(|| figures.not_counted.clone()),
        }
    }
}

/// Runs the benchmark.
///
/// # Errors
/// When a program cannot be run: the reason is its own.
pub fn run(args: &Args) -> Result<()> {
    verify::check_files(&args.model)?;
    if let Some(stage) = args.stage {
        println!("{}", serde_json::to_string(&stage::run(stage, args)?)?);
        return Ok(());
    }
    let clip = Clip::new(args.input.as_deref(), args.render, args.frames)?;
    let args = &Args { input: Some(clip.path().to_owned()), ..args.clone() };
    if args.verify {
        return verify::run(args);
    }
    if args.overhead {
        return overhead(args);
    }
    if let Some(path) = &args.plot {
        crate::plot::check(path)?;
    }
    let results = measure(args)?;
    if let Some(path) = &args.plot {
        plot::parts(path, &bars(&results.parts), &plot_title(&results))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        table::print(&results);
    }
    Ok(())
}

/// What is run besides the pipelines of which the rest is made.
const OPTIONAL: [(Stage, &str); 4] = [
    (Stage::Encode, "x264enc"),
    (Stage::EncodeAlone, "x264enc"),
    (Stage::RoundTrip, "cudadownload"),
    (Stage::StockOnnx, "onnxinference"),
];

fn measure(args: &Args) -> Result<Results> {
    crate::plugins::init()?;
    let needed =
        [Stage::Bare, Stage::Decode, Stage::Infer, Stage::Annotate, Stage::InferAlone, Stage::AnnotateAlone];
    let mut programs = needed.into_iter().map(|stage| rounds(stage, args)).collect::<Result<Vec<_>>>()?;
    let args = &Args { network: programs[0].network.clone(), ..args.clone() };
    let mut left_out = Vec::new();
    let mut or_left_out = |stage: Stage, measured: Result<Figures>| {
        let reason = |error| LeftOut { program: stage.title(), reason: format!("{error:#}") };
        measured.map_err(|error| left_out.push(reason(error))).ok()
    };
    for (stage, element) in OPTIONAL {
        programs.extend(or_left_out(stage, optional(stage, element, args)));
    }
    let mut latency = |stage| or_left_out(stage, one_at_a_time(stage, args)).as_ref().and_then(Latency::of);
    let (latency, latency_live) = (latency(Stage::OneByOne), latency(Stage::Live));
    progress("copies of memory …");
    let bandwidth = bandwidth::measure();
    progress("");
    programs.sort_by_key(|figures| figures.stage);
    let refused = count_copies(&mut programs, args).err().map(|error| format!("{error:#}"));
    let find = |stage| programs.iter().find(|figures| figures.stage == stage);
    let whole = find(Stage::Encode).or(find(Stage::Annotate)).context("nothing was measured")?;
    let (parts, overlap) = (figures::parts(&programs, whole), overlap(&programs, whole));
    let annotate = find(Stage::Annotate).context("the pipeline was not measured")?;
    let pcie = Pcie::of(annotate, refused);
    let decode_ms = find(Stage::Decode).map_or(0.0, |figures| figures.cpu_ms_per_frame);
    Ok(Results {
        schema: "gst-osha.bench/1",
        model: args.model.clone(),
        input: args.input_path(),
        frames: args.frames,
        streams: args.streams,
        rounds: args.rounds.max(1),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        gstreamer: gst::version_string().to_string(),
        left_out,
        parts,
        overlap,
        objects_per_frame: annotate.objects_per_frame,
        latency,
        latency_live,
        cpu_ms_after_decoder: (annotate.cpu_ms_per_frame - decode_ms).max(0.0),
        bandwidth,
        pcie,
        programs,
    })
}

/// One round: frames that come one at a time take long enough.
fn one_at_a_time(stage: Stage, args: &Args) -> Result<Figures> {
    rounds(stage, &Args { frames: args.frames.min(latency::FRAMES), rounds: 1, ..args.clone() })
}

/// Counts by CUPTI what each program copies.
fn count_copies(programs: &mut [Figures], args: &Args) -> Result<()> {
    counts::available()?;
    counts::count_each(programs, args, |stage| progress(&format!("{}, copies counted …", stage.title())));
    progress("");
    Ok(())
}

fn optional(stage: Stage, element: &str, args: &Args) -> Result<Figures> {
    gst::ElementFactory::find(element).with_context(|| format!("{element} is not installed"))?;
    rounds(stage, args)
}

fn rounds(stage: Stage, args: &Args) -> Result<Figures> {
    let round = |number| {
        progress(&format!("{}, round {} of {} …", stage.title(), number + 1, args.rounds.max(1)));
        traced::figures(stage, args)
    };
    let figures = (0..args.rounds.max(1)).map(round).collect::<Result<Vec<_>>>();
    progress("");
    figures::median(figures?).context("no round")
}

/// The network waits for nothing else in the pipeline: what its parts take alone passes beside what the others take.
fn overlap(all: &[Figures], whole: &Figures) -> Option<Overlap> {
    let parts = figures::parts(all, whole);
    let alone: Vec<f64> = parts.iter().filter_map(|part| part.cost_ms).collect();
    let pipeline_ms = 1e3 / whole.fps;
    (!alone.is_empty()).then(|| Overlap { parts_ms: alone.iter().sum(), pipeline_ms })
}

fn bars(parts: &[PartFigures]) -> Vec<plot::Bar> {
    let median = |summary: Option<Summary>| summary.map(|summary| (summary.p50, summary.p95));
    let bar = |part: &PartFigures| plot::Bar {
        name: part.part.name(),
        first: median(part.alone),
        second: median(part.pipeline),
    };
    parts.iter().map(bar).collect()
}

fn plot_title(results: &Results) -> String {
    let model = results.model.file_stem().unwrap_or_default().to_string_lossy();
    format!("Time of a frame by part: {model}, {} frames, {} cores", results.frames, results.cores)
}

/// What the tracer costs where frames are fastest, and in the whole pipeline.
fn overhead(args: &Args) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("links.json");
    let mut rows = Vec::new();
    for stage in [Stage::Decode, Stage::Annotate] {
        let (mut off, mut on) = (Vec::new(), Vec::new());
        for round in 0..args.rounds.max(1) {
            progress(&format!("{}, round {} of {} …", stage.title(), round + 1, args.rounds.max(1)));
            off.push(traced::figures(stage, args)?);
            on.push(traced::with_tracer(stage, args, &file)?);
        }
        progress("");
        let (Some(off), Some(on)) = (figures::median(off), figures::median(on)) else { bail!("no round") };
        rows.push((stage.title(), off, on));
    }
    if args.json {
        let json = |(title, off, on): &(&str, Figures, Figures)| {
            serde_json::json!({"program": title, "fps_without": off.fps, "fps_with": on.fps,
                "cpu_ms_without": off.cpu_ms_per_frame, "cpu_ms_with": on.cpu_ms_per_frame})
        };
        println!("{}", serde_json::to_string_pretty(&rows.iter().map(json).collect::<Vec<_>>())?);
    } else {
        table::print_overhead(&rows);
    }
    Ok(())
}
