//! The library itself: which one is loaded, and which plans it takes.

use engine::tensorrt::{self, Watch, check_plan};
use engine::{Device, EngineError, Options, Precision};
use gpu::cuda::Context;

use crate::common::{Setup, builds, load, model, numbers, refusal, run};
use crate::double;

/// The engine in the cache.
fn plan(setup: &Setup) -> Vec<u8> {
    double::cached(setup.cache.path())
}

pub fn what_is_no_plan_is_refused_with_a_reason() {
    let setup = Setup::new();
    assert!(builds("metadata", &setup.options));
    let whole = plan(&setup);
    assert_eq!(check_plan(&whole, &setup.options), Ok(()));
    let refuse = |plan: &[u8]| match check_plan(plan, &setup.options).unwrap_err() {
        EngineError::PlanRefused { reason } => reason,
        other => panic!("{other}"),
    };
    let flipped = |at: usize| {
        let mut plan = whole.clone();
        plan[at] ^= 0xff;
        plan
    };
    assert!(refuse(b"").contains("empty"));
    for damaged in [flipped(0), flipped(9), whole[..whole.len() / 2].to_vec(), whole[..10].to_vec()] {
        let reason = refuse(&damaged);
        assert!(!reason.contains("no reason"), "{reason}");
    }
}

pub fn what_never_was_a_plan_is_refused() {
    let options = Setup::new().options;
    let zeros = vec![0; 4096];
    let text = b"ftrt or ptrt: a text that is no plan, whatever it starts with".repeat(64);
    for plan in [&b""[..], b"x", &zeros, &text] {
        let error = check_plan(plan, &options).unwrap_err();
        let EngineError::PlanRefused { reason } = &error else { panic!("{error}") };
        assert!(!reason.is_empty() && !reason.contains("no reason"), "{reason}");
    }
}

pub fn an_engine_file_that_is_none_is_refused_by_name() {
    let setup = Setup::new();
    let file = setup.cache.path().join("mine.plan");
    let options = setup.with(|tensorrt| tensorrt.engine = Some(file.clone()));
    let reason = || match refusal("metadata", &options) {
        EngineError::EngineFile { path, reason } if path == file => reason,
        other => panic!("{other}"),
    };
    assert!(reason().contains("No such file"));
    std::fs::write(&file, b"").unwrap();
    assert!(reason().contains("empty"));
    std::fs::write(&file, b"no engine").unwrap();
    assert!(!reason().contains("no reason"));
    assert!(
        setup.entries().is_empty()
            && tensorrt::build(&model("metadata"), &options, &Watch::default()).is_err()
    );
}

pub fn an_engine_file_is_used_as_it_is() {
    let setup = Setup::new();
    assert!(builds("metadata", &setup.options));
    let other = Setup::new();
    let file = other.cache.path().join("mine.plan");
    std::fs::write(&file, plan(&setup)).unwrap();
    let options = other.with(|tensorrt| tensorrt.engine = Some(file));
    let [own, cached] = [&options, &setup.options]
        .map(|options| run(&*load("metadata", options), &[1, 3, 8, 8], &numbers(192)).unwrap());
    assert_eq!(own, cached);
    assert!(other.entries().is_empty());
}

pub fn an_engine_file_must_be_of_the_model_and_says_no_precision() {
    let (setup, own) = (Setup::new(), Setup::new());
    let file = own.cache.path().join("mine.plan");
    assert!(builds("metadata", &setup.options));
    std::fs::write(&file, plan(&setup)).unwrap();
    let options = own.with(|tensorrt| tensorrt.engine = Some(file.clone()));
    let reason = |name: &str, options: &Options| match refusal(name, options) {
        EngineError::EngineFile { path, reason } if path == file => reason,
        other => panic!("{other}"),
    };
    assert!(reason("two_inputs", &options).contains("the model has no input `x`"));
    assert!(reason("convolutions", &options).contains("the model has no"));
    let asked = Options { precision: Precision::F16, ..options };
    assert!(reason("metadata", &asked).contains("nothing tells whether it computes in fp16"));
}

pub fn a_device_that_is_not_there_is_refused() {
    for number in [1, u32::MAX] {
        let error = refusal("metadata", &Options { device: Device::Cuda(number), ..Setup::new().options });
        assert!(matches!(error, EngineError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains(&format!("there is no device {number}")), "{error}");
    }
}

pub fn a_thousand_runtimes_leave_no_memory_behind() {
    let options = Setup::new().options;
    let cycle = || assert!(check_plan(b"no plan", &options).is_err());
    let context = Context::primary(0).unwrap();
    // What a library allocates once for the process is allocated in the first ones.
    (0..10).for_each(|_| cycle());
    let (before, _) = context.memory().unwrap();
    (0..1000).for_each(|_| cycle());
    let (after, _) = context.memory().unwrap();
    assert!(before.saturating_sub(after) < 1 << 20, "{before} bytes were free, then {after}");
}

/// The options, with another flavour of the double.
fn flavour(setup: &Setup, name: &str) -> Options {
    setup.with(|tensorrt| {
        tensorrt.library = Some(double::folder(name));
        tensorrt.version_compatible = true;
    })
}

pub fn the_lean_library_runs_what_the_full_one_built() {
    let setup = Setup::new();
    assert!(builds("metadata", &setup.with(|tensorrt| tensorrt.version_compatible = true)));
    let engine = load("metadata", &flavour(&setup, "lean"));
    assert_eq!(run(&*engine, &[1, 3, 8, 8], &numbers(192)).unwrap()[0], -13.0);
}

pub fn the_lean_library_does_not_build() {
    let setup = Setup::new();
    let error = refusal("metadata", &flavour(&setup, "lean")).to_string();
    assert!(error.contains("lean") && error.contains("gst-osha engine build"), "{error}");
}

pub fn an_older_library_is_refused() {
    let error = refusal("metadata", &flavour(&Setup::new(), "old")).to_string();
    assert!(error.contains("it is TensorRT 10.9.0; TensorRT 11 from 11.4.0 on is needed"), "{error}");
}

pub fn what_is_no_library_is_refused() {
    let setup = Setup::new();
    let named = |path: std::path::PathBuf| setup.with(|tensorrt| tensorrt.library = Some(path));
    let empty = tempfile::tempdir().unwrap();
    let error = refusal("metadata", &named(empty.path().to_owned())).to_string();
    assert!(
        error.contains("libnvinfer.so.11") && error.contains(&empty.path().display().to_string()),
        "{error}"
    );
    let text = empty.path().join("libnvinfer.so.11");
    std::fs::write(&text, "no library").unwrap();
    assert!(refusal("metadata", &named(text.clone())).to_string().contains(&text.display().to_string()));
    let error = refusal("metadata", &named(double::folder("driver/libcuda.so.1"))).to_string();
    assert!(error.contains("it is no TensorRT library"), "{error}");
    // The full library without its parser runs engines, and says what is missing when it has to build one.
    std::fs::copy(double::folder("full/libnvinfer.so.11"), &text).unwrap();
    let error = refusal("metadata", &named(text)).to_string();
    assert!(error.contains("libnvonnxparser.so.11"), "{error}");
}

pub fn the_library_for_rtx_builds_and_runs() {
    let setup = Setup::new();
    let options = setup.with(|tensorrt| tensorrt.library = Some(double::folder("rtx")));
    assert!(
        builds("metadata", &options) && builds("metadata", &setup.options),
        "one took the other's engine"
    );
    let engine = load("metadata", &options);
    assert!(engine.description().starts_with("TensorRT for RTX 1.7.1, "), "{}", engine.description());
    for round in 0..3 {
        assert_eq!(run(&*engine, &[1, 3, 8, 8], &numbers(192)).unwrap()[4], -11.0, "round {round}");
    }
}

pub fn the_library_for_rtx_comes_after_the_full_one_and_before_the_lean_one() {
    let (setup, folder) = (Setup::new(), tempfile::tempdir().unwrap());
    let files = ["lean/libnvinfer_lean.so.11", "rtx/libtensorrt_rtx.so.1", "full/libnvinfer.so.11"];
    let options = setup.with(|tensorrt| tensorrt.library = Some(folder.path().to_owned()));
    for file in files.map(double::folder) {
        std::os::unix::fs::symlink(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        assert_eq!(tensorrt::library(&options).unwrap().path(), file);
    }
}
