//! Incoming frames: what the negotiated caps mean, and how a frame becomes a slot of the network's input.

use std::sync::Arc;

use engine::InputTensor;
use gpu::kernels;
use gpu::{Frame, MemoryKind, cuda};
use gst::prelude::*;
use gst_video::VideoInfo;
use vision::geometry::Placement;
use vision::image::ImageInfo;
use vision::preprocess::Preprocessor;

use super::cuda::Device;
use super::detector::{Detector, WriteError};

/// What the negotiated caps mean for incoming frames, and the detector that they go to.
pub(super) struct Source {
    pub detector: Arc<Detector>,
    pub info: VideoInfo,
    pub memory: MemoryKind,
    preprocess: Preprocess,
}

/// Where frames become tensors.
enum Preprocess {
    Host(Box<Preprocessor>),
    Device { preprocessor: Box<kernels::Preprocessor>, device: Device },
}

impl Source {
    /// Frames of `caps` for `detector`. `None` if it cannot take them.
    pub fn new(caps: &gst::CapsRef, detector: &Arc<Detector>) -> Option<Self> {
        Self::of(VideoInfo::from_caps(caps).ok()?, MemoryKind::of(caps.features(0))?, detector)
    }

    /// The same frames for `detector`. `None` if it cannot take them.
    pub fn with(&self, detector: &Arc<Detector>) -> Option<Self> {
        Self::of(self.info.clone(), self.memory, detector)
    }

    fn of(info: VideoInfo, memory: MemoryKind, detector: &Arc<Detector>) -> Option<Self> {
        let image = gpu::format::image_info(&info)?;
        let preprocess = match (memory, detector.cuda()) {
            (MemoryKind::Host, _) => Preprocess::Host(Box::new(detector.preprocessor(image).ok()?)),
            (MemoryKind::Cuda, Some(device)) => on_device(image, detector, device).ok()?,
            _ => return None,
        };
        Some(Self { detector: Arc::clone(detector), info, memory, preprocess })
    }

    /// How long `frames` frames last; `None` where their rate is not known.
    pub fn duration(&self, frames: u64) -> Option<gst::ClockTime> {
        let fps = Some(self.info.fps()).filter(|fps| fps.numer() > 0)?;
        gst::ClockTime::SECOND.mul_div_ceil(frames * fps.denom() as u64, fps.numer() as u64)
    }

    /// Where a frame lies in the network's input.
    pub fn placement(&self) -> Placement {
        match &self.preprocess {
            Preprocess::Host(preprocessor) => *preprocessor.placement(),
            Preprocess::Device { preprocessor, .. } => *preprocessor.placement(),
        }
    }

    /// Writes `frame` into slot `slot` of the image tensor among `inputs`.
    ///
    /// # Errors
    /// When the frame is not what the caps say, or lies in another context than the engine.
    pub fn write(
        &mut self,
        frame: &Frame<'_>,
        inputs: &mut [InputTensor],
        slot: usize,
    ) -> Result<(), WriteError> {
        let detector = &*self.detector;
        match (&mut self.preprocess, frame) {
            (Preprocess::Device { preprocessor, device }, Frame::Cuda(frame)) => {
                if *frame.context() != *device.context() {
                    return Err(WriteError::Context);
                }
                detector.write_on(frame.stream(), inputs, slot, |out| {
                    frame.read(|image, stream| preprocessor.run(image, out, stream))
                })
            }
            (Preprocess::Host(preprocessor), frame) => {
                detector.write(preprocessor, &frame.image()?, inputs, slot)
            }
            (Preprocess::Device { .. }, Frame::Host(_)) => {
                Err(gpu::FrameError::Memory(MemoryKind::Host).into())
            }
        }
    }
}

fn on_device(image: ImageInfo, detector: &Detector, device: &Device) -> Result<Preprocess, cuda::Error> {
    let preprocessor = kernels::Preprocessor::new(device.context(), image, detector.input())?;
    Ok(Preprocess::Device { preprocessor: Box::new(preprocessor), device: device.clone() })
}
