//! Reads the pixels of a source row that a network's input needs, as red, green and blue.

use super::resample::{Axis, Row, round};
use crate::image::{Colorimetry, Image, ImageInfo, PixelFormat, Range};

/// Where one colour component of each wanted column lies in a row.
#[derive(Debug)]
struct Component {
    plane: usize,
    /// Rows of the image for one row of the plane.
    rows: usize,
    offsets: Vec<u32>,
}

impl Component {
    /// A component whose value for column `x` lies at byte `(x / columns) * step + first` of a row.
    fn new(place: Place, columns: &[usize]) -> Self {
        let offset = |&x: &usize| (x / place.columns * place.step + place.first) as u32;
        Self {
            plane: place.plane,
            rows: place.columns,
            offsets: columns.iter().map(offset).collect(),
        }
    }
}

/// Where a component lies: byte `x / columns * step + first` of row `y / columns` of `plane`.
#[derive(Clone, Copy)]
struct Place {
    plane: usize,
    first: usize,
    step: usize,
    columns: usize,
}

/// Components of a pixel in the order R, G, B or Y, U, V; only Y for grey.
fn places(format: PixelFormat) -> Vec<Place> {
    let place = |plane, first, step, columns| Place {
        plane,
        first,
        step,
        columns,
    };
    if let Some((offsets, step)) = format.rgb_offsets() {
        return offsets
            .into_iter()
            .map(|first| place(0, first, step, 1))
            .collect();
    }
    match format {
        PixelFormat::Nv12 => vec![place(0, 0, 1, 1), place(1, 0, 2, 2), place(1, 1, 2, 2)],
        PixelFormat::P010 => vec![place(0, 0, 2, 1), place(1, 0, 4, 2), place(1, 2, 4, 2)],
        PixelFormat::I420 => vec![place(0, 0, 1, 1), place(1, 0, 1, 2), place(2, 0, 1, 2)],
        PixelFormat::Yv12 => vec![place(0, 0, 1, 1), place(2, 0, 1, 2), place(1, 0, 1, 2)],
        _ => vec![place(0, 0, 1, 1)],
    }
}

/// Y'CbCr code values to R'G'B' from 0 to 255: `luma * Y + chroma . (U, V) + offset` for each colour.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Conversion {
    luma: f32,
    chroma: [[f32; 2]; 3],
    offset: [f32; 3],
}

impl Conversion {
    /// For code values of `bits` bits.
    fn new(colorimetry: Colorimetry, bits: u32) -> Self {
        let (red, blue) = colorimetry.matrix.weights();
        let (red, blue) = (f64::from(red), f64::from(blue));
        let green = 1.0 - red - blue;
        let unit = f64::from(1 << (bits - 8));
        let (black, luma_span, chroma_span) = match colorimetry.range {
            Range::Limited => (16.0 * unit, 219.0 * unit, 224.0 * unit),
            Range::Full => (0.0, 256.0 * unit - 1.0, 256.0 * unit - 1.0),
        };
        let (luma, chroma, grey) = (255.0 / luma_span, 255.0 / chroma_span, 128.0 * unit);
        let (from_v, from_u) = (2.0 * (1.0 - red) * chroma, 2.0 * (1.0 - blue) * chroma);
        let rows = [
            [0.0, from_v],
            [-from_u * blue / green, -from_v * red / green],
            [from_u, 0.0],
        ];
        Self {
            luma: luma as f32,
            chroma: rows.map(|row| row.map(|weight| weight as f32)),
            offset: rows.map(|[u, v]| (-(luma * black) - (u + v) * grey) as f32),
        }
    }

    fn colour(&self, channel: usize, (y, u, v): (f32, f32, f32)) -> f32 {
        let [from_u, from_v] = self.chroma[channel];
        let value = self.luma * y + from_u * u + from_v * v + self.offset[channel];
        round(value.clamp(0.0, 255.0))
    }
}

/// Reads source rows at the columns that the horizontal taps name.
#[derive(Debug)]
pub(super) struct Reader {
    components: Vec<Component>,
    /// `None` for formats that hold R, G and B.
    conversion: Option<Conversion>,
    wide: bool,
    weights: Vec<f32>,
    /// Gathered code values and converted colours: all first taps, then (unless no tap needs them) all second taps.
    codes: [Vec<u16>; 3],
    colours: [Vec<f32>; 3],
}

impl Reader {
    pub fn new(source: &ImageInfo, axis: Axis) -> Self {
        let mut columns: Vec<usize> = axis.taps.iter().map(|tap| tap.first).collect();
        if !axis.is_exact() {
            columns.extend(axis.taps.iter().map(|tap| tap.second));
        }
        let wide = source.format == PixelFormat::P010;
        let bits = if wide { 10 } else { 8 };
        // Grey has no chroma plane: its chroma codes stay where they start, at neutral.
        let neutral = 1 << (bits - 1);
        Self {
            components: places(source.format)
                .into_iter()
                .map(|place| Component::new(place, &columns))
                .collect(),
            conversion: source
                .format
                .rgb_offsets()
                .is_none()
                .then(|| Conversion::new(source.colorimetry, bits)),
            wide,
            weights: axis.taps.iter().map(|tap| tap.weight).collect(),
            codes: std::array::from_fn(|_| vec![neutral; columns.len()]),
            colours: std::array::from_fn(|_| vec![0.0; columns.len()]),
        }
    }

    /// Reads row `y` of `image` into `row`.
    pub fn read(&mut self, image: &Image<'_>, y: usize, row: &mut Row) {
        for (component, codes) in self.components.iter().zip(&mut self.codes) {
            let bytes = image.row(component.plane, y / component.rows);
            if self.wide {
                gather_words(bytes, &component.offsets, codes)
            } else {
                gather(bytes, &component.offsets, codes)
            }
        }
        self.convert();
        for (colours, out) in self.colours.iter().zip(&mut row.rgb) {
            interpolate(colours, &self.weights, out);
        }
        row.source = Some(y);
    }

    fn convert(&mut self) {
        let Some(conversion) = self.conversion else {
            for (codes, colours) in self.codes.iter().zip(&mut self.colours) {
                colours
                    .iter_mut()
                    .zip(codes)
                    .for_each(|(colour, &code)| *colour = f32::from(code));
            }
            return;
        };
        let [y, u, v] = &self.codes;
        for (channel, colours) in self.colours.iter_mut().enumerate() {
            for (((colour, &y), &u), &v) in colours.iter_mut().zip(y).zip(u).zip(v) {
                *colour = conversion.colour(channel, (f32::from(y), f32::from(u), f32::from(v)));
            }
        }
    }
}

fn gather(bytes: &[u8], offsets: &[u32], codes: &mut [u16]) {
    for (code, &offset) in codes.iter_mut().zip(offsets) {
        *code = u16::from(bytes[offset as usize]);
    }
}

/// The upper 10 bits of little-endian 16-bit words.
fn gather_words(bytes: &[u8], offsets: &[u32], codes: &mut [u16]) {
    for (code, &offset) in codes.iter_mut().zip(offsets) {
        let offset = offset as usize;
        *code = u16::from_le_bytes([bytes[offset], bytes[offset + 1]]) >> 6;
    }
}

/// Mixes first and second taps; without second taps copies the first.
fn interpolate(colours: &[f32], weights: &[f32], out: &mut [f32]) {
    let (first, second) = colours.split_at(out.len());
    if second.is_empty() {
        return out.copy_from_slice(first);
    }
    for (((out, &first), &second), &weight) in out.iter_mut().zip(first).zip(second).zip(weights) {
        *out = first + (second - first) * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Matrix;

    fn rgb(matrix: Matrix, range: Range, bits: u32, yuv: (f32, f32, f32)) -> [f32; 3] {
        let conversion = Conversion::new(Colorimetry { matrix, range }, bits);
        [0, 1, 2].map(|channel| conversion.colour(channel, yuv))
    }

    #[test]
    fn black_and_white_of_every_range() {
        assert_eq!(
            rgb(Matrix::Bt709, Range::Limited, 8, (16.0, 128.0, 128.0)),
            [0.0; 3]
        );
        assert_eq!(
            rgb(Matrix::Bt709, Range::Limited, 8, (235.0, 128.0, 128.0)),
            [255.0; 3]
        );
        assert_eq!(
            rgb(Matrix::Bt601, Range::Full, 8, (255.0, 128.0, 128.0)),
            [255.0; 3]
        );
        assert_eq!(
            rgb(Matrix::Bt2020, Range::Limited, 10, (940.0, 512.0, 512.0)),
            [255.0; 3]
        );
        assert_eq!(
            rgb(Matrix::Bt2020, Range::Full, 10, (1023.0, 512.0, 512.0)),
            [255.0; 3]
        );
    }

    #[test]
    fn red_of_each_matrix() {
        // Pure red as the recommendations code it in 8 bits of limited range.
        assert_eq!(
            rgb(Matrix::Bt601, Range::Limited, 8, (81.0, 90.0, 240.0)),
            [254.0, 0.0, 0.0]
        );
        assert_eq!(
            rgb(Matrix::Bt709, Range::Limited, 8, (63.0, 102.0, 240.0)),
            [255.0, 1.0, 0.0]
        );
    }
}
