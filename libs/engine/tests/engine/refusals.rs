//! What the engine refuses, and in which words.

use std::fs;
use std::path::PathBuf;

use engine::{Device, EngineError, Options, Precision, onnxruntime};
use vision::tensor::{DataType, Elements};

use crate::common::{library, load, model, options, refusal, tensor};

#[test]
fn a_missing_model_is_told_by_its_path() {
    let path = PathBuf::from("/no/such/model.onnx");
    assert_eq!(refusal(&path), EngineError::ModelNotFound(path.clone()));
    assert!(refusal(&path).to_string().contains("/no/such/model.onnx does not exist"));
}

#[test]
fn a_file_that_is_no_model_is_told_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(model("two_inputs")).unwrap();
    let cases: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("text", b"This is a text file and no model at all.\n"),
        ("html", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
        ("truncated", &whole[..whole.len() / 2]),
    ];
    for (name, content) in cases {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        let error = refusal(&file);
        let EngineError::NotAModel { path, reason } = &error else { panic!("{name}: {error:?}") };
        assert!(*path == file && !reason.is_empty(), "{name}: {error}");
    }
    let error = refusal(folder.path());
    assert!(matches!(&error, EngineError::NotAModel { reason, .. } if reason == "it is a folder"), "{error}");
}

#[test]
fn a_model_cut_anywhere_is_refused_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(model("affine_f32")).unwrap();
    let file = folder.path().join("cut.onnx");
    for length in 1..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        if let Err(error) = onnxruntime::load(&file, &options()) {
            let told = matches!(error, EngineError::NotAModel { .. } | EngineError::ModelRejected { .. });
            assert!(told && error.to_string().contains("cut.onnx"), "{length}: {error}");
        } else {
            assert!(length > whole.len() / 2, "{length} of {} bytes were taken for a model", whole.len());
        }
    }
}

#[test]
fn an_unknown_operator_is_named() {
    let error = refusal(&model("unknown_operator"));
    let EngineError::ModelRejected { reason, .. } = &error else { panic!("{error:?}") };
    assert!(reason.contains("Frobnicate") || reason.contains("example.invalid"), "{error}");
}

#[test]
fn an_unsupported_type_names_tensor_and_type() {
    let error = refusal(&model("affine_f64"));
    let path = model("affine_f64");
    assert_eq!(
        error,
        EngineError::UnsupportedDataType { path, tensor: "x".to_owned(), data_type: "f64".to_owned() }
    );
}

#[test]
fn an_input_handed_through_is_refused() {
    let error = refusal(&model("handed_through"));
    assert!(error.to_string().contains(r#"output "x" is an input handed through"#), "{error}");
}

#[test]
fn a_shape_that_contradicts_the_model_is_not_allocated() {
    let engine = load("affine_f32");
    for shape in [&[1, 4, 2, 2][..], &[3, 2, 2], &[1, 3, 2, 2, 1], &[]] {
        let error = engine.allocate(0, shape).unwrap_err();
        let expected = vec![None, Some(3), None, None];
        assert_eq!(
            error,
            EngineError::ShapeMismatch { tensor: "x".to_owned(), expected, found: shape.to_vec() }
        );
    }
    assert_eq!(engine.allocate(1, &[1]).unwrap_err(), EngineError::TensorCount { expected: 1, found: 1 });
}

#[test]
fn a_tensor_beyond_all_memory_is_refused() {
    let engine = load("affine_f32");
    for size in [1 << 23, 1 << 31, usize::MAX] {
        let shape = [1, 3, size, 1 << 23];
        assert_eq!(
            engine.allocate(0, &shape).unwrap_err(),
            EngineError::OutOfMemory { shape: shape.to_vec() }
        );
    }
}

#[test]
fn only_the_tensors_own_elements_are_written() {
    let mut tensor = load("affine_i32").allocate(0, &[4]).unwrap();
    let expected = EngineError::WrongElements { data_type: DataType::I32, shape: vec![4] };
    assert_eq!(tensor.write(Elements::I32(&[1, 2, 3])), Err(expected.clone()));
    assert_eq!(tensor.write(Elements::I64(&[1, 2, 3, 4])), Err(expected));
    assert!(tensor.elements_mut().unwrap().is_none());
}

#[test]
fn a_batch_that_does_not_fit_fails_through_its_completion_and_the_next_one_runs() {
    let (engine, other) = (load("metadata"), load("affine_i32"));
    let small = load("affine_f32").allocate(0, &[1, 3, 4, 4]).unwrap();
    let outcome = engine.submit(vec![small]).wait();
    let error = outcome.outputs.unwrap_err();
    assert!(matches!(&error, EngineError::ShapeMismatch { found, .. } if *found == [1, 3, 4, 4]), "{error}");
    assert_eq!(outcome.inputs[0].shape(), [1, 3, 4, 4]);

    let error = engine.submit(vec![other.allocate(0, &[4]).unwrap()]).wait().outputs.unwrap_err();
    let (expected, found) = (DataType::F32, DataType::I32);
    assert_eq!(error, EngineError::DataTypeMismatch { tensor: "x".to_owned(), expected, found });

    let error = engine.submit(Vec::new()).wait().outputs.unwrap_err();
    assert_eq!(error, EngineError::TensorCount { expected: 1, found: 0 });

    let right = vec![engine.allocate(0, &[1, 3, 8, 8]).unwrap()];
    assert!(engine.submit(right).wait().outputs.is_ok());
}

#[test]
fn what_only_the_network_can_refuse_fails_through_the_completion() {
    let engine = load("matmul");
    let a = tensor(&*engine, &[2, 3], &[1.0; 6]);
    let b = engine.allocate(1, &[5, 2]).unwrap();
    let outcome = engine.submit(vec![a, b]).wait();
    assert!(matches!(outcome.outputs, Err(EngineError::Inference { .. })), "{:?}", outcome.outputs);
    assert_eq!(outcome.inputs.len(), 2);
}

#[test]
fn a_device_or_precision_that_is_not_to_be_had_is_never_replaced() {
    let load = |options: Options| onnxruntime::load(&model("affine_f32"), &options).err();
    let on_cuda = load(Options { device: Device::Cuda(0), ..options() });
    let in_half = load(Options { precision: Precision::F16, ..options() });
    for error in [on_cuda, in_half] {
        assert!(matches!(error, Some(EngineError::Unavailable { .. })), "{error:?}");
    }
}

#[test]
fn a_second_library_is_refused() {
    load("affine_f32");
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("libonnxruntime.so.1");
    fs::copy(library(), &asked).unwrap();
    let other = Options { library: Some(asked.clone()), ..options() };
    let error = onnxruntime::load(&model("affine_f32"), &other).err();
    let loaded = library().canonicalize().unwrap();
    assert_eq!(error, Some(EngineError::LibraryConflict { loaded, asked }));
}
