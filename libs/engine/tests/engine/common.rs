//! What every test of the engine needs: the library, the models, batches in and numbers out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{EngineError, InferenceEngine, InputTensor, Options, Outputs};
use vision::tensor::Elements;

/// The library in the folder that `scripts/bootstrap` fills, or the file or folder that `GST_OSHA_ONNXRUNTIME` names.
pub fn library() -> PathBuf {
    let named = std::env::var_os("GST_OSHA_ONNXRUNTIME").map(PathBuf::from);
    let mut path = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/plugins"));
    if !path.is_file() {
        path.push("libonnxruntime.so.1");
    }
    assert!(path.exists(), "{} is missing: run scripts/bootstrap", path.display());
    path
}

pub fn options() -> Options {
    Options { library: Some(library()), threads: 1, ..Options::default() }
}

pub fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name).with_extension("onnx")
}

pub fn load(name: &str) -> Arc<dyn InferenceEngine> {
    engine::onnxruntime::load(&model(name), &options()).unwrap()
}

/// The error of loading `path`.
pub fn refusal(path: &Path) -> EngineError {
    let loaded = engine::onnxruntime::load(path, &options());
    loaded.err().unwrap_or_else(|| panic!("{} was loaded", path.display()))
}

/// A tensor for input 0 filled with `values`.
pub fn tensor(engine: &dyn InferenceEngine, shape: &[usize], values: &[f32]) -> InputTensor {
    let mut tensor = engine.allocate(0, shape).unwrap();
    tensor.write(Elements::F32(values)).unwrap();
    tensor
}

pub fn floats(outputs: &Outputs, index: usize) -> (Vec<usize>, Vec<f32>) {
    let view = outputs.view(index).unwrap();
    let Elements::F32(values) = view.elements else { panic!("{:?} is not f32", view.elements) };
    (view.shape, values.to_vec())
}
