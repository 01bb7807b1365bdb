//! Frames in CUDA memory, mapped without waiting.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;

use gst::ffi::{self, GstMapFlags, GstMapInfo, GstMemory, GstObject};
use gst::glib::translate::from_glib_none;
use gst_video::ffi::GstVideoInfo;
use gst_video::{VideoInfo, VideoMeta};
use vision::image::ImageInfo;

use super::context::{CudaContext, borrowed_stream, context_of};
use super::library::library;
use crate::cuda::{Context, DeviceImage, DeviceImageMut, DevicePlane, Error, Stream};
use crate::format;
use crate::frame::FrameError;

/// `GST_MAP_CUDA`: the device's address instead of the host's.
const MAP_CUDA: GstMapFlags = ffi::GST_MAP_FLAG_LAST << 1;

/// The start of `GstCudaMemory`, GStreamer 1.22 to 1.26.
#[repr(C)]
pub(super) struct CudaMemory {
    memory: GstMemory,
    context: *mut GstObject,
    /// How the frame lies in it.
    pub info: GstVideoInfo,
}

/// The `GstCudaContext` that `memory` lies in.
///
/// # Safety
/// `memory` must be a `GstCudaMemory` that is alive.
unsafe fn context_object(memory: *mut GstMemory) -> gst::Object {
    // SAFETY: as the caller promises; its context is set for its whole life.
    unsafe { from_glib_none((*memory.cast::<CudaMemory>()).context) }
}

/// `GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD`: the device has written since the host last read.
const NEED_DOWNLOAD: u32 = ffi::GST_MEMORY_FLAG_LAST;

/// Whether `memory` is CUDA memory that the host has not read since the device wrote it. Mapping such memory for the CPU
/// copies it to the host.
pub fn is_device_only(memory: &gst::MemoryRef) -> bool {
    // SAFETY: the reference is alive.
    let flags = unsafe { (*memory.as_ptr()).mini_object.flags };
    memory.is_type("gst.cuda.memory") && flags & NEED_DOWNLOAD != 0
}

/// A memory that is mapped until this is dropped.
struct Mapped<'a> {
    memory: *mut GstMemory,
    map: GstMapInfo,
    stream: Stream,
    buffer: PhantomData<&'a gst::BufferRef>,
}

impl Mapped<'_> {
    /// Maps the one memory of a buffer.
    ///
    /// # Safety
    /// `memory` must be alive while this is; for writing it must be ours alone.
    unsafe fn new(memory: *mut GstMemory, access: GstMapFlags) -> Result<Self, Error> {
        let library = library()?;
        // SAFETY: the memory is alive.
        if unsafe { (library.gst_is_cuda_memory)(memory) } == 0 {
            return Err(Error::Argument("the buffer does not hold CUDA memory".into()));
        }
        // SAFETY: it is a `GstCudaMemory`.
        let context = unsafe { context_of(context_object(memory)) }?;
        // SAFETY: as above; its stream is one of its context.
        let stream = unsafe { borrowed_stream((library.gst_cuda_memory_get_stream)(memory), context) }?;
        let mut map = MaybeUninit::uninit();
        // SAFETY: alive and of a kind that knows the flag; `map` is written when that succeeds.
        if unsafe { ffi::gst_memory_map(memory, map.as_mut_ptr(), access | MAP_CUDA) } == 0 {
            return Err(Error::Argument("the buffer's CUDA memory cannot be mapped".into()));
        }
        // SAFETY: written just now.
        let map = unsafe { map.assume_init() };
        Ok(Self { memory, map, stream, buffer: PhantomData })
    }

    /// Where the planes lie, which must be within the memory.
    fn planes(&self, layout: &Layout) -> Result<Vec<DevicePlane>, Error> {
        let start = self.map.data as u64;
        let place = |&(offset, stride, length): &(usize, usize, usize)| {
            if offset.checked_add(length).is_none_or(|end| end > self.map.size) {
                return Err(Error::Argument(format!(
                    "a plane of {length} bytes at {offset} does not lie in the buffer's {} bytes",
                    self.map.size
                )));
            }
            Ok(DevicePlane { address: start + offset as u64, stride })
        };
        layout.planes.iter().map(place).collect()
    }
}

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        // SAFETY: undoes the mapping.
        unsafe { ffi::gst_memory_unmap(self.memory, &mut self.map) };
    }
}

/// What lies where in a buffer.
struct Layout {
    info: ImageInfo,
    /// Offset, stride and length of each plane in bytes.
    planes: Vec<(usize, usize, usize)>,
}

impl Layout {
    /// As the buffer's video meta says, or the caps where it has none.
    fn new(buffer: &gst::BufferRef, caps: &VideoInfo) -> Result<Self, FrameError> {
        let info = format::image_info(caps).ok_or(FrameError::Format(caps.format()))?;
        let meta = buffer.meta::<VideoMeta>();
        let (offsets, strides) = match &meta {
            Some(meta) => (meta.offset(), meta.stride()),
            None => (caps.offset(), caps.stride()),
        };
        let plane = |index: usize| {
            let (offset, stride) = (*offsets.get(index)?, usize::try_from(*strides.get(index)?).ok()?);
            let rows = info.format.rows(index, info.height);
            let length = stride * rows.saturating_sub(1) + info.format.row_bytes(index, info.width);
            Some((offset, stride, length))
        };
        let planes = (0..info.format.planes()).map(plane).collect::<Option<_>>();
        Ok(Self { info, planes: planes.ok_or_else(|| FrameError::layout(caps))? })
    }
}

/// A frame in CUDA memory, mapped for reading.
pub struct CudaFrame<'a> {
    image: DeviceImage<'a>,
    mapped: Mapped<'a>,
}

impl<'a> CudaFrame<'a> {
    /// Maps `buffer`, which holds a frame of `info`. Waits for nothing.
    ///
    /// # Errors
    /// When the buffer does not hold one CUDA memory with such a frame.
    pub fn map(buffer: &'a gst::BufferRef, info: &VideoInfo) -> Result<Self, FrameError> {
        let layout = Layout::new(buffer, info)?;
        if buffer.n_memory() != 1 {
            return Err(FrameError::layout(info));
        }
        // SAFETY: the buffer keeps its memory alive, and is borrowed.
        let mapped = unsafe { Mapped::new(buffer.peek_memory(0).as_ptr().cast_mut(), ffi::GST_MAP_READ) }?;
        // SAFETY: the planes lie in the mapped memory; `read_on` orders whatever reads them.
        let image = unsafe { DeviceImage::new(layout.info, &mapped.planes(&layout)?) }?;
        Ok(Self { image, mapped })
    }

    /// Format, size and colorimetry.
    pub fn info(&self) -> &ImageInfo {
        self.image.info()
    }

    /// The context that the frame lies in: work on it belongs into a stream of this context.
    pub fn context(&self) -> &Arc<Context> {
        self.mapped.stream.context()
    }

    /// The same, as elements share it.
    pub fn shared_context(&self) -> CudaContext {
        // SAFETY: a `GstCudaMemory`, alive while it is mapped.
        let object = unsafe { context_object(self.mapped.memory) };
        CudaContext::of(object, self.context().clone())
    }

    /// The stream that orders everything that happens to the frame.
    pub fn stream(&self) -> &Stream {
        &self.mapped.stream
    }

    /// Lets `work` put work that reads the frame into the frame's own stream: after what writes the frame now, and before what
    /// will write it next. Blocks nobody.
    ///
    /// # Errors
    /// When `work` fails.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&DeviceImage<'_>, &Stream) -> Result<T, Error>,
    ) -> Result<T, Error> {
        work(&self.image, &self.mapped.stream)
    }

    /// As [`CudaFrame::read`], into another stream, which costs four more calls of the driver.
    ///
    /// # Errors
    /// When `work` fails, or the context is lost.
    pub fn read_on<T>(
        &self,
        stream: &Stream,
        work: impl FnOnce(&DeviceImage<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        stream.wait_for(&self.mapped.stream)?;
        let result = work(&self.image);
        self.mapped.stream.wait_for(stream)?;
        result
    }
}

/// A frame in CUDA memory, mapped for drawing on.
pub struct CudaFrameMut<'a> {
    image: DeviceImageMut<'a>,
    mapped: Mapped<'a>,
}

impl<'a> CudaFrameMut<'a> {
    /// Maps `buffer`, which holds a frame of `info`. Waits for nothing and copies nothing. Take the buffer from
    /// `gst::Buffer::get_mut`: what `make_mut` copies never is ours alone, since it shares the memory.
    ///
    /// # Errors
    /// [`FrameError::Shared`] when someone else holds the buffer's memory too; otherwise as [`CudaFrame::map`].
    pub fn map(buffer: &'a mut gst::BufferRef, info: &VideoInfo) -> Result<Self, FrameError> {
        let layout = Layout::new(buffer, info)?;
        if buffer.n_memory() != 1 {
            return Err(FrameError::layout(info));
        }
        let memory = buffer.peek_memory_mut(0).map_err(|_| FrameError::Shared)?;
        if memory.flags().contains(gst::MemoryFlags::READONLY) {
            return Err(FrameError::Shared);
        }
        let memory = memory.as_mut_ptr();
        // SAFETY: the buffer keeps its memory alive, is borrowed, and the memory is ours alone.
        let mapped = unsafe { Mapped::new(memory, ffi::GST_MAP_READ | ffi::GST_MAP_WRITE) }?;
        // SAFETY: the planes lie in the mapped memory, and all work goes into its own stream.
        let image = unsafe { DeviceImageMut::new(layout.info, &mapped.planes(&layout)?) }?;
        Ok(Self { image, mapped })
    }

    /// Format, size and colorimetry.
    pub fn info(&self) -> &ImageInfo {
        self.image.as_image().info()
    }

    /// The context that the frame lies in.
    pub fn context(&self) -> &Arc<Context> {
        self.mapped.stream.context()
    }

    /// Lets `work` put work that changes the frame into the frame's own stream, where everyone who comes later waits
    /// for it. Blocks nobody.
    ///
    /// # Errors
    /// When `work` fails.
    pub fn write<T>(
        &mut self,
        work: impl FnOnce(&mut DeviceImageMut<'_>, &Stream) -> Result<T, Error>,
    ) -> Result<T, Error> {
        work(&mut self.image, &self.mapped.stream)
    }
}
