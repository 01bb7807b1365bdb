//! Building: progress, cancelling, precision, and models that cannot be built.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::tensorrt::{self, Progress, Watch};
use engine::{EngineError, Options, Precision};

use crate::common::{Setup, builds, model, numbers, refusal, run};
use crate::double;

/// A watch, and what its observer was told.
fn watch() -> (Watch, Arc<Mutex<Vec<Progress>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&seen);
    let observer: tensorrt::progress::Observer =
        Arc::new(move |progress: &Progress| taken.lock().unwrap().push(progress.clone()));
    (Watch { observer: Some(observer), ..Watch::default() }, seen)
}

pub fn a_model_is_built_once_and_found_again() {
    let setup = Setup::new();
    assert!(builds("metadata", &setup.options));
    let (watch, seen) = watch();
    let engine = tensorrt::load(&model("metadata"), &setup.options, &watch).unwrap();
    assert!(seen.lock().unwrap().is_empty(), "it was built again");
    assert!(engine.description().starts_with("TensorRT 11."), "{}", engine.description());
    assert_eq!(engine.model().metadata.get("stride").map(String::as_str), Some("32"));
    assert_eq!(engine.model().inputs[0].shape, [Some(1), Some(3), Some(8), Some(8)]);
    assert_eq!(run(&*engine, &[1, 3, 8, 8], &numbers(192)).unwrap().len(), 192);
}

pub fn a_cancelled_build_ends_within_two_seconds() {
    let setup = Setup::new();
    if double::is_in_place() {
        double::builder().set("build_steps", 40);
        double::builder().set("build_step_ms", 100);
    }
    let (watch, _) = watch();
    let cancel = Arc::clone(&watch.cancel);
    let cancelled = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        cancel.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let loaded = tensorrt::load(&model("metadata"), &setup.options, &watch);
    let took = cancelled.join().unwrap().elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    // A real builder may be done with so small a model before it is cancelled.
    if double::is_in_place() {
        assert_eq!(loaded.err(), Some(EngineError::Cancelled));
        assert!(setup.entries().is_empty());
        double::reset();
    }
    assert_eq!(run(&*setup.load("metadata"), &[1, 3, 8, 8], &numbers(192)).unwrap()[0], -13.0);
}

pub fn progress_rises_to_the_end() {
    let (watch, seen) = watch();
    tensorrt::build(&model("metadata"), &Setup::new().options, &watch).unwrap();
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty() && seen.is_sorted_by_key(|progress| progress.percent), "{seen:?}");
    assert!(seen.iter().all(|progress| progress.percent <= 100 && !progress.phase.is_empty()));
    let words = seen.last().unwrap().to_string();
    assert!(words.starts_with("building the engine: ") && words.contains(" s so far"), "{words}");
}

pub fn the_last_build_gives_the_estimate() {
    let setup = Setup::new();
    double::builder().set("build_step_ms", 200);
    assert!(builds("metadata", &setup.options));
    let (watch, seen) = watch();
    let again = setup.with(|tensorrt| tensorrt.workspace_mib = 16);
    assert!(tensorrt::build(&model("metadata"), &again, &watch).unwrap().1);
    let first = seen.lock().unwrap()[0].remaining.unwrap();
    assert!(first > Duration::from_millis(300) && first < Duration::from_secs(5), "{first:?}");
}

pub fn a_precision_that_the_model_lacks_is_refused() {
    let setup = Setup::new();
    let asked = |precision| Options { precision, ..setup.options.clone() };
    let error = refusal("metadata", &asked(Precision::F16));
    assert_eq!(
        error,
        EngineError::PrecisionMismatch {
            path: model("metadata"),
            asked: Precision::F16,
            found: Precision::F32
        }
    );
    assert!(
        refusal("affine_f16", &asked(Precision::F32)).to_string().contains("computes in fp16, not in fp32")
    );
    assert!(refusal("metadata", &asked(Precision::Int8)).to_string().contains("QuantizeLinear"));
    assert!(setup.entries().is_empty());
    assert!(builds("metadata", &asked(Precision::F32)) && builds("affine_f16", &asked(Precision::F16)));
}

pub fn precisions_need_a_device_that_has_them() {
    let setup = Setup::new();
    for (precision, capability) in [(Precision::Fp8, "8.9"), (Precision::Bf16, "8.0")] {
        let error = refusal("metadata", &Options { precision, ..setup.options.clone() });
        assert!(matches!(error, EngineError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains(&format!("needs compute capability {capability}")), "{error}");
    }
}

pub fn a_model_that_cannot_be_read_is_refused() {
    let options = Setup::new().options;
    let error = refusal("unknown_operator", &options);
    assert!(matches!(error, EngineError::BuildFailed { .. }), "{error}");
    // NVIDIA's parser takes it, and computes in f32.
    if double::is_in_place() {
        assert!(matches!(refusal("affine_f64", &options), EngineError::BuildFailed { .. }));
    }
    assert!(matches!(refusal("there_is_none", &options), EngineError::ModelNotFound(_)));
    let error = refusal("affine_f32", &options).to_string();
    assert!(error.contains("imgsz"), "{error}");
}

pub fn a_failed_build_tells_the_builders_reason() {
    let setup = Setup::new();
    double::builder().set("fail_build", 1);
    let error = refusal("metadata", &setup.options).to_string();
    assert!(error.contains("metadata.onnx") && error.contains("no implementation was found"), "{error}");
    let parser = refusal("unknown_operator", &setup.options).to_string();
    assert!(parser.contains("operator"), "{parser}");
    assert!(setup.entries().is_empty());
}

pub fn memory_that_is_short_is_told_in_numbers() {
    let setup = Setup::new();
    let options = setup.with(|tensorrt| tensorrt.workspace_mib = 4096);
    let EngineError::DeviceMemory { asked, free, total } = refusal("metadata", &options) else {
        panic!("another error");
    };
    assert_eq!((asked, total), (4 << 30, 1 << 30));
    assert!(free <= total);
    assert!(builds("metadata", &setup.options));
    let before = double::driver().get("live_bytes");
    double::driver().set("total_bytes", before + 4096);
    let error = refusal("metadata", &setup.options);
    assert!(matches!(error, EngineError::DeviceMemory { asked: 0x10_0000, .. }), "{error}");
    assert_eq!(double::driver().get("live_bytes"), before);
}
