//! Images in host memory: pixel formats, colorimetry and bounds-checked planes.

/// How pixels lie in memory. Names and layouts are GStreamer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// 8-bit luma plane, then one plane of interleaved U, V at half width and height.
    Nv12,
    /// 8-bit planes Y, U, V; chroma at half width and height.
    I420,
    /// 8-bit planes Y, V, U; chroma at half width and height.
    Yv12,
    /// As [`PixelFormat::Nv12`] in 16-bit little-endian words whose upper 10 bits count.
    P010,
    /// R, G, B bytes.
    Rgb,
    /// B, G, R bytes.
    Bgr,
    /// R, G, B, alpha bytes.
    Rgba,
    /// B, G, R, alpha bytes.
    Bgra,
    /// Alpha, R, G, B bytes.
    Argb,
    /// Alpha, B, G, R bytes.
    Abgr,
    /// R, G, B and an unused byte.
    Rgbx,
    /// B, G, R and an unused byte.
    Bgrx,
    /// An unused byte, then R, G, B.
    Xrgb,
    /// An unused byte, then B, G, R.
    Xbgr,
    /// 8-bit luma only.
    Gray8,
}

impl PixelFormat {
    /// Every format, in order of preference.
    pub const ALL: [Self; 15] = [
        Self::Nv12,
        Self::I420,
        Self::Yv12,
        Self::P010,
        Self::Rgb,
        Self::Bgr,
        Self::Rgba,
        Self::Bgra,
        Self::Argb,
        Self::Abgr,
        Self::Rgbx,
        Self::Bgrx,
        Self::Xrgb,
        Self::Xbgr,
        Self::Gray8,
    ];

    /// Number of planes.
    pub fn planes(self) -> usize {
        match self {
            Self::I420 | Self::Yv12 => 3,
            Self::Nv12 | Self::P010 => 2,
            _ => 1,
        }
    }

    /// Bytes that one row of plane `plane` occupies in an image `width` pixels wide, padding not counted.
    pub fn row_bytes(self, plane: usize, width: usize) -> usize {
        let half = width.div_ceil(2);
        match (self, plane) {
            (Self::Nv12 | Self::I420 | Self::Yv12 | Self::Gray8, 0) => width,
            (Self::Nv12, _) => 2 * half,
            (Self::I420 | Self::Yv12, _) => half,
            (Self::P010, 0) => 2 * width,
            (Self::P010, _) => 4 * half,
            (Self::Rgb | Self::Bgr, _) => 3 * width,
            _ => 4 * width,
        }
    }

    /// Rows of plane `plane` in an image `height` pixels high.
    pub fn rows(self, plane: usize, height: usize) -> usize {
        if plane == 0 { height } else { height.div_ceil(2) }
    }

    /// Byte offsets of R, G and B within a pixel of a packed RGB format, and the bytes that a pixel takes.
    pub fn rgb_offsets(self) -> Option<([usize; 3], usize)> {
        match self {
            Self::Rgb => Some(([0, 1, 2], 3)),
            Self::Bgr => Some(([2, 1, 0], 3)),
            Self::Rgba | Self::Rgbx => Some(([0, 1, 2], 4)),
            Self::Bgra | Self::Bgrx => Some(([2, 1, 0], 4)),
            Self::Argb | Self::Xrgb => Some(([1, 2, 3], 4)),
            Self::Abgr | Self::Xbgr => Some(([3, 2, 1], 4)),
            _ => None,
        }
    }
}

/// Which luma weights turn R'G'B' into Y'CbCr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// BT.601, standard definition.
    Bt601,
    /// BT.709, high definition.
    #[default]
    Bt709,
    /// BT.2020 non-constant luminance, ultra-high definition.
    Bt2020,
}

impl Matrix {
    /// The weights of red and blue in luma (Kr, Kb); green has the rest.
    pub fn weights(self) -> (f32, f32) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }
}

/// Which code values mean black and white.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Range {
    /// 16 to 235 for luma, 16 to 240 for chroma (scaled for more bits).
    #[default]
    Limited,
    /// 0 to 255.
    Full,
}

/// What is needed to turn Y'CbCr into R'G'B'. Ignored by RGB formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Colorimetry {
    /// Luma weights.
    pub matrix: Matrix,
    /// Code value range.
    pub range: Range,
}

/// The planes of an image do not hold what its format and size require.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "plane {plane} of a {width}x{height} {format:?} image needs {needed} bytes at stride {stride}, but has {found}"
)]
pub struct ImageError {
    format: PixelFormat,
    width: usize,
    height: usize,
    plane: usize,
    stride: usize,
    needed: usize,
    found: usize,
}

/// What an image is, apart from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageInfo {
    /// Pixel layout.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// How Y'CbCr values are meant.
    pub colorimetry: Colorimetry,
}

impl ImageInfo {
    fn check(&self, plane: usize, stride: usize, found: usize) -> Result<(), ImageError> {
        let row = self.format.row_bytes(plane, self.width);
        let rows = self.format.rows(plane, self.height);
        let needed = if rows == 0 { 0 } else { stride.saturating_mul(rows - 1).saturating_add(row) };
        if stride >= row && found >= needed {
            return Ok(());
        }
        let Self { format, width, height, .. } = *self;
        Err(ImageError { format, width, height, plane, stride, needed: needed.max(row * rows), found })
    }
}

/// One plane to read: bytes and the distance between rows in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plane<'a> {
    /// First row first.
    pub data: &'a [u8],
    /// Bytes from one row's start to the next one's.
    pub stride: usize,
}

/// One plane to write.
#[derive(Debug, Default)]
pub struct PlaneMut<'a> {
    /// First row first.
    pub data: &'a mut [u8],
    /// Bytes from one row's start to the next one's.
    pub stride: usize,
}

/// An image to read. Its planes are known to be large enough.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    info: ImageInfo,
    planes: [Plane<'a>; 3],
}

impl<'a> Image<'a> {
    /// Wraps `planes`.
    ///
    /// # Errors
    /// When a plane is missing or too small for the format and size.
    pub fn new(info: ImageInfo, planes: &[Plane<'a>]) -> Result<Self, ImageError> {
        let mut checked = [Plane::default(); 3];
        for (index, slot) in checked.iter_mut().enumerate().take(info.format.planes()) {
            let plane = planes.get(index).copied().unwrap_or_default();
            info.check(index, plane.stride, plane.data.len())?;
            *slot = plane;
        }
        Ok(Self { info, planes: checked })
    }

    /// Format, size and colorimetry.
    pub fn info(&self) -> &ImageInfo {
        &self.info
    }

    /// Plane `index`; empty past the last one.
    pub fn plane(&self, index: usize) -> Plane<'a> {
        self.planes[index]
    }

    /// Row `row` of plane `index`, without padding.
    pub fn row(&self, index: usize, row: usize) -> &'a [u8] {
        let Plane { data, stride } = self.planes[index];
        &data[row * stride..][..self.info.format.row_bytes(index, self.info.width)]
    }
}

/// An image to write. Its planes are known to be large enough.
#[derive(Debug)]
pub struct ImageMut<'a> {
    info: ImageInfo,
    planes: [PlaneMut<'a>; 3],
}

impl<'a> ImageMut<'a> {
    /// Wraps `planes`.
    ///
    /// # Errors
    /// When a plane is missing or too small for the format and size.
    pub fn new(info: ImageInfo, planes: impl IntoIterator<Item = PlaneMut<'a>>) -> Result<Self, ImageError> {
        let mut given = planes.into_iter();
        let mut checked: [PlaneMut<'a>; 3] = Default::default();
        for (index, slot) in checked.iter_mut().enumerate().take(info.format.planes()) {
            let plane = given.next().unwrap_or_default();
            info.check(index, plane.stride, plane.data.len())?;
            *slot = plane;
        }
        Ok(Self { info, planes: checked })
    }

    /// Format, size and colorimetry.
    pub fn info(&self) -> &ImageInfo {
        &self.info
    }

    /// Row `row` of plane `index`, without padding.
    pub fn row_mut(&mut self, index: usize, row: usize) -> &mut [u8] {
        let length = self.info.format.row_bytes(index, self.info.width);
        let PlaneMut { data, stride } = &mut self.planes[index];
        &mut data[row * *stride..][..length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(format: PixelFormat, width: usize, height: usize) -> ImageInfo {
        ImageInfo { format, width, height, colorimetry: Colorimetry::default() }
    }

    #[test]
    fn odd_sizes_round_chroma_up() {
        assert_eq!(PixelFormat::Nv12.row_bytes(1, 5), 6);
        assert_eq!(PixelFormat::I420.row_bytes(1, 5), 3);
        assert_eq!(PixelFormat::P010.row_bytes(1, 5), 12);
        assert_eq!(PixelFormat::I420.rows(2, 3), 2);
    }

    #[test]
    fn a_plane_that_is_too_small_is_refused() {
        let data = [0u8; 11];
        let error =
            Image::new(info(PixelFormat::Gray8, 4, 3), &[Plane { data: &data, stride: 4 }]).unwrap_err();
        assert!(error.to_string().contains("needs 12 bytes"), "{error}");
        assert!(Image::new(info(PixelFormat::Nv12, 4, 2), &[Plane { data: &data, stride: 4 }]).is_err());
    }

    #[test]
    fn rows_leave_padding_out() {
        let data: Vec<u8> = (0..12).collect();
        let image = Image::new(info(PixelFormat::Gray8, 3, 3), &[Plane { data: &data, stride: 4 }]).unwrap();
        assert_eq!(image.row(0, 1), [4, 5, 6]);
    }
}
