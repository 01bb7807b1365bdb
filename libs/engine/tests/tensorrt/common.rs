//! What every test needs: options, models, batches in and numbers out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::tensorrt::{self, Watch};
use engine::{Backend, Device, EngineError, InferenceEngine, Options, Outputs, TensorRtOptions};
use tempfile::TempDir;
use vision::tensor::Elements;

use crate::double;

/// The library of the tests: a double's folder, or wherever the machine has one.
fn library() -> Option<PathBuf> {
    double::is_in_place().then(|| double::folder("full"))
}

/// What a machine lacks.
#[derive(Default)]
pub struct Missing {
    /// Driver, device or library.
    pub library: bool,
    /// Why nothing can be built.
    pub builder: Option<String>,
}

/// What this machine lacks.
pub fn missing() -> Missing {
    let options = Options {
        backend: Backend::TensorRt,
        device: Device::Cuda(0),
        tensorrt: TensorRtOptions { library: library(), ..TensorRtOptions::default() },
        ..Options::default()
    };
    match tensorrt::library(&options) {
        Ok(library) => Missing { library: false, builder: library.can_build().err().map(str::to_owned) },
        Err(error) => Missing { library: true, builder: Some(error.to_string()) },
    }
}

pub fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name).with_extension("onnx")
}

/// A cache of its own for a test, and how to use it.
pub struct Setup {
    pub cache: TempDir,
    pub options: Options,
}

impl Setup {
    pub fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let tensorrt = TensorRtOptions {
            library: library(),
            cache: Some(cache.path().to_owned()),
            ..TensorRtOptions::default()
        };
        let (backend, device) = (Backend::TensorRt, Device::Cuda(0));
        Self { cache, options: Options { backend, device, tensorrt, ..Options::default() } }
    }

    /// As `self`, with other options for TensorRT.
    pub fn with(&self, change: impl FnOnce(&mut TensorRtOptions)) -> Options {
        let mut options = self.options.clone();
        change(&mut options.tensorrt);
        options
    }

    pub fn load(&self, name: &str) -> Arc<dyn InferenceEngine> {
        load(name, &self.options)
    }

    /// The entry's file; there must be one only.
    pub fn entry(&self) -> PathBuf {
        let entries = self.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0].clone()
    }

    pub fn entries(&self) -> Vec<PathBuf> {
        let paths = self.cache.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "engine")).collect()
    }
}

pub fn load(name: &str, options: &Options) -> Arc<dyn InferenceEngine> {
    tensorrt::load(&model(name), options, &Watch::default()).unwrap()
}

/// The error of loading a model.
pub fn refusal(name: &str, options: &Options) -> EngineError {
    let loaded = tensorrt::load(&model(name), options, &Watch::default());
    loaded.err().unwrap_or_else(|| panic!("{name} was loaded"))
}

/// Whether loading had to build.
pub fn builds(name: &str, options: &Options) -> bool {
    tensorrt::build(&model(name), options, &Watch::default()).unwrap().1
}

/// `count` numbers that differ.
pub fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|index| index as f32 * 0.25 - 7.0).collect()
}

/// Runs one batch and returns the first output.
pub fn run(engine: &dyn InferenceEngine, shape: &[usize], values: &[f32]) -> Result<Vec<f32>, EngineError> {
    let mut tensor = engine.allocate(0, shape)?;
    tensor.write(Elements::F32(values))?;
    engine.submit(vec![tensor]).wait().outputs.map(|outputs| floats(&outputs))
}

pub fn floats(outputs: &Outputs) -> Vec<f32> {
    match outputs.view(0).unwrap().elements {
        Elements::F32(values) => values.to_vec(),
        other => panic!("{other:?} is not f32"),
    }
}
