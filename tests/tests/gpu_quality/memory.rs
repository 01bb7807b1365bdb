//! Memory of the host and of the device: what is taken is given back, however often and however long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gpu::gstcuda::CudaContext;
use gst::prelude::*;
use gst_osha_tests::{Pipeline, eventually};

use super::looped::{self, Clip};
use super::{HARDWARE, ON_DEVICE, ON_HOST, SOFTWARE, UPLOADED, clip, start_of_clip, whole};

/// Names the number of frames of the long run.
pub const LONG: &str = "GST_OSHA_LONG_FRAMES";

/// Frames after which everything has its size.
const WARM: u64 = 2_000;
/// Growth that is no leak: the allocators' own, and what is kept up to a limit.
const HOST_MIB: i64 = 32;
const DEVICE_MIB: i64 = 8;

fn device_used() -> i64 {
    let (free, total) = CudaContext::primary(0).unwrap().context().memory().unwrap();
    (total - free) as i64 >> 20
}

fn host_used() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap() >> 10
}

/// Coded frames without a demuxer, so that the same pipeline starts again.
const ENCODED: &str = "videotestsrc num-buffers=30 pattern=ball ! \
                       video/x-raw,format=I420,width=1280,height=720,framerate=25/1 ! x264enc speed-preset=ultrafast ! h264parse";

/// From NULL to PLAYING and back, `count` times: to the end of the stream every other time, else in the middle of it.
/// What `measure` says after each.
fn cycle(decoder: &str, infer: &str, count: usize, measure: impl Fn() -> i64) -> Vec<i64> {
    let pipeline = Pipeline::new(&format!("{} ! fakesink name=out", whole(ENCODED, decoder, infer))).unwrap();
    let frames = counted(&pipeline, |_| ());
    let cycle = |index: usize| {
        frames.store(0, Ordering::SeqCst);
        if index.is_multiple_of(2) {
            assert_eq!(pipeline.play().unwrap(), Ok(()), "cycle {index}");
            assert_eq!(frames.load(Ordering::SeqCst), 30, "cycle {index}");
        } else {
            pipeline.0.set_state(gst::State::Playing).unwrap();
            assert!(eventually(|| frames.load(Ordering::SeqCst) > 0), "no frame in cycle {index}");
        }
        pipeline.0.set_state(gst::State::Null).unwrap();
        measure()
    };
    (0..count).map(cycle).collect()
}

/// Counts the frames that reach the sink `out`, and tells `each` of every count.
fn counted(pipeline: &Pipeline, each: impl Fn(u64) + Send + Sync + 'static) -> Arc<AtomicU64> {
    let frames = Arc::new(AtomicU64::new(0));
    let counter = frames.clone();
    pipeline.pad("out", "sink").unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        each(counter.fetch_add(1, Ordering::SeqCst) + 1);
        gst::PadProbeReturn::Ok
    });
    frames
}

pub fn cycles_give_the_device_its_memory_back() {
    for decoder in [HARDWARE, UPLOADED] {
        let used = cycle(decoder, ON_DEVICE, 30, device_used);
        println!("CYCLES: {decoder}: MiB in use after each: {used:?}");
        // The first ones load libraries and kernels, which stay; what is given back late is still there in the next one.
        let most = |cycles: &[i64]| cycles.iter().copied().max().unwrap();
        assert!(most(&used[4..]) <= most(&used[..4]) + DEVICE_MIB, "{used:?}");
    }
}

pub fn cycles_run_on_the_cpu() {
    assert_eq!(cycle(SOFTWARE, &format!("{ON_HOST} interval=30"), 3, || 0).len(), 3);
}

/// Plays `count` frames, those of `source` again and again, and tells `each` of every one that comes out. All must.
fn play_looped(
    source: &str,
    [decoder, infer]: [&str; 2],
    count: usize,
    each: impl Fn(u64) + Send + Sync + 'static,
) {
    let line = whole(looped::INPUT, decoder, infer);
    let (clip, pipeline) =
        (Clip::new(source), Pipeline::new(&format!("{line} ! fakesink name=out")).unwrap());
    let (input, frames) = (clip.input(&pipeline), counted(&pipeline, each));
    let pushing = std::thread::spawn(move || {
        clip.push(&input, count);
        let _ = input.end_of_stream();
    });
    let played = pipeline.play_for(gst::ClockTime::from_seconds(60 + count as u64 / 200));
    pipeline.0.set_state(gst::State::Null).unwrap();
    pushing.join().unwrap();
    assert_eq!(played.unwrap(), Ok(()));
    assert_eq!(frames.load(Ordering::SeqCst), count as u64);
}

pub fn a_long_run_keeps_no_memory() {
    let count: u64 = std::env::var(LONG).unwrap().parse().expect("a number of frames");
    assert!(count > WARM, "{LONG}={count}: more than {WARM} are needed");
    let (sizes, start) = (Arc::new(Mutex::new(Vec::new())), std::time::Instant::now());
    let record = sizes.clone();
    let step = (count / 20).max(1);
    play_looped(&clip(), [HARDWARE, ON_DEVICE], count as usize, move |frame| {
        if frame == WARM || frame > WARM && (frame % step == 0 || frame == count) {
            record.lock().unwrap().push((frame, host_used(), device_used()));
        }
    });
    let sizes = sizes.lock().unwrap();
    println!("LONG: {count} frames in {:?}; frame, host MiB, device MiB: {sizes:?}", start.elapsed());
    let ((_, host, device), (_, host_end, device_end)) = (sizes[0], sizes[sizes.len() - 1]);
    assert!(host_end - host <= HOST_MIB, "the host has {} MiB more in use", host_end - host);
    assert!(device_end - device <= DEVICE_MIB, "the device has {} MiB more in use", device_end - device);
}

pub fn a_looped_clip_loses_no_frame() {
    play_looped(&start_of_clip(20), [SOFTWARE, &format!("{ON_HOST} interval=50")], 50, |_| ());
}
