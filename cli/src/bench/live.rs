//! How long a frame of a live stream takes from the decoder to the sink.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gpu::{Frame, MemoryKind};
use gst::prelude::*;
use gst_video::VideoInfo;
use gstsupport::lock;

use super::timing::{Key, Timing};

/// Frames at most.
pub const FRAMES: u64 = 300;

/// Time between two frames: more than any of them takes.
const PACE: Duration = Duration::from_millis(20);

/// Lets frames come to the element `infer` one by one, as from a camera, and times each from there until it is at the sink
/// and the device is done with it.
///
/// # Errors
/// When `pipeline` has no such elements.
pub fn watch(pipeline: &gst::Pipeline) -> Result<Timing> {
    let from = pipeline.by_name("infer").and_then(|infer| infer.static_pad("sink")).context("no network")?;
    let sink = pipeline.iterate_sinks().into_iter().flatten().next();
    let to = sink.and_then(|sink| sink.static_pad("sink")).context("no sink")?;
    let next = Mutex::new(Instant::now());
    from.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let mut next = lock(&next);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        *next = Instant::now() + PACE;
        gst::PadProbeReturn::Ok
    });
    to.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
        if let Some(buffer) = info.buffer() {
            wait_for_device(pad, buffer);
        }
        gst::PadProbeReturn::Ok
    });
    let timing = Timing::default();
    timing.between(&from, &to, Key::Time);
    Ok(timing)
}

/// Waits for what a stream still does with `buffer`. Frames in host memory are done.
fn wait_for_device(pad: &gst::Pad, buffer: &gst::BufferRef) {
    let Some(caps) = pad.current_caps() else { return };
    let (Some(kind), Ok(info)) = (MemoryKind::of(caps.features(0)), VideoInfo::from_caps(&caps)) else {
        return;
    };
    if let (MemoryKind::Cuda, Ok(Frame::Cuda(frame))) = (kind, Frame::map(buffer, &info, kind)) {
        // A device that fails here has told so elsewhere.
        let _ = frame.stream().synchronize();
    }
}
