//! Reads the pixels of a source row that a network's input needs, as red, green and blue.

use super::colour::{Conversion, colour};
use super::gather::Component;
use super::resample::{Axis, Row};
use crate::image::{Image, ImageInfo};

/// Reads source rows at the columns that the horizontal taps name.
#[derive(Debug)]
pub(super) struct Reader {
    source: Source,
    /// Of the second taps; none when they are not needed.
    weights: Vec<f32>,
}

/// What a format's components are.
#[derive(Debug)]
enum Source {
    Rgb(Vec<Component>),
    Ycc(Box<Ycc>),
}

impl Reader {
    pub fn new(source: &ImageInfo, axis: &Axis) -> Self {
        let mut columns = vec![axis.taps.iter().map(|tap| tap.first).collect()];
        let mut weights = Vec::new();
        if !axis.is_exact() {
            columns.push(axis.taps.iter().map(|tap| tap.second).collect());
            weights.extend(axis.taps.iter().map(|tap| tap.weight));
        }
        let components = Component::all(source.format, &columns);
        let source = match source.format.rgb_offsets() {
            Some(_) => Source::Rgb(components),
            None => Source::Ycc(Box::new(Ycc::new(source, components))),
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
            Source::Rgb(components) => {
                for (component, out) in components.iter_mut().zip(&mut row.rgb) {
                    component.read(image, y);
                    let colours = ends(&component.codes, out.len())
                        .map(|codes| codes.iter().map(|&code| f32::from(code)));
                    interpolate(colours, &self.weights, out);
                }
            }
            Source::Ycc(ycc) => {
                ycc.read(image, y);
                for (channel, out) in row.rgb.iter_mut().enumerate() {
                    interpolate(ycc.colours(channel, out.len()), &self.weights, out);
                }
            }
        }
    }
}

/// Luma and chroma of the wanted columns.
#[derive(Debug)]
struct Ycc {
    conversion: Conversion,
    luma: Component,
    /// None for grey.
    chroma: Vec<Component>,
    /// The row that `tints` are of, counted in chroma rows.
    chroma_row: Option<usize>,
    /// Luma's part of every colour.
    brightness: Vec<f32>,
    /// Chroma's part of each colour.
    tints: [Vec<f32>; 3],
}

impl Ycc {
    fn new(source: &ImageInfo, mut components: Vec<Component>) -> Self {
        let luma = components.remove(0);
        let conversion = Conversion::new(source.colorimetry, luma.bits());
        let columns = components.first().map_or(luma.codes.len(), |chroma| chroma.codes.len());
        let neutral = vec![1 << (luma.bits() - 1); columns];
        let tint = |channel| {
            let mut tint = vec![0.0; columns];
            conversion.tint(channel, &neutral, &neutral, &mut tint);
            tint
        };
        Self {
            conversion,
            chroma_row: None,
            brightness: vec![0.0; luma.codes.len()],
            tints: std::array::from_fn(tint),
            luma,
            chroma: components,
        }
    }

    fn read(&mut self, image: &Image<'_>, y: usize) {
        self.luma.read(image, y);
        self.conversion.luma(&self.luma.codes, &mut self.brightness);
        if self.chroma_row != Some(y / 2) {
            self.chroma_row = Some(y / 2);
            self.read_chroma(image, y);
        }
    }

    fn read_chroma(&mut self, image: &Image<'_>, y: usize) {
        self.chroma.iter_mut().for_each(|component| component.read(image, y));
        if let [u, v] = &self.chroma[..] {
            for (channel, tint) in self.tints.iter_mut().enumerate() {
                self.conversion.tint(channel, &u.codes, &v.codes, tint);
            }
        }
    }

    /// Colour `channel` at the first and at the second taps.
    fn colours(&self, channel: usize, width: usize) -> [impl Iterator<Item = f32>; 2] {
        let (lumas, tints) = (ends(&self.brightness, width), ends(&self.tints[channel], width));
        let colours = |tap: usize| lumas[tap].iter().zip(tints[tap]).map(|(&luma, &tint)| colour(luma, tint));
        [0, 1].map(colours)
    }
}

/// The first and the last `width` values: the same when there are no more.
fn ends<T>(values: &[T], width: usize) -> [&[T]; 2] {
    [&values[..width], &values[values.len() - width..]]
}

/// Mixes first and second taps; without weights copies the first.
fn interpolate([first, second]: [impl Iterator<Item = f32>; 2], weights: &[f32], out: &mut [f32]) {
    if weights.is_empty() {
        return out.iter_mut().zip(first).for_each(|(out, first)| *out = first);
    }
    for (((out, first), second), &weight) in out.iter_mut().zip(first).zip(second).zip(weights) {
        *out = first + (second - first) * weight;
    }
}
