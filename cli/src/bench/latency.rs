//! How long a frame takes from the decoder to the sink, where frames come one at a time.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gpu::cuda::{Event, Stream};
use gpu::{Frame, MemoryKind};
use gst::prelude::*;
use gst_video::VideoInfo;
use gstsupport::lock;
use gstsupport::samples::Summary;
use serde::Serialize;

use super::figures::{Figures, Part, Stage};
use super::timing::{Key, Timing};

/// Frames at most.
pub const FRAMES: u64 = 300;

/// Time between two frames of a camera: more than any of them takes.
const PACE: Duration = Duration::from_millis(20);

/// A frame that does not arrive within this time is not waited for any longer.
const LOST: Duration = Duration::from_secs(5);

/// Milliseconds.
#[derive(Serialize)]
pub struct Latency {
    /// From the decoder to the sink, until the device is done with the frame.
    pub frame: Summary,
    /// What the network takes of that.
    pub network: Option<Summary>,
}

impl Latency {
    /// What a program that was watched came to.
    pub fn of(figures: &Figures) -> Option<Self> {
        Some(Self { frame: figures.latency?, network: figures.parts.get(&Part::Inference).copied() })
    }
}

/// The time from one frame to the next in `stage`, if its frames come one at a time.
pub fn pace(stage: Stage) -> Option<Duration> {
    match stage {
        Stage::OneByOne => Some(Duration::ZERO),
        Stage::Live => Some(PACE),
        _ => None,
    }
}

/// Lets frames come to the element `infer` one at a time, each `pace` after the one before at the soonest, and times them from
/// there until they are at the sink and the device is done with them.
///
/// # Errors
/// When `pipeline` has no such elements.
pub fn watch(pipeline: &gst::Pipeline, pace: Duration) -> Result<Timing> {
    let from = pipeline.by_name("infer").and_then(|infer| infer.static_pad("sink")).context("no network")?;
    let sink = pipeline.iterate_sinks().into_iter().flatten().next();
    let to = sink.and_then(|sink| sink.static_pad("sink")).context("no sink")?;
    let (gate, done) = (Arc::new(Gate::default()), Mutex::default());
    let entry = Arc::clone(&gate);
    from.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        entry.enter(pace);
        gst::PadProbeReturn::Ok
    });
    to.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(buffer) = info.buffer() {
            wait_for_device(pad, buffer, &mut lock(&done));
        }
        gst::PadProbeReturn::Ok
    });
    let timing = Timing::default();
    timing.between(&from, &to, Key::Time);
    to.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        gate.leave();
        gst::PadProbeReturn::Ok
    });
    Ok(timing)
}

/// Lets frames through one at a time.
#[derive(Default)]
struct Gate {
    is_taken: Mutex<bool>,
    left: Condvar,
    entered: Mutex<Option<Instant>>,
}

impl Gate {
    /// Waits until the frame before has left, and until it has been `pace` since that entered.
    fn enter(&self, pace: Duration) {
        let taken = self.left.wait_timeout_while(lock(&self.is_taken), LOST, |taken| *taken);
        *taken.unwrap_or_else(PoisonError::into_inner).0 = true;
        let before = lock(&self.entered).map_or(Duration::MAX, |entered| entered.elapsed());
        std::thread::sleep(pace.saturating_sub(before));
        *lock(&self.entered) = Some(Instant::now());
    }

    fn leave(&self) {
        *lock(&self.is_taken) = false;
        self.left.notify_one();
    }
}

/// Waits, with `done`, for what a stream still does with `buffer`. Frames in host memory are done.
fn wait_for_device(pad: &gst::Pad, buffer: &gst::BufferRef, done: &mut Option<Event>) {
    let Some(caps) = pad.current_caps() else { return };
    let (Some(kind), Ok(info)) = (MemoryKind::of(caps.features(0)), VideoInfo::from_caps(&caps)) else {
        return;
    };
    if let (MemoryKind::Cuda, Ok(Frame::Cuda(frame))) = (kind, Frame::map(buffer, &info, kind)) {
        // A device that fails here has told so elsewhere.
        let _ = wait_for_stream(frame.stream(), done);
    }
}

fn wait_for_stream(stream: &Stream, done: &mut Option<Event>) -> Result<(), gpu::cuda::Error> {
    let done = match done {
        Some(done) => done,
        None => done.insert(Event::new(stream.context())?),
    };
    done.record(stream)?;
    done.spin(LOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_waits_for_the_one_before_and_for_its_time() {
        let (gate, pace) = (Arc::new(Gate::default()), Duration::from_millis(30));
        let started = Instant::now();
        gate.enter(pace);
        let other = Arc::clone(&gate);
        let next = std::thread::spawn(move || other.enter(pace));
        std::thread::sleep(Duration::from_millis(60));
        assert!(!next.is_finished(), "the first one has not left");
        gate.leave();
        next.join().unwrap();
        gate.leave();
        gate.enter(pace);
        assert!(started.elapsed() >= Duration::from_millis(90));
    }
}
