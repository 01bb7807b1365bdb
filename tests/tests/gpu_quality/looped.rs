//! Coded frames that are shown again and again.

use gst::prelude::*;
use gst_osha_tests::{Pipeline, collect};

/// Where they go in.
pub const INPUT: &str =
    "appsrc name=in format=time block=true max-bytes=0 max-time=0 max-buffers=30 ! h264parse";

/// A clip that begins with a key frame.
pub struct Clip {
    frames: Vec<gst::Sample>,
    length: gst::ClockTime,
}

impl Clip {
    /// The coded frames of `source`.
    ///
    /// # Panics
    /// When there are none.
    pub fn new(source: &str) -> Self {
        let delivered = collect(&format!(
            "{source} ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au ! \
             appsink name=out"
        ))
        .unwrap();
        assert_eq!(delivered.error, None);
        let duration = |sample: &gst::Sample| sample.buffer().unwrap().duration().unwrap();
        let length = delivered.samples.iter().map(duration).sum();
        Self { frames: delivered.samples, length }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// The source of `pipeline`, ready for them.
    ///
    /// # Panics
    /// When it has none.
    pub fn input(&self, pipeline: &Pipeline) -> gst_app::AppSrc {
        let input = pipeline.element("in").unwrap().downcast::<gst_app::AppSrc>().unwrap();
        input.set_caps(self.frames[0].caps_owned().as_ref());
        input
    }

    /// Pushes `count` of them, from the first one on, the clip again after the last one, until nobody takes them.
    pub fn push(&self, input: &gst_app::AppSrc, count: usize) {
        for index in 0..count {
            let mut buffer = self.frames[index % self.len()].buffer_owned().unwrap();
            let later = self.length * (index / self.len()) as u64;
            let frame = buffer.make_mut();
            frame.set_pts(frame.pts().map(|time| time + later));
            frame.set_dts(frame.dts().map(|time| time + later));
            if input.push_buffer(buffer).is_err() {
                return;
            }
        }
    }
}
