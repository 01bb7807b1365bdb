//! The kernels' arithmetic, run by the CPU, against `vision`.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/convolution.rs"]
mod layers;

use std::sync::{Arc, OnceLock};

use half::f16;
use libloading::Library;
use vision::draw::{
    Annotation, DisplayList, Look, Panel, PanelRow, Point, Scene, Sprite, State, TextCache, Theme, Zone,
    annotate,
};
use vision::geometry::{Placement, Rect};
use vision::head::Candidate;
use vision::image::ImageInfo;
use vision::preprocess::{InputSpec, Preprocessor};
use vision::tensor::{DataType, ElementsMut};

use super::candidates;
use super::convolution::{Activation, Convolution, Operands, PTX, Params, TILES};
use super::draw::{self, Encoded};
use super::preprocess;
use crate::cuda::{DeviceElementsMut, DeviceImage, DevicePlane};
use common::{HostImage, Noise, answers, comparable, differences, infos, nothing, scene, specs};
use layers::Layer;

/// Runs `function` of the kernels' arithmetic.
///
/// # Safety
/// It must take a pointer to a `T` whose addresses lie in host memory.
unsafe fn run<T>(function: &str, params: &T) {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    // SAFETY: our own library, without initialisers.
    let load = || unsafe { Library::new(concat!(env!("OUT_DIR"), "/kernels-host.so")).unwrap() };
    // SAFETY: as the caller promises.
    unsafe {
        let function = LIBRARY.get_or_init(load).get::<unsafe extern "C" fn(*const T)>(function).unwrap();
        function(params);
    }
}

/// `image` as if its memory were a device's.
fn device_image(image: &mut HostImage) -> DeviceImage<'_> {
    let plane = |(address, stride)| DevicePlane { address, stride };
    let planes: Vec<_> = image.addresses().into_iter().map(plane).collect();
    // SAFETY: read by the CPU only.
    unsafe { DeviceImage::new(image.info, &planes) }.unwrap()
}

fn preprocess_on_host<T: Clone + Default>(
    image: &mut HostImage,
    spec: &InputSpec,
    data_type: DataType,
) -> Vec<T> {
    let (source, mut out) = (image.info, vec![T::default(); spec.len()]);
    let placement = Placement::new(spec.resize, (source.width, source.height), (spec.width, spec.height));
    let taps = preprocess::all_taps(&placement);
    // SAFETY: `out` has that many elements of that type.
    let slot = unsafe { DeviceElementsMut::new(out.as_mut_ptr() as u64, data_type, out.len()) };
    let params = preprocess::Params::new(&source, spec, &placement, taps.as_ptr() as u64);
    let params = params.with(&device_image(image), &slot).unwrap();
    // SAFETY: it takes these parameters, and image, taps and slot are alive.
    unsafe { run("host_preprocess", &params) };
    out
}

fn reference(image: &HostImage, spec: &InputSpec, out: ElementsMut<'_>) {
    Preprocessor::new(image.info, *spec).unwrap().run(&image.image(), out).unwrap();
}

#[test]
fn preprocessing_equals_the_cpu_bit_by_bit() {
    for (seed, info) in infos().into_iter().enumerate() {
        let mut image = HostImage::noise(info, seed as u64 + 1);
        for spec in specs() {
            let mut expected = vec![0.0f32; spec.len()];
            reference(&image, &spec, ElementsMut::F32(&mut expected));
            assert_eq!(
                preprocess_on_host::<f32>(&mut image, &spec, DataType::F32),
                expected,
                "{info:?} {spec:?}"
            );
        }
    }
}

#[test]
fn every_element_type_equals_the_cpu() {
    for (seed, spec) in specs().into_iter().enumerate() {
        let mut image = HostImage::noise(infos()[0], seed as u64 + 1);
        let mut halves = vec![f16::ZERO; spec.len()];
        reference(&image, &spec, ElementsMut::F16(&mut halves));
        assert_eq!(preprocess_on_host::<f16>(&mut image, &spec, DataType::F16), halves);
        let mut bytes = vec![0u8; spec.len()];
        reference(&image, &spec, ElementsMut::U8(&mut bytes));
        assert_eq!(preprocess_on_host::<u8>(&mut image, &spec, DataType::U8), bytes);
    }
}

/// Paints `list` from `from` to `to`, or in place where `to` is `None`.
fn draw_on_host(list: &DisplayList, from: &mut HostImage, to: Option<&mut HostImage>) {
    let mut atlas = Vec::new();
    let place = |sprite: &Arc<Sprite>| {
        let first = atlas.len() as u32;
        atlas.extend_from_slice(sprite.coverage());
        first
    };
    let encoded = Encoded::new(list, &from.info, place);
    let [bounds, ops, points] = encoded.bytes().map(|part| part.as_ptr() as u64);
    let tiles = draw::tiles::touched(&encoded, &from.info);
    // A copy is of all tiles.
    let (list, count) = match to {
        Some(_) => (0, draw::tiles::count(&from.info)),
        None => (tiles.as_ptr() as u64, tiles.len()),
    };
    let addresses = [bounds, ops, points, atlas.as_ptr() as u64, list];
    let from = device_image(from);
    let to = to.map(device_image);
    let params = draw::Params::new(&from, to.as_ref().unwrap_or(&from), &encoded, addresses, count);
    // SAFETY: it takes these parameters, and images, ops, points and masks are alive.
    unsafe { run("host_draw", &params) };
}

fn painted(list: &DisplayList, image: &HostImage) -> HostImage {
    let mut expected = image.clone();
    list.draw(&mut expected.image_mut());
    expected
}

#[test]
fn drawing_in_place_equals_the_cpu() {
    for (seed, info) in infos().into_iter().enumerate() {
        let list = scene(24, (info.width, info.height), seed as u64 + 1);
        let mut image = HostImage::noise(info, seed as u64 + 1);
        let expected = painted(&list, &image);
        assert!(differences(&image.image(), &expected.image()) > 500, "{info:?} should be drawn on");
        draw_on_host(&list, &mut image, None);
        assert_eq!(differences(&image.image(), &expected.image()), 0, "{info:?}");
    }
}

/// Zones, boxes, signs and a panel, as the element draws them.
fn annotated(info: &ImageInfo, look: Look) -> DisplayList {
    let (width, height) = (info.width as f32, info.height as f32);
    let states = [State::Neutral, State::Compliant, State::Unknown, State::Suspected, State::Violation];
    let zone = |index: usize| Zone {
        points: [(0.1, 0.2), (0.7, 0.1), (0.95, 0.9), (0.5, 0.6), (0.05, 0.8)]
            .map(|(x, y)| Point { x: x * width, y: (y + 0.05 * index as f32) * height })
            .into(),
        closed: index > 0,
        state: states[2 * index],
        title: "Pit".into(),
    };
    let annotation = |index: usize| Annotation {
        rect: Rect { x: 17.3 * index as f32, y: 9.1 * index as f32, width: 61.0, height: 70.5 },
        state: states[index % 5],
        title: if index < 5 { String::new() } else { format!("Person {index}") },
        score: Some(format!("0.{index}")),
        detail: None,
    };
    let rows = vec![PanelRow { what: "no hat".into(), duration: "1.2 s".into(), ..PanelRow::default() }; 2];
    let scene = Scene {
        zones: (0..3).map(zone).collect(),
        annotations: (0..10).map(annotation).collect(),
        panel: Panel { rows, more: String::new() },
    };
    let size = (info.width, info.height);
    annotate(&scene, size, &Theme::for_frame(look, size.0, size.1), &mut TextCache::new().unwrap())
}

#[test]
fn a_whole_scene_equals_the_cpu() {
    for (index, info) in infos().into_iter().enumerate() {
        let list = annotated(&info, Look::ALL[index % 3]);
        let mut image = HostImage::noise(info, index as u64 + 1);
        let expected = painted(&list, &image);
        assert!(differences(&image.image(), &expected.image()) > 500, "{info:?} should be drawn on");
        draw_on_host(&list, &mut image, None);
        assert_eq!(differences(&image.image(), &expected.image()), 0, "{info:?}");
    }
}

#[test]
fn copying_and_drawing_equals_the_cpu() {
    for (seed, info) in infos().into_iter().enumerate() {
        let list = scene(9, (info.width, info.height), seed as u64 + 50);
        let mut image = HostImage::noise(info, seed as u64 + 1);
        let (expected, mut copy) = (painted(&list, &image), HostImage::noise(info, 99));
        draw_on_host(&list, &mut image, Some(&mut copy));
        assert_eq!(differences(&copy.image(), &expected.image()), 0, "{info:?}");
    }
}

fn candidates_on_host<T>(
    values: &mut [T],
    data_type: DataType,
    images: usize,
    answer: &common::Answer,
) -> Vec<Candidate> {
    let mut counter = candidates::Counter::default();
    let mut found = vec![Candidate::default(); values.len()];
    // SAFETY: `values` has that many elements of that type.
    let elements = unsafe { DeviceElementsMut::new(values.as_mut_ptr() as u64, data_type, values.len()) };
    let addresses = (&raw mut counter as u64, found.as_mut_ptr() as u64);
    let (layout, confidence) = (answer.layout, answer.confidence);
    let output = candidates::Searched { values: elements, images, layout, confidence };
    let params = candidates::Params::new(&output, addresses);
    // SAFETY: it takes these parameters; values, counter and candidates are alive, and there are fewer positions than values.
    unsafe { run("host_candidates", &params.unwrap()) };
    found.truncate(counter.found as usize);
    found
}

#[test]
fn candidates_are_those_of_the_cpu() {
    for answer in answers() {
        let (mut values, expected) = (answer.values.clone(), answer.expected());
        assert!(expected.len() > 20, "{expected:?}");
        let found = candidates_on_host(&mut values, DataType::F32, answer.images, &answer);
        assert_eq!(comparable(found), comparable(expected));
    }
}

#[test]
fn candidates_in_half_precision_are_those_of_the_cpu() {
    for answer in answers() {
        let (mut halves, answer) = answer.halved();
        let found = candidates_on_host(&mut halves, DataType::F16, answer.images, &answer);
        assert_eq!(comparable(found), comparable(answer.expected()));
    }
}

#[test]
fn what_draws_nothing_is_not_sent() {
    let info: ImageInfo = infos()[0];
    assert_eq!(Encoded::new(&nothing(), &info, |_| 0), Encoded::default());
}

/// Mirrors `HostConvolution` of kernels/host.cpp.
#[repr(C)]
struct HostConvolution {
    params: Params,
    tile: u32,
    tiles_x: u32,
    tiles_y: u32,
    images: u32,
}

fn layers() -> Vec<Layer> {
    let mut noise = Noise(1);
    layers::layers(|| noise.between(-0.5, 0.5))
}

/// A layer's tensors as if they lay on a device. Weights begin at a multiple of 16 bytes.
fn operands<'a>(layer: &'a Layer, weights: &'a mut [u128], output: &'a mut [f32]) -> Operands<'a> {
    bytemuck::cast_slice_mut(weights)[..layer.weights.len()].copy_from_slice(&layer.weights);
    // SAFETY: read and written by the CPU only.
    let elements = |address: u64, length| unsafe { DeviceElementsMut::new(address, DataType::F32, length) };
    Operands {
        input_shape: layer.input_shape,
        input: elements(layer.input.as_ptr() as u64, layer.input.len()),
        weights: elements(weights.as_ptr() as u64, layer.weights.len()),
        bias: elements(layer.bias.as_ptr() as u64, layer.bias.len()),
        output: elements(output.as_mut_ptr() as u64, output.len()),
    }
}

#[test]
fn convolutions_are_sums_of_products_in_every_tile() {
    for layer in layers() {
        for (tile, shape) in TILES.iter().enumerate() {
            let mut output = vec![f32::NAN; layer.output_shape.iter().product()];
            let mut weights = vec![0; layer.weights.len().div_ceil(4)];
            let operands = operands(&layer, &mut weights, &mut output);
            let params = layer.convolution.params(&operands).unwrap();
            let (tiles_x, tiles_y, images) = shape.grid(&params, layer.input_shape[0] as u32);
            let call = HostConvolution { params, tile: tile as u32, tiles_x, tiles_y, images };
            // SAFETY: it takes these parameters, and the tensors are alive.
            unsafe { run("host_convolution", &call) };
            layer.compare(&output);
        }
    }
}

#[test]
fn every_tile_has_its_kernel() {
    for tile in &TILES {
        let entry = format!(".entry {}(", tile.kernel().to_str().unwrap());
        assert!(PTX.contains(&entry), "no {entry}");
    }
}

#[test]
fn tensors_that_do_not_fit_a_convolution_are_refused() {
    let mut layer = layers().remove(0);
    let mut output = vec![0.0; layer.output_shape.iter().product()];
    let mut weights = vec![0; layer.weights.len().div_ceil(4)];
    let refuses = |layer: &Layer, weights: &mut [u128], output: &mut [f32]| {
        layer.convolution.params(&operands(layer, weights, output)).is_err()
    };
    assert!(!refuses(&layer, &mut weights, &mut output));
    assert!(refuses(&layer, &mut weights, &mut output[1..]));
    layer.bias.pop();
    assert!(refuses(&layer, &mut weights, &mut output));
    layer.bias.push(0.0);
    layer.convolution.kernel = [99; 2];
    assert!(refuses(&layer, &mut weights, &mut output));
}
