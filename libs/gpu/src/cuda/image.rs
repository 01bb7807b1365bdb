//! Images in device memory.

use std::marker::PhantomData;
use std::sync::Arc;

use vision::image::{Image, ImageError, ImageInfo, PixelFormat, Plane};

use super::context::Context;
use super::copies::{self, Direction};
use super::driver::{Address, Copy2d, MemoryType};
use super::error::{Error, call};
use super::memory::{DeviceBuffer, HostBuffer};
use super::stream::Stream;

/// Bytes that rows of our own images are aligned to.
const ALIGNMENT: usize = 256;

/// One plane of an image in device memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DevicePlane {
    /// Address of the first row on the device.
    pub address: u64,
    /// Bytes from row to row.
    pub stride: usize,
}

/// What [`plane_layout`] gives.
pub(crate) struct PlaneLayout {
    /// Offset and stride of each plane in bytes.
    pub planes: [(usize, usize); 3],
    /// Bytes of all planes.
    pub length: usize,
}

/// How our own images lie in one piece of memory.
pub(crate) fn plane_layout(info: &ImageInfo) -> PlaneLayout {
    let mut layout = PlaneLayout { planes: [(0, 0); 3], length: 0 };
    for index in 0..info.format.planes() {
        let stride = info.format.row_bytes(index, info.width).next_multiple_of(ALIGNMENT);
        layout.planes[index] = (layout.length, stride);
        layout.length += stride * info.format.rows(index, info.height);
    }
    layout
}

/// The planes of one of our own images that starts at `start`.
fn planes_from(start: Address, info: &ImageInfo) -> [DevicePlane; 3] {
    let place = |(offset, stride)| DevicePlane { address: start + offset as Address, stride };
    plane_layout(info).planes.map(place)
}

fn argument(error: ImageError) -> Error {
    Error::Argument(error.to_string())
}

/// An image in device memory, to read.
#[derive(Clone, Debug)]
pub struct DeviceImage<'a> {
    info: ImageInfo,
    planes: [DevicePlane; 3],
    memory: PhantomData<&'a ()>,
}

impl<'a> DeviceImage<'a> {
    /// The image whose planes lie at `planes`.
    ///
    /// # Errors
    /// When a plane is missing, its rows overlap, or samples of two bytes do not begin at even addresses: a kernel that reads
    /// such a sample would take the whole context with it.
    ///
    /// # Safety
    /// The planes must lie in device memory, reach as far as format and size require, and stay valid until the work
    /// that is given them is done.
    pub unsafe fn new(info: ImageInfo, planes: &[DevicePlane]) -> Result<Self, Error> {
        let mut checked = [DevicePlane::default(); 3];
        let sample = if info.format == PixelFormat::P010 { 2 } else { 1 };
        for (index, slot) in checked.iter_mut().enumerate().take(info.format.planes()) {
            *slot = planes.get(index).copied().unwrap_or_default();
            let fits = slot.address != 0 && slot.stride >= info.format.row_bytes(index, info.width);
            if !fits || !(slot.address | slot.stride as Address).is_multiple_of(sample) {
                return Err(Error::Argument(format!("plane {index} of {info:?} cannot lie at {slot:?}")));
            }
        }
        Ok(Self { info, planes: checked, memory: PhantomData })
    }

    /// Format, size and colorimetry.
    pub fn info(&self) -> &ImageInfo {
        &self.info
    }

    /// Plane `index`; empty past the last one.
    pub fn plane(&self, index: usize) -> DevicePlane {
        self.planes[index]
    }

    /// Copies the pixels to `to`, in the order of `stream`; [`view_image`](HostBuffer::view_image) shows them.
    ///
    /// # Errors
    /// When `to` is too short, or the context is lost.
    pub fn download(&self, to: &mut HostBuffer, stream: &Stream, purpose: &'static str) -> Result<(), Error> {
        let layout = plane_layout(&self.info);
        check_length(&self.info, to.len())?;
        let _current = stream.context().enter()?;
        for (index, (offset, stride)) in layout.planes.into_iter().enumerate().take(self.info.format.planes())
        {
            let copy = self.plane_copy(index, to.start() as usize + offset, stride);
            copies::record(Direction::DeviceToHost, purpose, copy.row_bytes * copy.rows);
            // SAFETY: the plane reaches as far as the format requires, and so does `to`, which stays until the copy is
            // done.
            unsafe { call!(cuMemcpy2DAsync_v2(&copy, stream.raw())) }?;
        }
        to.in_use_by(stream)
    }

    fn plane_copy(&self, index: usize, host: usize, stride: usize) -> Copy2d {
        Copy2d {
            from_kind: MemoryType::Device,
            from_device: self.planes[index].address,
            from_pitch: self.planes[index].stride,
            to_kind: MemoryType::Host,
            to_host: host,
            to_pitch: stride,
            row_bytes: self.info.format.row_bytes(index, self.info.width),
            rows: self.info.format.rows(index, self.info.height),
            ..Copy2d::default()
        }
    }
}

fn check_length(info: &ImageInfo, length: usize) -> Result<(), Error> {
    let needed = plane_layout(info).length;
    if length >= needed {
        return Ok(());
    }
    Err(Error::Argument(format!("{info:?} takes {needed} bytes, but the buffer has {length}")))
}

impl HostBuffer {
    /// Lets `work` put work into `stream` that reads the image of [`HostBuffer::store_image`] here, without a copy.
    ///
    /// # Errors
    /// When the buffer is too short or the device cannot reach it, or `work` fails.
    pub fn read_in_place(
        &mut self,
        info: ImageInfo,
        stream: &Stream,
        work: impl FnOnce(&DeviceImage<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        check_length(&info, self.len())?;
        let start =
            self.device_address()?.ok_or_else(|| Error::Argument(format!("{self:?} is not mapped")))?;
        // SAFETY: the planes lie in our own memory, which stays until the stream has got here.
        let image = unsafe { DeviceImage::new(info, &planes_from(start, &info)) }?;
        let done = work(&image);
        self.in_use_by(stream)?;
        done
    }

    /// A pinned buffer for the pixels of an image.
    ///
    /// # Errors
    /// When the host has not enough memory.
    pub fn for_image(context: &Arc<Context>, info: &ImageInfo) -> Result<Self, Error> {
        Self::pinned(context, plane_layout(info).length)
    }

    /// The pixels that [`DeviceImage::download`] wrote, once the device is done.
    ///
    /// # Errors
    /// When the buffer is too short, or the device's work failed.
    pub fn view_image(&self, info: ImageInfo) -> Result<Image<'_>, Error> {
        check_length(&info, self.len())?;
        let bytes = self.bytes()?;
        let planes =
            plane_layout(&info).planes.map(|(offset, stride)| Plane { data: &bytes[offset..], stride });
        Image::new(info, &planes).map_err(argument)
    }

    /// Writes `image` as [`HostBuffer::view_image`] shows it, once the device is done with the bytes.
    ///
    /// # Errors
    /// When the buffer is too short, or the device's work failed.
    pub fn store_image(&mut self, image: &Image<'_>) -> Result<(), Error> {
        let info = *image.info();
        check_length(&info, self.len())?;
        let bytes = self.bytes_mut()?;
        for (index, (offset, stride)) in
            plane_layout(&info).planes.into_iter().enumerate().take(info.format.planes())
        {
            for y in 0..info.format.rows(index, info.height) {
                let row = image.row(index, y);
                bytes[offset + y * stride..][..row.len()].copy_from_slice(row);
            }
        }
        Ok(())
    }
}

/// An image in device memory, to draw on.
#[derive(Debug)]
pub struct DeviceImageMut<'a> {
    image: DeviceImage<'a>,
    memory: PhantomData<&'a mut ()>,
}

impl<'a> DeviceImageMut<'a> {
    /// The image whose planes lie at `planes`.
    ///
    /// # Errors
    /// As [`DeviceImage::new`].
    ///
    /// # Safety
    /// As [`DeviceImage::new`]; nobody else may use the planes meanwhile.
    pub unsafe fn new(info: ImageInfo, planes: &[DevicePlane]) -> Result<Self, Error> {
        // SAFETY: as the caller promises.
        let image = unsafe { DeviceImage::new(info, planes) }?;
        Ok(Self { image, memory: PhantomData })
    }

    /// The image to read.
    pub fn as_image(&self) -> &DeviceImage<'a> {
        &self.image
    }

    /// Copies the pixels of `from` here, in the order of `stream`.
    ///
    /// # Errors
    /// When format or size differ, or the context is lost.
    ///
    /// # Safety
    /// The pixels of `from` must stay as they are until the copies are done.
    pub(crate) unsafe fn upload(
        &mut self,
        from: &Image<'_>,
        stream: &Stream,
        purpose: &'static str,
    ) -> Result<(), Error> {
        let (to, info) = (&self.image, from.info());
        if (to.info.format, to.info.width, to.info.height) != (info.format, info.width, info.height) {
            return Err(Error::Argument(format!("{info:?} does not fit into {:?}", to.info)));
        }
        let _current = stream.context().enter()?;
        for index in 0..info.format.planes() {
            let Plane { data, stride } = from.plane(index);
            let copy = to.plane_copy(index, data.as_ptr() as usize, stride).reversed();
            copies::record(Direction::HostToDevice, purpose, copy.row_bytes * copy.rows);
            // SAFETY: both planes reach as far as the format requires, and `from` stays.
            unsafe { call!(cuMemcpy2DAsync_v2(&copy, stream.raw())) }?;
        }
        Ok(())
    }
}

/// An image in device memory of its own.
#[derive(Debug)]
pub struct DeviceImageBuf {
    info: ImageInfo,
    memory: DeviceBuffer,
}

impl DeviceImageBuf {
    /// An image of whatever was there before.
    ///
    /// # Errors
    /// When the device has not enough free memory.
    pub fn new(context: &Arc<Context>, info: ImageInfo) -> Result<Self, Error> {
        Ok(Self { info, memory: DeviceBuffer::new(context, plane_layout(&info).length)? })
    }

    /// The image to read.
    ///
    /// # Errors
    /// When the image has no pixels.
    pub fn image(&self) -> Result<DeviceImage<'_>, Error> {
        // SAFETY: the planes lie in our own memory, laid out by the same rule, which the result borrows.
        unsafe { DeviceImage::new(self.info, &self.planes()) }
    }

    /// The image to draw on.
    ///
    /// # Errors
    /// When the image has no pixels.
    pub fn image_mut(&mut self) -> Result<DeviceImageMut<'_>, Error> {
        // SAFETY: as above; the result borrows it alone.
        unsafe { DeviceImageMut::new(self.info, &self.planes()) }
    }

    /// Copies the image that [`HostBuffer::store_image`] wrote to `from`, in the order of `stream`.
    ///
    /// # Errors
    /// When `from` is too short, or the context is lost.
    pub fn upload(
        &mut self,
        from: &mut HostBuffer,
        stream: &Stream,
        purpose: &'static str,
    ) -> Result<(), Error> {
        let length = self.memory.len();
        self.memory.upload(0, from, 0..length, stream, purpose)
    }

    fn planes(&self) -> [DevicePlane; 3] {
        planes_from(self.memory.address(), &self.info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision::image::Colorimetry;

    #[test]
    fn planes_follow_each_other() {
        let info = ImageInfo {
            format: PixelFormat::I420,
            width: 640,
            height: 5,
            colorimetry: Colorimetry::default(),
        };
        let layout = plane_layout(&info);
        assert_eq!(layout.planes, [(0, 768), (3840, 512), (5376, 512)]);
        assert_eq!(layout.length, 6912);
    }

    #[test]
    fn a_plane_needs_an_address_and_room_for_a_row() {
        assert!(is_image(PixelFormat::Gray8, 4096, 64));
        assert!(!is_image(PixelFormat::Gray8, 4096, 63));
        assert!(!is_image(PixelFormat::Gray8, 0, 64));
    }

    #[test]
    fn samples_of_two_bytes_begin_at_even_addresses() {
        assert!(is_image(PixelFormat::P010, 4096, 130));
        assert!(!is_image(PixelFormat::P010, 4097, 130));
        assert!(!is_image(PixelFormat::P010, 4096, 129));
        assert!(is_image(PixelFormat::Nv12, 4097, 129));
    }

    /// Whether an image 64 pixels wide can lie in planes of `stride` at `address`.
    fn is_image(format: PixelFormat, address: u64, stride: usize) -> bool {
        let info = ImageInfo { format, width: 64, height: 1, colorimetry: Colorimetry::default() };
        // SAFETY: nothing reads the image.
        unsafe { DeviceImage::new(info, &[DevicePlane { address, stride }; 3]) }.is_ok()
    }
}
