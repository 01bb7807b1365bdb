//! Drawing straight onto a frame of any [`PixelFormat`](crate::image::PixelFormat).
//!
//! [`annotate`] lays boxes, label plates and a banner out as a [`DisplayList`]; [`DisplayList::draw`] paints one onto an
//! image. What a primitive covers is defined by arithmetic, so that every implementation gives the same pixels:
//!
//! - Pixel (x, y) has its centre at (x + ½, y + ½). `d` is the signed distance from there to the outline, negative
//!   inside. A fill covers `clamp(½ - d, 0, 1)` of the pixel, a stroke of width `w` covers `clamp(½ + w/2 - |d|, 0, 1)`;
//!   neither covers more than the shape or the stroke is thick. A sprite brings its coverage along.
//! - Coverage is rounded to 256ths and multiplied by the colour's alpha (255 counts as 256) to a weight of 65536ths.
//! - A sample `s` becomes `s + ((c - s) * weight + 32768 >> 16)` for every primitive in turn, `c` being the colour in
//!   the frame's own code values. The weight of a subsampled chroma sample is the rounded mean of its four luma samples'
//!   weights, where one that lies beyond the frame's edge has its neighbour's.
//! - Alpha and unused bytes of packed RGB formats stay as they are: video frames are opaque.

mod annotation;
mod blend;
mod display;
mod raster;
mod shape;
mod text;
mod theme;

pub use annotation::{Annotation, Banner, Edge, State, annotate};
pub use display::{Color, DisplayList, Point, Primitive, Stroke};
pub use text::{FontError, Sprite, TextCache, Weight};
pub use theme::{Palette, Theme};

#[cfg(test)]
mod tests;
