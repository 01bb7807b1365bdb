//! A frame that is kept, and what becomes of it: blurred, drawn on, encoded.

use std::io::Cursor;

use vision::draw::DisplayList;
use vision::geometry::{Rect, Resize};
use vision::image::{Colorimetry, Image, ImageError, ImageInfo, ImageMut, PixelFormat, Plane, PlaneMut};
use vision::preprocess::{InputSpec, Layout, PreprocessError, Preprocessor};
use vision::tensor::ElementsMut;

use super::name::Encoding;

/// Cells along the shorter side of what is blurred, and their least size in pixels.
const CELLS: f32 = 5.0;
const LEAST_CELL: f32 = 6.0;

/// Quality of JPEG pictures, 1 to 100.
const QUALITY: u8 = 90;

/// A picture cannot be made.
#[derive(Debug, thiserror::Error)]
pub(in crate::oshaannotate) enum StillError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    #[error("PNG: {0}")]
    Png(#[from] png::EncodingError),
    #[error("JPEG: {0}")]
    Jpeg(#[from] jpeg_encoder::EncodingError),
    #[error("a picture of {0}x{1} pixels is too large for JPEG: let snapshot-location end in .png")]
    Size(usize, usize),
}

/// A frame in memory of its own.
pub(in crate::oshaannotate) struct Still {
    info: ImageInfo,
    planes: Vec<Vec<u8>>,
}

impl Still {
    /// Copies `image`, without its padding.
    pub fn of(image: &Image<'_>) -> Self {
        let info = *image.info();
        let plane = |index: usize| {
            let bytes = info.format.row_bytes(index, info.width);
            let rows = info.format.rows(index, info.height);
            (0..rows).flat_map(|row| &image.row(index, row)[..bytes]).copied().collect()
        };
        Self { info, planes: (0..info.format.planes()).map(plane).collect() }
    }

    /// In red, green and blue.
    ///
    /// # Errors
    /// When the frame has no pixels.
    pub fn to_rgb(&self) -> Result<Rgb, StillError> {
        let planes = self.planes.iter().enumerate();
        let stride = |index| self.info.format.row_bytes(index, self.info.width);
        let planes: Vec<_> = planes.map(|(index, data)| Plane { data, stride: stride(index) }).collect();
        let (width, height) = (self.info.width, self.info.height);
        let (resize, layout, scale) = (Resize::Stretch, Layout::Nhwc, [1.0; 3]);
        let spec = InputSpec { resize, layout, scale, ..InputSpec::new(width, height) };
        let mut bytes = vec![0; spec.len()];
        Preprocessor::new(self.info, spec)?
            .run(&Image::new(self.info, &planes)?, ElementsMut::U8(&mut bytes))?;
        Ok(Rgb { width, height, bytes })
    }
}

/// An RGB picture.
#[derive(Clone, PartialEq)]
pub(in crate::oshaannotate) struct Rgb {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

impl Rgb {
    /// Makes what lies within `rect` unrecognisable: cells of one colour each, so that nothing can be computed back.
    pub fn blur(&mut self, rect: Rect) {
        let edge = |value: f32, limit: usize| value.clamp(0.0, limit as f32) as usize;
        let (left, top) = (edge(rect.x.floor(), self.width), edge(rect.y.floor(), self.height));
        let right = edge(rect.right().ceil(), self.width);
        let bottom = edge(rect.bottom().ceil(), self.height);
        let cell = (rect.width.min(rect.height) / CELLS).max(LEAST_CELL).ceil() as usize;
        for y in (top..bottom).step_by(cell) {
            for x in (left..right).step_by(cell) {
                self.flatten(x..(x + cell).min(right), y..(y + cell).min(bottom));
            }
        }
    }

    /// Gives all pixels of a cell their mean.
    fn flatten(&mut self, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) {
        let count = (columns.len() * rows.len()).max(1) as u32;
        let mut sum = [0u32; 3];
        for y in rows.clone() {
            for pixel in self.row(y, &columns).as_chunks::<3>().0 {
                (0..3).for_each(|channel| sum[channel] += u32::from(pixel[channel]));
            }
        }
        let mean = sum.map(|sum| (sum / count) as u8);
        for y in rows {
            self.row(y, &columns).as_chunks_mut::<3>().0.fill(mean);
        }
    }

    fn row(&mut self, y: usize, columns: &std::ops::Range<usize>) -> &mut [u8] {
        let start = y * self.width;
        &mut self.bytes[3 * (start + columns.start)..3 * (start + columns.end)]
    }

    /// Draws `list`.
    ///
    /// # Errors
    /// When the picture has no pixels.
    pub fn draw(&mut self, list: &DisplayList) -> Result<(), StillError> {
        let (width, height, format) = (self.width, self.height, PixelFormat::Rgb);
        let info = ImageInfo { format, width, height, colorimetry: Colorimetry::default() };
        let plane = PlaneMut { data: &mut self.bytes, stride: 3 * width };
        list.draw(&mut ImageMut::new(info, [plane])?);
        Ok(())
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When the encoder refuses the picture.
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, StillError> {
        match encoding {
            Encoding::Png => self.to_png(),
            Encoding::Jpeg => self.to_jpeg(),
        }
    }

    fn to_png(&self) -> Result<Vec<u8>, StillError> {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        encoder.write_header()?.write_image_data(&self.bytes)?;
        Ok(file.into_inner())
    }

    fn to_jpeg(&self) -> Result<Vec<u8>, StillError> {
        let too_large = |_| StillError::Size(self.width, self.height);
        let width = u16::try_from(self.width).map_err(too_large)?;
        let height = u16::try_from(self.height).map_err(too_large)?;
        let mut file = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut file, QUALITY);
        encoder.encode(&self.bytes, width, height, jpeg_encoder::ColorType::Rgb)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> Rgb {
        let pixel = |index: usize| [(index % 64 * 4) as u8, (index / 64 * 5) as u8, 90];
        Rgb { width: 64, height: 48, bytes: (0..64 * 48).flat_map(pixel).collect() }
    }

    #[test]
    fn what_is_blurred_has_few_colours_and_the_rest_stays() {
        let (before, mut after) = (gradient(), gradient());
        after.blur(Rect { x: 10.2, y: 5.0, width: 30.0, height: 30.0 });
        let pixel = |picture: &Rgb, x: usize, y: usize| picture.bytes[3 * (y * 64 + x)..][..3].to_vec();
        let mut colours: Vec<_> =
            (5..35).flat_map(|y| (10..41).map(move |x| (x, y))).map(|(x, y)| pixel(&after, x, y)).collect();
        colours.sort();
        colours.dedup();
        assert!(colours.len() <= 36, "{}", colours.len());
        let changed = (0..48).flat_map(|y| (0..64).map(move |x| (x, y)));
        let outside = changed.filter(|(x, y)| !((10..41).contains(x) && (5..35).contains(y)));
        assert!({ outside }.all(|(x, y)| pixel(&before, x, y) == pixel(&after, x, y)));
    }

    #[test]
    fn strange_places_are_harmless() {
        for (x, y, width, height) in [
            (f32::NAN, 0.0, 10.0, 10.0),
            (-1e30, -1e30, f32::INFINITY, f32::INFINITY),
            (60.0, 40.0, 1e9, 1e9),
            (5.0, 5.0, -3.0, 2.0),
            (5.0, 5.0, 0.0, 0.0),
        ] {
            gradient().blur(Rect { x, y, width, height });
        }
    }

    #[test]
    fn both_encodings_give_the_picture_back() {
        let picture = gradient();
        let file = picture.encode(Encoding::Png).unwrap();
        let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        assert!(bytes == picture.bytes);
        let file = picture.encode(Encoding::Jpeg).unwrap();
        assert_eq!((&file[..2], &file[file.len() - 2..]), (&[0xff, 0xd8][..], &[0xff, 0xd9][..]));
        let wide = Rgb { width: 70_000, height: 1, bytes: vec![0; 210_000] };
        assert!(matches!(wide.encode(Encoding::Jpeg), Err(StillError::Size(70_000, 1))));
    }

    #[test]
    fn every_format_becomes_rgb() {
        for format in PixelFormat::ALL {
            let info = ImageInfo { format, width: 6, height: 4, colorimetry: Colorimetry::default() };
            let plane = |index| vec![128; format.row_bytes(index, 6) * format.rows(index, 4)];
            let still = Still { info, planes: (0..format.planes()).map(plane).collect() };
            let rgb = still.to_rgb().unwrap();
            assert!(
                rgb.bytes.iter().all(|byte| byte.abs_diff(128) <= 4),
                "{format:?}: {:?}",
                &rgb.bytes[..6]
            );
        }
    }
}
