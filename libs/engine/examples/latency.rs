//! How long a network alone takes on the first CUDA device: batches of one image, one at a time and several under way.
//!
//!     cargo run --release -p gst-osha-engine --example latency -- MODEL [FRAMES [REQUESTS [BATCH]]]
//!
//! REQUESTS batches are computed side by side; BATCH images are in each, where the model leaves that open.

use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use engine::{Completion, Device, InferenceEngine, InputTensor, Options, Search, shared};
use vision::head::DenseLayout;
use vision::tensor::{Dim, TensorInfo};

/// Batches before anything is measured.
const WARM_UP: usize = 50;
/// Batches under way where throughput is measured.
const DEPTH: usize = 4;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("name an ONNX file")?;
    let mut number = |usual| arguments.next().map_or(Ok(usual), |text| text.parse());
    let (frames, requests, batch) = (number(1000)?, number(1)?, number(1)?);
    let options = Options { device: Device::Cuda(0), requests, ..Options::default() };
    let engine = shared::load(Path::new(&model), &options)?;
    println!("{}", engine.description());
    let search = engine.model().outputs.first().and_then(|output| search(&output.shape));
    for (name, search) in [("all outputs", None), ("candidates alone", search)] {
        one_at_a_time(&*engine, name, search, frames, batch)?;
        several(&*engine, name, search, frames, batch)?;
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

fn inputs(engine: &dyn InferenceEngine, batch: usize) -> Result<Vec<InputTensor>> {
    let tensor = |(index, info): (usize, &TensorInfo)| {
        let shape: Vec<usize> = info.shape.iter().map(|dim| dim.unwrap_or(batch)).collect();
        engine.allocate(index, &shape)
    };
    Ok(engine.model().inputs.iter().enumerate().map(tensor).collect::<std::result::Result<_, _>>()?)
}

fn one_at_a_time(
    engine: &dyn InferenceEngine,
    name: &str,
    search: Option<Search>,
    frames: usize,
    batch: usize,
) -> Result<()> {
    let (mut tensors, mut times) = (inputs(engine, batch)?, Vec::new());
    for _ in 0..WARM_UP + frames {
        let started = Instant::now();
        let outcome = engine.submit_for(tensors, search).wait();
        times.push(started.elapsed().as_secs_f64() * 1e3);
        outcome.outputs?;
        tensors = outcome.inputs;
    }
    times.drain(..WARM_UP);
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
    println!("{name}, one at a time: p50 {:.3} ms, p99 {:.3} ms", at(0.5), at(0.99));
    Ok(())
}

fn several(
    engine: &dyn InferenceEngine,
    name: &str,
    search: Option<Search>,
    frames: usize,
    batch: usize,
) -> Result<()> {
    let sets = (0..DEPTH).map(|_| inputs(engine, batch)).collect::<Result<Vec<_>>>()?;
    let mut running: VecDeque<Completion> =
        sets.into_iter().map(|tensors| engine.submit_for(tensors, search)).collect();
    let mut started = Instant::now();
    for frame in 0..WARM_UP + frames {
        if frame == WARM_UP {
            started = Instant::now();
        }
        let outcome = running.pop_front().ok_or("nothing runs")?.wait();
        outcome.outputs?;
        running.push_back(engine.submit_for(outcome.inputs, search));
    }
    let each = started.elapsed().as_secs_f64() * 1e3 / (frames * batch) as f64;
    println!("{name}, {DEPTH} under way: {each:.3} ms a frame");
    Ok(())
}
