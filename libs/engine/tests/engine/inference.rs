//! Batches through small networks whose results are known.

use engine::{EngineError, InputTensor, Options, shared};
use gpu::MemoryKind;
use half::f16;
use vision::tensor::{DataType, Elements, ElementsMut, TensorInfo};

use crate::common::{floats, load, model, options, tensor};

#[test]
fn a_network_returns_its_numbers() {
    let engine = load("affine_f32");
    let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
    let outcome = engine.submit(vec![tensor(&*engine, &[1, 3, 2, 2], &values)]).wait();
    let expected: Vec<f32> = values.iter().map(|value| 2.0 * value + 1.0).collect();
    assert_eq!(floats(&outcome.outputs.unwrap(), 0), (vec![1, 3, 2, 2], expected));
    assert!(outcome.elapsed.is_some_and(|elapsed| !elapsed.is_zero()));
}

#[test]
fn new_tensors_are_zeroed_and_tensors_come_back_to_be_filled_again() {
    let engine = load("affine_f32");
    let mut inputs = vec![engine.allocate(0, &[1, 3, 1, 1]).unwrap()];
    assert_eq!(inputs[0].memory(), MemoryKind::Host);
    let mut addresses = Vec::new();
    for value in [0.0, 7.0, -3.0_f32] {
        if value != 0.0 {
            fill(&mut inputs[0], value);
        }
        addresses.push(address(&mut inputs[0]));
        let outcome = engine.submit(inputs).wait();
        assert_eq!(floats(&outcome.outputs.unwrap(), 0).1, [2.0 * value + 1.0; 3]);
        inputs = outcome.inputs;
    }
    assert!(addresses.iter().all(|&address| address == addresses[0]));
}

fn fill(tensor: &mut InputTensor, value: f32) {
    let Some(ElementsMut::F32(elements)) = tensor.elements_mut().unwrap() else {
        panic!("not f32 in host memory")
    };
    elements.fill(value);
}

fn address(tensor: &mut InputTensor) -> usize {
    let Some(ElementsMut::F32(elements)) = tensor.elements_mut().unwrap() else {
        panic!("not f32 in host memory")
    };
    elements.as_ptr() as usize
}

#[test]
fn batches_complete_in_the_order_of_submission_with_their_own_results() {
    let engine = load("affine_f32");
    let batch = |value: usize| vec![tensor(&*engine, &[1, 3, 1, 1], &[value as f32; 3])];
    let completions: Vec<_> = (0..50).map(|value| engine.submit(batch(value))).collect();
    let mut completions = completions.into_iter().enumerate().rev();
    let (_, last) = completions.next().unwrap();
    assert_eq!(floats(&last.wait().outputs.unwrap(), 0).1, [99.0; 3]);
    for (value, completion) in completions {
        assert!(completion.is_ready(), "batch {value} was overtaken");
        assert_eq!(floats(&completion.wait().outputs.unwrap(), 0).1, [2.0 * value as f32 + 1.0; 3]);
    }
}

#[test]
fn one_engine_takes_changing_shapes() {
    let engine = load("affine_f32");
    for shape in [[1, 3, 4, 4], [2, 3, 8, 2], [1, 3, 1, 1]] {
        let values = vec![0.5; shape.iter().product()];
        let outcome = engine.submit(vec![tensor(&*engine, &shape, &values)]).wait();
        assert_eq!(floats(&outcome.outputs.unwrap(), 0), (shape.to_vec(), vec![2.0; values.len()]));
    }
}

#[test]
fn half_precision_goes_in_and_out_as_it_is() {
    let engine = load("affine_f16");
    let mut input = engine.allocate(0, &[1, 4]).unwrap();
    let Some(ElementsMut::F16(elements)) = input.elements_mut().unwrap() else {
        panic!("not f16 in host memory")
    };
    elements.copy_from_slice(&[0.0, 0.25, -1.0, 100.0].map(f16::from_f32));
    let outputs = engine.submit(vec![input]).wait().outputs.unwrap();
    let view = outputs.view(0).unwrap();
    let Elements::F16(values) = view.elements else { panic!("{:?} is not f16", view.elements) };
    assert_eq!(values, [1.0, 1.5, -1.0, 201.0].map(f16::from_f32));
}

#[test]
fn integers_go_in_and_out() {
    let engine = load("affine_i32");
    let mut input = engine.allocate(0, &[4]).unwrap();
    input.write(Elements::I32(&[0, 1, -5, 1_000_000_007])).unwrap();
    let outputs = engine.submit(vec![input]).wait().outputs.unwrap();
    let Elements::I32(values) = outputs.view(0).unwrap().elements else { panic!("not i32") };
    assert_eq!(values, [1, 3, -9, 2_000_000_015]);
}

#[test]
fn two_inputs_and_two_outputs_keep_their_order() {
    let engine = load("two_inputs");
    let mut images = engine.allocate(0, &[1, 3, 2, 2]).unwrap();
    images.write(Elements::U8(&[255; 12])).unwrap();
    let mut sizes = engine.allocate(1, &[1, 2]).unwrap();
    sizes.write(Elements::I64(&[1920, 1080])).unwrap();
    let outputs = engine.submit(vec![images, sizes]).wait().outputs.unwrap();
    assert_eq!(outputs.len(), 2);
    assert_eq!(floats(&outputs, 0), (vec![], vec![3060.0]));
    let Elements::I64(sizes) = outputs.view(1).unwrap().elements else { panic!("not i64") };
    assert_eq!(sizes, [1921, 1081]);
    assert_eq!(outputs.view(2).err(), Some(EngineError::TensorCount { expected: 2, found: 2 }));
}

#[test]
fn outputs_outlive_their_engine() {
    let engine = load("affine_f32");
    let outputs = engine.submit(vec![tensor(&*engine, &[1, 3, 1, 1], &[1.0; 3])]).wait().outputs.unwrap();
    drop(engine);
    assert_eq!(floats(&outputs, 0).1, [3.0; 3]);
}

#[test]
fn an_engine_finishes_what_was_submitted_before_it_goes() {
    let engine = load("affine_f32");
    let batch = || vec![tensor(&*engine, &[1, 3, 64, 64], &[1.0; 3 * 64 * 64])];
    let completions: Vec<_> = (0..8).map(|_| engine.submit(batch())).collect();
    drop(engine);
    assert!(
        completions.into_iter().all(|completion| completion.is_ready() && completion.wait().outputs.is_ok())
    );
}

#[test]
fn a_model_says_what_it_takes_and_returns() {
    let model = load("affine_f32").model().clone();
    let info = |name: &str| TensorInfo {
        name: name.to_owned(),
        data_type: DataType::F32,
        shape: vec![None, Some(3), None, None],
    };
    assert_eq!((model.inputs, model.outputs), (vec![info("x")], vec![info("y")]));
    assert!(model.metadata.is_empty());
    let inputs = &load("two_inputs").model().inputs.clone();
    assert_eq!(inputs.iter().map(|input| input.data_type).collect::<Vec<_>>(), [DataType::U8, DataType::I64]);
}

#[test]
fn all_metadata_is_read() {
    let engine = load("metadata");
    let metadata: Vec<_> =
        engine.model().metadata.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    let names = "{0: 'person', 1: 'hard hat'}";
    let expected =
        [("args", ""), ("imgsz", "[8, 8]"), ("names", names), ("stride", "32"), ("task", "detect")];
    assert_eq!(metadata, expected);
}

#[test]
fn a_description_names_library_device_and_threads() {
    let engine = load("affine_f32");
    let description = engine.description();
    assert!(description.starts_with("ONNX Runtime 1."), "{description}");
    assert!(description.contains("CPU, 1 thread,"), "{description}");
    let engine =
        shared::load(&model("affine_f32"), &Options { threads: 4, requests: 2, ..options() }).unwrap();
    assert!(engine.description().contains("CPU, 4 threads for 2 batches at a time,"));
    assert_eq!(engine.concurrency(), 2);
}

#[test]
fn memory_stays_flat_over_many_batches() {
    let engine = load("affine_f32");
    let mut inputs = vec![engine.allocate(0, &[1, 3, 256, 256]).unwrap()];
    let mut resident = Vec::new();
    for batch in 0..400 {
        let outcome = engine.submit(inputs).wait();
        assert!(outcome.outputs.is_ok());
        inputs = outcome.inputs;
        if batch >= 100 {
            resident.push(resident_bytes());
        }
    }
    let grown = resident[resident.len() - 1].saturating_sub(resident[0]);
    assert!(grown < 64 << 20, "300 batches of 768 KiB left {grown} bytes behind");
}

/// Memory of the whole process; other tests run beside.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    4096 * pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap()
}
