//! Picks the samples that a network's input needs out of a row of one plane.

use crate::image::{Image, PixelFormat};

/// How samples lie in a plane.
#[derive(Debug)]
struct Packing {
    plane: usize,
    /// Columns, and rows, of the image that share one group of samples.
    columns: usize,
    /// Bytes of a group.
    bytes: usize,
    /// Where each component's sample starts in the group, read as a little-endian word.
    shifts: Vec<u32>,
}

/// The planes of `format`, their components in the order R, G, B or Y, U, V.
fn packings(format: PixelFormat) -> Vec<Packing> {
    let packing =
        |plane, columns, bytes, shifts: &[u32]| Packing { plane, columns, bytes, shifts: shifts.into() };
    if let Some((offsets, bytes)) = format.rgb_offsets() {
        return vec![packing(0, 1, bytes, &offsets.map(|offset| 8 * offset as u32))];
    }
    match format {
        PixelFormat::Nv12 => vec![packing(0, 1, 1, &[0]), packing(1, 2, 2, &[0, 8])],
        PixelFormat::P010 => vec![packing(0, 1, 2, &[6]), packing(1, 2, 4, &[6, 22])],
        PixelFormat::I420 => vec![packing(0, 1, 1, &[0]), packing(1, 2, 1, &[0]), packing(2, 2, 1, &[0])],
        PixelFormat::Yv12 => vec![packing(0, 1, 1, &[0]), packing(2, 2, 1, &[0]), packing(1, 2, 1, &[0])],
        _ => vec![packing(0, 1, 1, &[0])],
    }
}

/// Bits of a sample.
pub(super) fn bits(format: PixelFormat) -> u32 {
    if format == PixelFormat::P010 { 10 } else { 8 }
}

/// Little-endian words of up to four bytes, gathered from a row.
#[derive(Debug)]
struct Words {
    bytes: usize,
    /// Where each word starts; none when they follow each other from the row's start.
    offsets: Vec<u32>,
    values: Vec<u32>,
}

impl Words {
    fn new(bytes: usize, mut offsets: Vec<u32>) -> Self {
        let values = vec![0; offsets.len()];
        if (0..).step_by(bytes).zip(&offsets).all(|(next, &offset)| next == offset) {
            offsets.clear();
        }
        Self { bytes, offsets, values }
    }

    fn gather(&mut self, row: &[u8]) {
        match self.bytes {
            1 => self.gather_of::<1>(row),
            2 => self.gather_of::<2>(row),
            3 => self.gather_of::<3>(row),
            _ => self.gather_of::<4>(row),
        }
    }

    fn gather_of<const BYTES: usize>(&mut self, row: &[u8]) {
        if self.offsets.is_empty() {
            for (value, bytes) in self.values.iter_mut().zip(row.as_chunks::<BYTES>().0) {
                *value = word(bytes);
            }
        }
        for (value, &offset) in self.values.iter_mut().zip(&self.offsets) {
            *value = word(&row[offset as usize..offset as usize + BYTES]);
        }
    }
}

/// At most four bytes as a little-endian number.
fn word(bytes: &[u8]) -> u32 {
    let mut word = [0; 4];
    word[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(word)
}

/// Reads samples of one plane at the columns of horizontal taps.
#[derive(Debug)]
pub(super) struct PlaneReader {
    packing: Packing,
    mask: u32,
    words: Vec<Words>,
    /// Which words the first and the second taps lie in, and how much further; one entry when they read the same.
    taps: Vec<(usize, u32)>,
}

impl PlaneReader {
    /// Readers for the planes of `format`. Taps read a column of `first` and, if `both`, the next one.
    pub fn all(format: PixelFormat, first: &[usize], both: bool) -> Vec<Self> {
        let mask = (1 << bits(format)) - 1;
        packings(format).into_iter().map(|packing| Self::new(packing, mask, first, both)).collect()
    }

    fn new(packing: Packing, mask: u32, first: &[usize], both: bool) -> Self {
        let Packing { columns, bytes, .. } = packing;
        let offsets =
            |ahead| first.iter().map(|x| ((x + ahead) / columns * bytes) as u32).collect::<Vec<_>>();
        let (words, taps) = if both && columns == 1 && bytes <= 2 {
            // A word holds both taps.
            (vec![Words::new(2 * bytes, offsets(0))], vec![(0, 0), (0, 8 * bytes as u32)])
        } else if both && offsets(0) != offsets(1) {
            (vec![Words::new(bytes, offsets(0)), Words::new(bytes, offsets(1))], vec![(0, 0), (1, 0)])
        } else {
            (vec![Words::new(bytes, offsets(0))], vec![(0, 0)])
        };
        Self { packing, mask, words, taps }
    }

    /// Reads the plane's row for row `y` of `image`.
    pub fn read(&mut self, image: &Image<'_>, y: usize) {
        let row = image.row(self.packing.plane, y / self.packing.columns);
        self.words.iter_mut().for_each(|words| words.gather(row));
    }

    /// Components of the plane.
    pub fn components(&self) -> usize {
        self.packing.shifts.len()
    }

    /// 2, or 1 when first and second taps read the same.
    pub fn taps(&self) -> usize {
        self.taps.len()
    }

    /// Samples of `component` at the first (0) or second (1) taps.
    pub fn samples(&self, component: usize, tap: usize) -> impl Iterator<Item = f32> {
        let (words, further) = self.taps[tap.min(self.taps.len() - 1)];
        let (shift, mask) = (self.packing.shifts[component] + further, self.mask);
        self.words[words].values.iter().map(move |word| (word >> shift & mask) as i32 as f32)
    }
}
