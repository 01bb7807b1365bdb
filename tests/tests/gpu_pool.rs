//! The element `zcbufferpool` on a CUDA device, or on a double of the driver where there is none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../libs/gpu/tests/harness/mod.rs"]
mod harness;

use std::process::ExitCode;
use std::time::Duration;

use gpu::gstcuda::CudaContext;
use gpu::{Frame, FrameError, FrameMut, MemoryKind};
use gst::prelude::*;
use gst_osha_tests::{Pipeline, collect, eventually, missing_cuda_elements, pixels};
use gst_video::VideoInfo;

fn frames(line: &str) -> Vec<Vec<u8>> {
    let delivered = collect(line).unwrap();
    assert_eq!(delivered.error, None, "{line}");
    delivered.samples.iter().map(|sample| pixels::of(sample).unwrap()).collect()
}

fn stat(element: &gst::Element, name: &str) -> u64 {
    element.property::<gst::Structure>("stats").get(name).unwrap()
}

/// Plays `source ! pool ! cudadownload` to its end; the frames, and the element with its totals.
fn through(source: &str, pool: &str) -> (Vec<Vec<u8>>, gst::Structure) {
    let line = format!(
        "{source} ! zcbufferpool name=pool {pool} ! video/x-raw(memory:CUDAMemory) ! cudadownload ! video/x-raw ! \
         appsink name=out sync=false"
    );
    let pipeline = Pipeline::new(&line).unwrap();
    let out = pipeline.element("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let mut frames = Vec::new();
    while let Some(sample) = out.try_pull_sample(gst::ClockTime::from_seconds(20)) {
        frames.push(pixels::of(&sample).unwrap());
    }
    let stats = pipeline.element("pool").unwrap().property("stats");
    (frames, stats)
}

fn count(stats: &gst::Structure, name: &str) -> u64 {
    stats.get(name).unwrap()
}

fn source(format: &str) -> String {
    format!("videotestsrc num-buffers=6 pattern=ball ! video/x-raw,format={format},width=642,height=362")
}

fn uploaded_frames_are_the_same_and_counted() {
    for format in ["NV12", "I420", "P010_10LE", "RGBA", "BGRA"] {
        let direct = frames(&format!("{} ! appsink name=out", source(format)));
        let (found, stats) = through(&source(format), "memory=device fail-on-copy=true");
        assert!(direct == found, "{format}: {stats}");
        assert_eq!((count(&stats, "frames-uploaded"), count(&stats, "frames-copied")), (6, 0), "{format}");
        let bytes: usize = direct.iter().map(Vec::len).sum();
        assert_eq!(count(&stats, "bytes-host-to-device"), bytes as u64, "{format}");
        assert_eq!(count(&stats, "bytes-host-to-host"), 0, "{format}");
        assert_eq!(stats.get::<&str>("memory"), Ok("device"));
    }
}

fn formats_that_cuda_memory_does_not_know_stay_in_host_memory() {
    for format in ["xRGB", "xBGR", "GRAY8"] {
        let direct = frames(&format!("{} ! appsink name=out", source(format)));
        assert!(
            direct == frames(&format!("{} ! zcbufferpool ! appsink name=out", source(format))),
            "{format}"
        );
    }
}

fn frames_read_in_place_are_the_same_and_never_copied() {
    for memory in ["mapped", "managed"] {
        for format in ["NV12", "I420", "P010_10LE", "RGBA"] {
            let direct = frames(&format!("{} ! appsink name=out", source(format)));
            let (found, stats) = through(&source(format), &format!("memory={memory} fail-on-copy=true"));
            assert!(direct == found, "{memory} {format}: {stats}");
            assert_eq!((count(&stats, "frames-zero-copy"), count(&stats, "frames-copied")), (6, 0));
            assert_eq!(count(&stats, "bytes-host-to-device"), 0);
        }
    }
}

fn frames_of_odd_sizes_are_the_same() {
    for (width, height) in [(1, 1), (3, 5), (643, 361)] {
        for format in ["NV12", "I420", "P010_10LE", "RGB", "RGBA"] {
            let source = format!(
                "videotestsrc num-buffers=2 pattern=ball ! video/x-raw,format={format},width={width},height={height}"
            );
            let direct = frames(&format!("{source} ! appsink name=out"));
            for memory in ["device", "mapped", "managed"] {
                let (found, stats) = through(&source, &format!("memory={memory} fail-on-copy=true"));
                assert!(direct == found, "{format} {width}x{height} {memory}: {stats}");
            }
        }
    }
}

fn a_software_decoder_writes_where_the_device_reads() {
    let source = "videotestsrc num-buffers=30 pattern=ball ! video/x-raw,format=I420,width=642,height=362 ! \
                  x264enc bframes=2 ! avdec_h264";
    let direct = frames(&format!("{source} ! appsink name=out"));
    assert_eq!(direct.len(), 30);
    for (memory, counted) in [("device", "frames-uploaded"), ("mapped", "frames-zero-copy")] {
        let (found, stats) = through(source, &format!("memory={memory} fail-on-copy=true"));
        assert!(direct == found, "{memory}: {stats}");
        assert_eq!((count(&stats, counted), count(&stats, "frames-copied")), (30, 0), "{memory}");
    }
}

fn frames_from_elsewhere_are_copied_or_refused() {
    // `identity drop-allocation` keeps the pool from upstream.
    let source = format!("{} ! identity drop-allocation=true", source("NV12"));
    let direct = frames(&format!("{source} ! appsink name=out"));
    for memory in ["device", "mapped"] {
        let (found, stats) = through(&source, &format!("memory={memory}"));
        assert!(direct == found, "{memory}");
        assert_eq!(count(&stats, "frames-copied"), 6, "{memory}: {stats}");
        let line = format!("{source} ! zcbufferpool name=pool memory={memory} fail-on-copy=true ! fakesink");
        let error = Pipeline::new(&line).unwrap().play().unwrap().expect_err("a copy is needed");
        assert_eq!(error.element, "pool");
        assert!(error.message.starts_with("fail-on-copy=true"), "{error:?}");
    }
}

/// A pipeline whose sink `out` takes CUDA memory, playing.
fn to_device(line: &str) -> (Pipeline, gst_app::AppSink) {
    let line = format!(
        "{line} ! appsink name=out sync=false enable-last-sample=false caps=video/x-raw(memory:CUDAMemory)"
    );
    let pipeline = Pipeline::new(&line).unwrap();
    let out = pipeline.element("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    (pipeline, out)
}

fn pull(out: &gst_app::AppSink) -> Option<gst::Sample> {
    out.try_pull_sample(gst::ClockTime::from_seconds(20))
}

fn frames_read_in_place_are_not_drawn_on() {
    for (memory, writable) in [("device", true), ("mapped", false)] {
        let line = format!("{} ! zcbufferpool memory={memory}", source("NV12"));
        let (_pipeline, out) = to_device(&line);
        let sample = pull(&out).unwrap();
        let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let mut buffer = sample.buffer_owned().unwrap();
        drop(sample);
        // An appsink holds the frame that it gave last.
        while pull(&out).is_some() {}
        let mapped = FrameMut::map(buffer.get_mut().unwrap(), &info, MemoryKind::Cuda);
        assert_eq!(mapped.is_ok(), writable, "{memory}");
        assert!(writable || matches!(mapped, Err(FrameError::Shared)), "{memory}");
    }
}

fn an_exhausted_pool_holds_upstream_back_and_a_flush_wakes_it() {
    let source = "videotestsrc ! video/x-raw,format=NV12,width=640,height=360,framerate=25/1";
    let (pipeline, out) =
        to_device(&format!("{source} ! zcbufferpool name=pool memory=device max-buffers=4"));
    let pool = pipeline.element("pool").unwrap();
    let held: Vec<_> = (0..4).map(|_| pull(&out).unwrap()).collect();
    assert!(eventually(|| stat(&pool, "waits") > 0));
    let (done, told) = std::sync::mpsc::channel();
    let seeking = pipeline.0.clone();
    std::thread::spawn(move || {
        done.send(seeking.seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO).is_ok()).unwrap();
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(true));
    drop(held);
    for frame in 0..20 {
        let time = pull(&out).unwrap().buffer().unwrap().pts();
        assert_eq!(
            time,
            Some(gst::ClockTime::from_mseconds(frame * 40)),
            "from the start, and no frame is lost"
        );
    }
    assert!(stat(&pool, "buffers-high-water") <= 8, "four here and four upstream");
}

fn exhaustion_is_an_error_on_request() {
    let line = "videotestsrc ! video/x-raw,format=NV12,width=640,height=360 ! zcbufferpool name=pool memory=device \
                max-buffers=4 exhaustion=error ! appsink name=out sync=false caps=video/x-raw(memory:CUDAMemory)";
    let error = Pipeline::new(line).unwrap().play().unwrap().expect_err("nobody takes the frames");
    assert_eq!(error.element, "pool");
    assert!(error.message.contains("all 4 buffers"), "{error:?}");
}

fn padding_counts_in_what_a_pool_may_take() {
    let error = |options: &str| {
        let line = format!(
            "videotestsrc ! video/x-raw,format=NV12,width=1928,height=1080 ! zcbufferpool name=pool {options} ! \
             video/x-raw(memory:CUDAMemory) ! fakesink"
        );
        Pipeline::new(&line).unwrap().play().unwrap().expect_err("the frames do not fit")
    };
    for memory in ["device", "mapped"] {
        let error = error(&format!("memory={memory} pool-size-mb=6"));
        assert_eq!(error.element, "pool");
        assert!(error.message.ends_with("set pool-size-mb to 7 or more"), "{error:?}");
    }
}

fn a_device_that_is_not_there_is_a_warning() {
    let pipeline =
        Pipeline::new("videotestsrc num-buffers=1 ! zcbufferpool device-id=99 ! fakesink").unwrap();
    let bus = pipeline.0.bus().unwrap();
    pipeline.0.set_state(gst::State::Paused).unwrap();
    let warning =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Warning]).unwrap();
    let gst::MessageView::Warning(warning) = warning.view() else { unreachable!() };
    assert!(warning.error().message().starts_with("device-id: there is no device 99"), "{warning:?}");
}

fn a_hardware_decoder_writes_into_our_pool_in_our_context() {
    let line = "videotestsrc num-buffers=60 ! video/x-raw,format=I420,width=642,height=362 ! x264enc bframes=0 ! \
                h264parse ! nvh264dec ! zcbufferpool name=pool max-buffers=12";
    let (pipeline, out) = to_device(line);
    let context = CudaContext::primary(0).unwrap();
    let mut held = Vec::new();
    // The pool is the decoder's: it stops when nobody gives frames back.
    while let Some(sample) = out.try_pull_sample(gst::ClockTime::from_seconds(3)) {
        let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let Ok(Frame::Cuda(frame)) = Frame::map(sample.buffer().unwrap(), &info, MemoryKind::Cuda) else {
            panic!("not CUDA memory")
        };
        assert_eq!(frame.context(), context.context());
        drop(frame);
        held.push(sample);
    }
    assert!((1..=12).contains(&held.len()), "{} frames came out of a pool of 12", held.len());
    let before = held.len();
    drop(held);
    let after = std::iter::from_fn(|| pull(&out)).count();
    assert_eq!(before + after, 60);
    let pool = pipeline.element("pool").unwrap();
    assert_eq!((stat(&pool, "frames-zero-copy"), stat(&pool, "frames-uploaded")), (60, 0));
}

fn device_memory_comes_back_when_the_pipeline_stops() {
    let free = || CudaContext::primary(0).unwrap().context().memory().unwrap().0;
    let line = "videotestsrc num-buffers=10 ! video/x-raw,format=NV12,width=1920,height=1080 ! \
                zcbufferpool memory=device min-buffers=8 ! fakesink enable-last-sample=false";
    let pipeline = Pipeline::new(line).unwrap();
    assert_eq!(pipeline.play().unwrap(), Ok(()));
    pipeline.0.set_state(gst::State::Null).unwrap();
    let before = free();
    for _ in 0..10 {
        assert_eq!(pipeline.play().unwrap(), Ok(()));
        pipeline.0.set_state(gst::State::Null).unwrap();
    }
    // Other tests of this binary come and go.
    assert!(eventually(|| free() + (64 << 20) >= before));
}

fn frames_that_outlive_the_element_leave_nothing_behind() {
    for memory in ["device", "mapped", "managed"] {
        let (pipeline, out) =
            to_device(&format!("{} ! zcbufferpool name=pool memory={memory}", source("NV12")));
        let (pool, held) = (pipeline.element("pool").unwrap(), pull(&out).unwrap());
        // An appsink, too, holds the frame that it gave last.
        drop((pipeline, out));
        assert!(stat(&pool, "buffers-allocated") > 0, "{memory}");
        drop(held);
        assert!(eventually(|| stat(&pool, "buffers-allocated") == 0), "{memory}");
    }
}

fn main() -> ExitCode {
    harness::run_on_device_or_double(
        missing_cuda_elements(),
        tests![
            uploaded_frames_are_the_same_and_counted,
            formats_that_cuda_memory_does_not_know_stay_in_host_memory,
            frames_read_in_place_are_the_same_and_never_copied,
            frames_of_odd_sizes_are_the_same,
            a_software_decoder_writes_where_the_device_reads,
            frames_from_elsewhere_are_copied_or_refused,
            frames_read_in_place_are_not_drawn_on,
            an_exhausted_pool_holds_upstream_back_and_a_flush_wakes_it,
            exhaustion_is_an_error_on_request,
            padding_counts_in_what_a_pool_may_take,
            a_device_that_is_not_there_is_a_warning,
            device_memory_comes_back_when_the_pipeline_stops,
            frames_that_outlive_the_element_leave_nothing_behind
        ],
        tests![a_hardware_decoder_writes_into_our_pool_in_our_context],
        &[],
    )
}
