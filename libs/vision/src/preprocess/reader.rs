//! Reads the pixels of a source row that a network's input needs, as red, green and blue.

use super::colour::{Conversion, colour};
use super::plane::{PlaneReader, bits};
use super::resample::{Axis, Row, Tap};
use crate::image::{Image, ImageInfo};

/// Reads source rows at the columns that the horizontal taps name.
#[derive(Debug)]
pub(super) struct Reader {
    source: Source,
    /// Of the second taps; none when they are not needed.
    weights: Vec<f32>,
}

/// What the samples are.
#[derive(Debug)]
enum Source {
    Rgb(PlaneReader),
    Ycc(Ycc),
}

impl Reader {
    pub fn new(source: &ImageInfo, axis: &Axis) -> Self {
        let exact = axis.is_exact();
        let taps = || axis.taps.iter().map(|&tap| if exact { tap } else { adjacent(tap) });
        let first: Vec<_> = taps().map(|tap| tap.first).collect();
        let mut planes = PlaneReader::all(source.format, &first, !exact);
        let plane = planes.remove(0);
        let weights = if exact { Vec::new() } else { taps().map(|tap| tap.weight).collect() };
        let source = match source.format.rgb_offsets() {
            Some(_) => Source::Rgb(plane),
            None => Source::Ycc(Ycc::new(source, first.len(), plane, planes)),
        };
        Self { source, weights }
    }

    /// Starts another image.
    pub fn forget(&mut self) {
        if let Source::Ycc(ycc) = &mut self.source {
            ycc.chroma_row = None;
        }
    }

    /// Makes `row` hold row `y` of `image`.
    pub fn read(&mut self, image: &Image<'_>, y: usize, row: &mut Row) {
        if row.source.replace(y) == Some(y) {
            return;
        }
        match &mut self.source {
            Source::Rgb(plane) => {
                plane.read(image, y);
                for (channel, out) in row.rgb.iter_mut().enumerate() {
                    interpolate([0, 1].map(|tap| plane.samples(channel, tap)), &self.weights, out);
                }
            }
            Source::Ycc(ycc) => {
                ycc.read(image, y);
                for (channel, out) in row.rgb.iter_mut().enumerate() {
                    interpolate([0, 1].map(|tap| ycc.colours(channel, tap)), &self.weights, out);
                }
            }
        }
    }
}

/// The same position between two different pixels, also at the border.
fn adjacent(tap: Tap) -> Tap {
    if tap.first < tap.second { tap } else { Tap { first: tap.first - 1, second: tap.second, weight: 1.0 } }
}

/// Luma and chroma of a row.
#[derive(Debug)]
struct Ycc {
    conversion: Conversion,
    luma: PlaneReader,
    /// None for grey.
    chroma: Vec<PlaneReader>,
    /// The row that `tints` are of, counted in chroma rows.
    chroma_row: Option<usize>,
    /// Luma's part of every colour, at first and second taps.
    brightness: Vec<Vec<f32>>,
    /// Chroma's part of each colour, at first and second taps.
    tints: [Vec<Vec<f32>>; 3],
}

impl Ycc {
    fn new(source: &ImageInfo, width: usize, luma: PlaneReader, chroma: Vec<PlaneReader>) -> Self {
        let bits = bits(source.format);
        let conversion = Conversion::new(source.colorimetry, bits);
        let neutral = (1 << (bits - 1)) as f32;
        let taps = chroma.first().map_or(1, PlaneReader::taps);
        Self {
            conversion,
            chroma_row: None,
            brightness: vec![vec![0.0; width]; luma.taps()],
            tints: [0, 1, 2]
                .map(|channel| vec![vec![conversion.tint(channel, neutral, neutral); width]; taps]),
            luma,
            chroma,
        }
    }

    fn read(&mut self, image: &Image<'_>, y: usize) {
        self.luma.read(image, y);
        for (tap, brightness) in self.brightness.iter_mut().enumerate() {
            set(brightness, self.luma.samples(0, tap).map(|y| self.conversion.brightness(y)));
        }
        if self.chroma_row.replace(y / 2) != Some(y / 2) {
            self.chroma.iter_mut().for_each(|plane| plane.read(image, y));
            self.mix_tints();
        }
    }

    fn mix_tints(&mut self) {
        let (Some(first), Some(last)) = (self.chroma.first(), self.chroma.last()) else { return };
        for (channel, taps) in self.tints.iter_mut().enumerate() {
            for (tap, tint) in taps.iter_mut().enumerate() {
                let (u, v) = (first.samples(0, tap), last.samples(last.components() - 1, tap));
                set(tint, u.zip(v).map(|(u, v)| self.conversion.tint(channel, u, v)));
            }
        }
    }

    /// Colour `channel` at the first (0) or second (1) taps.
    fn colours(&self, channel: usize, tap: usize) -> impl Iterator<Item = f32> {
        let [brightness, tint] =
            [&self.brightness, &self.tints[channel]].map(|taps| &taps[tap.min(taps.len() - 1)]);
        brightness.iter().zip(tint).map(|(&brightness, &tint)| colour(brightness, tint))
    }
}

fn set(out: &mut [f32], values: impl Iterator<Item = f32>) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
}

/// Mixes first and second taps; without weights copies the first.
fn interpolate([first, second]: [impl Iterator<Item = f32>; 2], weights: &[f32], out: &mut [f32]) {
    if weights.is_empty() {
        return set(out, first);
    }
    let mix = |((first, second), weight): ((f32, f32), &f32)| first + (second - first) * weight;
    set(out, first.zip(second).zip(weights).map(mix));
}
