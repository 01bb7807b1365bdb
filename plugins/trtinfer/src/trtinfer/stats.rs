//! What the element tells of its own work.

use gpu::cuda::copies::{self, Direction};
use gstsupport::copies::CopyCounts;
use gstsupport::samples::Samples;

/// Counters and durations since the element started.
#[derive(Debug, Default)]
pub(super) struct Stats {
    /// Frames that came in.
    pub frames_in: u64,
    /// Frames that the network saw.
    pub inferred: u64,
    /// Frames that went out.
    pub frames_out: u64,
    /// Detections that were attached.
    pub detections: u64,
    /// What became of the frames.
    pub copies: CopyCounts,
    /// Frame to input tensor.
    pub preprocess: Samples,
    /// The network itself, per batch that the engine measured.
    pub inference: Samples,
    /// Output tensors to detections.
    pub postprocess: Samples,
    /// Sink pad to source pad.
    pub total: Samples,
}

impl Stats {
    /// Another engine runs from now on: durations of the last one would say nothing about it. What was counted stays.
    pub fn forget_durations(&mut self) {
        let unset = Self::default();
        (self.preprocess, self.inference) = (unset.preprocess, unset.inference);
        (self.postprocess, self.total) = (unset.postprocess, unset.total);
    }

    /// As the property `stats` shows it.
    pub fn structure(&self, engine: &str, is_warm_start: bool, refused: &str) -> gst::Structure {
        let structure = gst::Structure::builder("trtinfer-stats")
            .field("engine", engine)
            .field("warm-start", is_warm_start)
            .field("refused", refused)
            .field("frames-in", self.frames_in)
            .field("frames-inferred", self.inferred)
            .field("frames-out", self.frames_out)
            .field("detections", self.detections)
            .field("preprocess-ms", self.preprocess.structure("preprocess"))
            .field("inference-ms", self.inference.structure("inference"))
            .field("postprocess-ms", self.postprocess.structure("postprocess"))
            .field("total-ms", self.total.structure("total"))
            .field("bytes-host-to-device", bytes(Direction::HostToDevice))
            .field("bytes-device-to-host", bytes(Direction::DeviceToHost))
            .field("bytes-device-to-device", bytes(Direction::DeviceToDevice));
        self.copies.describe(structure).build()
    }
}

/// Bytes that were copied for inference in this process.
fn bytes(direction: Direction) -> u64 {
    let users = ["inference:", "preprocess:"];
    let ours = copies::all().into_iter().filter(|copies| {
        copies.direction == direction && users.iter().any(|user| copies.purpose.starts_with(user))
    });
    ours.map(|copies| copies.bytes).sum()
}
