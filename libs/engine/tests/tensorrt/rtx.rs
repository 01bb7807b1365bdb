//! TensorRT for RTX. Its builder works without a GPU: real engines are built and kept. With `GST_OSHA_TENSORRT_TESTS=gpu` one is
//! run, too, if the machine's GPU is one that it knows.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::cache::Cache;
use engine::tensorrt::{self, Progress, Watch, check_plan};
use engine::{EngineError, Options, Precision};
use gpu::cuda::Context;

use crate::common::{Setup, builds, model, numbers, run};
use crate::double;

/// Names the folder of the libraries.
const FOLDER: &str = "GST_OSHA_TENSORRT_RTX";

/// The folder of the libraries, if there is one.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// The options of `setup`, with the library of TensorRT for RTX.
fn rtx(setup: &Setup) -> Options {
    setup.with(|tensorrt| tensorrt.library = folder())
}

fn refusal(name: &str, options: &Options) -> EngineError {
    tensorrt::build(&model(name), options, &Watch::default()).unwrap_err()
}

pub fn engines_are_built_and_found_again() {
    for name in ["metadata", "affine_open"] {
        let setup = Setup::new();
        let mut options = rtx(&setup);
        options.tensorrt.batch_size = 4;
        let (key, is_built) = tensorrt::build(&model(name), &options, &Watch::default()).unwrap();
        assert!(is_built && key.builder.starts_with("TensorRT for RTX 1."), "{}", key.builder);
        let plan = double::cached(setup.cache.path());
        println!("{name}: {} bytes by {}", plan.len(), key.builder);
        let size = u64::from_le_bytes(plan[16..24].try_into().unwrap());
        assert_eq!((&plan[..4], size), (&b"vtrt"[..], plan.len() as u64));
        assert!(!builds(name, &options), "it was not found again");
    }
}

pub fn each_product_has_engines_of_its_own() {
    let setup = Setup::new();
    assert!(builds("metadata", &setup.options) && builds("metadata", &rtx(&setup)));
    assert!(!builds("metadata", &setup.options) && !builds("metadata", &rtx(&setup)));
    let cache = Cache::open(Some(setup.cache.path())).unwrap();
    let mut builders: Vec<_> =
        cache.entries().unwrap().into_iter().map(|entry| entry.header.unwrap().key.builder).collect();
    builders.sort();
    assert!(
        builders[0].starts_with("TensorRT 11.") && builders[1].starts_with("TensorRT for RTX 1."),
        "{builders:?}"
    );
}

/// What was told of a build, and a watch that gives it up when `is_enough`.
fn watch(
    is_enough: impl Fn(&Progress) -> bool + Send + Sync + 'static,
) -> (Watch, Arc<Mutex<Vec<Progress>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut watch = Watch::default();
    watch.observer = Some(Arc::new({
        let (seen, cancel) = (Arc::clone(&seen), Arc::clone(&watch.cancel));
        move |progress: &Progress| {
            seen.lock().unwrap().push(progress.clone());
            cancel.fetch_or(is_enough(progress), Ordering::Relaxed);
        }
    }));
    (watch, seen)
}

pub fn progress_rises_to_the_end() {
    let setup = Setup::new();
    let (watch, seen) = watch(|_| false);
    tensorrt::build(&model("metadata"), &rtx(&setup), &watch).unwrap();
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty() && seen.is_sorted_by_key(|progress| progress.percent), "{seen:?}");
    assert!(seen.iter().all(|progress| progress.percent <= 100 && !progress.phase.is_empty()));
}

pub fn a_cancelled_build_leaves_nothing() {
    let setup = Setup::new();
    let (watch, _) = watch(|_| true);
    let started = Instant::now();
    let error = tensorrt::build(&model("metadata"), &rtx(&setup), &watch).unwrap_err();
    assert_eq!(error, EngineError::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(2) && setup.entries().is_empty());
    assert!(builds("metadata", &rtx(&setup)), "the next one is built");
}

pub fn what_it_cannot_do_is_refused_with_a_reason() {
    let setup = Setup::new();
    for (name, change) in [
        ("version-compatible", (|options| options.tensorrt.version_compatible = true) as fn(&mut Options)),
        ("hardware-compatible", |options| options.tensorrt.hardware_compatible = true),
    ] {
        let mut options = rtx(&setup);
        change(&mut options);
        let error = refusal("metadata", &options).to_string();
        assert!(error.contains(&format!("{name}: TensorRT for RTX has no such engines")), "{error}");
    }
    let mut options = rtx(&setup);
    options.precision = Precision::Int8;
    let error = refusal("metadata", &options);
    assert!(matches!(error, EngineError::PrecisionMismatch { found: Precision::F32, .. }), "{error}");
    assert!(setup.entries().is_empty());
}

pub fn a_model_is_taken_in_its_own_precision_or_refused() {
    let setup = Setup::new();
    let asked = |precision| Options { precision, ..rtx(&setup) };
    let error = refusal("affine_f16", &asked(Precision::F32));
    assert!(matches!(error, EngineError::PrecisionMismatch { found: Precision::F16, .. }), "{error}");
    assert!(builds("affine_f16", &asked(Precision::F16)));
    let error = refusal("unknown_operator", &rtx(&setup)).to_string();
    assert!(
        error.contains("node 0 (operator Frobnicate): ") && error.contains("Plugin not found"),
        "{error}"
    );
}

/// The network of this project, as large as those that people use.
pub fn the_projects_network_is_built_and_given_up() {
    let setup = Setup::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/ppe-demo.onnx");
    let build = |watch: &Watch| tensorrt::build(&path, &rtx(&setup), watch);
    let (some_way, seen) = watch(|progress| progress.percent >= 20);
    assert_eq!(build(&some_way).unwrap_err(), EngineError::Cancelled);
    println!("given up: {}", seen.lock().unwrap().last().unwrap());
    assert!(setup.entries().is_empty());
    let started = Instant::now();
    assert!(build(&Watch::default()).unwrap().1);
    println!("built in {:?}: {} bytes", started.elapsed(), double::cached(setup.cache.path()).len());
    assert!(!build(&Watch::default()).unwrap().1);
}

/// NVIDIA's own runtime looks at the layout before it looks for a device.
pub fn what_is_no_plan_is_refused_in_nvidias_words() {
    let setup = Setup::new();
    assert!(builds("metadata", &rtx(&setup)));
    let whole = double::cached(setup.cache.path());
    let changed = |at: usize| {
        let mut plan = whole.clone();
        plan[at] ^= 4;
        plan
    };
    let cases = [
        ("empty", Vec::new(), "empty memory buffer"),
        ("text", b"no plan at all".repeat(64), "magicTag"),
        ("magic word", changed(0), "magicTag"),
        ("TensorRT's own", [b"ftrt", &whole[4..]].concat(), "magicTag"),
        ("size", changed(16), "size"),
        ("half", whole[..whole.len() / 2].to_vec(), "size"),
        ("an entry's tag", changed(64), "No engine found"),
        ("an entry's place", changed(72), "kPLAN_ALIGNMENT"),
        ("end", changed(whole.len() - 1), "kEND_OF_PLAN_MARKER"),
    ];
    for (name, plan, words) in cases {
        let reason = match check_plan(&plan, &rtx(&setup)).unwrap_err() {
            EngineError::PlanRefused { reason } => reason,
            other => panic!("{name}: {other}"),
        };
        println!("{name}: {reason}");
        assert!(reason.contains(words), "{name}: {reason}");
    }
}

/// GPUs that TensorRT for RTX 1.7 has engines for.
const KNOWN: [(u32, u32); 6] = [(7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)];

pub fn an_engine_runs_or_the_gpu_is_refused() {
    let setup = Setup::new();
    let loaded = tensorrt::load(&model("metadata"), &rtx(&setup), &Watch::default());
    let context = Context::primary(0).unwrap();
    if KNOWN.contains(&context.device().capability) {
        let engine = loaded.unwrap();
        println!("{}", engine.description());
        for round in 0..5 {
            let values: Vec<_> = numbers(192).iter().map(|value| value + round as f32).collect();
            let expected: Vec<_> = values.iter().map(|value| 2.0 * value + 1.0).collect();
            assert_eq!(run(&*engine, &[1, 3, 8, 8], &values).unwrap(), expected, "round {round}");
        }
    } else {
        let error = loaded.err().unwrap().to_string();
        println!("{error}");
        assert!(error.contains("compute capability"), "{error}");
    }
}
