//! Display lists onto frames, whatever memory they lie in.

use gpu::{FrameError, FrameMut, MemoryKind};
use gst_video::VideoInfo;
use vision::draw::DisplayList;

use super::cuda::CudaCanvas;

/// Where the marks went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawn {
    /// Onto the frame itself.
    InPlace,
    /// Onto a copy: somebody else holds the frame too.
    OnCopy,
}

/// Draws on frames of one kind of memory.
#[derive(Default)]
pub(super) enum Canvas {
    /// Host memory.
    #[default]
    Host,
    /// The memory of a CUDA device.
    Cuda(Box<CudaCanvas>),
}

impl Canvas {
    /// Gets ready for frames in memory of `kind`, on device number `device` if it is one's; what is ready stays so.
    /// Returns whether there is a canvas for that kind.
    pub fn prepare(&mut self, kind: MemoryKind, device: i32) -> bool {
        match (&*self, kind) {
            (Self::Host, MemoryKind::Host) | (Self::Cuda(_), MemoryKind::Cuda) => {}
            (_, MemoryKind::Host) => *self = Self::Host,
            (_, MemoryKind::Cuda) => *self = Self::Cuda(Box::new(CudaCanvas::new(device))),
            (_, MemoryKind::Nvmm) => return false,
        }
        true
    }

    /// Whether frames lie in host memory.
    pub fn is_host(&self) -> bool {
        matches!(self, Self::Host)
    }

    /// Whether the last frame lay in another CUDA context than the pipeline was offered.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Cuda(canvas) if canvas.is_foreign())
    }

    /// Draws `list` on the frame of `info` in `buffer`, which becomes a copy if somebody else holds the frame too.
    ///
    /// # Errors
    /// When the frame cannot be mapped, or the GPU fails.
    pub fn draw(
        &mut self,
        list: &DisplayList,
        buffer: &mut gst::Buffer,
        info: &VideoInfo,
    ) -> Result<Drawn, FrameError> {
        match self {
            Self::Host => draw_on_host(list, buffer, info),
            Self::Cuda(canvas) => canvas.draw(list, buffer, info),
        }
    }
}

fn draw_on_host(list: &DisplayList, buffer: &mut gst::Buffer, info: &VideoInfo) -> Result<Drawn, FrameError> {
    let ours = buffer.get_mut().is_some_and(|buffer| buffer.is_all_memory_writable());
    // GStreamer copies here what is not ours alone.
    let mut frame = FrameMut::map(buffer.make_mut(), info, MemoryKind::Host)?;
    list.draw(&mut frame.image_mut()?);
    Ok(if ours { Drawn::InPlace } else { Drawn::OnCopy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision::draw::{Color, Point, Primitive, Stroke};

    fn line() -> DisplayList {
        let stroke = Some(Stroke { width: 2.0, color: Color::WHITE });
        let points = vec![Point { x: 4.0, y: 8.0 }, Point { x: 28.0, y: 8.0 }];
        DisplayList { primitives: vec![Primitive::Path { points, closed: false, fill: None, stroke }] }
    }

    fn grey() -> (gst::Buffer, VideoInfo) {
        gst::init().unwrap();
        let info = VideoInfo::builder(gst_video::VideoFormat::Rgba, 32, 16).build().unwrap();
        (gst::Buffer::from_mut_slice(vec![128; info.size()]), info)
    }

    fn is_grey(buffer: &gst::Buffer) -> bool {
        buffer.map_readable().unwrap().iter().all(|&byte| byte == 128)
    }

    #[test]
    fn a_frame_that_is_ours_is_drawn_on_in_place() {
        let (mut buffer, info) = grey();
        let before = buffer.map_readable().unwrap().as_ptr();
        assert_eq!(Canvas::Host.draw(&line(), &mut buffer, &info).unwrap(), Drawn::InPlace);
        assert_eq!(buffer.map_readable().unwrap().as_ptr(), before);
        assert!(!is_grey(&buffer));
    }

    #[test]
    fn a_frame_that_others_hold_is_copied_first() {
        let (buffer, info) = grey();
        let (mut same_buffer, mut same_memory) = (buffer.clone(), buffer.copy());
        for shared in [&mut same_buffer, &mut same_memory] {
            assert_eq!(Canvas::Host.draw(&line(), shared, &info).unwrap(), Drawn::OnCopy);
            assert!(!is_grey(shared));
        }
        assert!(is_grey(&buffer));
    }

    #[test]
    fn every_kind_of_caps_has_a_canvas() {
        let mut canvas = Canvas::default();
        assert!(canvas.prepare(MemoryKind::Cuda, 0) && matches!(canvas, Canvas::Cuda(_)));
        assert!(!canvas.is_foreign());
        assert!(!canvas.prepare(MemoryKind::Nvmm, 0));
        assert!(canvas.prepare(MemoryKind::Host, 0) && matches!(canvas, Canvas::Host));
    }

    #[test]
    fn a_host_frame_under_device_caps_is_an_error() {
        let (mut buffer, info) = grey();
        let mut canvas = Canvas::default();
        canvas.prepare(MemoryKind::Cuda, 0);
        assert!(matches!(canvas.draw(&line(), &mut buffer, &info), Err(FrameError::Cuda(_))));
        assert!(is_grey(&buffer));
    }
}
