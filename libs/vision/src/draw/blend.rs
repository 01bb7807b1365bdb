//! From coverage to pixels: blending a colour into the planes of an image.

use std::ops::Range;

use crate::draw::display::Color;
use crate::draw::raster::{BlockRow, Mask};
use crate::image::{Colorimetry, ImageMut, PixelFormat, Range as CodeRange};

/// Paints masks onto an image.
pub(super) struct Painter<'a, 'b> {
    image: &'a mut ImageMut<'b>,
    blocks: BlockRow,
    weights: Weights,
}

impl<'a, 'b> Painter<'a, 'b> {
    /// A painter for `image`.
    pub fn new(image: &'a mut ImageMut<'b>) -> Self {
        Self {
            image,
            blocks: BlockRow::default(),
            weights: Weights::default(),
        }
    }

    /// Width and height of the image in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.image.info().width, self.image.info().height)
    }

    /// Paints what `mask` covers in `color`.
    pub fn paint(&mut self, color: Color, mask: &impl Mask) {
        let (width, height) = self.size();
        let bounds = mask.bounds();
        let columns = touched_blocks(bounds.x, bounds.right(), width);
        let rows = touched_blocks(bounds.y, bounds.bottom(), height);
        let ink = Ink::new(color, self.image.info().format, self.image.info().colorimetry);
        for row in rows.clone() {
            if row == rows.start || !mask.repeats(row) {
                self.blocks.clear();
                mask.cover(row, columns.clone(), &mut self.blocks);
            }
            for (x, top, bottom) in self.blocks.runs() {
                self.weights
                    .set(color.a, top, bottom, (width - x, height - 2 * row));
                ink.blend(self.image, x, row, &self.weights);
            }
        }
    }
}

/// The blocks of two pixels, of a line `length` pixels long, that lie between `from` and `to`.
fn touched_blocks(from: f32, to: f32, length: usize) -> Range<usize> {
    let blocks = length.div_ceil(2);
    let end = ((to / 2.0).ceil().max(0.0) as usize).min(blocks);
    ((from / 2.0).floor().max(0.0) as usize).min(end)..end
}

/// Weights of a colour in one run of blocks, 0 to 65536.
#[derive(Debug, Default)]
struct Weights {
    top: Vec<i32>,
    bottom: Vec<i32>,
    chroma: Vec<i32>,
}

impl Weights {
    /// From coverage and the colour's alpha, where `room` columns and rows remain in the frame.
    fn set(&mut self, alpha: u8, top: &[u16], bottom: &[u16], room: (usize, usize)) {
        weigh(&mut self.top, alpha, top, room.0);
        weigh(
            &mut self.bottom,
            alpha,
            if room.1 > 1 { bottom } else { top },
            room.0,
        );
        let pairs = self
            .top
            .as_chunks::<2>()
            .0
            .iter()
            .zip(self.bottom.as_chunks::<2>().0);
        self.chroma.clear();
        self.chroma
            .extend(pairs.map(|(top, bottom)| (top[0] + top[1] + bottom[0] + bottom[1] + 2) >> 2));
    }
}

/// Multiplies coverage by alpha. A pixel beyond the `room` that remains in the row has its neighbour's weight.
fn weigh(weights: &mut Vec<i32>, alpha: u8, coverage: &[u16], room: usize) {
    let alpha = i32::from(alpha) + i32::from(alpha >> 7);
    weights.clear();
    weights.extend(coverage.iter().map(|coverage| i32::from(*coverage) * alpha));
    if room < weights.len() {
        weights[room] = weights[room - 1];
    }
}

/// A colour in the code values of one plane.
#[derive(Clone, Copy)]
enum Samples {
    /// One byte per sample.
    Bytes1([i32; 1]),
    /// Two interleaved bytes.
    Bytes2([i32; 2]),
    /// Three interleaved bytes.
    Bytes3([i32; 3]),
    /// Four interleaved bytes, where those whose mask is 0 stay as they are.
    Bytes4([i32; 4], [i32; 4]),
    /// A 16-bit little-endian word whose upper 10 bits count.
    Words1([i32; 1]),
    /// Two interleaved words.
    Words2([i32; 2]),
}

impl Samples {
    /// Blends a row from sample `first` on.
    fn blend(self, row: &mut [u8], first: usize, weights: &[i32]) {
        match self {
            Self::Bytes1(values) => blend_bytes(&mut row[first..], values, [-1], weights),
            Self::Bytes2(values) => blend_bytes(&mut row[2 * first..], values, [-1; 2], weights),
            Self::Bytes3(values) => blend_bytes(&mut row[3 * first..], values, [-1; 3], weights),
            Self::Bytes4(values, mask) => blend_bytes(&mut row[4 * first..], values, mask, weights),
            Self::Words1(values) => blend_words(&mut row[2 * first..], values, weights),
            Self::Words2(values) => blend_words(&mut row[4 * first..], values, weights),
        }
    }
}

fn blend_bytes<const N: usize>(row: &mut [u8], values: [i32; N], mask: [i32; N], weights: &[i32]) {
    for (samples, weight) in row.as_chunks_mut::<N>().0.iter_mut().zip(weights) {
        for index in 0..N {
            samples[index] = mix(samples[index].into(), values[index], weight & mask[index]) as u8;
        }
    }
}

fn blend_words<const N: usize>(row: &mut [u8], values: [i32; N], weights: &[i32]) {
    for (samples, weight) in row.chunks_exact_mut(2 * N).zip(weights) {
        for (word, value) in samples.as_chunks_mut::<2>().0.iter_mut().zip(values) {
            let mixed = mix((u16::from_le_bytes(*word) >> 6).into(), value, *weight);
            *word = ((mixed as u16) << 6).to_le_bytes();
        }
    }
}

/// Moves `from` towards `to` by `weight` 65536ths.
fn mix(from: i32, to: i32, weight: i32) -> i32 {
    from + (((to - from) * weight + (1 << 15)) >> 16)
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
            return Self {
                full: packed(color, offsets, size),
                chroma: Vec::new(),
            };
        }
        let [y, u, v] = ycbcr(
            color,
            colorimetry,
            if format == PixelFormat::P010 { 10 } else { 8 },
        );
        let (full, chroma) = match format {
            PixelFormat::P010 => (Samples::Words1([y]), vec![Samples::Words2([u, v])]),
            PixelFormat::Nv12 => (Samples::Bytes1([y]), vec![Samples::Bytes2([u, v])]),
            PixelFormat::I420 => (
                Samples::Bytes1([y]),
                vec![Samples::Bytes1([u]), Samples::Bytes1([v])],
            ),
            PixelFormat::Yv12 => (
                Samples::Bytes1([y]),
                vec![Samples::Bytes1([v]), Samples::Bytes1([u])],
            ),
            _ => (Samples::Bytes1([y]), Vec::new()),
        };
        Self { full, chroma }
    }

    /// Blends one run of block row `row`, from pixel column `x` on.
    fn blend(&self, image: &mut ImageMut<'_>, x: usize, row: usize, weights: &Weights) {
        let height = image.info().height;
        self.full.blend(image.row_mut(0, 2 * row), x, &weights.top);
        if 2 * row + 1 < height {
            self.full.blend(image.row_mut(0, 2 * row + 1), x, &weights.bottom);
        }
        for (index, samples) in self.chroma.iter().enumerate() {
            samples.blend(image.row_mut(index + 1, row), x / 2, &weights.chroma);
        }
    }
}

/// The bytes of a packed RGB pixel of `size` bytes.
fn packed(color: Color, offsets: [usize; 3], size: usize) -> Samples {
    let (mut bytes, mut mask) = ([0; 4], [0; 4]);
    for (offset, value) in offsets.into_iter().zip([color.r, color.g, color.b]) {
        (bytes[offset], mask[offset]) = (value.into(), -1);
    }
    let [a, b, c, _] = bytes;
    if size == 3 {
        Samples::Bytes3([a, b, c])
    } else {
        Samples::Bytes4(bytes, mask)
    }
}

/// Y, U and V of a colour in code values of `bits` bits.
fn ycbcr(color: Color, Colorimetry { matrix, range }: Colorimetry, bits: u32) -> [i32; 3] {
    let [r, g, b] = [color.r, color.g, color.b].map(|channel| f32::from(channel) / 255.0);
    let (kr, kb) = matrix.weights();
    let luma = kr * r + (1.0 - kr - kb) * g + kb * b;
    let chroma = [(b - luma) / (2.0 - 2.0 * kb), (r - luma) / (2.0 - 2.0 * kr)];
    let (unit, max) = ((1 << (bits - 8)) as f32, ((1 << bits) - 1) as f32);
    let (black, luma_span, chroma_span) = match range {
        CodeRange::Limited => (16.0 * unit, 219.0 * unit, 224.0 * unit),
        CodeRange::Full => (0.0, max, max),
    };
    let code = |value: f32| value.round().clamp(0.0, max) as i32;
    let [u, v] = chroma.map(|chroma| code(128.0 * unit + chroma_span * chroma));
    [code(black + luma_span * luma), u, v]
}
