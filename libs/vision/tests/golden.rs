//! Compares with what OpenCV, ONNX Runtime and NumPy made of the same images: see `tests/golden/README.md`.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::{array, pair, read_bytes, read_json, text};
use half::f16;
use serde_json::Value;
use vision::detection::Detection;
use vision::geometry::{Placement, Resize};
use vision::head::Options;
use vision::image::{Colorimetry, Image, ImageInfo, Matrix, PixelFormat, Plane, Range};
use vision::model::{Contract, Sidecar};
use vision::preprocess::{InputSpec, Preprocessor};
use vision::tensor::{DataType, Elements, ElementsMut, TensorInfo, TensorView};

const MODELS: [&str; 16] = [
    "yolo",
    "yolo-fp16",
    "yolo-dynamic",
    "yolo-rows",
    "yolov5",
    "yolox",
    "yolox-decoded",
    "end-to-end",
    "end-to-end-fp16",
    "exported-nms",
    "rtdetr-scores",
    "rtdetr-rows",
    "detr",
    "torchvision",
    "tensorflow",
    "paddle",
];

fn data_type(name: &str) -> DataType {
    match name {
        "float" => DataType::F32,
        "float16" => DataType::F16,
        "uint8" => DataType::U8,
        "int32" => DataType::I32,
        "int64" => DataType::I64,
        other => panic!("type {other}"),
    }
}

fn tensor_info(value: &Value) -> TensorInfo {
    let shape = array(&value["shape"]).map(|dim| dim.as_u64().map(|size| size as usize)).collect();
    TensorInfo { name: text(&value["name"]).into(), data_type: data_type(text(&value["type"])), shape }
}

fn tensor_infos(value: &Value) -> Vec<TensorInfo> {
    array(value).map(tensor_info).collect()
}

fn contract(golden: &Value) -> Contract {
    let metadata: BTreeMap<_, _> = golden["metadata"].as_object().unwrap().iter().collect();
    let metadata = metadata.into_iter().map(|(key, value)| (key.clone(), text(value).into())).collect();
    let sidecar = golden["sidecar"].as_str().map(|text| Sidecar::parse(text).unwrap());
    let (inputs, outputs) = (tensor_infos(&golden["inputs"]), tensor_infos(&golden["outputs"]));
    Contract::recognise(&inputs, &outputs, &metadata, sidecar.as_ref(), None).unwrap()
}

/// Elements of one tensor in host memory.
enum Owned {
    F32(Vec<f32>),
    F16(Vec<f16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

impl Owned {
    fn read(bytes: &[u8], data_type: DataType) -> Self {
        match data_type {
            DataType::F32 => Self::F32(words(bytes, f32::from_le_bytes)),
            DataType::F16 => Self::F16(words(bytes, f16::from_le_bytes)),
            DataType::I32 => Self::I32(words(bytes, i32::from_le_bytes)),
            DataType::I64 => Self::I64(words(bytes, i64::from_le_bytes)),
            DataType::U8 => panic!("no model returns bytes"),
        }
    }

    fn view(&self, shape: &[usize]) -> TensorView<'_> {
        let elements = match self {
            Self::F32(values) => Elements::F32(values),
            Self::F16(values) => Elements::F16(values),
            Self::I32(values) => Elements::I32(values),
            Self::I64(values) => Elements::I64(values),
        };
        TensorView { shape: shape.to_vec(), elements }
    }
}

fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&word| read(word)).collect()
}

/// The shapes and elements of the stored outputs.
fn stored(model: &str, golden: &Value) -> Vec<(Vec<usize>, Owned)> {
    let bytes = read_bytes(&format!("outputs/{model}.bin"));
    let mut rest = bytes.as_slice();
    let read = |output: &Value| {
        let shape: Vec<usize> =
            array(&output["returned"]).map(|dim| dim.as_u64().unwrap() as usize).collect();
        let data_type = data_type(text(&output["type"]));
        let size = match data_type {
            DataType::F16 => 2,
            DataType::I64 => 8,
            _ => 4,
        };
        let (bytes, left) = rest.split_at(size * shape.iter().product::<usize>());
        rest = left;
        (shape, Owned::read(bytes, data_type))
    };
    let tensors = array(&golden["outputs"]).map(read).collect();
    assert!(rest.is_empty());
    tensors
}

fn resize(value: &Value) -> Resize {
    match text(value) {
        "letterbox" => Resize::Letterbox,
        "top-left" => Resize::TopLeft,
        "stretch" => Resize::Stretch,
        other => panic!("resize {other}"),
    }
}

fn compare(model: &str, contract: &Contract, found: &[Detection], expected: &Value) {
    let expected: Vec<_> = array(&expected["detections"]).collect();
    assert_eq!(found.len(), expected.len(), "{model}");
    for (found, expected) in found.iter().zip(expected) {
        let rect = found.rect;
        let corners = [rect.x, rect.y, rect.right(), rect.bottom()];
        let close =
            |(found, expected): (f32, &Value)| (f64::from(found) - expected.as_f64().unwrap()).abs() < 0.02;
        assert!(
            corners.into_iter().zip(array(&expected["box"])).all(close),
            "{model}: {found:?} is not {expected}"
        );
        assert!(
            (f64::from(found.score) - expected["score"].as_f64().unwrap()).abs() < 1e-5,
            "{model}: {found:?}"
        );
        assert_eq!(contract.label(found.class), text(&expected["label"]), "{model}");
    }
}

fn options(expected: &Value) -> Options {
    let number = |key: &str| expected[key].as_f64().unwrap() as f32;
    Options { confidence: number("confidence"), iou: number("iou"), ..Options::default() }
}

#[test]
fn heads_find_what_the_reference_finds() {
    for model in MODELS {
        let golden = read_json(&format!("outputs/{model}.json"));
        let contract = contract(&golden);
        assert_eq!(contract.image.spec.resize, resize(&golden["resize"]), "{model}");
        let tensors = stored(model, &golden);
        let outputs: Vec<_> = tensors.iter().map(|(shape, owned)| owned.view(shape)).collect();
        let InputSpec { width, height, resize, .. } = contract.image.spec;
        let placement = Placement::new(resize, (333, 517), (width, height));
        let expected = read_json(&format!("detections/{model}.{}.json", text(&golden["image"])));
        let found = contract.head.decode(&outputs, 0, &placement, &options(&expected)).unwrap();
        compare(model, &contract, &found, &expected);
    }
}

fn pixel_format(name: &str) -> PixelFormat {
    let named = |format: &PixelFormat| format!("{format:?}").eq_ignore_ascii_case(name);
    PixelFormat::ALL.into_iter().find(named).unwrap_or_else(|| panic!("format {name}"))
}

fn image_info(case: &Value) -> ImageInfo {
    let matrix = match text(&case["matrix"]) {
        "bt601" => Matrix::Bt601,
        "bt709" => Matrix::Bt709,
        _ => Matrix::Bt2020,
    };
    let range = if text(&case["range"]) == "full" { Range::Full } else { Range::Limited };
    let (width, height) = pair(&case["source"]);
    let format = pixel_format(text(&case["format"]));
    ImageInfo { format, width, height, colorimetry: Colorimetry { matrix, range } }
}

/// The planes of a frame without padding between rows.
fn planes<'a>(info: &ImageInfo, mut frame: &'a [u8]) -> Vec<Plane<'a>> {
    let plane = |index| {
        let stride = info.format.row_bytes(index, info.width);
        let (data, rest) = frame.split_at(stride * info.format.rows(index, info.height));
        frame = rest;
        Plane { data, stride }
    };
    (0..info.format.planes()).map(plane).collect()
}

/// Largest and mean difference, in steps of 1/255, between planes of floats and interleaved bytes.
fn difference(tensor: &[f32], expected: &[u8]) -> (f32, f32) {
    let plane = tensor.len() / 3;
    let off = |(index, &byte): (usize, &u8)| {
        (tensor[index % 3 * plane + index / 3] * 255.0 - f32::from(byte)).abs()
    };
    let differences: Vec<f32> = expected.iter().enumerate().map(off).collect();
    let largest = differences.iter().copied().fold(0.0, f32::max);
    (largest, differences.iter().sum::<f32>() / differences.len() as f32)
}

#[test]
fn frames_become_the_tensors_of_the_reference() {
    let (cases, bytes) = (read_json("preprocess.json"), read_bytes("preprocess.bin"));
    let mut rest = bytes.as_slice();
    for case in array(&cases) {
        let (frame, after) = rest.split_at(case["frame"].as_u64().unwrap() as usize);
        let (width, height) = pair(&case["input"]);
        let spec = InputSpec { resize: resize(&case["resize"]), ..InputSpec::new(width, height) };
        let (expected, after) = after.split_at(spec.len());
        rest = after;
        let info = image_info(case);
        let mut tensor = vec![f32::NAN; spec.len()];
        let image = Image::new(info, &planes(&info, frame)).unwrap();
        Preprocessor::new(info, spec).unwrap().run(&image, ElementsMut::F32(&mut tensor)).unwrap();
        let (largest, mean) = difference(&tensor, expected);
        assert!(largest < 1.01 && mean < 0.02, "{case}: at most {largest}, {mean} in the mean");
    }
    assert!(rest.is_empty());
}
