//! Reads the pixels of a source row that a network's input needs, as red, green and blue.

use super::colour::{Conversion, colour};
use super::plane::{PlaneReader, bits};
use super::resample::{Axis, Row, Tap, set};
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

/// Mixes first and second taps; without weights copies the first.
fn interpolate([first, second]: [impl Iterator<Item = f32>; 2], weights: &[f32], out: &mut [f32]) {
    if weights.is_empty() {
        return set(out, first);
    }
    let mix = |((first, second), weight): ((f32, f32), &f32)| first + (second - first) * weight;
    set(out, first.zip(second).zip(weights).map(mix));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Colorimetry, Matrix, PixelFormat, Plane, Range};

    const COLORIMETRY: Colorimetry = Colorimetry { matrix: Matrix::Bt709, range: Range::Limited };

    /// Y, U and V of a column.
    fn ycc(x: usize) -> [u8; 3] {
        [16 + 9 * x as u8, 90 + 7 * (x / 2) as u8, 150 - 5 * (x / 2) as u8]
    }

    /// R, G and B of a column.
    fn rgb(x: usize) -> [u8; 3] {
        [10 * x as u8, 200 - 9 * x as u8, 7 * x as u8]
    }

    fn words(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
        bytes.flat_map(|byte| (u16::from(byte) << 8).to_le_bytes()).collect()
    }

    /// The planes of a row.
    fn planes(format: PixelFormat, width: usize) -> Vec<Vec<u8>> {
        let luma = || (0..width).map(|x| ycc(x)[0]);
        let [u, v] = [1, 2].map(|part| (0..width).step_by(2).map(move |x| ycc(x)[part]));
        let pairs = || (0..width).step_by(2).flat_map(|x| [ycc(x)[1], ycc(x)[2]]);
        let packed = |(offsets, bytes): ([usize; 3], usize)| {
            let mut row = vec![0; width * bytes];
            for (x, pixel) in row.chunks_exact_mut(bytes).enumerate() {
                offsets.iter().zip(rgb(x)).for_each(|(&offset, value)| pixel[offset] = value);
            }
            vec![row]
        };
        match format {
            PixelFormat::Nv12 => vec![luma().collect(), pairs().collect()],
            PixelFormat::P010 => vec![words(luma()), words(pairs())],
            PixelFormat::I420 => vec![luma().collect(), u.collect(), v.collect()],
            PixelFormat::Yv12 => vec![luma().collect(), v.collect(), u.collect()],
            PixelFormat::Gray8 => vec![luma().collect()],
            _ => format.rgb_offsets().map(packed).unwrap(),
        }
    }

    /// The colour of a column.
    fn expected(format: PixelFormat, x: usize) -> [f32; 3] {
        if format.rgb_offsets().is_some() {
            return rgb(x).map(f32::from);
        }
        let [y, u, v] = ycc(x).map(f32::from);
        let (u, v) = if format == PixelFormat::Gray8 { (128.0, 128.0) } else { (u, v) };
        let conversion = Conversion::new(COLORIMETRY, 8);
        [0, 1, 2].map(|channel| colour(conversion.brightness(y), conversion.tint(channel, u, v)))
    }

    fn read(reader: &mut Reader, info: ImageInfo, planes: &[Vec<u8>], width: usize) -> Row {
        let planes: Vec<_> = planes.iter().map(|data| Plane { data, stride: data.len() }).collect();
        let mut row = Row::new(width);
        reader.read(&Image::new(info, &planes).unwrap(), 0, &mut row);
        row
    }

    fn info(format: PixelFormat, width: usize) -> ImageInfo {
        ImageInfo { format, width, height: 1, colorimetry: COLORIMETRY }
    }

    #[test]
    fn every_format_at_every_scale() {
        let sizes = [(12, 12), (12, 6), (12, 4), (12, 3), (12, 2), (11, 4), (5, 9), (1, 3)];
        for (format, (from, to)) in
            PixelFormat::ALL.into_iter().flat_map(|format| sizes.map(|size| (format, size)))
        {
            let axis = Axis::new(from, to);
            let row = read(
                &mut Reader::new(&info(format, from), &axis),
                info(format, from),
                &planes(format, from),
                to,
            );
            for (x, tap) in axis.taps.iter().enumerate() {
                let [first, second] = [tap.first, tap.second].map(|x| expected(format, x));
                for channel in 0..3 {
                    let value = first[channel] + (second[channel] - first[channel]) * tap.weight;
                    assert_eq!(row.rgb[channel][x], value, "{format:?} {from} to {to}, column {x}");
                }
            }
        }
    }

    #[test]
    fn chroma_is_of_the_same_image() {
        let info = info(PixelFormat::Nv12, 2);
        let mut reader = Reader::new(&info, &Axis::new(2, 2));
        let read = |reader: &mut Reader, chroma| read(reader, info, &[vec![128; 2], vec![chroma; 2]], 2).rgb;
        let green = read(&mut reader, 60);
        reader.forget();
        assert_ne!(read(&mut reader, 200), green);
    }
}
