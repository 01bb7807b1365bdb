//! The library that runs networks.

use std::path::PathBuf;

use engine::Options;
use engine::onnxruntime::{check_cuda, library};
use serde::{Deserialize, Serialize};

/// What there is of ONNX Runtime.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OnnxRuntime {
    /// Why it cannot be used.
    pub missing: Option<String>,
    /// The file.
    pub path: Option<PathBuf>,
    /// Its version.
    pub version: Option<String>,
    /// Execution providers that it was built with.
    pub providers: Vec<String>,
    /// Why it cannot run networks on the GPU; `None` if it can, or was not asked.
    pub cuda_problem: Option<String>,
    /// Whether it can run networks on the GPU.
    pub cuda: bool,
}

/// Searches as the elements do and loads what is found.
pub fn collect(report: &mut dyn FnMut(&OnnxRuntime)) {
    let options = Options { folders: crate::plugins::folders(), ..Options::default() };
    let library = match library::open(&options) {
        Ok(library) => library,
        Err(missing) => {
            return report(&OnnxRuntime { missing: Some(missing.to_string()), ..OnnxRuntime::default() });
        }
    };
    let mut facts = OnnxRuntime {
        path: Some(library.path().to_owned()),
        version: Some(library.version()),
        providers: library.providers().unwrap_or_default(),
        ..OnnxRuntime::default()
    };
    report(&facts);
    match check_cuda(&options, 0) {
        Ok(()) => facts.cuda = true,
        Err(problem) => facts.cuda_problem = Some(problem.to_string()),
    }
    report(&facts);
}
