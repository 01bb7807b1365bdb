//! Display lists as the kernel reads them.

use std::sync::Arc;

use vision::draw::{Color, DisplayList, Point, Primitive, Sprite, Stroke};
use vision::geometry::Rect;
use vision::image::ImageInfo;

use crate::kernels::colour::ink;

/// `ShapeKind` of kernels/draw.h.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Rect,
    Path,
    Sprite,
}

/// Left, top, right and bottom in pixels.
pub(in crate::kernels) type Edges = [f32; 4];

/// Mirrors `Bounds` of kernels/draw.h: left, top, right, bottom of what a shape covers.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::kernels) struct Bounds(Edges);

/// Mirrors `Op` of kernels/draw.h: a shape in one colour.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::kernels) struct Op {
    kind: Kind,
    stroke: u32,
    half_width: f32,
    limit: f32,
    centre: [f32; 2],
    half_size: [f32; 2],
    radius: f32,
    first: u32,
    count: u32,
    closed: u32,
    x: i32,
    y: i32,
    height: u32,
    alpha: i32,
    ink: [i32; 3],
}

const _: () = assert!(size_of::<Op>() == 76);

impl Op {
    /// Where a line leaves the middle of its shape free.
    fn hole(&self) -> Option<Edges> {
        let is_frame = self.kind == Kind::Rect && self.stroke != 0;
        let inset = self.half_width + self.radius + 1.0;
        let ([x, y], [width, height]) = (self.centre, self.half_size.map(|half| half - inset));
        (is_frame && width > 0.0 && height > 0.0).then_some([x - width, y - height, x + width, y + height])
    }
}

/// An encoded display list.
#[derive(Debug, Default, PartialEq)]
pub(in crate::kernels) struct Encoded {
    pub bounds: Vec<Bounds>,
    pub ops: Vec<Op>,
    pub points: Vec<[f32; 2]>,
}

impl Encoded {
    /// Encodes `list` for images of `info`. `place` gives the first byte of a sprite in the atlas.
    pub fn new(list: &DisplayList, info: &ImageInfo, place: impl FnMut(&Arc<Sprite>) -> u32) -> Self {
        let mut encoder = Encoder { info, place, encoded: Self::default(), inks: Vec::new() };
        // Most shapes are a filled inside and a line.
        encoder.encoded.bounds.reserve(2 * list.primitives.len());
        encoder.encoded.ops.reserve(2 * list.primitives.len());
        list.primitives.iter().for_each(|primitive| encoder.primitive(primitive));
        encoder.encoded
    }

    /// What each shape covers, and the part in its middle that it leaves free.
    pub fn boxes(&self) -> impl Iterator<Item = (Edges, Option<Edges>)> {
        self.bounds.iter().zip(&self.ops).map(|(bounds, op)| (bounds.0, op.hole()))
    }

    /// The bytes of bounds, ops and points.
    pub fn bytes(&self) -> [&[u8]; 3] {
        [bytes(&self.bounds), bytes(&self.ops), bytes(&self.points)]
    }
}

/// The memory of plain values.
pub(super) fn bytes<T: Copy>(values: &[T]) -> &[u8] {
    // SAFETY: `Bounds`, `Op`, `[f32; 2]` and `u32` have no padding, so every byte is initialised.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

struct Encoder<'a, F> {
    info: &'a ImageInfo,
    place: F,
    encoded: Encoded,
    /// The few colours that a list has, and what they are in the image's code values.
    inks: Vec<(Color, [i32; 3])>,
}

impl<F: FnMut(&Arc<Sprite>) -> u32> Encoder<'_, F> {
    fn primitive(&mut self, primitive: &Primitive) {
        match primitive {
            Primitive::RoundedRect { rect, radius, fill, stroke } => {
                let margin = stroke.map_or(0.0, |stroke| stroke.width);
                if let Some(shape) = rounded_rect(*rect, *radius, margin, self.info) {
                    self.shape(shape, *fill, *stroke);
                }
            }
            Primitive::Path { points, closed, fill, stroke } => {
                if let Some(shape) = self.path(points, *closed) {
                    self.shape(shape, fill.filter(|_| *closed), *stroke);
                }
            }
            Primitive::Sprite { x, y, sprite, color } => self.sprite(*x, *y, sprite, *color),
        }
    }

    fn shape(&mut self, (shape, bounds): (Op, Edges), fill: Option<Color>, stroke: Option<Stroke>) {
        if let Some(color) = fill {
            self.push(shape, widened(bounds, 0.5), color);
        }
        if let Some(Stroke { width, color }) = stroke {
            let half_width = width.max(0.0) / 2.0;
            let limit = width.clamp(0.0, 1.0);
            let line = Op { stroke: 1, half_width, limit, ..shape };
            self.push(line, widened(bounds, half_width + 0.5), color);
        }
    }

    /// A path and its bounds; `None` where there are no points or one is not finite.
    fn path(&mut self, points: &[Point], closed: bool) -> Option<(Op, Edges)> {
        if points.is_empty() || points.iter().any(|point| !(point.x.is_finite() && point.y.is_finite())) {
            return None;
        }
        let (first, count) = (self.encoded.points.len() as u32, points.len() as u32);
        self.encoded.points.extend(points.iter().map(|point| [point.x, point.y]));
        let point = |point: &Point| [point.x, point.y, point.x, point.y];
        let bounds = points.iter().map(point).reduce(around)?;
        let path = Op { kind: Kind::Path, limit: 1.0, first, count, closed: closed.into(), ..Op::default() };
        Some((path, bounds))
    }

    fn sprite(&mut self, x: i32, y: i32, sprite: &Arc<Sprite>, color: Color) {
        if sprite.coverage().is_empty() {
            return;
        }
        let (x, y) = (x.saturating_add(sprite.left()), y.saturating_add(sprite.top()));
        let (width, height) = (sprite.width() as u32, sprite.height() as u32);
        let (left, top) = (x as f32, y as f32);
        let bounds = [left, top, left + width as f32, top + height as f32];
        let first = (self.place)(sprite);
        let mask = Op { kind: Kind::Sprite, first, count: width, x, y, height, ..Op::default() };
        self.push(mask, bounds, color);
    }

    fn push(&mut self, op: Op, bounds: Edges, color: Color) {
        let [left, top, right, bottom] = bounds;
        let (width, height) = (self.info.width as f32, self.info.height as f32);
        if right > 0.0 && bottom > 0.0 && left < width && top < height && color.a > 0 {
            let alpha = i32::from(color.a) + i32::from(color.a >> 7);
            let ink = self.ink(color);
            self.encoded.bounds.push(Bounds(bounds));
            self.encoded.ops.push(Op { alpha, ink, ..op });
        }
    }

    fn ink(&mut self, color: Color) -> [i32; 3] {
        if let Some((_, known)) = self.inks.iter().find(|(other, _)| *other == color) {
            return *known;
        }
        let ink = ink(color, self.info);
        self.inks.push((color, ink));
        ink
    }
}

/// The box around two boxes.
fn around(a: Edges, b: Edges) -> Edges {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

fn widened([left, top, right, bottom]: Edges, margin: f32) -> Edges {
    [left - margin, top - margin, right + margin, bottom + margin]
}

/// A box as far as it can be seen: what lies more than `margin` and the radius outside of the frame is cut off, which
/// keeps the arithmetic precise. `None` for boxes that are empty or not finite.
fn rounded_rect(rect: Rect, radius: f32, margin: f32, info: &ImageInfo) -> Option<(Op, Edges)> {
    let numbers = [rect.x, rect.y, rect.width, rect.height, rect.right(), rect.bottom(), radius, margin];
    if numbers.iter().any(|number| !number.is_finite()) || rect.width <= 0.0 || rect.height <= 0.0 {
        return None;
    }
    let radius = radius.clamp(0.0, rect.width.min(rect.height) / 2.0);
    let outside = radius + margin.max(0.0) + 2.0;
    let cut = |value: f32, length: usize| value.clamp(-outside, length as f32 + outside);
    let (left, top) = (cut(rect.x, info.width), cut(rect.y, info.height));
    let (right, bottom) = (cut(rect.right(), info.width), cut(rect.bottom(), info.height));
    let rect = Rect::from_corners(left, top, right, bottom);
    let (x, y) = rect.centre();
    if rect.width <= 0.0 || rect.height <= 0.0 {
        return None;
    }
    let shape = Op {
        limit: rect.width.min(1.0) * rect.height.min(1.0),
        centre: [x, y],
        half_size: [rect.width / 2.0, rect.height / 2.0],
        radius,
        ..Op::default()
    };
    Some((shape, [rect.x, rect.y, rect.right(), rect.bottom()]))
}
