//! Y'CbCr to R'G'B'.

use super::resample::round;
use crate::image::{Colorimetry, Range};

/// Y'CbCr code values to R'G'B' from 0 to 255: `luma * Y + chroma . (U, V) + offset` for each colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Conversion {
    luma: f32,
    chroma: [[f32; 2]; 3],
    offset: [f32; 3],
}

impl Conversion {
    /// For code values of `bits` bits.
    pub fn new(colorimetry: Colorimetry, bits: u32) -> Self {
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
        let rows = [[0.0, from_v], [-from_u * blue / green, -from_v * red / green], [from_u, 0.0]];
        Self {
            luma: luma as f32,
            chroma: rows.map(|row| row.map(|weight| weight as f32)),
            offset: rows.map(|[u, v]| (-(luma * black) - (u + v) * grey) as f32),
        }
    }

    /// What a luma code contributes to every colour.
    pub fn brightness(&self, y: f32) -> f32 {
        self.luma * y
    }

    /// What chroma codes contribute to colour `channel`.
    pub fn tint(&self, channel: usize, u: f32, v: f32) -> f32 {
        let [from_u, from_v] = self.chroma[channel];
        from_u * u + from_v * v + self.offset[channel]
    }
}

/// The colour that luma and chroma make together.
pub(super) fn colour(brightness: f32, tint: f32) -> f32 {
    round((brightness + tint).clamp(0.0, 255.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Matrix;

    fn rgb(matrix: Matrix, range: Range, bits: u32, [y, u, v]: [f32; 3]) -> [f32; 3] {
        let conversion = Conversion::new(Colorimetry { matrix, range }, bits);
        [0, 1, 2].map(|channel| colour(conversion.brightness(y), conversion.tint(channel, u, v)))
    }

    #[test]
    fn black_and_white_of_every_range() {
        assert_eq!(rgb(Matrix::Bt709, Range::Limited, 8, [16.0, 128.0, 128.0]), [0.0; 3]);
        assert_eq!(rgb(Matrix::Bt709, Range::Limited, 8, [235.0, 128.0, 128.0]), [255.0; 3]);
        assert_eq!(rgb(Matrix::Bt601, Range::Full, 8, [255.0, 128.0, 128.0]), [255.0; 3]);
        assert_eq!(rgb(Matrix::Bt2020, Range::Limited, 10, [940.0, 512.0, 512.0]), [255.0; 3]);
        assert_eq!(rgb(Matrix::Bt2020, Range::Full, 10, [1023.0, 512.0, 512.0]), [255.0; 3]);
    }

    #[test]
    fn red_of_each_matrix() {
        // Pure red as the recommendations code it in 8 bits of limited range.
        assert_eq!(rgb(Matrix::Bt601, Range::Limited, 8, [81.0, 90.0, 240.0]), [254.0, 0.0, 0.0]);
        assert_eq!(rgb(Matrix::Bt709, Range::Limited, 8, [63.0, 102.0, 240.0]), [255.0, 1.0, 0.0]);
    }
}
