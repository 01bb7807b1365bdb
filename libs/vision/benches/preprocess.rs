//! How long a frame takes to become a network's input.

#![allow(clippy::expect_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use vision::image::{Colorimetry, Image, ImageInfo, PixelFormat, Plane};
use vision::preprocess::{InputSpec, Layout, Preprocessor};
use vision::tensor::ElementsMut;

fn planes(info: &ImageInfo) -> Vec<Vec<u8>> {
    let length = |plane| info.format.row_bytes(plane, info.width) * info.format.rows(plane, info.height);
    let noise = |length: usize| (0..length).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8);
    (0..info.format.planes()).map(|plane| noise(length(plane)).collect()).collect()
}

fn bench(
    criterion: &mut Criterion,
    format: PixelFormat,
    (width, height): (usize, usize),
    (input_width, input_height): (usize, usize),
    layout: Layout,
) {
    let info = ImageInfo { format, width, height, colorimetry: Colorimetry::default() };
    let data = planes(&info);
    let plane = |(index, data)| Plane { data, stride: format.row_bytes(index, width) };
    let planes: Vec<_> = data.iter().map(Vec::as_slice).enumerate().map(plane).collect();
    let image = Image::new(info, &planes).expect("planes of the right size");
    let spec = InputSpec { layout, ..InputSpec::new(input_width, input_height) };
    let mut preprocessor = Preprocessor::new(info, spec).expect("a frame with pixels");
    let mut tensor = vec![0.0f32; spec.len()];
    let name = format!("{format:?} {width}x{height} to {input_width}x{input_height} {layout:?}");
    criterion.bench_function(&name, |bencher| {
        bencher.iter(|| preprocessor.run(&image, ElementsMut::F32(&mut tensor)));
    });
}

fn all(criterion: &mut Criterion) {
    use PixelFormat::{Bgrx, I420, Nv12, P010};
    let (hd, square, wide) = ((1280, 720), (640, 640), (640, 384));
    for size in [hd, (1920, 1080), (1920, 1200), (3840, 2160), square] {
        bench(criterion, Nv12, size, square, Layout::Nchw);
    }
    for size in [hd, (1366, 768), (1600, 900)] {
        bench(criterion, Nv12, size, wide, Layout::Nchw);
    }
    bench(criterion, I420, hd, wide, Layout::Nchw);
    for format in [I420, P010, Bgrx] {
        bench(criterion, format, hd, square, Layout::Nchw);
    }
    bench(criterion, Nv12, hd, square, Layout::Nhwc);
}

criterion_group!(benches, all);
criterion_main!(benches);
