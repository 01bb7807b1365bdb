//! What is drawn, checked against arithmetic.

use super::shape::RoundedRect;
use super::*;
use crate::geometry::Rect;
use crate::image::{Colorimetry, ImageInfo, ImageMut, Matrix, PixelFormat, PlaneMut, Range};

const RED: Color = Color::rgb(255, 0, 0);
const PADDING: usize = 7;
const MARK: u8 = 0xA5;

/// A frame whose rows are followed by marked padding.
#[derive(Clone, PartialEq)]
struct Frame {
    info: ImageInfo,
    planes: Vec<Vec<u8>>,
}

impl Frame {
    /// All samples hold `value`: for P010 in the upper bits.
    fn new(format: PixelFormat, width: usize, height: usize, value: u8) -> Self {
        let info = ImageInfo { format, width, height, colorimetry: Colorimetry::default() };
        let word = if format == PixelFormat::P010 { vec![0, value] } else { vec![value] };
        let plane = |plane: usize| {
            let mut row: Vec<u8> =
                word.iter().copied().cycle().take(format.row_bytes(plane, width)).collect();
            row.extend([MARK; PADDING]);
            row.repeat(format.rows(plane, height))
        };
        Self { info, planes: (0..format.planes()).map(plane).collect() }
    }

    fn stride(&self, plane: usize) -> usize {
        self.info.format.row_bytes(plane, self.info.width) + PADDING
    }

    fn draw(&mut self, primitives: &[Primitive]) -> &Self {
        let strides: Vec<_> = (0..self.planes.len()).map(|plane| self.stride(plane)).collect();
        let planes = self.planes.iter_mut().zip(strides).map(|(data, stride)| PlaneMut { data, stride });
        let mut image = ImageMut::new(self.info, planes).unwrap();
        DisplayList { primitives: primitives.to_vec() }.draw(&mut image);
        self
    }

    /// Byte `x` of row `y` of plane `plane`.
    fn at(&self, plane: usize, x: usize, y: usize) -> u8 {
        self.planes[plane][y * self.stride(plane) + x]
    }

    /// The 10-bit code of word `x` of row `y`.
    fn code(&self, plane: usize, x: usize, y: usize) -> u16 {
        u16::from_le_bytes([self.at(plane, 2 * x, y), self.at(plane, 2 * x + 1, y)]) >> 6
    }

    /// Y, U and V of a pixel of an 8-bit format.
    fn yuv(&self, x: usize, y: usize) -> [u8; 3] {
        let (column, row) = (x / 2, y / 2);
        let [u, v] = match self.info.format {
            PixelFormat::Nv12 => [self.at(1, 2 * column, row), self.at(1, 2 * column + 1, row)],
            PixelFormat::Yv12 => [self.at(2, column, row), self.at(1, column, row)],
            _ => [self.at(1, column, row), self.at(2, column, row)],
        };
        [self.at(0, x, y), u, v]
    }

    fn padding_is_intact(&self) -> bool {
        let intact = |plane: usize| {
            let stride = self.stride(plane);
            self.planes[plane].chunks(stride).all(|row| row[stride - PADDING..] == [MARK; PADDING])
        };
        (0..self.planes.len()).all(intact)
    }
}

fn rect(x: f32, y: f32, width: f32, height: f32) -> Rect {
    Rect { x, y, width, height }
}

fn fill(rect: Rect, color: Color) -> Primitive {
    Primitive::RoundedRect { rect, radius: 0.0, fill: Some(color), stroke: None }
}

fn stroke(rect: Rect, radius: f32, width: f32, color: Color) -> Primitive {
    Primitive::RoundedRect { rect, radius, fill: None, stroke: Some(Stroke { width, color }) }
}

fn points(points: &[(f32, f32)]) -> Vec<Point> {
    points.iter().map(|(x, y)| Point { x: *x, y: *y }).collect()
}

fn polygon(corners: &[(f32, f32)], color: Color) -> Primitive {
    Primitive::Path { points: points(corners), closed: true, fill: Some(color), stroke: None }
}

fn polyline(corners: &[(f32, f32)], width: f32, color: Color) -> Primitive {
    Primitive::Path {
        points: points(corners),
        closed: false,
        fill: None,
        stroke: Some(Stroke { width, color }),
    }
}

/// One of everything, in and out of a small frame.
fn mixture(text: &mut TextCache) -> Vec<Primitive> {
    let sprite = text.line("Ag 0.93", 12.0, Weight::SemiBold, 100.0);
    let blue = Color::rgb(20, 60, 220).with_alpha(150);
    vec![
        fill(rect(1.3, 2.6, 9.7, 5.1), RED),
        stroke(rect(3.0, 1.0, 20.4, 12.2), 3.0, 2.5, blue),
        polygon(&[(2.0, 3.0), (17.5, 6.0), (8.0, 14.0)], Color::rgb(240, 200, 40).with_alpha(128)),
        polyline(&[(20.0, 1.0), (22.5, 9.0), (12.0, 13.0)], 1.5, RED.with_alpha(200)),
        Primitive::Sprite { x: 3, y: 11, sprite, color: Color::WHITE },
    ]
}

#[test]
fn red_has_its_code_values() {
    let all = fill(rect(0.0, 0.0, 4.0, 4.0), RED);
    for format in [PixelFormat::Nv12, PixelFormat::I420, PixelFormat::Yv12] {
        let mut frame = Frame::new(format, 4, 4, 128);
        frame.draw(std::slice::from_ref(&all));
        assert_eq!([frame.yuv(0, 0), frame.yuv(3, 3)], [[63, 102, 240]; 2], "{format:?}");
    }
    let mut frame = Frame::new(PixelFormat::Nv12, 4, 4, 128);
    frame.info.colorimetry = Colorimetry { matrix: Matrix::Bt601, range: Range::Full };
    assert_eq!(frame.draw(&[all]).yuv(1, 1), [76, 85, 255]);
}

#[test]
fn ten_bits_have_their_own_code_values() {
    let mut frame = Frame::new(PixelFormat::P010, 2, 2, 128);
    frame.draw(&[fill(rect(0.0, 0.0, 2.0, 2.0), RED)]);
    assert_eq!([frame.code(0, 0, 0), frame.code(1, 0, 0), frame.code(1, 1, 0)], [250, 409, 960]);
}

#[test]
fn an_edge_through_a_pixel_covers_half_of_it() {
    let mut frame = Frame::new(PixelFormat::Rgb, 4, 1, 0);
    frame.draw(&[fill(rect(0.5, -5.0, 2.0, 20.0), Color::WHITE)]);
    assert_eq!([0, 3, 6, 9].map(|x| frame.at(0, x, 0)), [128, 255, 128, 0]);
}

#[test]
fn a_sliver_covers_as_much_as_it_is_wide() {
    let mut frame = Frame::new(PixelFormat::Rgb, 3, 1, 0);
    frame.draw(&[fill(rect(1.375, -5.0, 0.25, 20.0), Color::WHITE)]);
    assert_eq!([0, 3, 6].map(|x| frame.at(0, x, 0)), [0, 64, 0]);
}

#[test]
fn chroma_has_the_mean_coverage_of_its_pixels() {
    let mut frame = Frame::new(PixelFormat::Nv12, 4, 2, 128);
    frame.draw(&[fill(rect(0.0, 0.0, 1.0, 2.0), RED)]);
    assert_eq!([frame.at(0, 0, 0), frame.at(0, 1, 0)], [63, 128]);
    assert_eq!([0, 1, 2, 3].map(|x| frame.at(1, x, 0)), [115, 184, 128, 128]);
}

#[test]
fn chroma_at_an_odd_edge_counts_only_pixels_that_exist() {
    let mut frame = Frame::new(PixelFormat::I420, 3, 3, 128);
    frame.draw(&[fill(rect(2.0, 2.0, 1.0, 1.0), RED)]);
    assert_eq!(frame.yuv(2, 2), [63, 102, 240]);
    assert_eq!(frame.yuv(1, 1), [128; 3]);
}

#[test]
fn shortcuts_do_not_change_what_boxes_cover() {
    let boxes = [
        (rect(2.3, 3.1, 40.2, 30.7), 6.0, 3.0),
        (rect(0.0, 0.0, 64.0, 48.0), 0.0, 1.0),
        (rect(-20.0, 10.5, 60.0, 200.0), 12.0, 4.5),
        (rect(30.2, 20.2, 1.4, 9.0), 5.0, 2.0),
    ];
    for (rect, radius, width) in boxes {
        let shape = RoundedRect::new(rect, radius, width, (64, 48)).unwrap();
        let distance = |point| shape.distance(point);
        let fill = Primitive::RoundedRect { rect, radius, fill: Some(Color::WHITE), stroke: None };
        compare(distance, shape.thickness(), &fill);
        let line = |point| distance(point).abs() - width / 2.0;
        compare(line, width.min(1.0), &stroke(rect, radius, width, Color::WHITE));
    }
}

#[test]
fn shortcuts_do_not_change_what_paths_cover() {
    let paths: [&[(f32, f32)]; 7] = [
        &[(5.0, 4.0), (60.0, 9.5), (33.0, 20.0), (50.0, 70.0), (-8.0, 30.0)],
        &[(32.0, 2.0), (46.0, 45.0), (4.0, 18.0), (60.0, 18.0), (18.0, 45.0)],
        &[(-900.0, -900.0), (900.0, -900.0), (900.0, 900.0), (-900.0, 900.0)],
        &[(0.0, 0.0), (64.0, 0.0), (64.0, 48.0), (0.0, 48.0)],
        &[(10.0, 10.0), (50.0, 10.0), (50.0, 10.4), (10.0, 10.4), (30.0, 40.0), (30.0, 40.0)],
        &[(20.5, 20.5)],
        &[(3.0, 40.0), (61.0, 39.0), (3.0, 38.0), (61.0, 37.0), (3.0, 36.0)],
    ];
    for corners in paths {
        let points = points(corners);
        for (closed, width) in [(true, 0.4), (true, 2.6), (false, 2.6), (false, 30.0)] {
            let line = Some(Stroke { width, color: Color::WHITE });
            let path = Primitive::Path { points: points.clone(), closed, fill: None, stroke: line };
            let distance = |point| path_distance(&points, closed, point).abs() - width / 2.0;
            compare(distance, width.min(1.0), &path);
        }
        compare(|point| path_distance(&points, true, point), 1.0, &polygon(corners, Color::WHITE));
    }
}

/// Signed distance from `p` to a path, negative inside: the definition, by way of all its lines.
fn path_distance(points: &[Point], closed: bool, p: Point) -> f32 {
    let start = if closed { points.last() } else { points.first() };
    let (mut nearest, mut inside) = (f32::MAX, false);
    for (a, b) in start.into_iter().chain(points).zip(points) {
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let along = ((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy);
        let along = if along.is_nan() { 0.0 } else { along.clamp(0.0, 1.0) };
        nearest = nearest.min((p.x - a.x - along * dx).hypot(p.y - a.y - along * dy));
        inside ^= closed && (a.y > p.y) != (b.y > p.y) && p.x < a.x + (p.y - a.y) / dy * dx;
    }
    if inside { -nearest } else { nearest }
}

/// Compares every pixel with the definition in the module's documentation: `edge` is the signed distance to the edge of
/// what is covered, `limit` the largest coverage.
fn compare(edge: impl Fn(Point) -> f32, limit: f32, primitive: &Primitive) {
    let mut frame = Frame::new(PixelFormat::Rgb, 64, 48, 0);
    frame.draw(std::slice::from_ref(primitive));
    for (x, y) in (0..48).flat_map(|y| (0..64).map(move |x| (x, y))) {
        let edge = edge(Point { x: x as f32 + 0.5, y: y as f32 + 0.5 });
        let expected = (0.5 - edge).clamp(0.0, limit) * 255.0;
        let found = frame.at(0, 3 * x, y);
        assert!(
            (f32::from(found) - expected).abs() <= 1.0,
            "{found} for {expected} at {x},{y} of {primitive:?}"
        );
    }
}

/// One primitive at a time: where several share a block, means of layers are not layers of means.
#[test]
fn rgb_and_yuv_agree() {
    for primitive in mixture(&mut TextCache::new().unwrap()) {
        for format in [PixelFormat::Nv12, PixelFormat::I420, PixelFormat::Yv12] {
            agrees_with_rgb(format, std::slice::from_ref(&primitive));
        }
    }
}

fn agrees_with_rgb(format: PixelFormat, primitives: &[Primitive]) {
    let (mut rgb, mut yuv) = (Frame::new(PixelFormat::Rgb, 25, 15, 85), Frame::new(format, 25, 15, 128));
    yuv.planes[0] = Frame::new(PixelFormat::Gray8, 25, 15, 16 + 219 / 3).planes[0].clone();
    rgb.draw(primitives);
    yuv.draw(primitives);
    for (x, y) in (0..15).flat_map(|y| (0..25).map(move |x| (x, y))) {
        let [u, v] = chroma(&rgb, x, y);
        let (found, expected) = (yuv.yuv(x, y), [luma(&rgb, x, y), u, v]);
        let near =
            found.iter().zip(expected).all(|(found, wanted)| (f32::from(*found) - wanted).abs() <= 1.5);
        assert!(near, "{found:?} for {expected:?} at {x},{y} of {primitives:?} in {format:?}");
    }
}

fn rgb_at(frame: &Frame, x: usize, y: usize) -> [f32; 3] {
    [0, 1, 2].map(|channel| f32::from(frame.at(0, 3 * x + channel, y)) / 255.0)
}

fn luma(frame: &Frame, x: usize, y: usize) -> f32 {
    let [r, g, b] = rgb_at(frame, x, y);
    16.0 + 219.0 * (0.2126 * r + 0.7152 * g + 0.0722 * b)
}

/// U and V of the mean of a pixel's block.
fn chroma(frame: &Frame, x: usize, y: usize) -> [f32; 2] {
    let (left, top) = (x / 2 * 2, y / 2 * 2);
    let right = (left + 1).min(frame.info.width - 1);
    let bottom = (top + 1).min(frame.info.height - 1);
    let block = [(left, top), (right, top), (left, bottom), (right, bottom)].map(|(x, y)| {
        let [r, g, b] = rgb_at(frame, x, y);
        let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        [(b - luma) / 1.8556, (r - luma) / 1.5748]
    });
    [0, 1].map(|index| 128.0 + 224.0 * block.iter().map(|chroma| chroma[index]).sum::<f32>() / 4.0)
}

#[test]
fn ten_bits_agree_with_eight() {
    let primitives = mixture(&mut TextCache::new().unwrap());
    let (mut eight, mut ten) =
        (Frame::new(PixelFormat::Nv12, 25, 15, 90), Frame::new(PixelFormat::P010, 25, 15, 90));
    eight.draw(&primitives);
    ten.draw(&primitives);
    for (plane, width, height) in [(0, 25, 15), (1, 26, 8)] {
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let (a, b) = (f32::from(eight.at(plane, x, y)), f32::from(ten.code(plane, x, y)) / 4.0);
            assert!((a - b).abs() <= 1.5, "{a} {b} in plane {plane} at {x},{y}");
        }
    }
}

#[test]
fn packed_formats_hold_the_same_colours() {
    let primitives = mixture(&mut TextCache::new().unwrap());
    let mut expected = Frame::new(PixelFormat::Rgb, 25, 15, 90);
    expected.draw(&primitives);
    for format in PixelFormat::ALL {
        let Some((offsets, size)) = format.rgb_offsets() else {
            continue;
        };
        let mut frame = Frame::new(format, 25, 15, 90);
        frame.draw(&primitives);
        for (x, y) in (0..15).flat_map(|y| (0..25).map(move |x| (x, y))) {
            let found = offsets.map(|offset| frame.at(0, size * x + offset, y));
            assert_eq!(found, [0, 1, 2].map(|channel| expected.at(0, 3 * x + channel, y)), "{format:?}");
            let other = 6 - offsets.iter().sum::<usize>();
            assert!(size == 3 || frame.at(0, size * x + other, y) == 90, "{format:?} lost its fourth byte");
        }
    }
}

#[test]
fn padding_stays() {
    let primitives = mixture(&mut TextCache::new().unwrap());
    for format in PixelFormat::ALL {
        for (width, height) in [(25, 15), (24, 14), (1, 1), (2, 3), (3, 2)] {
            let before = Frame::new(format, width, height, 90);
            let mut frame = before.clone();
            frame.draw(&primitives);
            assert!(frame.padding_is_intact(), "{format:?} {width}x{height}");
            assert!(width < 3 || frame != before, "{format:?} {width}x{height}: nothing was drawn");
        }
    }
}

#[test]
fn what_cannot_be_seen_changes_nothing() {
    let nan = f32::NAN;
    let sprite = TextCache::new().unwrap().line("far away", 12.0, Weight::Medium, 100.0);
    let mut primitives = vec![
        polygon(&[], RED),
        polygon(&[(nan, 1.0), (2.0, 2.0), (3.0, 9.0)], RED),
        polyline(&[(-50.0, -50.0), (-20.0, -9.0)], 2.0, RED),
        polyline(&[(1.0, 1.0), (5.0, 5.0)], nan, RED),
        polyline(&[(1.0, 1.0), (5.0, 5.0)], -3.0, RED),
        stroke(rect(-1e6, -1e6, 2e6, 2e6), 5.0, 3.0, RED),
        stroke(rect(1.0, 1.0, 4.0, 4.0), 1.0, 0.0, RED),
        stroke(rect(1.0, 1.0, 4.0, 4.0), 1.0, nan, RED),
        fill(rect(1.0, 1.0, 4.0, 4.0), RED.with_alpha(0)),
    ];
    let hidden = [(0.0, 4.0), (4.0, 0.0), (-3.0, 3.0), (nan, 3.0), (f32::INFINITY, 3.0)];
    primitives.extend(hidden.map(|(width, height)| fill(rect(1.0, 1.0, width, height), RED)));
    let away = [(-60.0, 1.0), (9.0, 1.0), (1.0, 1e30), (-1e30, 1.0), (nan, 1.0)];
    primitives.extend(away.map(|(x, y)| fill(rect(x, y, 3.0, 3.0), RED)));
    let corners = [(i32::MIN, 3), (i32::MAX, i32::MAX), (3, i32::MIN), (-500, 4)];
    primitives.extend(corners.map(|(x, y)| Primitive::Sprite { x, y, sprite: sprite.clone(), color: RED }));
    for format in PixelFormat::ALL {
        for (width, height) in [(9, 7), (1, 1), (2, 1)] {
            for primitive in &primitives {
                let before = Frame::new(format, width, height, 90);
                assert!(
                    before.clone().draw(std::slice::from_ref(primitive)) == &before,
                    "{format:?} {primitive:?}"
                );
            }
        }
    }
}

#[test]
fn a_huge_box_covers_the_frame_and_keeps_its_edge() {
    let mut frame = Frame::new(PixelFormat::Gray8, 7, 5, 16);
    frame.draw(&[fill(rect(2.0, -1e9, 1e9, 2e9), Color::WHITE)]);
    let row: Vec<_> = (0..7).map(|x| frame.at(0, x, 4)).collect();
    assert_eq!(row, [16, 16, 235, 235, 235, 235, 235]);
}

#[test]
fn extremes_do_no_harm() {
    let mut frame = Frame::new(PixelFormat::Nv12, 9, 7, 90);
    let (max, inf) = (f32::MAX, f32::INFINITY);
    for far in [1e9, 1e20, max] {
        let shape = polygon(&[(-far, -far), (far, 0.0), (1.0, far)], RED);
        frame.draw(&[
            shape,
            polyline(&[(-far, 2.0), (far, 3.0)], far, RED),
            polyline(&[(1.0, 1.0)], inf, RED),
        ]);
        frame
            .draw(&[stroke(rect(-far, 1.0, far, far), far, far, RED), fill(rect(-max, -max, inf, max), RED)]);
    }
    assert!(frame.padding_is_intact());
}

#[test]
fn an_outline_leaves_the_inside_alone() {
    let mut frame = Frame::new(PixelFormat::Nv12, 64, 48, 90);
    frame.draw(&[stroke(rect(4.0, 4.0, 50.0, 40.0), 4.0, 4.0, RED)]);
    assert_eq!([frame.yuv(4, 20), frame.yuv(30, 43)], [[63, 102, 240]; 2]);
    assert!((8..40).all(|y| (8..50).all(|x| frame.yuv(x, y) == [90; 3])));
}

#[test]
fn drawing_is_deterministic() {
    let draw = || {
        let mut frame = Frame::new(PixelFormat::Nv12, 64, 48, 90);
        frame.draw(&mixture(&mut TextCache::new().unwrap()));
        frame
    };
    assert!(draw() == draw());
}
