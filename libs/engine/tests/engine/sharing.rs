//! One engine for all who name the same model and options.

use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{fs, thread};

use engine::{EngineError, Options, shared};

use crate::common::{floats, model, options, tensor};

#[test]
fn the_same_model_is_shared_also_through_another_path() {
    let first = shared::load(&model("affine_f32"), &options()).unwrap();
    let roundabout = model("affine_f32").parent().unwrap().join("../models/affine_f32.onnx");
    let second = shared::load(&roundabout, &options()).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn other_options_or_another_model_get_another_engine() {
    let first = shared::load(&model("metadata"), &options()).unwrap();
    let threads = Options { threads: 2, ..options() };
    assert!(!Arc::ptr_eq(&first, &shared::load(&model("metadata"), &threads).unwrap()));
    assert!(!Arc::ptr_eq(&first, &shared::load(&model("affine_f16"), &options()).unwrap()));
}

#[test]
fn zero_threads_and_the_number_of_cores_are_the_same() {
    let cores = thread::available_parallelism().unwrap().get();
    let automatic = shared::load(&model("metadata"), &Options { threads: 0, ..options() }).unwrap();
    let by_hand = shared::load(&model("metadata"), &Options { threads: cores, ..options() }).unwrap();
    assert!(Arc::ptr_eq(&automatic, &by_hand));
}

#[test]
fn an_engine_goes_with_its_last_holder_and_is_loaded_again() {
    let engine = shared::load(&model("affine_i32"), &options()).unwrap();
    let gone = Arc::downgrade(&engine);
    drop(engine);
    assert!(gone.upgrade().is_none());
    assert_eq!(shared::load(&model("affine_i32"), &options()).unwrap().model().inputs.len(), 1);
}

#[test]
fn a_changed_file_is_loaded_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    fs::copy(model("affine_f32"), &file).unwrap();
    let before = shared::load(&file, &options()).unwrap();
    fs::copy(model("metadata"), &file).unwrap();
    let after = shared::load(&file, &options()).unwrap();
    assert!(before.model().metadata.is_empty());
    assert_eq!(after.model().metadata["task"], "detect");
}

#[test]
fn callers_at_the_same_time_get_one_engine() {
    let barrier = Barrier::new(8);
    let engines: Vec<_> = thread::scope(|scope| {
        let load = || {
            barrier.wait();
            shared::load(&model("two_inputs"), &options()).unwrap()
        };
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert!(engines.iter().all(|engine| Arc::ptr_eq(engine, &engines[0])));
}

#[test]
fn a_failed_load_does_not_stick() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    fs::write(&file, "no model").unwrap();
    assert!(matches!(shared::load(&file, &options()), Err(EngineError::NotAModel { .. })));
    thread::sleep(Duration::from_millis(20));
    fs::copy(model("affine_f32"), &file).unwrap();
    assert!(shared::load(&file, &options()).is_ok());
}

#[test]
fn one_engine_serves_many_threads() {
    let engine = shared::load(&model("affine_f32"), &options()).unwrap();
    let serve = |value: usize| {
        let value = value as f32;
        let inputs = vec![tensor(&*engine, &[1, 3, 2, 2], &[value; 12])];
        let outputs = engine.submit(inputs).wait().outputs.unwrap();
        assert_eq!(floats(&outputs, 0).1, [2.0 * value + 1.0; 12]);
    };
    thread::scope(|scope| {
        for caller in 0..4 {
            scope.spawn(move || (0..25).for_each(|turn| serve(100 * caller + turn)));
        }
    });
}
