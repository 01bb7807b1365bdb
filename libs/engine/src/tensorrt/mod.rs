//! The backend on TensorRT, whose libraries are loaded at run time.
//!
//! An engine is built once for a model, device, driver, library and way of building, and kept in the [`crate::cache`]. The
//! library's C++ interface is called through `tensorrt/shim.cpp`.

mod allocator;
mod builder;
mod key;
pub mod library;
mod messages;
mod profile;
pub mod progress;
mod runtime;
mod session;
mod sys;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use gpu::MemoryKind;
use gpu::cuda::Context;

use self::builder::Job;
use self::library::{Library, Product};
use self::profile::Profile;
pub use self::progress::{Progress, Watch};
use self::runtime::{Engine as Network, Runtime};
use self::session::{Session, Signature};
use crate::batch;
use crate::cache::{self, Cache, Cached, Key, Lookup, Miss};
use crate::log::{self, Severity};
use crate::model_file::{Declared, ModelFile};
use crate::options::{Device, Options, Precision};
use crate::worker::Worker;
use crate::{Completion, EngineError, InferenceEngine, InputTensor, ModelInfo, Search};

fn unavailable(reason: impl ToString) -> EngineError {
    EngineError::Unavailable { backend: "TensorRT".to_owned(), reason: reason.to_string() }
}

/// The device's context. The driver is asked before the library is touched: without one the library returns objects that
/// cannot be used.
fn context(options: &Options) -> Result<Arc<Context>, EngineError> {
    let Device::Cuda(ordinal) = options.device else {
        return Err(unavailable("it runs on a CUDA device only; choose one"));
    };
    let number = i32::try_from(ordinal).map_err(|_| unavailable(format!("there is no device {ordinal}")))?;
    Context::primary(number).map_err(unavailable)
}

/// The library that `options` lead to. The driver is asked first.
///
/// # Errors
/// When there is no driver, device or fitting library.
pub fn library(options: &Options) -> Result<Arc<Library>, EngineError> {
    context(options)?;
    library::open(options)
}

/// Where the engine of a model comes from.
enum Origin {
    /// A file that was built elsewhere, used as it is.
    File(PathBuf),
    /// The cache; what it lacks is built.
    Cache { key: Key, cache: Cache },
}

/// All that is known before an engine is there.
struct Plan {
    job: Job,
    metadata: BTreeMap<String, String>,
    declared: Declared,
    origin: Origin,
}

impl Plan {
    fn new(path: &Path, options: &Options) -> Result<Self, EngineError> {
        let context = context(options)?;
        let library = library::open(options)?;
        check(library.product(), options)?;
        let model = ModelFile::read(path)?;
        let (profiles, last_build, origin) = match &options.tensorrt.engine {
            Some(file) => {
                check_file(file, options)?;
                (Vec::new(), None, Origin::File(file.clone()))
            }
            None => {
                let profiles = profile::of(&model, path, options.tensorrt.batch_size)?;
                let key = key(path, &model, &library, &context, &profiles, options)?;
                let cache = Cache::open(options.tensorrt.cache.as_deref())?;
                (profiles, cache.last_build(&key.model), Origin::Cache { key, cache })
            }
        };
        let (metadata, declared) = (model.metadata(), model.declared());
        let (path, precision) = (path.to_owned(), options.precision);
        let options = options.tensorrt.clone();
        let job = Job { library, context, path, profiles, precision, options, last_build };
        Ok(Self { job, metadata, declared, origin })
    }

    fn runtime(&self) -> Result<Arc<Runtime>, EngineError> {
        let host_code = self.job.options.version_compatible || matches!(self.origin, Origin::File(_));
        Runtime::new(&self.job.library, &self.job.context, host_code)
    }

    /// The engine that is there already, ready to run, or why one has to be built.
    fn found(&self) -> Result<Result<Arc<Network>, Miss>, EngineError> {
        match &self.origin {
            Origin::File(file) => self.open_file(file).map(Ok),
            Origin::Cache { key, cache } => match cache.lookup(key) {
                Lookup::Hit(engine) => self.open_cached(key, cache, &engine),
                Lookup::Miss(miss) => Ok(Err(miss)),
            },
        }
    }

    fn open_file(&self, file: &Path) -> Result<Arc<Network>, EngineError> {
        let plan = std::fs::read(file).map_err(|error| refused_file(file, error.to_string()))?;
        let network = Network::new(&self.runtime()?, &plan).map_err(|error| match error {
            EngineError::PlanRefused { reason } => refused_file(file, reason),
            other => other,
        })?;
        self.signature(&network)?.check(&self.declared).map_err(|reason| refused_file(file, reason))?;
        Ok(network)
    }

    /// One from the cache that the library refuses is removed, where another one can be built.
    fn open_cached(
        &self,
        key: &Key,
        cache: &Cache,
        engine: &[u8],
    ) -> Result<Result<Arc<Network>, Miss>, EngineError> {
        match Network::new(&self.runtime()?, engine) {
            Err(EngineError::PlanRefused { reason }) if self.job.library.can_build().is_ok() => {
                let place = cache.path(key);
                cache.prune(|entry| entry.path == place)?;
                Ok(Err(Miss::Damaged(reason)))
            }
            other => other.map(Ok),
        }
    }

    /// The engine from the cache, or a new one.
    fn get_or_build(&self, key: &Key, cache: &Cache, watch: &Watch) -> Result<Cached, EngineError> {
        let (path, started) = (&self.job.path, Instant::now());
        let wait = || watch.wait(started, self.job.last_build);
        let cached = cache.get_or_build(key, wait, |miss| {
            log::emit(Severity::Info, &format!("{}: an engine is built, since {miss}", path.display()));
            let engine = builder::build(self.job.clone(), watch)?;
            match cache::model_digest(path)? == key.model {
                true => Ok(engine),
                false => Err(EngineError::ModelChanged(path.clone())),
            }
        })?;
        if let Some(error) = &cached.not_kept {
            watch.warn(&format!("the engine is built anew next time: {error}"));
        }
        Ok(cached)
    }

    /// The engine, ready to run: what was `found`, or else one that is got now.
    fn open(&self, found: Result<Arc<Network>, Miss>, watch: &Watch) -> Result<Arc<Network>, EngineError> {
        match (found, &self.origin) {
            (Ok(network), _) => Ok(network),
            (Err(_), Origin::File(file)) => self.open_file(file),
            (Err(_), Origin::Cache { key, cache }) => {
                let cached = self.get_or_build(key, cache, watch)?;
                Network::new(&self.runtime()?, &cached.engine)
            }
        }
    }

    fn signature(&self, network: &Network) -> Result<Signature, EngineError> {
        Signature::of(network, &self.job.path)
    }
}

/// What only one of the products has.
fn check(product: Product, options: &Options) -> Result<(), EngineError> {
    let asked = [
        ("version-compatible", options.tensorrt.version_compatible),
        ("hardware-compatible", options.tensorrt.hardware_compatible),
    ];
    match asked.into_iter().find(|(_, is_asked)| *is_asked && product == Product::Rtx) {
        Some((name, _)) => Err(unavailable(format!("{name}: {product} has no such engines. Leave it out"))),
        None => Ok(()),
    }
}

/// Of an engine in the file `path` nothing tells in which arithmetic it computes.
fn check_file(path: &Path, options: &Options) -> Result<(), EngineError> {
    match options.precision {
        Precision::Model => Ok(()),
        asked => {
            let reason = format!("nothing tells whether it computes in {asked}: leave precision at model");
            Err(refused_file(path, reason))
        }
    }
}

fn refused_file(path: &Path, reason: String) -> EngineError {
    EngineError::EngineFile { path: path.to_owned(), reason }
}

fn key(
    path: &Path,
    model: &ModelFile,
    library: &Library,
    context: &Context,
    profiles: &[Profile],
    options: &Options,
) -> Result<Key, EngineError> {
    let basis = key::Basis {
        product: library.product(),
        library: library.version(),
        device: context.device(),
        driver: key::driver(&gpu::cuda::status()?),
        precision: options.precision,
        profiles,
        options: &options.tensorrt,
    };
    Ok(key::of(cache::model_digest_of(model, path)?, &basis))
}

/// A model that is about to be loaded, with all that is known before: nothing of it is read twice.
pub struct Prepared {
    plan: Plan,
    /// What was there already, or why something has to be built.
    network: Result<Arc<Network>, Miss>,
}

/// Reads the model file `path` and looks for its engine in the cache.
///
/// # Errors
/// As [`load`], as far as it can be told without an engine.
pub fn prepare(path: &Path, options: &Options) -> Result<Prepared, EngineError> {
    let plan = Plan::new(path, options)?;
    let network = plan.found()?;
    Ok(Prepared { plan, network })
}

/// Sees to it that the engine of the model file `path` is in the cache. Returns its key, and whether it had to be built.
///
/// # Errors
/// As [`load`], and when a new engine cannot be kept.
pub fn build(path: &Path, options: &Options, watch: &Watch) -> Result<(Key, bool), EngineError> {
    let plan = Plan::new(path, options)?;
    let Origin::Cache { key, cache } = &plan.origin else {
        return Err(unavailable("an engine of your own is not built; leave it out"));
    };
    let cached = plan.get_or_build(key, cache, watch)?;
    match cached.not_kept {
        Some(error) => Err(error.into()),
        None => Ok((key.clone(), cached.miss.is_some())),
    }
}

/// Whether the library that `options` lead to accepts `plan`, the bytes of a built engine.
///
/// # Errors
/// [`EngineError::PlanRefused`] with the library's own reason, or why the library cannot be used.
pub fn check_plan(plan: &[u8], options: &Options) -> Result<(), EngineError> {
    let context = context(options)?;
    let runtime = Runtime::new(&library::open(options)?, &context, options.tensorrt.version_compatible)?;
    Network::new(&runtime, plan).map(drop)
}

/// Loads the model file `path`; each call loads it anew. Takes seconds with an engine in the cache and up to minutes
/// without.
///
/// # Errors
/// [`EngineError::Unavailable`] when driver, device or library are missing; otherwise what is wrong with the model, the
/// build, the cache or the device.
pub fn load(path: &Path, options: &Options, watch: &Watch) -> Result<Arc<dyn InferenceEngine>, EngineError> {
    prepare(path, options)?.load(watch)
}

impl Prepared {
    /// Why [`Self::load`] builds an engine, if it does: none that is of use is in the cache, and the library can.
    pub fn needs_build(&self) -> Option<&Miss> {
        self.network.as_ref().err().filter(|_| self.plan.job.library.can_build().is_ok())
    }

    /// Loads the model, as [`load`] does.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(self, watch: &Watch) -> Result<Arc<dyn InferenceEngine>, EngineError> {
        let Self { plan, network } = self;
        let (network, path) = (plan.open(network, watch)?, &plan.job.path);
        let signature = plan.signature(&network)?;
        let infos = |named: &[session::Named]| named.iter().map(|named| named.info.clone()).collect();
        let model = Arc::new(ModelInfo {
            inputs: infos(&signature.inputs),
            outputs: infos(&signature.outputs),
            metadata: plan.metadata.clone(),
        });
        let description = describe(&plan, &network);
        let session = Session::new(network, signature, path)?;
        let worker = Worker::on_device(vec![Box::new(session)], Arc::clone(&model));
        Ok(Arc::new(Engine { model, description, context: Arc::clone(&plan.job.context), worker }))
    }
}

fn describe(plan: &Plan, network: &Network) -> String {
    let (library, allocator) = (&plan.job.library, network.runtime().allocator());
    format!(
        "{} {}, {}, {}, no TF32, {} MiB of device memory and {} MiB for each batch under way",
        library.product(),
        library.version(),
        plan.job.context.device(),
        plan.job.precision,
        allocator.bytes().div_ceil(1 << 20),
        network.execution_bytes().div_ceil(1 << 20)
    )
}

/// A model that TensorRT runs on a thread of its own.
struct Engine {
    model: Arc<ModelInfo>,
    description: String,
    context: Arc<Context>,
    worker: Worker,
}

impl InferenceEngine for Engine {
    fn model(&self) -> &ModelInfo {
        &self.model
    }

    fn description(&self) -> &str {
        &self.description
    }

    fn memory(&self) -> MemoryKind {
        MemoryKind::Cuda
    }

    fn allocate(&self, index: usize, shape: &[usize]) -> Result<InputTensor, EngineError> {
        let input = batch::input(&self.model, index, shape)?;
        InputTensor::on_device(&self.context, input.data_type, shape)
    }

    fn submit_for(&self, inputs: Vec<InputTensor>, search: Option<Search>) -> Completion {
        self.worker.submit(inputs, search)
    }
}
