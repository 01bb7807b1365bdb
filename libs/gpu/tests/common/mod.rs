//! Frames, inputs and display lists that the tests on the CPU and on the GPU share.

use std::sync::Arc;

use half::f16;
use vision::draw::{Color, DisplayList, Point, Primitive, Stroke, TextCache, Weight};
use vision::geometry::{Rect, Resize};
use vision::head::{Candidate, DenseLayout};
use vision::image::{Colorimetry, Image, ImageInfo, ImageMut, Matrix, PixelFormat, Plane, PlaneMut, Range};
use vision::preprocess::{Channels, InputSpec, Layout};

/// Numbers that look random and are the same every time.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 40) as f32 / (1 << 24) as f32
    }
}

/// An image in host memory, its planes one after the other, with padding after each row.
#[derive(Clone)]
pub struct HostImage {
    pub info: ImageInfo,
    planes: Vec<(Vec<u8>, usize)>,
}

impl HostImage {
    /// Every byte random; what P010 does not use is zero.
    pub fn noise(info: ImageInfo, seed: u64) -> Self {
        let mut noise = Noise(seed);
        let unused = if info.format == PixelFormat::P010 { 0xc0 } else { 0xff };
        let mut plane = |index| {
            let stride = info.format.row_bytes(index, info.width).next_multiple_of(2) + 6;
            let length = stride * info.format.rows(index, info.height);
            let byte = |at| (noise.next() >> 32) as u8 & if at % 2 == 0 { unused } else { 0xff };
            ((0..length).map(byte).collect(), stride)
        };
        Self { info, planes: (0..info.format.planes()).map(&mut plane).collect() }
    }

    pub fn image(&self) -> Image<'_> {
        let planes: Vec<_> =
            self.planes.iter().map(|(data, stride)| Plane { data, stride: *stride }).collect();
        Image::new(self.info, &planes).unwrap()
    }

    pub fn image_mut(&mut self) -> ImageMut<'_> {
        let planes = self.planes.iter_mut().map(|(data, stride)| PlaneMut { data, stride: *stride });
        ImageMut::new(self.info, planes).unwrap()
    }

    /// Address and stride of each plane.
    pub fn addresses(&mut self) -> Vec<(u64, usize)> {
        self.planes.iter_mut().map(|(data, stride)| (data.as_mut_ptr() as u64, *stride)).collect()
    }
}

/// Bytes of all rows, without padding, that differ between two images.
pub fn differences(a: &Image<'_>, b: &Image<'_>) -> usize {
    let info = a.info();
    let differ = |plane, y| a.row(plane, y).iter().zip(b.row(plane, y)).filter(|(a, b)| a != b).count();
    let rows = |plane| (0..info.format.rows(plane, info.height)).map(move |y| (plane, y));
    (0..info.format.planes()).flat_map(rows).map(|(plane, y)| differ(plane, y)).sum()
}

pub fn info(format: PixelFormat, (width, height): (usize, usize)) -> ImageInfo {
    ImageInfo { format, width, height, colorimetry: Colorimetry::default() }
}

/// Every format, each with another colorimetry, some with odd sizes.
pub fn infos() -> Vec<ImageInfo> {
    let matrices = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020];
    let ranges = [Range::Limited, Range::Full];
    let sizes = [(193, 101), (160, 97), (97, 128), (128, 72)];
    let kind = |(index, format): (usize, PixelFormat)| ImageInfo {
        colorimetry: Colorimetry { matrix: matrices[index % 3], range: ranges[index % 2] },
        ..info(format, sizes[index % 4])
    };
    PixelFormat::ALL.into_iter().enumerate().map(kind).collect()
}

/// Inputs of every layout, colour order and way to fit.
pub fn specs() -> Vec<InputSpec> {
    let base = InputSpec::new(96, 64);
    vec![
        base,
        InputSpec { layout: Layout::Nhwc, channels: Channels::Bgr, resize: Resize::TopLeft, ..base },
        InputSpec {
            channels: Channels::Gray,
            resize: Resize::Stretch,
            mean: [3.5; 3],
            scale: [1.0; 3],
            ..base
        },
        InputSpec {
            width: 224,
            height: 200,
            mean: [123.675, 116.28, 103.53],
            scale: [0.017, 0.0175, 0.0174],
            ..base
        },
    ]
}

fn rect(noise: &mut Noise, width: f32, height: f32) -> Primitive {
    let corner =
        |noise: &mut Noise| (noise.between(-20.0, width + 10.0), noise.between(-20.0, height + 10.0));
    let ((x, y), size) = (corner(noise), (noise.between(0.2, width / 2.0), noise.between(0.2, height / 2.0)));
    let alpha = noise.next() as u8;
    Primitive::RoundedRect {
        rect: Rect { x, y, width: size.0, height: size.1 },
        radius: noise.between(0.0, 14.0),
        fill: alpha.is_multiple_of(2).then(|| Color::rgb(200, 30, 90).with_alpha(alpha)),
        stroke: Some(Stroke { width: noise.between(0.3, 7.0), color: Color::rgb(20, 240, 60) }),
    }
}

fn path(noise: &mut Noise, width: f32, height: f32) -> Primitive {
    let closed = noise.next().is_multiple_of(2);
    let point = |_| Point { x: noise.between(-9.0, width + 9.0), y: noise.between(-9.0, height + 9.0) };
    Primitive::Path {
        points: (0..5).map(point).collect(),
        closed,
        fill: Some(Color::rgb(40, 90, 255).with_alpha(70)),
        stroke: Some(Stroke { width: 2.5, color: Color::WHITE.with_alpha(180) }),
    }
}

/// A crowd of shapes and words, some of them beyond the frame's edge.
pub fn scene(count: usize, (width, height): (usize, usize), seed: u64) -> DisplayList {
    let (width, height, mut noise) = (width as f32, height as f32, Noise(seed));
    let mut text = TextCache::new().unwrap();
    let words = |noise: &mut Noise, text: &mut TextCache| Primitive::Sprite {
        x: noise.between(-10.0, width) as i32,
        y: noise.between(0.0, height + 8.0) as i32,
        sprite: text.line(
            ["no helmet", "helmet", "vest 98 %"][noise.next() as usize % 3],
            15.0,
            Weight::Medium,
            200.0,
        ),
        color: Color::WHITE.with_alpha(230),
    };
    let primitives = (0..count).map(|index| match index % 3 {
        0 => rect(&mut noise, width, height),
        1 => path(&mut noise, width, height),
        _ => words(&mut noise, &mut text),
    });
    DisplayList { primitives: primitives.collect() }
}

/// An empty sprite and shapes that draw nothing.
pub fn nothing() -> DisplayList {
    let rect = Rect { x: 4.0, y: f32::NAN, width: 10.0, height: 10.0 };
    let stroke = Some(Stroke { width: 2.0, color: Color::WHITE });
    DisplayList {
        primitives: vec![
            Primitive::RoundedRect { rect, radius: 1.0, fill: None, stroke },
            Primitive::Path { points: Vec::new(), closed: true, fill: None, stroke },
            Primitive::Sprite { x: 0, y: 0, sprite: Arc::default(), color: Color::WHITE },
        ],
    }
}

/// A dense output.
#[derive(Clone, Debug)]
pub struct Answer {
    pub layout: DenseLayout,
    pub images: usize,
    pub values: Vec<f32>,
    pub confidence: f32,
}

impl Answer {
    /// One position in eight has a high score; some numbers are none.
    fn new(layout: DenseLayout, images: usize, positions: usize, seed: u64) -> Self {
        let mut noise = Noise(seed);
        let mut value = || match noise.next() >> 40 {
            random if random.is_multiple_of(97) => f32::NAN,
            random if random.is_multiple_of(8) => noise.between(0.3, 1.0),
            _ => noise.between(0.0, 0.5),
        };
        let values = (0..images * positions * layout.width()).map(|_| value()).collect();
        Self { layout, images, values, confidence: 0.45 }
    }

    /// The same in half precision.
    pub fn halved(self) -> (Vec<f16>, Self) {
        let halves: Vec<_> = self.values.iter().map(|&value| f16::from_f32(value)).collect();
        let values = halves.iter().map(|value| value.to_f32()).collect();
        (halves, Self { values, ..self })
    }

    /// What the CPU finds.
    pub fn expected(&self) -> Vec<Candidate> {
        let images = self.values.chunks_exact(self.values.len() / self.images).enumerate();
        images.flat_map(|(image, values)| self.layout.candidates(values, image, self.confidence)).collect()
    }
}

/// `found` with zeros instead of what is no number and so never equal.
pub fn comparable(mut found: Vec<Candidate>) -> Vec<Candidate> {
    let numbers = found.iter_mut().flat_map(|candidate| &mut candidate.numbers);
    numbers.filter(|number| number.is_nan()).for_each(|number| *number = 0.0);
    found
}

/// Outputs of every layout.
pub fn answers() -> Vec<Answer> {
    let layout = DenseLayout { output: 0, planes: true, objectness: false, classes: 9 };
    vec![
        Answer::new(layout, 1, 700, 1),
        Answer::new(layout, 3, 257, 2),
        Answer::new(DenseLayout { planes: false, ..layout }, 2, 300, 3),
        Answer::new(DenseLayout { planes: false, objectness: true, ..layout }, 2, 1100, 4),
    ]
}
