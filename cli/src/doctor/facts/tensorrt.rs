//! NVIDIA's library that runs networks.

use std::path::PathBuf;

use engine::{Device, Options};
use serde::{Deserialize, Serialize};

/// What there is of TensorRT.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TensorRt {
    /// Why it cannot be used.
    pub missing: Option<String>,
    /// The file.
    pub path: Option<PathBuf>,
    /// Product and version, such as `TensorRT 11.4.0`.
    pub name: Option<String>,
    /// Why it runs engines, but builds none.
    pub no_builder: Option<String>,
}

/// Searches as the elements do and loads what is found.
pub fn collect(report: &mut dyn FnMut(&TensorRt)) {
    let folders = crate::plugins::folders();
    let options = Options { folders, device: Device::Cuda(0), ..Options::default() };
    report(&match engine::tensorrt::library(&options) {
        Ok(library) => TensorRt {
            missing: None,
            path: Some(library.path().to_owned()),
            name: Some(format!("{} {}", library.product(), library.version())),
            no_builder: library.can_build().err().map(str::to_owned),
        },
        Err(missing) => TensorRt { missing: Some(missing.to_string()), ..TensorRt::default() },
    });
}
