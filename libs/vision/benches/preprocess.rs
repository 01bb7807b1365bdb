//! How long a frame takes to become a network's input.

#![allow(clippy::expect_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use vision::image::{Colorimetry, Image, ImageInfo, PixelFormat, Plane};
use vision::preprocess::{InputSpec, Layout, Preprocessor};
use vision::tensor::ElementsMut;

fn planes(info: &ImageInfo) -> Vec<Vec<u8>> {
    let length = |plane| info.format.row_bytes(plane, info.width) * info.format.rows(plane, info.height);
    let noise = |length: usize| (0..length).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8);
    (0..info.format.planes())
        .map(|plane| noise(length(plane)).collect())
        .collect()
}

fn bench(criterion: &mut Criterion, format: PixelFormat, (width, height): (usize, usize), layout: Layout) {
    let info = ImageInfo {
        format,
        width,
        height,
        colorimetry: Colorimetry::default(),
    };
    let data = planes(&info);
    let plane = |(index, data)| Plane {
        data,
        stride: format.row_bytes(index, width),
    };
    let planes: Vec<_> = data.iter().map(Vec::as_slice).enumerate().map(plane).collect();
    let image = Image::new(info, &planes).expect("planes of the right size");
    let spec = InputSpec {
        layout,
        ..InputSpec::new(640, 640)
    };
    let mut preprocessor = Preprocessor::new(info, spec).expect("a frame with pixels");
    let mut tensor = vec![0.0f32; spec.len()];
    criterion.bench_function(
        &format!("{format:?} {width}x{height} to 640x640 {layout:?}"),
        |bencher| {
            bencher.iter(|| preprocessor.run(&image, ElementsMut::F32(&mut tensor)));
        },
    );
}

fn all(criterion: &mut Criterion) {
    for size in [(1280, 720), (1920, 1080), (1920, 1200), (3840, 2160), (640, 640)] {
        bench(criterion, PixelFormat::Nv12, size, Layout::Nchw);
    }
    bench(criterion, PixelFormat::I420, (1280, 720), Layout::Nchw);
    bench(criterion, PixelFormat::P010, (1280, 720), Layout::Nchw);
    bench(criterion, PixelFormat::Bgrx, (1280, 720), Layout::Nchw);
    bench(criterion, PixelFormat::Nv12, (1280, 720), Layout::Nhwc);
}

criterion_group!(benches, all);
criterion_main!(benches);
