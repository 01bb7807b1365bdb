//! Running: results, batches, CUDA graphs, and a device that fails.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use engine::{EngineError, InferenceEngine, Options, Precision, Search, onnxruntime};
use half::f16;
use vision::head::DenseLayout;
use vision::tensor::Elements;

use crate::common::{Setup, floats, load, model, numbers, run};
use crate::double;

/// An engine of ONNX Runtime on the CPU.
fn reference(name: &str) -> Arc<dyn InferenceEngine> {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/plugins/libonnxruntime.so.1");
    let library = Some(library).filter(|path| path.exists());
    let options = Options { library, threads: 1, ..Options::default() };
    onnxruntime::load(&model(name), &options).unwrap_or_else(|error| panic!("{error}; run scripts/bootstrap"))
}

pub fn results_are_those_of_onnxruntime() {
    let setup = Setup::new();
    let reference = reference("metadata");
    let expected = run(&*reference, &[1, 3, 8, 8], &numbers(192)).unwrap();
    assert_eq!(run(&*setup.load("metadata"), &[1, 3, 8, 8], &numbers(192)).unwrap(), expected);
}

/// A network that rounds: TensorRT adds in another order, and TF32 would be off by a thousandth.
pub fn convolutions_are_those_of_onnxruntime() {
    let (engine, reference) = (Setup::new().load("convolutions"), reference("convolutions"));
    let shape: Vec<_> = engine.model().inputs[0].shape.iter().map(|dim| dim.unwrap_or(1)).collect();
    let values: Vec<_> = (0..shape.iter().product()).map(|index: usize| (index as f32).sin()).collect();
    let [found, expected] = [&engine, &reference].map(|engine| run(&**engine, &shape, &values).unwrap());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 2e-5 * largest, "{found} instead of {expected} of {largest}");
    }
}

pub fn results_in_half_precision_are_those_of_onnxruntime() {
    let options = Options { precision: Precision::F16, ..Setup::new().options };
    let values = [0.0, 0.25, -1.0, 100.0].map(f16::from_f32);
    let answer = |engine: &dyn InferenceEngine| {
        let mut tensor = engine.allocate(0, &[1, 4]).unwrap();
        tensor.write(Elements::F16(&values)).unwrap();
        let outputs = engine.submit(vec![tensor]).wait().outputs.unwrap();
        let Elements::F16(answer) = outputs.view(0).unwrap().elements else { panic!("not f16") };
        answer.to_vec()
    };
    let expected = answer(&*reference("affine_f16"));
    assert_eq!(expected, [1.0, 1.5, -1.0, 201.0].map(f16::from_f32));
    assert_eq!(answer(&*load("affine_f16", &options)), expected);
}

pub fn batches_of_every_size_up_to_the_largest() {
    let setup = Setup::new();
    let engine = load("affine_open", &setup.with(|tensorrt| tensorrt.batch_size = 4));
    for batch in 1..=4 {
        let values = numbers(batch * 192);
        let expected: Vec<_> = values.iter().map(|value| 2.0 * value + 1.0).collect();
        assert_eq!(run(&*engine, &[batch, 3, 8, 8], &values).unwrap(), expected, "batch of {batch}");
    }
    let error = run(&*engine, &[5, 3, 8, 8], &numbers(5 * 192)).unwrap_err();
    assert!(matches!(error, EngineError::Inference { .. }), "{error}");
    assert!(engine.allocate(0, &[1, 4, 8, 8]).is_err() && engine.allocate(1, &[1]).is_err());
    assert!(run(&*engine, &[2, 3, 8, 8], &numbers(384)).is_ok(), "a refused batch spoilt the engine");
}

pub fn a_recorded_run_gives_the_same_bits() {
    let engine = Setup::new().load("metadata");
    let mut tensors = vec![engine.allocate(0, &[1, 3, 8, 8]).unwrap()];
    for round in 0..5 {
        let values: Vec<_> = numbers(192).iter().map(|value| value + round as f32).collect();
        tensors[0].write(Elements::F32(&values)).unwrap();
        let outcome = engine.submit(tensors).wait();
        let expected: Vec<_> = values.iter().map(|value| 2.0 * value + 1.0).collect();
        assert_eq!(floats(&outcome.outputs.unwrap()), expected, "round {round}");
        tensors = outcome.inputs;
    }
    if double::is_in_place() && !double::is_on_device() {
        assert!(double::driver().get("graph_launches") >= 4, "no graph was used");
    }
}

pub fn a_hundred_batches_of_a_second_are_measured() {
    let engine = Setup::new().load("metadata");
    let mut tensors = vec![engine.allocate(0, &[1, 3, 8, 8]).unwrap()];
    let mut is_measured = || {
        let outcome = engine.submit(std::mem::take(&mut tensors)).wait();
        tensors = outcome.inputs;
        outcome.outputs.unwrap();
        outcome.elapsed.is_some()
    };
    let started = Instant::now();
    assert!(is_measured(), "the first one");
    let measured = 1 + (1..200).filter(|_| is_measured()).count();
    let at_most = 1 + started.elapsed().as_millis() as usize / 10;
    assert!(measured <= at_most, "{measured} of 200, {at_most} at most");
    sleep(Duration::from_millis(10));
    assert!(is_measured(), "after a pause");
}

pub fn candidates_are_those_of_the_search_at_hand() {
    let engine = Setup::new().load("dense");
    let layout = DenseLayout { planes: true, objectness: false, output: 0, classes: 1 };
    let mut tensors = vec![engine.allocate(0, &[1, 5, 4]).unwrap()];
    let mut scores = [0.0, 0.4, 0.8, 1.0];
    for confidence in [0.3, 0.3, 0.3, 0.7, 0.7, 0.3, 0.3] {
        scores.rotate_left(1);
        let mut values = [0.5; 20];
        (0..4).for_each(|position| values[16 + position] = (scores[position] - 1.0) / 2.0);
        tensors[0].write(Elements::F32(&values)).unwrap();
        let outcome = engine.submit_for(tensors, Some(Search { layout, confidence })).wait();
        let outputs = outcome.outputs.unwrap();
        let found: Vec<_> =
            outputs.candidates(0).unwrap().found.iter().map(|found| found.position as usize).collect();
        let expected: Vec<_> = (0..4).filter(|&position| scores[position] > confidence).collect();
        assert_eq!(found, expected, "{scores:?} above {confidence}");
        tensors = outcome.inputs;
    }
    if double::is_in_place() && !double::is_on_device() {
        assert!(double::driver().get("graph_launches") >= 4, "no graph was used");
    }
}

pub fn a_failed_run_tells_the_librarys_reason() {
    let engine = Setup::new().load("metadata");
    double::builder().set("fail_enqueue", 1);
    let error = run(&*engine, &[1, 3, 8, 8], &numbers(192)).unwrap_err();
    assert!(
        matches!(&error, EngineError::Inference { reason } if reason.contains("as the test wants")),
        "{error}"
    );
    assert!(!error.needs_new_process());
    double::builder().set("fail_enqueue", 0);
    assert!(run(&*engine, &[1, 3, 8, 8], &numbers(192)).is_ok());
}

pub fn a_lost_context_needs_a_new_process() {
    let engine = Setup::new().load("metadata");
    assert!(run(&*engine, &[1, 3, 8, 8], &numbers(192)).is_ok());
    for code in [700, 719] {
        let mut tensors = vec![engine.allocate(0, &[1, 3, 8, 8]).unwrap()];
        tensors[0].write(Elements::F32(&numbers(192))).unwrap();
        double::driver().set("sticky", code);
        let error = engine.submit(tensors).wait().outputs.unwrap_err();
        double::driver().set("sticky", 0);
        assert!(error.needs_new_process(), "{error}");
        assert!(
            error.to_string().contains(&format!("({code})")) && error.to_string().contains("restart"),
            "{error}"
        );
    }
    assert!(!EngineError::Stopped.needs_new_process());
}

pub fn a_tensor_that_does_not_fit_is_told_in_numbers() {
    let setup = Setup::new();
    let engine = load("affine_open", &setup.with(|tensorrt| tensorrt.batch_size = 4));
    let live = double::driver().get("live_bytes");
    double::driver().set("total_bytes", live + 100);
    let error = engine.allocate(0, &[4, 3, 8, 8]).unwrap_err();
    let expected = EngineError::DeviceMemory { asked: 4 * 192 * 4, free: 100, total: live + 100 };
    assert_eq!(error, expected);
    assert!(!error.needs_new_process() && error.device().is_some());
    // A lost device is not short of memory.
    double::driver().set("sticky", 700);
    let error = engine.allocate(0, &[4, 3, 8, 8]).unwrap_err();
    double::driver().set("sticky", 0);
    assert!(error.needs_new_process(), "{error}");
}

pub fn without_recording_it_runs_all_the_same() {
    double::driver().set("refuse_recording", 1);
    let before = double::driver().get("graph_launches");
    let engine = Setup::new().load("metadata");
    for _ in 0..3 {
        assert_eq!(run(&*engine, &[1, 3, 8, 8], &numbers(192)).unwrap()[0], -13.0);
    }
    assert_eq!(double::driver().get("graph_launches"), before);
}

pub fn tensors_of_another_backend_are_refused() {
    let engine = Setup::new().load("metadata");
    let reference = reference("metadata");
    let host = vec![reference.allocate(0, &[1, 3, 8, 8]).unwrap()];
    assert_eq!(engine.submit(host).wait().outputs.unwrap_err(), EngineError::ForeignTensor);
    let device = vec![engine.allocate(0, &[1, 3, 8, 8]).unwrap()];
    assert_eq!(reference.submit(device).wait().outputs.unwrap_err(), EngineError::ForeignTensor);
}

pub fn nothing_is_left_behind() {
    let setup = Setup::new();
    let state = || ["live_bytes", "live_host_bytes", "live_objects"].map(|name| double::driver().get(name));
    drop(setup.load("metadata"));
    let before = state();
    for round in 0..100 {
        let engine = setup.load("metadata");
        if round % 10 == 0 {
            run(&*engine, &[1, 3, 8, 8], &numbers(192)).unwrap();
        }
    }
    assert_eq!(state(), before);
}
