//! The display list: what to draw, in order.

use std::sync::Arc;

use crate::draw::blend::Painter;
use crate::draw::path::{Path, PathMask};
use crate::draw::raster::{BoxMask, PlacedSprite};
use crate::draw::shape::RoundedRect;
use crate::draw::text::Sprite;
use crate::geometry::Rect;
use crate::image::ImageMut;

/// An sRGB colour with straight alpha, one byte each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
    /// Opacity: 0 is invisible, 255 hides what is behind.
    pub a: u8,
}

impl Color {
    /// White, opaque.
    pub const WHITE: Self = Self::rgb(255, 255, 255);

    /// An opaque colour.
    pub const fn rgb(r: u8, g: u8, b: u8) -> Self {
        Self { r, g, b, a: 255 }
    }

    /// The same colour with opacity `a`.
    pub const fn with_alpha(self, a: u8) -> Self {
        Self { a, ..self }
    }

    /// The colour that lies `amount` (0 to 1) of the way to `other`, with this one's opacity.
    pub fn mix(self, other: Self, amount: f32) -> Self {
        let channel =
            |from: u8, to: u8| (f32::from(from) + (f32::from(to) - f32::from(from)) * amount).round() as u8;
        Self {
            r: channel(self.r, other.r),
            g: channel(self.g, other.g),
            b: channel(self.b, other.b),
            a: self.a,
        }
    }
}

/// A line along an outline, half of it on either side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// Width in pixels.
    pub width: f32,
    /// Colour.
    pub color: Color,
}

/// A point in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Distance from the frame's left edge.
    pub x: f32,
    /// Distance from the frame's top edge.
    pub y: f32,
}

/// One thing to draw. A primitive with a coordinate that is not finite draws nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Primitive {
    /// A box with circular corners.
    RoundedRect {
        /// The outline, corners included.
        rect: Rect,
        /// Corner radius in pixels; at most half of the shorter side counts.
        radius: f32,
        /// Colour of the inside.
        fill: Option<Color>,
        /// Line along the outline, over the fill.
        stroke: Option<Stroke>,
    },
    /// Straight lines from point to point.
    Path {
        /// The corners.
        points: Vec<Point>,
        /// Whether a line leads from the last point back to the first.
        closed: bool,
        /// Colour of the inside (even-odd rule) of a closed path.
        fill: Option<Color>,
        /// Line along the path, with round joins and ends.
        stroke: Option<Stroke>,
    },
    /// A mask in one colour, such as a line of text.
    Sprite {
        /// Column of the sprite's origin.
        x: i32,
        /// Row of the sprite's origin; text stands on it.
        y: i32,
        /// The mask.
        sprite: Arc<Sprite>,
        /// Its colour.
        color: Color,
    },
}

/// Primitives in drawing order: later ones lie on top.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DisplayList {
    /// First one first.
    pub primitives: Vec<Primitive>,
}

impl DisplayList {
    /// Paints everything onto `image`, in place, touching no other pixels and no padding.
    pub fn draw(&self, image: &mut ImageMut<'_>) {
        let mut painter = Painter::new(image);
        for primitive in &self.primitives {
            primitive.draw(&mut painter);
        }
    }
}

impl Primitive {
    fn draw(&self, painter: &mut Painter<'_, '_>) {
        match self {
            Self::RoundedRect { rect, radius, fill, stroke } => {
                let margin = stroke.map_or(0.0, |stroke| stroke.width);
                let Some(shape) = RoundedRect::new(*rect, *radius, margin, painter.size()) else { return };
                fill.iter().for_each(|color| painter.paint(*color, BoxMask::fill(&shape)));
                stroke.iter().for_each(|line| painter.paint(line.color, BoxMask::stroke(&shape, line.width)));
            }
            Self::Path { points, closed, fill, stroke } => {
                let Some(path) = Path::new(points, *closed) else { return };
                let fill = fill.filter(|_| *closed);
                fill.iter().for_each(|color| painter.paint(*color, PathMask::fill(&path)));
                stroke.iter().for_each(|line| painter.paint(line.color, PathMask::stroke(&path, line.width)));
            }
            Self::Sprite { x, y, sprite, color } => {
                painter.paint(*color, PlacedSprite { sprite, x: *x, y: *y });
            }
        }
    }
}
