//! `gst-osha engine build`: builds a model's engine into the cache.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use engine::cache::Cache;
use engine::tensorrt::progress::Observer;
use engine::tensorrt::{self, Progress, Watch};
use engine::{Backend, Device, Options, Precision, TensorRtOptions};

use crate::output::println;
use crate::plugins;

/// How often progress is printed while the phase stays the same.
const PAUSE: Duration = Duration::from_secs(2);

/// What to build, and for what.
#[derive(clap::Args)]
pub struct Args {
    /// The ONNX file
    model: PathBuf,
    /// Number of the GPU
    #[arg(long, default_value_t = 0)]
    device: u32,
    /// Images in the largest batch, where the model leaves that open
    #[arg(long, default_value_t = 0)]
    batch_size: usize,
    /// Refuse the model if it computes in another arithmetic
    #[arg(long, value_enum, default_value_t = PrecisionName::Model)]
    precision: PrecisionName,
    /// Device memory in MiB that a layer may work in; 0 for as much as TensorRT thinks fit
    #[arg(long, default_value_t = 0)]
    workspace: u32,
    /// How hard to search, 0 (fast build) to 5 (fast engine)
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=5))]
    optimization_level: Option<u8>,
    /// Build an engine that runs with every TensorRT of the same major version, the lean runtime included
    #[arg(long)]
    version_compatible: bool,
    /// Build an engine that runs on every GPU from Ampere on
    #[arg(long)]
    hardware_compatible: bool,
    /// TensorRT's library or its folder
    #[arg(long)]
    tensorrt_library: Option<PathBuf>,
}

/// As trtinfer's property `precision` names them.
#[derive(Clone, Copy, ValueEnum)]
enum PrecisionName {
    Model,
    Fp32,
    Fp16,
    Bf16,
    Int8,
    Fp8,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::Model => Self::Model,
            PrecisionName::Fp32 => Self::F32,
            PrecisionName::Fp16 => Self::F16,
            PrecisionName::Bf16 => Self::Bf16,
            PrecisionName::Int8 => Self::Int8,
            PrecisionName::Fp8 => Self::Fp8,
        }
    }
}

/// Builds the engine, unless it is there.
///
/// # Errors
/// When TensorRT or a GPU is missing, or the model cannot be built.
pub fn run(cache: &Cache, args: &Args) -> Result<()> {
    let watch = Watch { observer: Some(printer()), ..Watch::default() };
    let started = Instant::now();
    let (key, is_new) = tensorrt::build(&args.model, &options(cache, args), &watch)?;
    println!("{}", cache.path(&key).display());
    let seconds = started.elapsed().as_secs_f64();
    match is_new {
        true => println!("built in {seconds:.1} s for {}, {}", key.device, key.builder),
        false => println!("was there already"),
    }
    Ok(())
}

fn options(cache: &Cache, args: &Args) -> Options {
    Options {
        folders: plugins::folders(),
        device: Device::Cuda(args.device),
        precision: args.precision.into(),
        backend: Backend::TensorRt,
        tensorrt: TensorRtOptions {
            library: args.tensorrt_library.clone(),
            engine: None,
            cache: Some(cache.folder().to_owned()),
            batch_size: args.batch_size,
            workspace_mib: args.workspace,
            optimization_level: args.optimization_level,
            version_compatible: args.version_compatible,
            hardware_compatible: args.hardware_compatible,
        },
        ..Options::default()
    }
}

/// Prints a line for each new percent, but not more often than every [`PAUSE`].
fn printer() -> Observer {
    let last: Mutex<Option<(Instant, u8)>> = Mutex::default();
    Arc::new(move |progress: &Progress| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|(at, percent)| at.elapsed() >= PAUSE && percent != progress.percent);
        if is_due {
            *last = Some((Instant::now(), progress.percent));
            eprintln!("{progress}");
        }
    })
}
