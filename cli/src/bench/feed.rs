//! Frames from memory instead of a decoder, so that one element runs alone.

use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use gst::prelude::*;
use gstsupport::lock;

use super::Args;
use super::figures::Stage;
use super::launch::{self, quoted};

/// Where the frames come in.
pub const SOURCE: &str = "appsrc name=feed format=time block=true max-buffers=4 max-bytes=0";

/// Frames that are kept and played again and again.
const KEPT: usize = 24;

/// Frames per second that the time stamps say.
const RATE: u64 = 25;

/// Whether the program takes frames from memory.
pub fn is_fed(stage: Stage) -> bool {
    matches!(stage, Stage::InferAlone | Stage::AnnotateAlone | Stage::EncodeAlone)
}

/// The first frames of the clip as they reach the element that `stage` times, or what is inserted before it.
///
/// # Errors
/// When the clip cannot be decoded.
pub fn frames(stage: Stage, args: &Args) -> Result<Vec<gst::Sample>> {
    let frames = match stage {
        Stage::AnnotateAlone => {
            format!("{} ! trtinfer model={} threads={}", args.source()?, quoted(&args.model)?, args.threads)
        }
        _ => args.decoded()?,
    };
    let line = format!("{frames} ! fakesink name=out sync=false enable-last-sample=false");
    let pipeline = launch::pipeline(&line)?;
    // The frames go on into another pipeline, and nobody in this one would name the context that they must lie in.
    launch::share_context(&pipeline);
    let pad = pipeline.by_name("out").and_then(|sink| sink.static_pad("sink")).context("no sink")?;
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeping = Arc::clone(&kept);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let mut kept = lock(&keeping);
        if let (Some(buffer), true) = (info.buffer(), kept.len() < KEPT) {
            kept.push(sample(buffer, pad.current_caps().as_ref()));
            if kept.len() == KEPT {
                launch::post(pad, launch::ENOUGH);
            }
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing)?;
    let ended = launch::wait(&pipeline);
    pipeline.set_state(gst::State::Null)?;
    ended?;
    let frames = std::mem::take(&mut *lock(&kept));
    Ok(frames)
}

fn sample(buffer: &gst::BufferRef, caps: Option<&gst::Caps>) -> gst::Sample {
    let copy = buffer.copy_deep().ok();
    let sample = gst::Sample::builder();
    let sample = if let Some(copy) = &copy { sample.buffer(copy) } else { sample };
    if let Some(caps) = caps { sample.caps(caps).build() } else { sample.build() }
}

/// Lets `frames` come out of the pipeline's source, again and again. `None` if it has no such source.
///
/// # Errors
/// When the frames have no caps.
pub fn start(pipeline: &gst::Pipeline, frames: &[gst::Sample]) -> Result<Option<()>> {
    let Some(source) = pipeline.by_name("feed").and_then(|source| source.downcast::<gst_app::AppSrc>().ok())
    else {
        return Ok(None);
    };
    let first = frames.first().context("the clip holds no frame")?;
    source.set_caps(Some(&first.caps_owned().context("frames without caps")?));
    let buffers: Vec<gst::Buffer> = frames.iter().filter_map(|frame| frame.buffer_owned()).collect();
    let mut number = 0_u64;
    let callbacks = gst_app::AppSrcCallbacks::builder().need_data(move |source, _| {
        let buffer = &buffers[number as usize % buffers.len()];
        // Whoever takes it may write on it.
        if let Ok(copy) = buffer.copy_deep() {
            // A source that is shutting down takes no more.
            let _ = source.push_buffer(stamped(copy, number));
        }
        number += 1;
    });
    source.set_callbacks(callbacks.build());
    Ok(Some(()))
}

fn stamped(mut buffer: gst::Buffer, number: u64) -> gst::Buffer {
    let frame = buffer.make_mut();
    frame.set_pts(gst::ClockTime::SECOND.mul_div_floor(number, RATE));
    frame.set_dts(gst::ClockTime::NONE);
    frame.set_duration(gst::ClockTime::SECOND / RATE);
    buffer
}
