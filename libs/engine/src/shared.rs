//! One engine for everybody in the process who names the same model and options.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use crate::options::{Device, Goal, Options, Precision};
use crate::{EngineError, InferenceEngine, onnxruntime};

/// Two callers with the same key share an engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    path: PathBuf,
    modified: Option<SystemTime>,
    size: u64,
    library: PathBuf,
    device: Device,
    precision: Precision,
    threads: usize,
    goal: Goal,
}

impl Key {
    fn new(path: &Path, options: &Options) -> Result<Self, EngineError> {
        let unreadable = |error| EngineError::reading(path, &error);
        let metadata = path.metadata().map_err(unreadable)?;
        Ok(Self {
            path: path.canonicalize().map_err(unreadable)?,
            modified: metadata.modified().ok(),
            size: metadata.len(),
            library: onnxruntime::library::open(options)?.path().to_owned(),
            device: options.device,
            precision: options.precision,
            threads: options.thread_count(),
            goal: options.goal,
        })
    }
}

/// Locked while its engine is being loaded, so that a second caller waits for the first one's.
type Slot = Arc<Mutex<Option<Weak<dyn InferenceEngine>>>>;

static ENGINES: LazyLock<Mutex<HashMap<Key, Slot>>> = LazyLock::new(Mutex::default);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The engine for the model file `path`: the one in use if the file has not changed and the options are the same,
/// else a new one. It lives for as long as somebody holds it.
///
/// # Errors
/// As [`onnxruntime::load`].
pub fn load(path: &Path, options: &Options) -> Result<Arc<dyn InferenceEngine>, EngineError> {
    let slot = slot(Key::new(path, options)?);
    let mut shared = lock(&slot);
    if let Some(engine) = live(&shared) {
        return Ok(engine);
    }
    let engine = onnxruntime::load(path, options)?;
    *shared = Some(Arc::downgrade(&engine));
    Ok(engine)
}
