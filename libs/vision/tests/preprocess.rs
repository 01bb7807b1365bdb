//! Element types, layouts, channel orders and errors; what the golden files leave out.

#![allow(clippy::unwrap_used)]

use half::f16;
use vision::geometry::Resize;
use vision::image::{Colorimetry, Image, ImageInfo, PixelFormat, Plane};
use vision::preprocess::{Channels, InputSpec, Layout, PreprocessError, Preprocessor};
use vision::tensor::ElementsMut;

/// Two pixels: orange and blue.
const PIXELS: [u8; 6] = [200, 100, 0, 10, 20, 250];

fn info(width: usize, height: usize) -> ImageInfo {
    ImageInfo { format: PixelFormat::Rgb, width, height, colorimetry: Colorimetry::default() }
}

fn image(data: &[u8]) -> Image<'_> {
    Image::new(info(2, 1), &[Plane { data, stride: 6 }]).unwrap()
}

/// 2x2: the pixels and a row of padding below, as bytes.
fn spec() -> InputSpec {
    InputSpec { resize: Resize::TopLeft, scale: [1.0; 3], ..InputSpec::new(2, 2) }
}

fn floats(spec: InputSpec) -> Vec<f32> {
    let mut out = vec![f32::NAN; spec.len()];
    Preprocessor::new(info(2, 1), spec).unwrap().run(&image(&PIXELS), ElementsMut::F32(&mut out)).unwrap();
    out
}

#[test]
fn planes_and_pixels_in_both_orders() {
    assert_eq!(
        floats(spec()),
        [200.0, 10.0, 114.0, 114.0, 100.0, 20.0, 114.0, 114.0, 0.0, 250.0, 114.0, 114.0]
    );
    let bgr = InputSpec { channels: Channels::Bgr, ..spec() };
    assert_eq!(floats(bgr), [0.0, 250.0, 114.0, 114.0, 100.0, 20.0, 114.0, 114.0, 200.0, 10.0, 114.0, 114.0]);
    let pixels = InputSpec { layout: Layout::Nhwc, ..spec() };
    assert_eq!(
        floats(pixels),
        [200.0, 100.0, 0.0, 10.0, 20.0, 250.0, 114.0, 114.0, 114.0, 114.0, 114.0, 114.0]
    );
    let both = InputSpec { channels: Channels::Bgr, layout: Layout::Nhwc, ..spec() };
    assert_eq!(floats(both)[..6], [0.0, 100.0, 200.0, 250.0, 20.0, 10.0]);
}

#[test]
fn grey_is_luma() {
    let grey = InputSpec { channels: Channels::Gray, pad: 7, ..spec() };
    // 0.299 * 200 + 0.587 * 100 = 118.5 rounds to even; 0.299 * 10 + 0.587 * 20 + 0.114 * 250 = 43.23.
    assert_eq!(floats(grey), [118.0, 43.0, 7.0, 7.0]);
    assert_eq!(floats(InputSpec { layout: Layout::Nhwc, ..grey }), [118.0, 43.0, 7.0, 7.0]);
}

#[test]
fn normalisation_is_per_channel_and_covers_padding() {
    let normal = InputSpec { mean: [100.0, 50.0, 0.0], scale: [0.5, 1.0, 2.0], pad: 10, ..spec() };
    assert_eq!(
        floats(normal),
        [50.0, -45.0, -45.0, -45.0, 50.0, -30.0, -40.0, -40.0, 0.0, 500.0, 20.0, 20.0]
    );
    assert_eq!(
        floats(InputSpec { layout: Layout::Nhwc, ..normal })[..6],
        [50.0, 50.0, 0.0, -45.0, -30.0, 500.0]
    );
}

#[test]
fn halves_and_bytes() {
    let mut halves = vec![f16::NAN; 12];
    let half = InputSpec { scale: [1.0 / 255.0; 3], ..spec() };
    Preprocessor::new(info(2, 1), half).unwrap().run(&image(&PIXELS), ElementsMut::F16(&mut halves)).unwrap();
    assert_eq!(halves[0], f16::from_f32(200.0 / 255.0));
    let mut bytes = vec![1u8; 12];
    let saturated = InputSpec { mean: [20.0; 3], scale: [1.5; 3], ..spec() };
    Preprocessor::new(info(2, 1), saturated)
        .unwrap()
        .run(&image(&PIXELS), ElementsMut::U8(&mut bytes))
        .unwrap();
    assert_eq!(bytes, [255, 0, 141, 141, 120, 0, 141, 141, 0, 255, 141, 141]);
}

#[test]
fn a_preprocessor_remembers_no_frame() {
    let mut preprocessor = Preprocessor::new(info(2, 1), spec()).unwrap();
    let mut run = |data: &[u8]| {
        let mut out = vec![0.0; 12];
        preprocessor.run(&image(data), ElementsMut::F32(&mut out)).unwrap();
        out
    };
    run(&[9; 6]);
    assert_eq!(run(&PIXELS), floats(spec()));
}

#[test]
fn what_does_not_fit_is_refused() {
    let empty = Preprocessor::new(info(0, 4), spec()).unwrap_err();
    assert_eq!(empty.to_string(), "cannot resize 0x4 to 2x2: both must have pixels");
    assert!(Preprocessor::new(info(2, 1), InputSpec::new(0, 2)).is_err());
    let mut preprocessor = Preprocessor::new(info(2, 1), spec()).unwrap();
    let slot = preprocessor.run(&image(&PIXELS), ElementsMut::U8(&mut [0; 11])).unwrap_err();
    assert_eq!(slot, PreprocessError::Slot { expected: 12, found: 11 });
    let other = Image::new(info(1, 1), &[Plane { data: &PIXELS, stride: 3 }]).unwrap();
    let source = preprocessor.run(&other, ElementsMut::U8(&mut [0; 12])).unwrap_err();
    assert_eq!(source, PreprocessError::Source { expected: info(2, 1), found: info(1, 1) });
}
