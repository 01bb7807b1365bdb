//! The element `zcbufferpool` in host memory: frames pass unchanged, pools are used, bounded and never waited for in vain.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};

use gpu::MemoryKind;
use gst::prelude::*;
use gst_osha_tests::{BusError, Pipeline, collect, eventually, init, pixels};
use gst_video::VideoMeta;

fn frames(line: &str) -> Vec<(Option<gst::ClockTime>, Vec<u8>)> {
    let delivered = collect(line).unwrap();
    assert_eq!(delivered.error, None, "{line}");
    let frame = |sample: &gst::Sample| (sample.buffer().unwrap().pts(), pixels::of(sample).unwrap());
    delivered.samples.iter().map(frame).collect()
}

fn stat(element: &gst::Element, name: &str) -> u64 {
    element.property::<gst::Structure>("stats").get(name).unwrap()
}

fn error(line: &str) -> BusError {
    Pipeline::new(line).unwrap().play().unwrap().expect_err("the pipeline should fail")
}

fn has_gpu() -> bool {
    init();
    gpu::gstcuda::status().is_ok()
}

#[test]
fn the_element_says_what_it_can_do() {
    init();
    let element = gst::ElementFactory::make("zcbufferpool").build().unwrap();
    assert_eq!(element.property::<u32>("pool-size-mb"), 512);
    assert_eq!(
        element.property_value("memory").transform::<String>().unwrap().get::<&str>(),
        Ok("Auto: mapped where CPU and GPU share memory, else device; system without a GPU")
    );
    let stats: gst::Structure = element.property("stats");
    assert_eq!(stats.name(), "zcbufferpool-stats");
    assert!(!stats.get::<String>("reason").unwrap().is_empty());
    let caps = element.pad_template("src").unwrap().caps().clone();
    assert_eq!(MemoryKind::of(caps.features(0)), Some(MemoryKind::Cuda), "CUDA memory comes first: {caps}");
}

#[test]
fn frames_pass_unchanged_in_every_format_and_odd_sizes() {
    init();
    for format in gpu::format::video_formats() {
        for (width, height) in [(64, 48), (33, 17), (1, 1)] {
            let source = format!(
                "videotestsrc num-buffers=3 pattern=ball ! video/x-raw,format={format},width={width},height={height}"
            );
            let direct = frames(&format!("{source} ! appsink name=out"));
            let passed = frames(&format!("{source} ! zcbufferpool memory=system ! appsink name=out"));
            assert_eq!(direct.len(), 3);
            assert!(direct == passed, "{format} {width}x{height}");
        }
    }
}

#[test]
fn without_a_gpu_auto_gives_the_same_frames_and_a_warning() {
    if has_gpu() {
        return;
    }
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let seen = warnings.clone();
    gst::log::set_threshold_for_name("zcbufferpool", gst::DebugLevel::Warning);
    let log = gst::log::add_log_function(move |category, level, _, _, _, _, message| {
        if category.name() == "zcbufferpool" && level == gst::DebugLevel::Warning {
            seen.lock().unwrap().push(message.get().unwrap().to_string());
        }
    });
    let source = "videotestsrc num-buffers=5 ! video/x-raw,format=NV12,width=66,height=50";
    assert!(
        frames(&format!("{source} ! appsink name=out"))
            == frames(&format!("{source} ! zcbufferpool ! appsink name=out"))
    );
    gst::log::remove_log_function(log);
    let warnings = warnings.lock().unwrap();
    assert!(warnings.iter().any(|text| text.contains("memory=auto: no GPU")), "{warnings:?}");
}

#[test]
fn without_a_gpu_what_is_asked_for_by_name_is_an_error() {
    if has_gpu() {
        return;
    }
    for memory in ["device", "pinned", "mapped", "managed"] {
        let error = error(&format!("videotestsrc ! zcbufferpool name=pool memory={memory} ! fakesink"));
        assert_eq!(error.element, "pool");
        assert!(error.message.starts_with(&format!("memory={memory}: ")), "{error:?}");
        assert!(error.message.ends_with("set memory=auto or memory=system"), "{error:?}");
    }
}

#[test]
fn upstream_writes_into_the_pool_again_and_again() {
    let pipeline = Pipeline::new(
        "videotestsrc num-buffers=200 ! video/x-raw,format=NV12,width=64,height=48 ! \
         zcbufferpool name=pool memory=system ! fakesink name=sink enable-last-sample=false",
    )
    .unwrap();
    assert_eq!(pipeline.play().unwrap(), Ok(()));
    let pool = pipeline.element("pool").unwrap();
    assert!((1..=4).contains(&stat(&pool, "buffers-allocated")), "{:?}", stat(&pool, "buffers-allocated"));
    assert!((1..=4).contains(&stat(&pool, "allocations")), "buffers are used again");
    assert!((1..=4).contains(&stat(&pool, "buffers-high-water")));
    assert_eq!(stat(&pool, "buffers-in-use"), 0);
    assert_eq!((stat(&pool, "frames-zero-copy"), stat(&pool, "frames-copied")), (200, 0));
    pipeline.0.set_state(gst::State::Null).unwrap();
    assert_eq!(stat(&pool, "buffers-allocated"), 0, "everything is given back");
}

#[test]
fn totals_are_posted_at_the_end() {
    let pipeline =
        Pipeline::new("videotestsrc num-buffers=7 ! zcbufferpool name=pool memory=system ! fakesink")
            .unwrap();
    let bus = pipeline.0.bus().unwrap();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let wait = gst::ClockTime::from_seconds(10);
    let message = loop {
        let message = bus.timed_pop_filtered(wait, &[gst::MessageType::Element]).unwrap();
        if message.structure().is_some_and(|totals| totals.name() == "zcbufferpool-stats") {
            break message;
        }
    };
    assert_eq!(message.src().unwrap().name(), "pool");
    assert_eq!(message.structure().unwrap().get::<u64>("frames-zero-copy"), Ok(7));
}

/// An appsink that takes frames with any strides.
fn understands_strides(pipeline: &Pipeline) {
    let sink = pipeline.element("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    let callbacks = gst_app::AppSinkCallbacks::builder().propose_allocation(|_, query| {
        query.add_allocation_meta::<VideoMeta>(None);
        true
    });
    sink.set_callbacks(callbacks.build());
}

fn sample(pipeline: &Pipeline) -> Option<gst::Sample> {
    let sink = pipeline.element("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    sink.try_pull_sample(gst::ClockTime::from_seconds(20))
}

#[test]
fn a_decoder_writes_its_padded_frames_into_the_pool() {
    init();
    if gst::ElementFactory::find("avdec_h264").is_none() || gst::ElementFactory::find("x264enc").is_none() {
        return;
    }
    let source = "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,format=I420,width=322,height=182 ! \
                  x264enc bframes=2 ! avdec_h264";
    let direct = frames(&format!("{source} ! appsink name=out"));
    let pipeline = Pipeline::new(&format!(
        "{source} ! zcbufferpool name=pool memory=system ! appsink name=out sync=false"
    ))
    .unwrap();
    understands_strides(&pipeline);
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let mut padded = 0;
    for (_, expected) in &direct {
        let sample = sample(&pipeline).unwrap();
        let meta = sample.buffer().unwrap().meta::<VideoMeta>().unwrap();
        padded += usize::from(meta.stride()[0] == meta.stride()[1]);
        assert!(pixels::of(&sample).unwrap() == *expected);
    }
    assert_eq!((direct.len(), padded), (20, 20), "the pool's layout has one stride for all planes");
    assert!(stat(&pipeline.element("pool").unwrap(), "buffers-high-water") > 1);
}

/// Ten frames through a pool of three whose buffers nobody gives back.
fn blocked() -> (Pipeline, gst::Element, Vec<gst::Sample>) {
    let pipeline = Pipeline::new(
        "videotestsrc num-buffers=10 ! video/x-raw,format=NV12,width=64,height=48 ! \
         zcbufferpool name=pool memory=system max-buffers=3 ! \
         appsink name=out sync=false enable-last-sample=false",
    )
    .unwrap();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let pool = pipeline.element("pool").unwrap();
    let held: Vec<_> = (0..3).map(|_| sample(&pipeline).unwrap()).collect();
    assert!(eventually(|| stat(&pool, "waits") > 0));
    assert_eq!((stat(&pool, "buffers-in-use"), stat(&pool, "buffers-allocated")), (3, 3));
    (pipeline, pool, held)
}

#[test]
fn an_exhausted_pool_holds_upstream_back() {
    let (pipeline, pool, held) = blocked();
    drop(held);
    for _ in 3..10 {
        sample(&pipeline).unwrap();
    }
    assert!(sample(&pipeline).is_none(), "the stream has ended");
    assert_eq!((stat(&pool, "buffers-high-water"), stat(&pool, "frames-zero-copy")), (3, 10));
}

#[test]
fn a_flush_wakes_who_waits_for_a_buffer() {
    let (pipeline, _, held) = blocked();
    let (done, told) = std::sync::mpsc::channel();
    let seeking = pipeline.0.clone();
    std::thread::spawn(move || {
        done.send(seeking.seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO).is_ok()).unwrap();
    });
    assert_eq!(told.recv_timeout(std::time::Duration::from_secs(20)), Ok(true));
    drop(held);
    assert_eq!(sample(&pipeline).unwrap().buffer().unwrap().pts(), Some(gst::ClockTime::ZERO));
}

/// Coded frames in a file that can be jumped in.
fn clip(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("clip.mp4").display().to_string();
    let line = format!(
        "videotestsrc num-buffers=100 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! \
         x264enc bframes=2 key-int-max=10 ! mp4mux ! filesink location={path}"
    );
    assert_eq!(Pipeline::new(&line).unwrap().play().unwrap(), Ok(()));
    format!("filesrc location={path} ! qtdemux ! h264parse ! avdec_h264")
}

#[test]
fn a_decoder_makes_no_error_of_a_flush() {
    let folder = tempfile::tempdir().unwrap();
    for bound in ["", "max-buffers=3"] {
        let line = format!("{} ! zcbufferpool memory=system {bound} ! fakesink", clip(&folder));
        let pipeline = Pipeline::new(&line).unwrap();
        pipeline.0.set_state(gst::State::Playing).unwrap();
        assert_eq!(pipeline.0.state(gst::ClockTime::from_seconds(10)).1, gst::State::Playing);
        for jump in 0..150 {
            let time = gst::ClockTime::from_mseconds(jump * 37 % 3000);
            pipeline.0.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, time).unwrap();
            std::thread::sleep(std::time::Duration::from_micros(jump * 300 % 4000));
        }
        assert_eq!(pipeline.play().unwrap(), Ok(()), "{bound}");
    }
}

#[test]
fn a_decoder_makes_no_error_of_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("{} ! zcbufferpool memory=system max-buffers=3 ! fakesink", clip(&folder));
    for stop in 0..30 {
        let pipeline = Pipeline::new(&line).unwrap();
        pipeline.0.set_state(gst::State::Playing).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(stop % 10 * 3));
        // The bus forgets its messages only in NULL.
        pipeline.0.set_state(gst::State::Ready).unwrap();
        let error = pipeline.0.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
        assert!(error.is_none(), "{error:?}");
    }
}

#[test]
fn stopping_wakes_who_waits_for_a_buffer() {
    let (pipeline, pool, held) = blocked();
    let (done, told) = std::sync::mpsc::channel();
    let stopping = pipeline.0.clone();
    std::thread::spawn(move || done.send(stopping.set_state(gst::State::Null).is_ok()).unwrap());
    assert_eq!(told.recv_timeout(std::time::Duration::from_secs(20)), Ok(true));
    drop(held);
    assert_eq!((stat(&pool, "buffers-in-use"), stat(&pool, "buffers-allocated")), (0, 0));
}

#[test]
fn exhaustion_is_an_error_on_request() {
    let pipeline = Pipeline::new(
        "videotestsrc ! video/x-raw,format=NV12,width=64,height=48 ! \
         zcbufferpool name=pool memory=system max-buffers=3 exhaustion=error ! \
         appsink name=out sync=false",
    )
    .unwrap();
    let error = pipeline.play().unwrap().expect_err("nobody takes the frames");
    assert_eq!(error.element, "pool");
    assert!(
        error.message.contains("all 3 buffers") && error.message.contains("raise pool-size-mb"),
        "{error:?}"
    );
}

#[test]
fn a_pool_that_cannot_hold_what_is_needed_is_an_error() {
    let error = error(
        "videotestsrc ! video/x-raw,format=RGBA,width=1920,height=1080 ! \
         zcbufferpool name=pool memory=system pool-size-mb=8 ! fakesink",
    );
    assert_eq!(error.element, "pool");
    assert!(error.message.ends_with("set pool-size-mb to 16 or more"), "{error:?}");
}

#[test]
fn a_stopped_pipeline_plays_again() {
    let pipeline = Pipeline::new(
        "videotestsrc num-buffers=5 ! zcbufferpool name=pool memory=system ! fakesink enable-last-sample=false",
    )
    .unwrap();
    for _ in 0..30 {
        assert_eq!(pipeline.play().unwrap(), Ok(()));
        assert_eq!(stat(&pipeline.element("pool").unwrap(), "frames-zero-copy"), 5);
        pipeline.0.set_state(gst::State::Null).unwrap();
        assert_eq!(stat(&pipeline.element("pool").unwrap(), "buffers-allocated"), 0);
    }
}

#[test]
fn caps_may_change_in_the_middle() {
    let frames = frames(
        "concat name=c ! zcbufferpool memory=system ! appsink name=out \
         videotestsrc num-buffers=4 ! video/x-raw,format=NV12,width=64,height=48 ! c. \
         videotestsrc num-buffers=4 ! video/x-raw,format=RGB,width=33,height=17 ! c.",
    );
    let sizes: Vec<usize> = frames.iter().map(|(_, pixels)| pixels.len()).collect();
    assert_eq!(sizes, [[64 * 48 * 3 / 2; 4], [33 * 17 * 3; 4]].concat());
}
