//! From coverage to pixels: blending a colour into the planes of an image.

use std::ops::Range;

use crate::draw::display::Color;
use crate::draw::raster::{BlockRow, FULL, Mask, Weights, blocks_between};
use crate::image::{Colorimetry, ImageMut, PixelFormat, Range as CodeRange};

/// Paints masks onto an image.
pub(super) struct Painter<'a, 'b> {
    image: &'a mut ImageMut<'b>,
    blocks: BlockRow,
}

impl<'a, 'b> Painter<'a, 'b> {
    /// A painter for `image`.
    pub fn new(image: &'a mut ImageMut<'b>) -> Self {
        Self { image, blocks: BlockRow::default() }
    }

    /// Width and height of the image in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.image.info().width, self.image.info().height)
    }

    /// Paints what `mask` covers in `color`.
    pub fn paint(&mut self, color: Color, mut mask: impl Mask) {
        let (width, height) = self.size();
        let bounds = mask.bounds();
        let rows = touched_blocks(bounds.y, bounds.bottom(), height);
        let columns = touched_blocks(bounds.x, bounds.right(), width);
        if columns.is_empty() || color.a == 0 {
            return;
        }
        let ink = Ink::new(color, self.image.info().format, self.image.info().colorimetry);
        for row in rows.clone() {
            let last = 2 * row + 1 == height;
            if row == rows.start || last || !mask.repeats(row) {
                self.blocks.clear();
                mask.cover(row, columns.clone(), &mut self.blocks);
                self.blocks.pad(width, last);
                self.blocks.weigh(color.a);
            }
            ink.blend(self.image, row, &self.blocks);
        }
    }
}

/// The blocks of two pixels, of a line `length` pixels long, that lie between `from` and `to`.
fn touched_blocks(from: f32, to: f32, length: usize) -> Range<usize> {
    blocks_between(from, to, 0..length.div_ceil(2))
}

/// A colour in the code values of one plane.
#[derive(Clone, Copy)]
enum Samples {
    /// One byte per sample.
    Bytes1([u16; 1]),
    /// Two interleaved bytes.
    Bytes2([u16; 2]),
    /// Three interleaved bytes.
    Bytes3([u16; 3]),
    /// Four interleaved bytes, where those whose mask is 0 stay as they are.
    Bytes4([u16; 4], [u16; 4]),
    /// A 16-bit little-endian word whose upper 10 bits count.
    Words1([u16; 1]),
    /// Two interleaved words.
    Words2([u16; 2]),
}

impl Samples {
    /// Blends a row from sample `first` on.
    #[inline]
    fn blend(self, row: &mut [u8], first: usize, weights: Weights<'_>) {
        match weights {
            Weights::Even { weight, count } => self.blend_by(row, first, count, |_| weight),
            Weights::Each(weights) => self.blend_by(row, first, weights.len(), |index| weights[index]),
        }
    }

    /// Blends `count` samples of a row from sample `first` on; `weight` gives each one's.
    #[inline]
    fn blend_by(self, row: &mut [u8], first: usize, count: usize, weight: impl Fn(usize) -> u16) {
        match self {
            Self::Bytes1(values) => blend_bytes(&mut row[first..], values, [u16::MAX], count, weight),
            Self::Bytes2(values) => blend_bytes(&mut row[2 * first..], values, [u16::MAX; 2], count, weight),
            Self::Bytes3(values) => blend_bytes(&mut row[3 * first..], values, [u16::MAX; 3], count, weight),
            Self::Bytes4(values, mask) => blend_bytes(&mut row[4 * first..], values, mask, count, weight),
            Self::Words1(values) => blend_words(&mut row[2 * first..], values, count, weight),
            Self::Words2(values) => blend_words(&mut row[4 * first..], values, count, weight),
        }
    }
}

// The loops count, since iterators over several arrays at once are not turned into vector instructions everywhere.

#[inline]
#[expect(clippy::needless_range_loop, reason = "counted loops become vector instructions")]
fn blend_bytes<const N: usize>(
    row: &mut [u8],
    values: [u16; N],
    mask: [u16; N],
    count: usize,
    weight: impl Fn(usize) -> u16,
) {
    let pixels = row.as_chunks_mut::<N>().0;
    let count = pixels.len().min(count);
    let pixels = &mut pixels[..count];
    for index in 0..count {
        for channel in 0..N {
            let (sample, weight) = (u16::from(pixels[index][channel]), weight(index) & mask[channel]);
            pixels[index][channel] = ((sample * (FULL - weight) + values[channel] * weight + 128) >> 8) as u8;
        }
    }
}

#[inline]
#[expect(clippy::needless_range_loop, reason = "counted loops become vector instructions")]
fn blend_words<const N: usize>(
    row: &mut [u8],
    values: [u16; N],
    count: usize,
    weight: impl Fn(usize) -> u16,
) {
    let pixels = row.as_chunks_mut::<2>().0.as_chunks_mut::<N>().0;
    let count = pixels.len().min(count);
    let pixels = &mut pixels[..count];
    for index in 0..count {
        for channel in 0..N {
            let code = u32::from(u16::from_le_bytes(pixels[index][channel]) >> 6);
            let (value, weight) = (u32::from(values[channel]), u32::from(weight(index)));
            let mixed = (code * (u32::from(FULL) - weight) + value * weight + 128) >> 8;
            pixels[index][channel] = ((mixed as u16) << 6).to_le_bytes();
        }
    }
}

/// A colour in the code values of every plane of a format.
struct Ink {
    /// Of the plane at full resolution.
    full: Samples,
    /// Of the subsampled planes from the second on.
    chroma: Vec<Samples>,
}

impl Ink {
    fn new(color: Color, format: PixelFormat, colorimetry: Colorimetry) -> Self {
        if let Some((offsets, size)) = format.rgb_offsets() {
            return Self { full: packed(color, offsets, size), chroma: Vec::new() };
        }
        let bits = if format == PixelFormat::P010 { 10 } else { 8 };
        let [y, u, v] = ycbcr(color, colorimetry, bits);
        let (full, chroma) = match format {
            PixelFormat::P010 => (Samples::Words1([y]), vec![Samples::Words2([u, v])]),
            PixelFormat::Nv12 => (Samples::Bytes1([y]), vec![Samples::Bytes2([u, v])]),
            PixelFormat::I420 => (Samples::Bytes1([y]), vec![Samples::Bytes1([u]), Samples::Bytes1([v])]),
            PixelFormat::Yv12 => (Samples::Bytes1([y]), vec![Samples::Bytes1([v]), Samples::Bytes1([u])]),
            _ => (Samples::Bytes1([y]), Vec::new()),
        };
        Self { full, chroma }
    }

    /// Blends block row `row`.
    fn blend(&self, image: &mut ImageMut<'_>, row: usize, blocks: &BlockRow) {
        let height = image.info().height;
        let upper = image.row_mut(0, 2 * row);
        blocks.runs().for_each(|run| self.full.blend(upper, run.x, run.top));
        if 2 * row + 1 < height {
            let lower = image.row_mut(0, 2 * row + 1);
            blocks.runs().for_each(|run| self.full.blend(lower, run.x, run.bottom));
        }
        for (index, samples) in self.chroma.iter().enumerate() {
            let samples_row = image.row_mut(index + 1, row);
            blocks.runs().for_each(|run| samples.blend(samples_row, run.x / 2, run.chroma));
        }
    }
}

/// The bytes of a packed RGB pixel of `size` bytes.
fn packed(color: Color, offsets: [usize; 3], size: usize) -> Samples {
    let (mut bytes, mut mask) = ([0; 4], [0; 4]);
    for (offset, value) in offsets.into_iter().zip([color.r, color.g, color.b]) {
        (bytes[offset], mask[offset]) = (value.into(), u16::MAX);
    }
    let [a, b, c, _] = bytes;
    if size == 3 { Samples::Bytes3([a, b, c]) } else { Samples::Bytes4(bytes, mask) }
}

/// Y, U and V of a colour in code values of `bits` bits.
fn ycbcr(color: Color, Colorimetry { matrix, range }: Colorimetry, bits: u32) -> [u16; 3] {
    let [r, g, b] = [color.r, color.g, color.b].map(|channel| f32::from(channel) / 255.0);
    let (kr, kb) = matrix.weights();
    let luma = kr * r + (1.0 - kr - kb) * g + kb * b;
    let chroma = [(b - luma) / (2.0 - 2.0 * kb), (r - luma) / (2.0 - 2.0 * kr)];
    let (unit, max) = ((1 << (bits - 8)) as f32, ((1 << bits) - 1) as f32);
    let (black, luma_span, chroma_span) = match range {
        CodeRange::Limited => (16.0 * unit, 219.0 * unit, 224.0 * unit),
        CodeRange::Full => (0.0, max, max),
    };
    let code = |value: f32| value.round().clamp(0.0, max) as u16;
    let [u, v] = chroma.map(|chroma| code(128.0 * unit + chroma_span * chroma));
    [code(black + luma_span * luma), u, v]
}
