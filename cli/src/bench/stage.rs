//! One stage in this process.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use engine::{Goal, InferenceEngine, InputTensor, Options};
use gst::prelude::*;
use vision::tensor::ElementsMut;

use super::{Args, Figures, Stage};
use crate::plugins;

/// Inferences and frames that come before the clock starts.
const WARM_UP: u64 = 5;

/// Runs `stage` and tells what it came to.
pub fn run(stage: Stage, args: &Args) -> Result<Figures> {
    let (frames, elapsed) = match stage {
        Stage::Bare => bare(args)?,
        _ => pipeline(stage, args)?,
    };
    Ok(Figures { stage, frames, fps: frames as f64 / elapsed.as_secs_f64(), peak_mib: peak_mib()? })
}

fn options(args: &Args) -> Options {
    Options { threads: args.threads as usize, folders: plugins::folders(), ..Options::default() }
}

/// The network alone at its best: nothing else needs the cores, so its threads may spin.
fn bare(args: &Args) -> Result<(u64, Duration)> {
    let options = Options { goal: Goal::Latency, ..options(args) };
    let engine = engine::shared::load(&args.model, &options)?;
    let mut inputs = grey_inputs(&*engine)?;
    for _ in 0..WARM_UP {
        inputs = infer(&*engine, inputs)?;
    }
    let started = Instant::now();
    for _ in 0..args.frames {
        inputs = infer(&*engine, inputs)?;
    }
    Ok((args.frames, started.elapsed()))
}

fn grey_inputs(engine: &dyn InferenceEngine) -> Result<Vec<InputTensor>> {
    let infos = &engine.model().inputs;
    infos.iter().enumerate().map(|(index, info)| grey(engine, index, &info.shape)).collect()
}

fn grey(engine: &dyn InferenceEngine, index: usize, dims: &[Option<usize>]) -> Result<InputTensor> {
    let shape: Option<Vec<usize>> = dims.iter().copied().collect();
    let mut tensor = engine.allocate(index, &shape.context("the bare loop needs a model of fixed size")?)?;
    if let Some(ElementsMut::F32(values)) = tensor.elements_mut() {
        values.fill(0.5);
    }
    Ok(tensor)
}

fn infer(engine: &dyn InferenceEngine, inputs: Vec<InputTensor>) -> Result<Vec<InputTensor>> {
    let outcome = engine.submit(inputs).wait();
    outcome.outputs?;
    Ok(outcome.inputs)
}

/// When the first frame after the warm-up and the latest one arrived, and how many came in all.
#[derive(Default)]
struct Arrivals {
    first: Option<Instant>,
    last: Option<Instant>,
    frames: u64,
}

fn pipeline(stage: Stage, args: &Args) -> Result<(u64, Duration)> {
    plugins::init()?;
    let pipeline = gst::parse::launch(&description(stage, args)?)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow::anyhow!("not a pipeline"))?;
    let arrivals = count_arrivals(&pipeline)?;
    let outcome = play(&pipeline, &arrivals, args.frames);
    pipeline.set_state(gst::State::Null)?;
    outcome?;
    let arrivals = arrivals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match (arrivals.first, arrivals.last) {
        (Some(first), Some(last)) if arrivals.frames > WARM_UP => {
            Ok((arrivals.frames - WARM_UP, last - first))
        }
        _ => bail!("'{}' holds fewer than {} frames", args.input.display(), WARM_UP + 1),
    }
}

fn description(stage: Stage, args: &Args) -> Result<String> {
    let source = format!("filesrc location={} ! decodebin3", quoted(&args.input)?);
    let infer = format!("trtinfer model={} threads={}", quoted(&args.model)?, args.threads);
    let elements = match stage {
        Stage::Infer => format!("! {infer}"),
        Stage::Annotate => format!("! {infer} ! oshaannotate"),
        Stage::Bare | Stage::Decode => String::new(),
    };
    Ok(format!("{source} {elements} ! fakesink name=sink sync=false"))
}

fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().context("the path is not UTF-8")?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn count_arrivals(pipeline: &gst::Pipeline) -> Result<Arc<Mutex<Arrivals>>> {
    let arrivals = Arc::new(Mutex::new(Arrivals::default()));
    let pad =
        pipeline.by_name("sink").and_then(|sink| sink.static_pad("sink")).context("the sink has no pad")?;
    let counted = Arc::clone(&arrivals);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let mut arrivals = counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        arrivals.frames += 1;
        arrivals.last = Some(now);
        if arrivals.frames == WARM_UP {
            arrivals.first = Some(now);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(arrivals)
}

/// Plays the clip again and again until `frames` frames have arrived.
fn play(pipeline: &gst::Pipeline, arrivals: &Mutex<Arrivals>, frames: u64) -> Result<()> {
    let bus = pipeline.bus().context("the pipeline has no bus")?;
    pipeline.set_state(gst::State::Paused)?;
    pipeline.state(gst::ClockTime::from_seconds(30)).0?;
    *arrivals.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Arrivals::default();
    let again = gst::SeekFlags::SEGMENT;
    pipeline.seek_simple(again | gst::SeekFlags::FLUSH, gst::ClockTime::ZERO)?;
    pipeline.set_state(gst::State::Playing)?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        let arrived = arrivals.lock().unwrap_or_else(std::sync::PoisonError::into_inner).frames;
        match message.view() {
            gst::MessageView::Error(error) => {
                bail!("{}: {}", error.error(), error.debug().unwrap_or_default())
            }
            gst::MessageView::SegmentDone(_) if arrived < frames => {
                pipeline.seek_simple(again, gst::ClockTime::ZERO)?;
            }
            gst::MessageView::SegmentDone(_) | gst::MessageView::Eos(_) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// High water of this process's resident memory, as Linux counts it.
fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("no /proc/self/status")?;
    let line =
        status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    let kib: f64 = line.split_whitespace().nth(1).context("VmHWM without a value")?.parse()?;
    Ok(kib / 1024.0)
}
