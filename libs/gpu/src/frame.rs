//! A mapped video frame, whatever memory it lies in.

use gst_video::{VideoFrameExt, VideoFrameRef, VideoInfo};
use vision::image::{Image, ImageError, ImageMut, Plane, PlaneMut};

use crate::gstcuda::{CudaFrame, CudaFrameMut};
use crate::{cuda, format};

/// The kinds of memory that frames lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryKind {
    /// Memory that the CPU reads and writes.
    Host,
    /// CUDA device memory, `memory:CUDAMemory` in caps.
    Cuda,
    /// NVIDIA's buffer surfaces, `memory:NVMM` in caps.
    Nvmm,
}

impl MemoryKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Host, Self::Cuda, Self::Nvmm];

    /// The feature that names the kind in caps.
    pub fn feature(self) -> &'static str {
        match self {
            Self::Host => gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY.as_str(),
            Self::Cuda => "memory:CUDAMemory",
            Self::Nvmm => "memory:NVMM",
        }
    }

    /// The kind that `features` of caps name; `None` for kinds that no element here takes.
    pub fn of(features: Option<&gst::CapsFeaturesRef>) -> Option<Self> {
        let Some(features) = features.filter(|features| !features.is_any() && features.size() > 0) else {
            return Some(Self::Host);
        };
        Self::ALL.into_iter().find(|kind| features.contains(kind.feature()))
    }
}

/// A frame could not be mapped.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The format of the caps is none that the elements take.
    #[error("pixel format {0:?} is not supported")]
    Format(gst_video::VideoFormat),
    /// The memory kind has no mapping in this build.
    #[error("frames in {0:?} memory are not supported")]
    Memory(MemoryKind),
    /// The buffer does not hold a frame of its caps.
    #[error("the buffer cannot be mapped as a {width}x{height} {format:?} frame")]
    Map {
        /// Format of the caps.
        format: gst_video::VideoFormat,
        /// Width of the caps.
        width: u32,
        /// Height of the caps.
        height: u32,
    },
    /// The buffer's memory is not ours alone, so that it must not be drawn on. A copy can be.
    #[error("someone else holds the frame's memory too")]
    Shared,
    /// The mapped planes are too small.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The GPU cannot map it.
    #[error(transparent)]
    Cuda(#[from] cuda::Error),
}

impl FrameError {
    /// A buffer that does not hold a frame of `info`.
    pub(crate) fn layout(info: &VideoInfo) -> Self {
        Self::Map { format: info.format(), width: info.width(), height: info.height() }
    }
}

/// Bytes from row to row of each plane. Frames that lie upside down have negative ones: their rows begin before the first.
fn strides<T>(frame: &VideoFrameRef<T>) -> Result<Vec<usize>, FrameError>
where
    VideoFrameRef<T>: VideoFrameExt,
{
    let strides = frame.plane_stride().iter().map(|&stride| usize::try_from(stride));
    strides.collect::<Result<_, _>>().map_err(|_| FrameError::layout(frame.info()))
}

/// A frame mapped for reading.
#[expect(clippy::large_enum_variant, reason = "lives on the stack, for one mapping")]
pub enum Frame<'a> {
    /// In host memory.
    Host(VideoFrameRef<&'a gst::BufferRef>),
    /// In the memory of a CUDA device.
    Cuda(CudaFrame<'a>),
}

impl<'a> Frame<'a> {
    /// Maps `buffer`, which holds a frame of `info` in memory of `kind`.
    ///
    /// # Errors
    /// When the memory kind is not supported or the buffer does not hold such a frame.
    pub fn map(buffer: &'a gst::BufferRef, info: &VideoInfo, kind: MemoryKind) -> Result<Self, FrameError> {
        match kind {
            MemoryKind::Host => VideoFrameRef::from_buffer_ref_readable(buffer, info)
                .map(Self::Host)
                .map_err(|_| FrameError::layout(info)),
            MemoryKind::Cuda => CudaFrame::map(buffer, info).map(Self::Cuda),
            MemoryKind::Nvmm => Err(FrameError::Memory(kind)),
        }
    }

    /// The frame as an image in host memory. Strides and offsets are those of the buffer's video meta.
    ///
    /// # Errors
    /// When the frame is not in host memory, the pixel format is not supported or a plane is too small.
    pub fn image(&self) -> Result<Image<'_>, FrameError> {
        let Self::Host(frame) = self else {
            return Err(FrameError::Memory(MemoryKind::Cuda));
        };
        let info = format::image_info(frame.info()).ok_or(FrameError::Format(frame.format()))?;
        let strides = strides(frame)?;
        let plane = |(index, stride)| Plane { data: frame.plane_data(index).unwrap_or_default(), stride };
        let planes: Vec<_> = (0..).zip(strides).map(plane).collect();
        Ok(Image::new(info, &planes)?)
    }
}

/// A frame mapped for drawing on.
#[expect(clippy::large_enum_variant, reason = "lives on the stack, for one mapping")]
pub enum FrameMut<'a> {
    /// In host memory.
    Host(VideoFrameRef<&'a mut gst::BufferRef>),
    /// In the memory of a CUDA device.
    Cuda(CudaFrameMut<'a>),
}

impl<'a> FrameMut<'a> {
    /// Maps `buffer`, which holds a frame of `info` in memory of `kind`.
    ///
    /// # Errors
    /// As [`Frame::map`]; also when the buffer's memory is not writable.
    pub fn map(
        buffer: &'a mut gst::BufferRef,
        info: &VideoInfo,
        kind: MemoryKind,
    ) -> Result<Self, FrameError> {
        match kind {
            MemoryKind::Host => VideoFrameRef::from_buffer_ref_writable(buffer, info)
                .map(Self::Host)
                .map_err(|_| FrameError::layout(info)),
            MemoryKind::Cuda => CudaFrameMut::map(buffer, info).map(Self::Cuda),
            MemoryKind::Nvmm => Err(FrameError::Memory(kind)),
        }
    }

    /// The frame as an image in host memory.
    ///
    /// # Errors
    /// When the frame is not in host memory, the pixel format is not supported or a plane is too small.
    pub fn image_mut(&mut self) -> Result<ImageMut<'_>, FrameError> {
        let Self::Host(frame) = self else {
            return Err(FrameError::Memory(MemoryKind::Cuda));
        };
        let info = format::image_info(frame.info()).ok_or(FrameError::Format(frame.format()))?;
        let strides = strides(frame)?;
        let planes = frame.planes_data_mut().into_iter().zip(strides);
        Ok(ImageMut::new(info, planes.map(|(data, stride)| PlaneMut { data, stride }))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_video::{VideoFormat, VideoFrameFlags, VideoMeta};

    #[test]
    fn a_frame_that_lies_upside_down_is_refused() {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::Gray8, 64, 2).build().unwrap();
        for (stride, offset, is_image) in [(64, 0, true), (-64, 64, false)] {
            let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
            let (flags, frame) = (VideoFrameFlags::empty(), buffer.get_mut().unwrap());
            VideoMeta::add_full(frame, flags, VideoFormat::Gray8, 64, 2, &[offset], &[stride]).unwrap();
            let found = Frame::map(&buffer, &info, MemoryKind::Host).unwrap().image().map(drop);
            assert_eq!(found.is_ok(), is_image, "{found:?}");
            let found = FrameMut::map(buffer.get_mut().unwrap(), &info, MemoryKind::Host)
                .unwrap()
                .image_mut()
                .map(drop);
            assert_eq!(found.is_ok(), is_image, "{found:?}");
        }
    }
}
