//! One program in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use engine::{Device, Goal, InferenceEngine, InputTensor, Options};
use gst::prelude::*;
use gstsupport::lock;
use gstsupport::samples::Summary;
use vision::tensor::ElementsMut;

use super::counts::{Counter, Counts, Progress, Traffic};
use super::figures::{Figures, Part, Stage};
use super::launch::{self, End, quoted};
use super::stock::{self, Network};
use super::timing::{Key, Timing};
use super::{Args, feed, latency, process, verify};
use crate::plugins;

/// Inferences and frames that come before the clock starts: a GPU's first work with each set of tensors is recorded.
pub const WARM_UP: u64 = 20;

/// What a program measured of itself.
struct Measured {
    frames: u64,
    elapsed: Duration,
    cpu_seconds: f64,
    pcie_bytes: u64,
    objects_per_frame: f64,
    parts: BTreeMap<Part, Summary>,
    latency: Option<Summary>,
    network: Option<Network>,
    counts: Option<Counts>,
}

/// Runs `stage` and tells what it came to.
pub fn run(stage: Stage, args: &Args) -> Result<Figures> {
    let counter = args.count.then(Counter::start).transpose()?;
    let measured = match stage {
        Stage::Bare => bare(args)?,
        _ => pipeline(stage, args, counter)?,
    };
    let per_frame = |total: f64| total / measured.frames as f64;
    Ok(Figures {
        stage,
        frames: measured.frames,
        fps: measured.frames as f64 / measured.elapsed.as_secs_f64(),
        peak_mib: process::peak_mib()?,
        cpu_ms_per_frame: per_frame(measured.cpu_seconds * 1e3),
        pcie_bytes_per_frame: per_frame(measured.pcie_bytes as f64),
        objects_per_frame: measured.objects_per_frame,
        parts: measured.parts,
        latency: measured.latency,
        network: measured.network,
        counts: measured.counts,
        not_counted: None,
    })
}

/// The network alone at its best: nothing else needs the cores, so its threads may spin.
fn bare(args: &Args) -> Result<Measured> {
    let engine = bare_engine(args)?;
    let mut inputs = grey_inputs(&*engine)?;
    for _ in 0..WARM_UP {
        inputs = infer(&*engine, inputs)?;
    }
    let (started, cpu) = (Instant::now(), process::cpu_seconds()?);
    for _ in 0..args.frames {
        inputs = infer(&*engine, inputs)?;
    }
    Ok(Measured {
        frames: args.frames,
        elapsed: started.elapsed(),
        cpu_seconds: process::cpu_seconds()? - cpu,
        pcie_bytes: 0,
        objects_per_frame: 0.0,
        parts: BTreeMap::new(),
        latency: None,
        network: network(&*engine),
        counts: None,
    })
}

/// On the GPU where there is one and ONNX Runtime can use it, as `trtinfer` does.
fn bare_engine(args: &Args) -> Result<Arc<dyn InferenceEngine>> {
    let folders = plugins::folders();
    let on_cpu =
        Options { threads: args.threads as usize, folders, goal: Goal::Latency, ..Options::default() };
    let on_gpu = Options { device: Device::Cuda(0), ..on_cpu.clone() };
    let engine = gpu::cuda::status().ok().and_then(|_| engine::shared::load(&args.model, &on_gpu).ok());
    Ok(engine.map_or_else(|| engine::shared::load(&args.model, &on_cpu), Ok)?)
}

/// `None` unless the input has the usual layout: batch, channels, height, width.
fn network(engine: &dyn InferenceEngine) -> Option<Network> {
    let model = engine.model();
    match model.inputs.first()?.shape[..] {
        [_, Some(_), Some(height), Some(width)] => {
            let outputs = model.outputs.iter().map(|output| output.name.clone()).collect();
            Some(Network { width, height, outputs })
        }
        _ => None,
    }
}

fn grey_inputs(engine: &dyn InferenceEngine) -> Result<Vec<InputTensor>> {
    let infos = &engine.model().inputs;
    infos.iter().enumerate().map(|(index, info)| grey(engine, index, &info.shape)).collect()
}

fn grey(engine: &dyn InferenceEngine, index: usize, dims: &[Option<usize>]) -> Result<InputTensor> {
    let shape: Option<Vec<usize>> = dims.iter().copied().collect();
    let mut tensor = engine.allocate(index, &shape.context("the bare loop needs a model of fixed size")?)?;
    if let Some(ElementsMut::F32(values)) = tensor.elements_mut()? {
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
    first: Option<(Instant, f64)>,
    last: Option<(Instant, f64)>,
    frames: u64,
    /// Those that came after the last that is wanted, too.
    all: u64,
}

impl Arrivals {
    /// A frame arrives. Returns whether it is the last that is wanted.
    fn count(&mut self, wanted: u64) -> bool {
        self.frames += 1;
        let is_last = self.frames == WARM_UP + wanted;
        // /proc is read twice only.
        let now = || Some((Instant::now(), process::cpu_seconds().unwrap_or_default()));
        if self.frames == WARM_UP {
            self.first = now();
        }
        if is_last {
            self.last = now();
        }
        is_last
    }
}

/// What is timed of a pipeline.
#[derive(Clone, Default)]
struct Timings {
    /// Its elements.
    parts: Arc<Mutex<BTreeMap<Part, Timing>>>,
    /// The whole way, where frames come one at a time.
    latency: Option<Timing>,
}

impl Timings {
    /// Forgets what was measured.
    fn clear(&self) {
        lock(&self.parts).values().chain(&self.latency).for_each(Timing::clear);
    }

    fn parts(&self) -> BTreeMap<Part, Summary> {
        lock(&self.parts).iter().map(|(part, timing)| (*part, Summary::of(timing.milliseconds()))).collect()
    }

    fn latency(&self) -> Option<Summary> {
        self.latency.as_ref().map(|timing| Summary::of(timing.milliseconds()))
    }
}

/// A program under way.
struct Program {
    pipeline: gst::Pipeline,
    arrivals: Arc<Mutex<Arrivals>>,
    timings: Timings,
    traffic: Traffic,
    counter: Option<Counter>,
}

fn pipeline(stage: Stage, args: &Args, counter: Option<Counter>) -> Result<Measured> {
    plugins::init()?;
    let stock = (stage == Stage::StockOnnx).then(|| stock::model(&args.model, &known_network(args)?.outputs));
    let stock = stock.transpose()?;
    let model = stock.as_ref().map_or(args.model.as_path(), |file| file.path()).to_owned();
    let args = &Args { model, ..args.clone() };
    let frames = if feed::is_fed(stage) { feed::frames(stage, args)? } else { Vec::new() };
    let pipeline = launch::pipeline(&description(stage, args)?)?;
    let latency = latency::pace(stage).map(|pace| latency::watch(&pipeline, pace)).transpose()?;
    let (timings, traffic) = (Timings { latency, ..Timings::default() }, Traffic::default());
    let arrivals = count_arrivals(&pipeline, args.frames, &timings)?;
    if !args.unwatched {
        watch(&pipeline, &timings, &traffic);
    }
    let feeder = feed::start(&pipeline, &frames)?;
    let mut program = Program { pipeline, arrivals, timings, traffic, counter };
    let outcome = program.play(feeder.is_some());
    let stats = Stats::of(&program.pipeline);
    program.pipeline.set_state(gst::State::Null)?;
    outcome?;
    let arrivals = lock(&program.arrivals);
    let (Some((first, cpu)), Some((last, cpu_after))) = (arrivals.first, arrivals.last) else {
        bail!("'{}' holds fewer than {} frames", args.input_path().display(), WARM_UP + 1)
    };
    Ok(Measured {
        frames: arrivals.frames - WARM_UP,
        elapsed: last - first,
        cpu_seconds: cpu_after - cpu,
        pcie_bytes: stats.pcie_bytes + program.traffic.moved(),
        objects_per_frame: stats.objects_per_frame,
        parts: stats.parts.into_iter().chain(program.timings.parts()).collect(),
        latency: program.timings.latency(),
        network: None,
        counts: program.counter.map(Counter::finish).transpose()?,
    })
}

fn known_network(args: &Args) -> Result<&Network> {
    args.network.as_ref().context("the network's input has no fixed size")
}

fn description(stage: Stage, args: &Args) -> Result<String> {
    let source = args.source()?;
    let infer = format!("trtinfer model={} threads={}", quoted(&args.model)?, args.threads);
    let download = if verify::has_gpu() { "cudadownload ! " } else { "" };
    let encode = format!("{download}videoconvert ! x264enc speed-preset=veryfast tune=zerolatency");
    let elements = match stage {
        Stage::Bare | Stage::Decode => source,
        Stage::Infer => format!("{source} ! {infer}"),
        Stage::Annotate => format!("{source} ! {infer} ! oshaannotate"),
        Stage::OneByOne | Stage::Live => {
            format!("{source} ! {infer} name=infer optimize-for=latency in-flight=1 ! oshaannotate")
        }
        Stage::Encode => format!("{source} ! {infer} ! oshaannotate ! {encode}"),
        Stage::RoundTrip => {
            // Otherwise both agree on device memory, under either caps.
            let host = "video/x-raw ! identity drop-allocation=true";
            let device = "video/x-raw(memory:CUDAMemory)";
            format!("{source} ! cudadownload ! {host} ! cudaupload ! {device} ! {infer} ! oshaannotate")
        }
        Stage::InferAlone => format!("{}{} ! {infer} in-flight=1", feed::SOURCE, args.between()),
        Stage::AnnotateAlone => format!("{} ! oshaannotate", feed::SOURCE),
        Stage::EncodeAlone => format!("{} ! {encode}", feed::SOURCE),
        Stage::StockOnnx => {
            let Network { width, height, .. } = known_network(args)?;
            let model = quoted(&args.model)?;
            format!(
                "{source} ! videoconvertscale ! video/x-raw,format=RGB,width={width},height={height} ! \
                 onnxinference input-image-format=chw model-file={model}"
            )
        }
    };
    let streams = if feed::is_fed(stage) { 1 } else { args.streams };
    let stream = |_| format!("{elements} ! fakesink sync=false");
    Ok((0..streams).map(stream).collect::<Vec<_>>().join(" "))
}

/// Counts what arrives at every sink. After the warm-up, what was timed so far is forgotten; the pipeline is told then, and
/// when it is enough.
fn count_arrivals(pipeline: &gst::Pipeline, wanted: u64, timings: &Timings) -> Result<Arc<Mutex<Arrivals>>> {
    let arrivals = Arc::new(Mutex::new(Arrivals::default()));
    let sinks = pipeline.iterate_sinks().into_iter().flatten();
    let pads: Vec<gst::Pad> = sinks.filter_map(|sink| sink.static_pad("sink")).collect();
    pads.first().context("the pipeline has no sink")?;
    for pad in pads {
        let (counted, timings) = (Arc::clone(&arrivals), timings.clone());
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
            let mut arrivals = lock(&counted);
            arrivals.all += 1;
            if arrivals.frames >= WARM_UP + wanted {
                return gst::PadProbeReturn::Drop;
            }
            if arrivals.count(wanted) {
                launch::post(pad, launch::ENOUGH);
            } else if arrivals.frames == WARM_UP {
                timings.clear();
                launch::post(pad, launch::WARM);
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok(arrivals)
}

/// Watches the elements that are there, and those that a decoder bin adds later.
fn watch(pipeline: &gst::Pipeline, timings: &Timings, traffic: &Traffic) {
    let (later, traffic_later) = (timings.clone(), traffic.clone());
    pipeline.connect_deep_element_added(move |_, _, element| time(element, &later, &traffic_later));
    pipeline.iterate_recurse().into_iter().flatten().for_each(|element| time(&element, timings, traffic));
}

fn time(element: &gst::Element, timings: &Timings, traffic: &Traffic) {
    let Some(factory) = element.factory() else { return };
    let class = factory.metadata("klass").unwrap_or_default().to_owned();
    let part = match factory.name().as_str() {
        "oshaannotate" => Part::Annotate,
        "zcbufferpool" | "cudaupload" => Part::Upload,
        "cudadownload" => Part::Download,
        _ if class.contains("Decoder/Video") => Part::Decode,
        _ if class.contains("Encoder/Video") => Part::Encode,
        _ => return,
    };
    match factory.name().as_str() {
        "cudaupload" | "cudadownload" => traffic.watch_moves(element),
        _ if part == Part::Decode => traffic.watch_coded(element),
        _ => {}
    }
    let key = if part == Part::Encode { Key::Order } else { Key::Time };
    lock(&timings.parts).entry(part).or_default().watch(element, key);
}

/// What the elements say of themselves.
#[derive(Default)]
struct Stats {
    pcie_bytes: u64,
    objects_per_frame: f64,
    parts: BTreeMap<Part, Summary>,
}

impl Stats {
    /// Byte counts are the whole process's, so that one element of a kind speaks for all; but each pool counts its own.
    fn of(pipeline: &gst::Pipeline) -> Self {
        let mut stats = Self::default();
        let mut seen = Vec::new();
        for element in pipeline.iterate_recurse().into_iter().flatten() {
            let kind = element.factory().map(|factory| factory.name().to_string()).unwrap_or_default();
            let is_known = kind != "zcbufferpool" && seen.contains(&kind);
            if !["trtinfer", "oshaannotate", "zcbufferpool"].contains(&kind.as_str()) || is_known {
                continue;
            }
            stats.add(&element.property::<gst::Structure>("stats"));
            seen.push(kind);
        }
        stats
    }

    fn add(&mut self, stats: &gst::StructureRef) {
        let count = |name| stats.get::<u64>(name).unwrap_or_default();
        self.pcie_bytes += count("bytes-host-to-device") + count("bytes-device-to-host");
        if stats.name() == "oshaannotate-stats" {
            self.objects_per_frame = count("detections") as f64 / count("frames").max(1) as f64;
        }
        let parts = [
            ("preprocess-ms", Part::Preprocess),
            ("inference-ms", Part::Inference),
            ("postprocess-ms", Part::Postprocess),
        ];
        for (name, part) in parts {
            let summary = stats.get::<gst::Structure>(name).ok();
            self.parts.extend(summary.and_then(|summary| Some((part, Summary::from_structure(&summary)?))));
        }
    }
}

impl Program {
    /// Plays the clip again and again until enough frames have arrived.
    fn play(&mut self, is_fed: bool) -> Result<()> {
        if !is_fed {
            self.preroll()?;
        }
        self.pipeline.set_state(gst::State::Playing)?;
        loop {
            match launch::wait(&self.pipeline)? {
                End::Warm => {
                    let progress = self.progress();
                    self.counter.as_mut().map(|counter| counter.begin(progress)).transpose()?;
                }
                End::Segment => self.pipeline.seek_simple(gst::SeekFlags::SEGMENT, gst::ClockTime::ZERO)?,
                End::Eos | End::Enough => break,
            }
        }
        let progress = self.progress();
        self.counter.as_mut().map_or(Ok(()), |counter| counter.end(progress))
    }

    /// Gets the first frame through, then starts at the beginning of a clip that tells when it ends.
    fn preroll(&self) -> Result<()> {
        launch::preroll(&self.pipeline, launch::FIRST)?;
        ensure!(
            lock(&self.arrivals).all > 0,
            "no frame reaches the sink. If an element does not take the decoder's format, --insert videoconvert converts it"
        );
        *lock(&self.arrivals) = Arrivals::default();
        let flags = gst::SeekFlags::SEGMENT | gst::SeekFlags::FLUSH;
        Ok(self.pipeline.seek_simple(flags, gst::ClockTime::ZERO)?)
    }

    fn progress(&self) -> Progress {
        let frames = lock(&self.arrivals).all;
        let moved = self.traffic.moved();
        let bytes = Stats::of(&self.pipeline).pcie_bytes + moved;
        Progress { frames, bytes, moved, coded: self.traffic.coded() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of the warm-up take long here.
    #[test]
    fn frames_of_the_warm_up_are_not_timed() {
        gst::init().unwrap();
        let slow = "identity name=infer sleep-time=20000";
        let line = format!("videotestsrc num-buffers=25 ! {slow} ! fakesink sync=false");
        let pipeline = launch::pipeline(&line).unwrap();
        let latency = Some(latency::watch(&pipeline, Duration::ZERO).unwrap());
        let timings = Timings { latency, ..Timings::default() };
        let arrivals = count_arrivals(&pipeline, 5, &timings).unwrap();
        let slow = pipeline.by_name("infer").unwrap();
        let sink = pipeline.iterate_sinks().into_iter().flatten().next().unwrap().static_pad("sink").unwrap();
        let counted = Arc::clone(&arrivals);
        sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if lock(&counted).frames == WARM_UP {
                slow.set_property("sleep-time", 0u32);
            }
            gst::PadProbeReturn::Ok
        });
        let mut program = Program { pipeline, arrivals, timings, traffic: Traffic::default(), counter: None };
        program.play(true).unwrap();
        program.pipeline.set_state(gst::State::Null).unwrap();
        let frames = program.timings.latency.as_ref().unwrap().milliseconds();
        assert_eq!(frames.len(), 5);
        assert!(frames.iter().all(|milliseconds| *milliseconds < 10.0), "{frames:?}");
    }
}
