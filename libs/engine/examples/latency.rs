//! How long a network alone takes on the first CUDA device: batches of one image, one at a time, as soon as the one before is
//! done and as from a camera, and several under way.
//!
//!     cargo run --release -p gst-osha-engine --example latency -- MODEL [FRAMES [REQUESTS [BATCH [runtime]]]]
//!
//! REQUESTS batches are computed side by side; BATCH images are in each, where the model leaves that open. With `runtime`
//! convolutions are left to ONNX Runtime.

use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::{
    Completion, Convolutions, Device, InferenceEngine, InputTensor, Options, Search, Waiting, shared,
};
use vision::head::DenseLayout;
use vision::tensor::{Dim, TensorInfo};

/// Batches before anything is measured.
const WARM_UP: usize = 50;
/// Batches under way where throughput is measured.
const DEPTH: usize = 4;
/// Time between two frames of a camera.
const PACE: Duration = Duration::from_millis(20);
/// Frames of a camera at most.
const CAMERA_FRAMES: usize = 200;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("name an ONNX file")?;
    let mut number = |usual| arguments.next().map_or(Ok(usual), |text| text.parse());
    let (frames, requests, batch) = (number(1000)?, number(1)?, number(1)?);
    let convolutions = match arguments.next().as_deref() {
        None => Convolutions::Fused,
        Some("runtime") => Convolutions::Runtime,
        Some(other) => return Err(format!("{other} is not known; say runtime, or nothing").into()),
    };
    let options = Options { device: Device::Cuda(0), requests, convolutions, ..Options::default() };
    let engine = shared::load(Path::new(&model), &options)?;
    println!("{}", engine.description());
    let search = engine.model().outputs.first().and_then(|output| search(&output.shape));
    for (name, search) in [("all outputs", None), ("candidates alone", search)] {
        let bench = Bench { engine: &*engine, search, frames, batch };
        let camera = Bench { frames: frames.min(CAMERA_FRAMES), ..bench };
        for (how, (times, _)) in
            [("one at a time", bench.run(1, Duration::ZERO)?), ("one every 20 ms", camera.run(1, PACE)?)]
        {
            let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
            println!("{name}, {how}: p50 {:.3} ms, p99 {:.3} ms", at(0.5), at(0.99));
        }
        let (_, each) = bench.run(DEPTH, Duration::ZERO)?;
        println!("{name}, {DEPTH} under way: {each:.3} ms a frame");
    }
    Ok(())
}

/// For an output of planes, as most networks of the YOLO family have it.
fn search(shape: &[Dim]) -> Option<Search> {
    let [_, Some(width), Some(positions)] = *shape else { return None };
    let classes = width.checked_sub(4).filter(|_| width < positions)?;
    let layout = DenseLayout { output: 0, planes: true, objectness: false, classes };
    Some(Search { layout, confidence: 0.25 })
}

#[derive(Clone, Copy)]
struct Bench<'a> {
    engine: &'a dyn InferenceEngine,
    search: Option<Search>,
    frames: usize,
    batch: usize,
}

impl Bench<'_> {
    fn inputs(&self) -> Result<Vec<InputTensor>> {
        let tensor = |(index, info): (usize, &TensorInfo)| {
            let shape: Vec<usize> = info.shape.iter().map(|dim| dim.unwrap_or(self.batch)).collect();
            self.engine.allocate(index, &shape)
        };
        let infos = self.engine.model().inputs.iter().enumerate();
        Ok(infos.map(tensor).collect::<std::result::Result<_, _>>()?)
    }

    fn submit(&self, tensors: Vec<InputTensor>) -> (Instant, Completion) {
        (Instant::now(), self.engine.submit_for(tensors, self.search))
    }

    /// Milliseconds that each batch took, sorted, and those per frame, with `depth` batches under way and `pace` between two.
    /// One at a time is waited for as `optimize-for=latency` does.
    fn run(&self, depth: usize, pace: Duration) -> Result<(Vec<f64>, f64)> {
        let waiting = if depth == 1 { Waiting::Awake } else { Waiting::Asleep };
        let sets = (0..depth).map(|_| self.inputs()).collect::<Result<Vec<_>>>()?;
        let mut running: VecDeque<_> = sets.into_iter().map(|tensors| self.submit(tensors)).collect();
        let (mut times, mut started) = (Vec::new(), Instant::now());
        for frame in 0..WARM_UP + self.frames {
            if frame == WARM_UP {
                times.clear();
                started = Instant::now();
            }
            let (submitted, completion) = running.pop_front().ok_or("nothing runs")?;
            let outcome = completion.wait_in(waiting);
            times.push(submitted.elapsed().as_secs_f64() * 1e3);
            std::thread::sleep(pace);
            outcome.outputs?;
            running.push_back(self.submit(outcome.inputs));
        }
        let each = started.elapsed().as_secs_f64() * 1e3 / (self.frames * self.batch) as f64;
        times.sort_by(f64::total_cmp);
        Ok((times, each))
    }
}
