//! Host frames on the device: copied there, or reached in place.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::ffi::{GST_MEMORY_FLAG_LAST, GST_MEMORY_FLAG_READONLY};
use gst::glib::translate::{ToGlibPtr, from_glib_full};
use gst_video::ffi::GstVideoInfo;
use gst_video::video_frame::Readable;
use gst_video::{VideoFrame, VideoFrameExt, VideoFrameFlags, VideoInfo, VideoMeta};

use super::context::{CudaContext, CudaStream};
use super::library::library;
use super::memory::CudaFrameMut;
use crate::cuda::{DeviceImageMut, Error, Event, Stream, device_address};
use crate::format;
use crate::frame::{Frame, FrameError};

/// A frame in host memory, mapped for reading.
pub type HostFrame = VideoFrame<Readable>;

#[derive(Debug, Default)]
struct Frames {
    waiting: VecDeque<(Event, HostFrame)>,
    closed: bool,
}

/// Host frames that the device may still read. Each is let go once the device is done with it.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<Frames>);

impl InFlight {
    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps `frame` until everything that is in `stream` now is done.
    fn keep(&self, frame: HostFrame, stream: &Stream) -> Result<(), Error> {
        let event = Event::new(stream.context()).and_then(|event| event.record(stream).map(|()| event));
        // A context that is lost reads nothing any more.
        let event = event.or_else(|error| stream.synchronize().and(Err(error)))?;
        let mut frames = self.frames();
        if frames.closed {
            drop(frames);
            return event.synchronize();
        }
        frames.waiting.push_back((event, frame));
        Ok(())
    }

    /// Lets go of what the device is done with. Blocks nobody.
    pub fn retire(&self) {
        loop {
            let mut frames = self.frames();
            if !frames.waiting.front().is_some_and(|(event, _)| event.has_happened() != Ok(false)) {
                return;
            }
            let done = frames.waiting.pop_front();
            drop(frames);
            drop(done);
        }
    }

    /// Waits for the device and lets go of everything.
    pub fn wait(&self) {
        let frames = std::mem::take(&mut self.frames().waiting);
        for (event, _frame) in frames {
            // Work that failed reads nothing any more.
            let _ = event.synchronize();
        }
    }

    /// As [`Self::wait`], for good: from now on whoever gives a frame back waits for the device. To be called when nobody will
    /// call the others any more, since a frame that is kept keeps its pool, and that pool may keep this.
    pub fn close(&self) {
        self.frames().closed = true;
        self.wait();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.wait();
    }
}

impl CudaFrameMut<'_> {
    /// Copies `from` here, in the order of the frame's own stream. Waits for nothing if `from` lies in pinned memory;
    /// `in_flight` keeps it until the copy is done.
    ///
    /// # Errors
    /// When format or size differ, or the context is lost.
    pub fn upload(
        &mut self,
        from: HostFrame,
        in_flight: &InFlight,
        purpose: &'static str,
    ) -> Result<(), FrameError> {
        let work = |to: &mut DeviceImageMut<'_>, stream: &Stream| {
            let copied = copy(&from, to, stream, purpose);
            // Some planes may be on their way even if another one failed.
            in_flight.keep(from, stream)?;
            Ok(copied)
        };
        self.write(work)?
    }
}

fn copy(
    from: &HostFrame,
    to: &mut DeviceImageMut<'_>,
    stream: &Stream,
    purpose: &'static str,
) -> Result<(), FrameError> {
    let host = Frame::Host(from.as_video_frame_ref());
    // SAFETY: `upload` hands the frame, mapped for reading, to those in flight, until this stream has got here.
    Ok(unsafe { to.upload(&host.image()?, stream, purpose) }?)
}

/// A host frame that the device uses in place.
struct Lent {
    frame: Option<HostFrame>,
    stream: Arc<CudaStream>,
    in_flight: Arc<InFlight>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            // On failure nothing reads it any more.
            let _ = self.in_flight.keep(frame, self.stream.stream());
        }
    }
}

/// # Safety
/// `lent` must come from `Box::<Lent>::into_raw`, once.
unsafe extern "C" fn give_back(lent: *mut c_void) {
    // SAFETY: as the caller promises.
    drop(unsafe { Box::from_raw(lent.cast::<Lent>()) });
}

/// Layout of `frame` counted from its first pixel, if GStreamer's CUDA memory can tell it to the CPU as well: it copies
/// rows of the first plane's width, made even, and stride. `None` also for frames in several pieces of memory.
fn layout(frame: &HostFrame) -> Option<VideoInfo> {
    let format = format::image_info(frame.info())?;
    let (start, pitch) = (frame.plane_offset().first()?, *frame.plane_stride().first()?);
    let (width, step) = (format.format.row_bytes(0, format.width), usize::try_from(pitch).ok()?);
    if step < width {
        return None;
    }
    let offsets: Vec<usize> =
        frame.plane_offset().iter().map(|offset| offset.checked_sub(*start)).collect::<Option<_>>()?;
    let copied = format.format.row_bytes(0, format.width.next_multiple_of(2));
    let aligned = |(plane, offset): (usize, &usize)| {
        offset % step + format.format.row_bytes(plane, format.width) <= copied
    };
    let uniform = frame.plane_stride().iter().all(|stride| *stride == pitch);
    let whole = frame.buffer().n_memory() == 1 && offsets.iter().enumerate().all(aligned) && uniform;
    let rows = |plane| format.format.rows(plane, format.height);
    let size = offsets.iter().enumerate().map(|(plane, offset)| offset + step * rows(plane)).max()?;
    let info = VideoInfo::builder_from_info(frame.info());
    let info = info.offset(&offsets).stride(frame.plane_stride()).size(size).build().ok()?;
    whole.then_some(info)
}

/// A buffer of CUDA memory whose pixels are those of `frame`, which the device reaches in place. Nobody may draw on it:
/// a decoder may still need the picture. `in_flight` takes the frame back when nobody holds the buffer any more.
///
/// `Ok(Err(frame))` if the device cannot reach this frame.
///
/// # Errors
/// When the library is missing or refuses, or the context is lost.
pub fn map_in_place(
    context: &CudaContext,
    stream: &Arc<CudaStream>,
    frame: HostFrame,
    in_flight: &Arc<InFlight>,
) -> Result<Result<gst::Buffer, HostFrame>, Error> {
    let pixels = frame.plane_data(0).unwrap_or_default();
    let (Some(info), Some(address)) = (layout(&frame), device_address(context.context(), pixels)?) else {
        return Ok(Err(frame));
    };
    let lent = Lent { frame: Some(frame), stream: stream.clone(), in_flight: in_flight.clone() };
    let memory = wrapped(context, &info, address, lent)?;
    let mut buffer = gst::Buffer::new();
    if let Some(buffer) = buffer.get_mut() {
        buffer.append_memory(memory);
        let flags = VideoFrameFlags::empty();
        let (format, width, height) = (info.format(), info.width(), info.height());
        VideoMeta::add_full(buffer, flags, format, width, height, info.offset(), info.stride())
            .map_err(|error| Error::Argument(error.to_string()))?;
    }
    Ok(Ok(buffer))
}

fn wrapped(context: &CudaContext, info: &VideoInfo, address: u64, lent: Lent) -> Result<gst::Memory, Error> {
    let library = library()?;
    let layout: *const GstVideoInfo = info.to_glib_none().0;
    let stream = lent.stream.raw();
    let lent = Box::into_raw(Box::new(lent)).cast::<c_void>();
    // SAFETY: context, stream and layout are alive; `lent` keeps the pixels alive until `give_back` gets it.
    let memory = unsafe {
        let alloc = library.gst_cuda_allocator_alloc_wrapped;
        alloc(null_mut(), context.raw(), stream, layout, address, lent, Some(give_back))
    };
    if memory.is_null() {
        // SAFETY: nobody took it.
        unsafe { give_back(lent) };
        return Err(Error::Argument("GStreamer's CUDA library cannot wrap a host frame".into()));
    }
    // Nobody draws on it, and the CPU gets it from the device: `GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD`.
    let flags = GST_MEMORY_FLAG_READONLY | GST_MEMORY_FLAG_LAST;
    // SAFETY: new, and nobody else's yet.
    unsafe {
        (*memory).mini_object.flags |= flags;
        Ok(from_glib_full(memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of 64x2 grey pixels whose rows are `stride` bytes apart.
    fn grey(stride: i32) -> HostFrame {
        gst::init().unwrap();
        let info = VideoInfo::builder(gst_video::VideoFormat::Gray8, 64, 2).build().unwrap();
        let mut buffer = gst::Buffer::with_size(256).unwrap();
        let (flags, format) = (VideoFrameFlags::empty(), info.format());
        VideoMeta::add_full(buffer.get_mut().unwrap(), flags, format, 64, 2, &[0], &[stride]).unwrap();
        VideoFrame::from_buffer_readable(buffer, &info).unwrap()
    }

    #[test]
    fn frames_whose_rows_overlap_have_no_layout() {
        assert_eq!(layout(&grey(96)).map(|info| info.stride().to_vec()), Some(vec![96]));
        for stride in [0, 63] {
            assert!(layout(&grey(stride)).is_none(), "{stride}");
        }
    }
}
