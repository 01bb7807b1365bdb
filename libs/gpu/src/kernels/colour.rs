//! Between Y'CbCr code values and R'G'B', as `libs/vision` rounds them.

use vision::draw::Color;
use vision::image::{Colorimetry, ImageInfo, PixelFormat, Range};

/// Code value of black, and spans of luma and chroma, in code values of `bits` bits.
fn spans(range: Range, bits: u32) -> (f64, f64, f64) {
    let unit = f64::from(1u32 << (bits - 8));
    match range {
        Range::Limited => (16.0 * unit, 219.0 * unit, 224.0 * unit),
        Range::Full => (0.0, 256.0 * unit - 1.0, 256.0 * unit - 1.0),
    }
}

fn bits(format: PixelFormat) -> u32 {
    if format == PixelFormat::P010 { 10 } else { 8 }
}

/// Colour `c` from 0 to 255 is `luma * Y + chroma[c] . (U, V) + offset[c]`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conversion {
    pub luma: f32,
    pub chroma: [[f32; 2]; 3],
    pub offset: [f32; 3],
}

impl Conversion {
    /// For images of `info`, which hold Y'CbCr.
    pub fn new(info: &ImageInfo) -> Self {
        let Colorimetry { matrix, range } = info.colorimetry;
        let (kr, kb) = matrix.weights();
        let (kr, kb) = (f64::from(kr), f64::from(kb));
        let kg = 1.0 - kr - kb;
        let (black, luma_span, chroma_span) = spans(range, bits(info.format));
        let (luma, chroma) = (255.0 / luma_span, 255.0 / chroma_span);
        let (red, blue) = (2.0 * (1.0 - kr) * chroma, 2.0 * (1.0 - kb) * chroma);
        let rows = [[0.0, red], [-blue * kb / kg, -red * kr / kg], [blue, 0.0]];
        let grey = f64::from(1u32 << (bits(info.format) - 1));
        Self {
            luma: luma as f32,
            chroma: rows.map(|row| row.map(|weight| weight as f32)),
            offset: rows.map(|[u, v]| (-(luma * black) - (u + v) * grey) as f32),
        }
    }
}

/// A colour in the code values of the first three components of images of `info`.
pub(super) fn ink(color: Color, info: &ImageInfo) -> [i32; 3] {
    if info.format.rgb_offsets().is_some() {
        return [color.r, color.g, color.b].map(i32::from);
    }
    let Colorimetry { matrix, range } = info.colorimetry;
    let (kr, kb) = matrix.weights();
    let [r, g, b] = [color.r, color.g, color.b].map(|channel| f32::from(channel) / 255.0);
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (black, luma_span, chroma_span) = spans(range, bits(info.format));
    let (black, luma_span, chroma_span) = (black as f32, luma_span as f32, chroma_span as f32);
    let (grey, max) = ((1 << (bits(info.format) - 1)) as f32, ((1 << bits(info.format)) - 1) as f32);
    let code = |value: f32| value.round().clamp(0.0, max) as i32;
    let chroma =
        |difference: f32, weight: f32| code(grey + chroma_span * (difference / (2.0 - 2.0 * weight)));
    [code(black + luma_span * y), chroma(b - y, kb), chroma(r - y, kr)]
}
