//! Turns host frames into CUDA frames.

use std::sync::Arc;

use gpu::cuda::{self, device_address};
use gpu::gstcuda::{self, HostFrame};
use gpu::{FrameError, FrameMut, MemoryKind};
use gst::prelude::*;
use gst_video::{VideoFrame, VideoInfo};

use super::counters::Counters;
use super::plan::{Gpu, Target};
use super::pool::FramePool;

/// A frame could not be handed to the device.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConvertError {
    /// `fail-on-copy` is set.
    #[error(
        "fail-on-copy=true: upstream did not write this frame into the pool that it was offered, so that the CPU would have \
         to copy it. Put zcbufferpool directly behind the decoder, or set fail-on-copy=false"
    )]
    Copy,
    /// No buffer: the pool is flushing, or has said why.
    #[error("no buffer: {0:?}")]
    Flow(gst::FlowError),
    /// The frame is none.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The GPU refused.
    #[error(transparent)]
    Cuda(#[from] cuda::Error),
}

impl ConvertError {
    /// What failed on the GPU, if that is the cause.
    pub fn gpu(&self) -> Option<&cuda::Error> {
        match self {
            Self::Cuda(error) | Self::Frame(FrameError::Cuda(error)) => Some(error),
            Self::Copy | Self::Flow(_) | Self::Frame(_) => None,
        }
    }
}

/// Turns host frames into CUDA frames, by copying them or by lending them to the device.
pub(super) struct Converter {
    pub gpu: Gpu,
    pub target: Target,
    pub info: VideoInfo,
    /// Device memory to copy to; where frames are read in place, memory for those that upstream wrote elsewhere.
    pub pool: FramePool,
    pub counters: Arc<Counters>,
    pub fail_on_copy: bool,
}

impl Converter {
    /// The frame of `buffer` in CUDA memory.
    pub fn convert(&self, buffer: gst::Buffer) -> Result<gst::Buffer, ConvertError> {
        self.gpu.in_flight.retire();
        let frame = self.map(buffer)?;
        if self.target == Target::Device { self.upload(frame) } else { self.lend(frame) }
    }

    fn map(&self, buffer: gst::Buffer) -> Result<HostFrame, ConvertError> {
        let (format, width, height) = (self.info.format(), self.info.width(), self.info.height());
        let frame = VideoFrame::from_buffer_readable(buffer, &self.info);
        frame.map_err(|_| FrameError::Map { format, width, height }.into())
    }

    /// Whether the frame lies in memory that the device reaches by itself.
    fn is_pinned(&self, frame: &HostFrame) -> Result<bool, ConvertError> {
        let pixels = frame.plane_data(0).unwrap_or_default();
        Ok(device_address(self.gpu.context.context(), pixels)?.is_some())
    }

    fn upload(&self, frame: HostFrame) -> Result<gst::Buffer, ConvertError> {
        let pinned = self.is_pinned(&frame)?;
        if !pinned {
            self.copying(false)?;
        }
        let mut buffer = self.acquire()?;
        let target = buffer.get_mut().ok_or(FrameError::Shared)?;
        let FrameMut::Cuda(mut target) = FrameMut::map(target, &self.info, MemoryKind::Cuda)? else {
            return Err(FrameError::Memory(MemoryKind::Host).into());
        };
        target.upload(frame, &self.gpu.in_flight, "zcbufferpool: frame")?;
        drop(target);
        self.counters.update(|counts| {
            counts.frames.uploaded += u64::from(pinned);
            counts.frames.to_device += self.pixels();
        });
        Ok(buffer)
    }

    fn lend(&self, frame: HostFrame) -> Result<gst::Buffer, ConvertError> {
        let frame = match self.in_place(frame)? {
            Ok(buffer) => {
                self.counters.update(|counts| counts.frames.zero_copy += 1);
                return Ok(buffer);
            }
            Err(frame) => frame,
        };
        self.copying(true)?;
        let copy = self.acquire()?;
        let mut copy = VideoFrame::from_buffer_writable(copy, &self.info).map_err(|_| FrameError::Shared)?;
        frame.copy(&mut copy).map_err(|error| cuda::Error::Argument(error.to_string()))?;
        let copy = self.map(copy.into_buffer())?;
        self.in_place(copy)?.map_err(|_| {
            cuda::Error::Argument(format!(
                "memory={}: the device does not reach host memory",
                self.target.name()
            ))
            .into()
        })
    }

    fn in_place(&self, frame: HostFrame) -> Result<Result<gst::Buffer, HostFrame>, ConvertError> {
        let Gpu { context, stream, in_flight } = &self.gpu;
        Ok(gstcuda::map_in_place(context, stream, frame, in_flight)?)
    }

    /// The CPU has to copy a frame: by itself if `ours`, else within the driver.
    fn copying(&self, ours: bool) -> Result<(), ConvertError> {
        if self.fail_on_copy {
            return Err(ConvertError::Copy);
        }
        self.counters.update(|counts| {
            counts.frames.copied += 1;
            counts.frames.within_host += if ours { self.pixels() } else { 0 };
        });
        Ok(())
    }

    fn acquire(&self) -> Result<gst::Buffer, ConvertError> {
        self.pool.acquire_buffer(None).map_err(ConvertError::Flow)
    }

    /// Bytes of a frame, padding not counted.
    fn pixels(&self) -> u64 {
        let Some(image) = gpu::format::image_info(&self.info) else { return 0 };
        let plane =
            |plane| image.format.row_bytes(plane, image.width) * image.format.rows(plane, image.height);
        (0..image.format.planes()).map(plane).sum::<usize>() as u64
    }
}

impl Drop for Converter {
    fn drop(&mut self) {
        self.gpu.in_flight.wait();
        // A pool that is not active any more has nothing to stop.
        let _ = self.pool.set_active(false);
    }
}
