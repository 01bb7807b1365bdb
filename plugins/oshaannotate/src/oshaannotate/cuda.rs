//! Frames in CUDA memory: the context that the pipeline shares, the pool that upstream is offered, and the brush.

use std::sync::Arc;

use gpu::FrameError;
use gpu::cuda::copies::{self, Direction};
use gpu::cuda::{Context, Error};
use gpu::gstcuda::{self, CudaContext, CudaFrame, CudaFrameMut, CudaStream};
use gpu::kernels::Painter;
use gst::prelude::*;
use gst_video::VideoInfo;
use vision::draw::DisplayList;

use super::canvas::Drawn;

/// Frames that this element holds at a time: the one that it draws on, and its copy.
const HELD: u32 = 2;

/// Why a frame is brought to the host.
const DOWNLOAD: &str = "oshaannotate: a frame that a picture is kept of";

/// Why a frame is copied.
const COPY: &str = "oshaannotate: a frame that somebody else holds too";

/// Whether frames may lie in CUDA memory in this process.
pub(super) fn is_available() -> bool {
    gstcuda::status().is_ok()
}

/// Offers upstream a pool of device number `device`.
///
/// # Errors
/// When the pool cannot be made.
pub(super) fn propose(query: &mut gst::query::Allocation, device: i32) -> Result<(), Error> {
    let context = CudaContext::primary(device)?;
    gstcuda::propose(query, &context, &CudaStream::new(&context)?, HELD)
}

/// Whether mapping the frame in `buffer` for the host copies it from the device.
pub(super) fn is_download(buffer: &gst::BufferRef) -> bool {
    buffer.n_memory() > 0 && gstcuda::is_device_only(buffer.peek_memory(0))
}

/// Counts a frame of `info` that is brought to the host.
pub(super) fn count_download(info: &VideoInfo) {
    copies::record(Direction::DeviceToHost, DOWNLOAD, info.size());
}

/// Copies that are drawn on, given out until this is dropped.
struct Pool {
    buffers: gst::BufferPool,
    info: VideoInfo,
}

impl Pool {
    /// For frames of `info` in `context`.
    fn new(context: &CudaContext, info: &VideoInfo) -> Result<Self, Error> {
        let stream = CudaStream::new(context)?;
        let buffers = gstcuda::buffer_pool(context, &stream, info, HELD, 0)?;
        buffers.set_active(true).map_err(|error| Error::Argument(error.to_string()))?;
        Ok(Self { buffers, info: info.clone() })
    }

    /// A buffer that is ours alone, with everything of `original` but its pixels.
    fn acquire(&self, original: &gst::BufferRef) -> Result<gst::Buffer, FrameError> {
        let full =
            |error| Error::Argument(format!("there is no GPU memory for a copy of a frame: {error:?}"));
        let mut copy = self.buffers.acquire_buffer(None).map_err(full)?;
        let target = copy.get_mut().ok_or(FrameError::Shared)?;
        original
            .copy_into(target, everything_but_memory(), ..)
            .map_err(|error| Error::Argument(error.to_string()))?;
        Ok(copy)
    }
}

fn everything_but_memory() -> gst::BufferCopyFlags {
    use gst::BufferCopyFlags as Copy;
    // Deep: metas that only keep the original's memory alive stay behind.
    Copy::FLAGS | Copy::TIMESTAMPS | Copy::META | Copy::DEEP
}

impl Drop for Pool {
    fn drop(&mut self) {
        // What is on its way downstream is freed when it comes back.
        let _ = self.buffers.set_active(false);
    }
}

/// Draws in one context.
struct Brush {
    context: Arc<Context>,
    painter: Painter,
    pool: Option<Pool>,
}

impl Brush {
    fn new(context: &Arc<Context>) -> Result<Self, Error> {
        Ok(Self { context: context.clone(), painter: Painter::new(context)?, pool: None })
    }

    /// Copies the frame of `info` in `original` and draws, in one pass.
    fn copy_and_draw(
        &mut self,
        list: &DisplayList,
        original: &gst::BufferRef,
        from: &CudaFrame<'_>,
        info: &VideoInfo,
    ) -> Result<gst::Buffer, FrameError> {
        let pool = match self.pool.take().filter(|pool| pool.info == *info) {
            Some(same) => self.pool.insert(same),
            None => self.pool.insert(Pool::new(&from.shared_context(), info)?),
        };
        let mut copy = pool.acquire(original)?;
        let mut to = CudaFrameMut::map(copy.get_mut().ok_or(FrameError::Shared)?, info)?;
        let painter = &mut self.painter;
        to.write(|to, stream| from.read_on(stream, |from| painter.copy_and_draw(list, from, to, stream)))?;
        drop(to);
        copies::record(Direction::DeviceToDevice, COPY, info.size());
        Ok(copy)
    }
}

/// Draws on frames in CUDA memory, in the context that they lie in. Waits for nothing.
pub(super) struct CudaCanvas {
    /// The context that the pipeline was offered.
    offered: Option<Arc<CudaContext>>,
    brush: Option<Brush>,
}

impl CudaCanvas {
    /// For frames that should lie in the context of device number `device`.
    pub fn new(device: i32) -> Self {
        Self { offered: CudaContext::primary(device).ok(), brush: None }
    }

    /// Whether the last frame lay in another context than the pipeline was offered.
    pub fn is_foreign(&self) -> bool {
        let (offered, brush) = (self.offered.as_ref(), self.brush.as_ref());
        offered.zip(brush).is_some_and(|(offered, brush)| *offered.context() != brush.context)
    }

    /// As [`Canvas::draw`](super::canvas::Canvas::draw).
    pub fn draw(
        &mut self,
        list: &DisplayList,
        buffer: &mut gst::Buffer,
        info: &VideoInfo,
    ) -> Result<Drawn, FrameError> {
        match self.draw_in_place(list, buffer, info) {
            Err(FrameError::Shared) => {
                let from = CudaFrame::map(buffer, info)?;
                let copy = self.brush(from.context())?.copy_and_draw(list, buffer, &from, info)?;
                drop(from);
                *buffer = copy;
                Ok(Drawn::OnCopy)
            }
            done => done.map(|()| Drawn::InPlace),
        }
    }

    fn draw_in_place(
        &mut self,
        list: &DisplayList,
        buffer: &mut gst::Buffer,
        info: &VideoInfo,
    ) -> Result<(), FrameError> {
        let mut frame = CudaFrameMut::map(buffer.get_mut().ok_or(FrameError::Shared)?, info)?;
        let painter = &mut self.brush(frame.context())?.painter;
        Ok(frame.write(|image, stream| painter.draw(list, image, stream))?)
    }

    /// The brush for `context`: the last one, or a new one in its place.
    fn brush(&mut self, context: &Arc<Context>) -> Result<&mut Brush, Error> {
        match self.brush.take().filter(|brush| brush.context == *context) {
            Some(same) => Ok(self.brush.insert(same)),
            None => Ok(self.brush.insert(Brush::new(context)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_analytics::AnalyticsRelationMeta;
    use gst_video::{VideoBufferPool, VideoFormat, VideoFrameFlags, VideoMeta};

    fn info() -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(VideoFormat::Gray8, 60, 4).build().unwrap()
    }

    /// Copies in host memory: what is copied besides the pixels does not depend on where they lie.
    fn pool(info: &VideoInfo) -> Pool {
        let buffers: gst::BufferPool = VideoBufferPool::new().upcast();
        let mut config = buffers.config();
        config.set_params(Some(&info.to_caps().unwrap()), info.size() as u32, 0, 0);
        config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_ref());
        buffers.set_config(config).unwrap();
        buffers.set_active(true).unwrap();
        Pool { buffers, info: info.clone() }
    }

    #[test]
    fn a_copy_has_everything_of_the_original_but_its_memory() {
        let info = info();
        let mut original = gst::Buffer::with_size(4 * 100).unwrap();
        let frame = original.get_mut().unwrap();
        frame.set_pts(gst::ClockTime::from_seconds(3));
        frame.set_duration(gst::ClockTime::from_mseconds(40));
        frame.set_offset(75);
        frame.set_flags(gst::BufferFlags::DISCONT);
        VideoMeta::add_full(frame, VideoFrameFlags::empty(), VideoFormat::Gray8, 60, 4, &[0], &[100])
            .unwrap();
        AnalyticsRelationMeta::add(frame);
        let pool = pool(&info);
        let copy = pool.acquire(&original).unwrap();
        assert_eq!((copy.pts(), copy.duration(), copy.offset()), (original.pts(), original.duration(), 75));
        assert!(copy.flags().contains(gst::BufferFlags::DISCONT));
        assert!(copy.meta::<AnalyticsRelationMeta>().is_some());
        let layouts: Vec<_> = copy.iter_meta::<VideoMeta>().map(|meta| meta.stride().to_vec()).collect();
        assert_eq!(layouts, [info.stride().to_vec()], "the copy's own layout and no other");
        assert_ne!(copy.peek_memory(0).as_ptr(), original.peek_memory(0).as_ptr());
    }
}
