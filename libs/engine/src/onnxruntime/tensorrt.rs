//! ONNX Runtime's TensorRT provider, which builds engines of its own with TensorRT 10.

use std::path::{Path, PathBuf};

use gpu::cuda::Context;
use ort::ep;

use super::library::Library;
use crate::cache::{Cache, Key, model_digest};
use crate::{EngineError, Options};

/// What ONNX Runtime's provider is linked to.
const LIBRARY: &str = "libnvinfer.so.10";
/// The provider has no switch for TF32; NVIDIA's libraries heed this variable.
const TF32: &str = "NVIDIA_TF32_OVERRIDE";
/// Folder of the provider's engines in the cache.
const FOLDER: &str = "onnxruntime";

fn unavailable(reason: String) -> EngineError {
    EngineError::Unavailable { backend: "ONNX Runtime with TensorRT".to_owned(), reason }
}

/// Whether the provider can be had and computes as exactly as the others.
///
/// # Errors
/// What is missing, and what to do.
pub(super) fn check() -> Result<(), EngineError> {
    // SAFETY: loading runs the library's initialisers, which are made for that.
    #[allow(unsafe_code)]
    let opened = unsafe { libloading::Library::new(LIBRARY) };
    opened.map(drop).map_err(|_| {
        unavailable(format!(
            "{LIBRARY} is not installed, and ONNX Runtime's provider is made for TensorRT 10. Install that, or use \
             TensorRT 11 with backend=tensorrt"
        ))
    })?;
    match std::env::var_os(TF32).is_some_and(|value| value == "0") {
        true => Ok(()),
        false => Err(unavailable(format!(
            "its provider rounds FP32 to TF32, which changes results. Set {TF32}=0 in the environment, or use another backend"
        ))),
    }
}

/// The provider, with a folder of its own for all that its engines depend on: it looks at the model's structure alone.
pub(super) fn provider(
    library: &Library,
    path: &Path,
    context: &Context,
    options: &Options,
) -> Result<ep::TensorRT, EngineError> {
    let folder = folder(library, path, context, options)?;
    let provider = ep::TensorRT::default()
        .with_device_id(context.device().ordinal)
        .with_engine_cache(true)
        .with_engine_cache_path(folder.display());
    Ok(match options.tensorrt.workspace_mib {
        0 => provider,
        mib => provider.with_max_workspace_size((mib as usize) << 20),
    })
}

fn folder(
    library: &Library,
    path: &Path,
    context: &Context,
    options: &Options,
) -> Result<PathBuf, EngineError> {
    let device = context.device();
    let key = Key {
        model: model_digest(path)?,
        builder: format!("ONNX Runtime {}, {LIBRARY}", library.version()),
        device: format!("{}, {:?}", device.name, device.capability),
        driver: gpu::cuda::driver_release().unwrap_or_default(),
        precision: options.precision.to_string(),
        flags: format!("workspace {} MiB", options.tensorrt.workspace_mib),
        ..Key::default()
    };
    let cache = Cache::open(options.tensorrt.cache.as_deref())?;
    let folder = cache.folder().join(FOLDER).join(key.digest());
    Ok(Cache::open(Some(&folder))?.folder().to_owned())
}
