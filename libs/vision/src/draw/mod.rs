//! Drawing straight onto a frame of any [`PixelFormat`](crate::image::PixelFormat).
//!
//! [`annotate`] lays zones, boxes, label plates and a panel out as a [`DisplayList`]; [`DisplayList::draw`] paints one onto an
//! image. What a primitive covers is defined by arithmetic, so that every implementation gives the same pixels:
//!
//! - Pixel (x, y) has its centre at (x + ½, y + ½). `d` is the signed distance from there to the outline, negative
//!   inside. A fill covers `clamp(½ - d, 0, 1)` of the pixel, a stroke of width `w` covers `clamp(½ + w/2 - |d|, 0, 1)`;
//!   neither covers more than the shape or the stroke is thick. A sprite brings its coverage along.
//! - Coverage, rounded to 256ths, times the colour's alpha, where 128 to 255 count as 129 to 256, gives a pixel's weight,
//!   again rounded to 256ths. The weight of a subsampled chroma sample is the rounded mean of its four pixels', where one
//!   beyond the frame's edge has its neighbour's.
//! - A sample `s` becomes `(s * (256 - weight) + c * weight + 128) >> 8` for every primitive in turn, the fill before the
//!   stroke, `c` being the colour in the frame's own code values (10 bits for P010). Blending is in sRGB, as is usual.
//! - Alpha and unused bytes of packed RGB formats stay as they are: video frames are opaque.

mod annotation;
mod blend;
mod card;
mod display;
mod label;
mod panel;
mod path;
mod raster;
mod shape;
mod sign;
mod text;
mod theme;
mod zone;

pub use annotation::{Annotation, Scene, State, annotate};
pub use display::{Color, DisplayList, Point, Primitive, Stroke};
pub use panel::{Panel, PanelRow, Severity};
pub use text::{FONT, FontError, Sprite, TextCache, Weight};
pub use theme::{Look, Palette, Theme};
pub use zone::Zone;

#[cfg(test)]
mod tests;
