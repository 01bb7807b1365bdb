//! One engine for everybody in the process who names the same model and options.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, TryLockError, Weak};
use std::time::{Duration, SystemTime};

use crate::model_file::ModelFile;
use crate::options::{Backend, Options};
use crate::tensorrt::{self, Prepared, Watch};
use crate::{EngineError, InferenceEngine, lock, onnxruntime};

/// How often a second caller looks whether the first one's engine is there.
const POLL: Duration = Duration::from_millis(20);

/// Two callers with the same key share an engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// The model's own, and those in which it keeps tensors.
    files: Vec<FileState>,
    library: PathBuf,
    /// With everything resolved that has more than one form.
    options: Options,
}

impl Key {
    fn new(path: &Path, options: &Options) -> Result<Self, EngineError> {
        let (model, library) = (FileState::of(path)?, library(options)?);
        Ok(Self {
            // Last: a large file is read only for a library that is there.
            files: std::iter::once(model).chain(external_files(path)).collect(),
            library,
            options: Options {
                library: None,
                folders: Vec::new(),
                threads: options.thread_count(),
                requests: options.concurrency(),
                ..options.clone()
            },
        })
    }
}

/// A file as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FileState {
    path: PathBuf,
    modified: Option<SystemTime>,
    size: u64,
}

impl FileState {
    fn of(path: &Path) -> Result<Self, EngineError> {
        let unreadable = |error| EngineError::reading(path, &error);
        let metadata = path.metadata().map_err(unreadable)?;
        let (modified, size) = (metadata.modified().ok(), metadata.len());
        Ok(Self { path: path.canonicalize().map_err(unreadable)?, modified, size })
    }
}

/// The files in which the model file `path` keeps tensors, as far as they can be read: what is wrong with them is told when
/// the model is loaded.
fn external_files(path: &Path) -> Vec<FileState> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let names = ModelFile::read(path).map(|model| model.external_files()).unwrap_or_default();
    names.iter().flat_map(|name| FileState::of(&folder.join(name))).collect()
}

/// The file of the backend's library.
fn library(options: &Options) -> Result<PathBuf, EngineError> {
    Ok(match options.backend {
        Backend::TensorRt => tensorrt::library(options)?.path().to_owned(),
        Backend::OnnxRuntime | Backend::OnnxRuntimeTensorRt => {
            onnxruntime::library::open(options)?.path().to_owned()
        }
    })
}

/// Locked while its engine is being loaded, so that a second caller waits for the first one's.
type Slot = Arc<Mutex<Option<Weak<dyn InferenceEngine>>>>;

static ENGINES: LazyLock<Mutex<HashMap<Key, Slot>>> = LazyLock::new(Mutex::default);

/// Waits for whoever loads the engine now, unless `watch` is cancelled.
fn lock_watched<'a, T>(mutex: &'a Mutex<T>, watch: &Watch) -> Result<MutexGuard<'a, T>, EngineError> {
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if watch.is_cancelled() => return Err(EngineError::Cancelled),
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
        }
    }
}

/// The slot of `key`. Slots of engines that are gone are removed on the way.
fn slot(key: Key) -> Slot {
    let mut engines = lock(&ENGINES);
    engines.retain(|_, slot| Arc::strong_count(slot) > 1 || live(&lock(slot)).is_some());
    Arc::clone(engines.entry(key).or_default())
}

fn live(engine: &Option<Weak<dyn InferenceEngine>>) -> Option<Arc<dyn InferenceEngine>> {
    engine.as_ref().and_then(Weak::upgrade)
}

/// Whether somebody uses the engine for the model file `path` now, so that [`load`] takes no time.
pub fn is_loaded(path: &Path, options: &Options) -> bool {
    let Ok(key) = Key::new(path, options) else { return false };
    let slot = lock(&ENGINES).get(&key).map(Arc::clone);
    slot.is_some_and(|slot| slot.try_lock().is_ok_and(|engine| live(&engine).is_some()))
}

/// The engine for the model file `path`: the one in use if the file has not changed and the options are the same,
/// else a new one. It lives for as long as somebody holds it.
///
/// # Errors
/// As [`onnxruntime::load`] or [`tensorrt::load`].
pub fn load(path: &Path, options: &Options) -> Result<Arc<dyn InferenceEngine>, EngineError> {
    load_watched(path, options, None, &Watch::default())
}

/// As [`load`], for a caller who wants to know how far a build is, or to give up, and who may have `prepared` the model
/// for TensorRT with the same options.
///
/// # Errors
/// As [`load`], and [`EngineError::Cancelled`].
pub fn load_watched(
    path: &Path,
    options: &Options,
    prepared: Option<Prepared>,
    watch: &Watch,
) -> Result<Arc<dyn InferenceEngine>, EngineError> {
    let slot = slot(Key::new(path, options)?);
    let mut shared = lock_watched(&slot, watch)?;
    if let Some(engine) = live(&shared) {
        return Ok(engine);
    }
    let engine = match (options.backend, prepared) {
        (Backend::TensorRt, Some(prepared)) => prepared.load(watch)?,
        (Backend::TensorRt, None) => tensorrt::load(path, options, watch)?,
        (Backend::OnnxRuntime | Backend::OnnxRuntimeTensorRt, _) => onnxruntime::load(path, options)?,
    };
    *shared = Some(Arc::downgrade(&engine));
    Ok(engine)
}
