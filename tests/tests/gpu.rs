//! The network on a CUDA device, with an ONNX Runtime that is built for it. Skipped where there is no device.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../libs/gpu/tests/harness/mod.rs"]
mod harness;

use std::process::ExitCode;

use gpu::gstcuda::CudaContext;
use gpu::{Frame, MemoryKind, cuda};
use gst::prelude::*;
use gst_osha_tests::objects::{self, Object};
use gst_osha_tests::{Delivered, Pipeline, collect, file, missing_cuda, repository};

const CLIP_MODEL: &str = "models/ppe-demo.onnx";

fn objects_of(delivered: &Delivered) -> Vec<Vec<Object>> {
    assert_eq!(delivered.error, None);
    let seen =
        |sample: &gst::Sample| objects::of(sample.buffer().unwrap()).expect("every frame was inferred");
    delivered.samples.iter().map(seen).collect()
}

/// Every model on every image, with thresholds low enough that something is seen.
fn golden(frames: &str, infer: &str) -> Vec<(String, Vec<Vec<Object>>)> {
    let names = |folder: &str, suffix: &str| {
        let entries = std::fs::read_dir(repository().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(suffix)).collect();
        names.sort();
        names
    };
    let (images, models) = (names("tests/golden/images", ".png"), names("tests/golden/models", ".onnx"));
    let run = |model: &String| {
        let found = images.iter().flat_map(|image| {
            let line = format!(
                "filesrc location={} ! pngdec ! videoconvert ! {frames} ! trtinfer model={} confidence=0.3 {infer} ! \
                 appsink name=out",
                file(&format!("tests/golden/images/{image}")),
                file(&format!("tests/golden/models/{model}")),
            );
            objects_of(&collect(&line).unwrap_or_else(|error| panic!("{model}: {error}")))
        });
        (model.clone(), found.collect())
    };
    models.iter().map(run).collect()
}

fn assert_golden_agrees(frames: &str) {
    let expected = golden("video/x-raw,format=RGBA", "backend=onnxruntime-cpu");
    let found = golden(frames, "backend=onnxruntime-cuda");
    let mut totals = (0, 0);
    for ((model, expected), (_, found)) in expected.iter().zip(&found) {
        let (matched, all) = objects::agreement(expected, found);
        println!("{model}: {matched} of {all} detections agree");
        totals = (totals.0 + matched, totals.1 + all);
    }
    println!("GOLDEN {frames}: {} of {} detections agree", totals.0, totals.1);
    assert!(totals.0 * 1000 >= totals.1 * 995 && totals.1 > 0);
}

fn frames_on_the_device_are_seen_as_on_the_cpu() {
    assert_golden_agrees("video/x-raw,format=RGBA ! cudaupload ! video/x-raw(memory:CUDAMemory)");
}

fn frames_in_host_memory_are_seen_as_on_the_cpu() {
    assert_golden_agrees("video/x-raw,format=RGBA");
}

/// The clip through `decoder` and a network set up by `infer`.
fn clip(decoder: &str, infer: &str) -> Delivered {
    let line = format!(
        "filesrc location={} ! {decoder} ! trtinfer name=infer model={} {infer} ! appsink name=out",
        file("tests/data/site.mp4"),
        file(CLIP_MODEL)
    );
    collect(&line).unwrap()
}

const ON_DEVICE: &str = "qtdemux ! h264parse ! nvh264dec ! video/x-raw(memory:CUDAMemory)";
const DOWNLOADED: &str = "qtdemux ! h264parse ! nvh264dec ! video/x-raw(memory:CUDAMemory) ! cudadownload";

fn the_clip_is_seen_as_on_the_cpu() {
    let expected = objects_of(&clip(DOWNLOADED, "backend=onnxruntime-cpu"));
    for fused in [true, false] {
        let infer = format!("backend=onnxruntime-cuda fuse-convolutions={fused}");
        let found = objects_of(&clip(ON_DEVICE, &infer));
        let (matched, all) = objects::agreement(&expected, &found);
        println!("CLIP, {infer}: {} frames, {matched} of {all} detections agree", found.len());
        assert!(all > 0 && matched * 1000 >= all * 995);
    }
}

fn two_runs_are_the_same_to_the_bit() {
    let run = |infer: &str| objects_of(&clip(ON_DEVICE, infer));
    let first = run("backend=onnxruntime-cuda");
    assert_eq!(first, run("backend=onnxruntime-cuda"));
    assert_eq!(first, run("backend=onnxruntime-cuda in-flight=6"), "in-flight changes nothing");
}

/// Names of the factories of everything in `bin`.
fn factories(bin: &gst::Bin) -> Vec<String> {
    let name = |element: gst::Element| element.factory().map(|factory| factory.name().to_string());
    bin.iterate_recurse().into_iter().flatten().filter_map(name).collect()
}

fn a_decoder_bin_hands_over_device_memory_in_our_context() {
    let line = format!(
        "filesrc location={} ! decodebin3 ! trtinfer name=infer model={} ! appsink name=out sync=false",
        file("tests/data/site.mp4"),
        file(CLIP_MODEL)
    );
    let pipeline = Pipeline::new(&line).unwrap();
    let sink = pipeline.element("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(60)).expect("a frame");
    let caps = sample.caps().unwrap();
    assert_eq!(MemoryKind::of(caps.features(0)), Some(MemoryKind::Cuda), "{caps}");
    let info = gst_video::VideoInfo::from_caps(caps).unwrap();
    let Ok(Frame::Cuda(frame)) = Frame::map(sample.buffer().unwrap(), &info, MemoryKind::Cuda) else {
        panic!("not CUDA memory")
    };
    assert_eq!(frame.context(), CudaContext::primary(0).unwrap().context());
    let factories = factories(pipeline.0.upcast_ref());
    println!("DECODEBIN: {factories:?}");
    assert!(factories.iter().any(|name| name.starts_with("nvh264")));
    assert!(!factories.iter().any(|name| name.starts_with("cudaup") || name.starts_with("cudadown")));
    drop(frame);
    drop(sample);
}

/// Without the caps between them, the two stock elements agree on CUDA memory and pass it on.
fn a_round_trip_through_the_host_is_named() {
    let line = format!(
        "filesrc location={} ! {ON_DEVICE} ! cudadownload name=down ! video/x-raw ! cudaupload name=up ! \
         video/x-raw(memory:CUDAMemory) ! trtinfer name=infer model={} backend=onnxruntime-cuda fail-on-copy=true ! \
         fakesink",
        file("tests/data/site.mp4"),
        file(CLIP_MODEL)
    );
    let error = Pipeline::new(&line).unwrap().play().unwrap().expect_err("frames are copied");
    assert_eq!(error.element, "infer");
    // The nearest one is found first.
    assert!(error.message.contains("'up' copied a frame (host to device"), "{error:?}");
    assert!(error.message.contains("up:src -> capsfilter"), "{error:?}");
}

fn frames_that_stay_on_the_device_are_no_copies() {
    let line = format!(
        "filesrc location={} ! {ON_DEVICE} ! trtinfer name=infer model={} backend=onnxruntime-cuda fail-on-copy=true ! \
         fakesink",
        file("tests/data/site.mp4"),
        file(CLIP_MODEL)
    );
    assert_eq!(Pipeline::new(&line).unwrap().play().unwrap(), Ok(()));
}

/// Bytes copied so far, from the host and to it.
fn copied() -> (u64, u64) {
    use cuda::copies::{Direction, all};
    let sum = |direction| all().iter().filter(|c| c.direction == direction).map(|c| c.bytes).sum();
    (sum(Direction::HostToDevice), sum(Direction::DeviceToHost))
}

fn every_frame_comes_out_and_no_pixel_leaves_the_device() {
    let line = format!(
        "filesrc location={} ! {ON_DEVICE} ! trtinfer name=infer model={} backend=onnxruntime-cuda ! fakesink",
        file("tests/data/site.mp4"),
        file(CLIP_MODEL)
    );
    let (pipeline, before, start) = (Pipeline::new(&line).unwrap(), copied(), std::time::Instant::now());
    let infer = pipeline.element("infer").unwrap();
    pipeline.play().unwrap().unwrap();
    let elapsed = start.elapsed();
    let stats: gst::Structure = infer.property("stats");
    let count = |name: &str| stats.get::<u64>(name).unwrap();
    let (frames, after) = (count("frames-out"), copied());
    println!("COPIES: {} up, {} down a frame", (after.0 - before.0) / frames, (after.1 - before.1) / frames);
    println!("SPEED: {frames} frames in {elapsed:?}, start included; {stats}");
    assert_eq!((count("frames-in"), count("frames-inferred")), (frames, frames));
    assert!((after.0 - before.0) / frames < 1024, "pixels came from the host");
}

fn cycles_give_the_memory_back() {
    let line = format!(
        "filesrc location={} ! {ON_DEVICE} ! trtinfer model={} backend=onnxruntime-cuda ! appsink name=out sync=false",
        file("tests/data/site.mp4"),
        file(CLIP_MODEL)
    );
    let context = CudaContext::primary(0).unwrap();
    let mut free = Vec::new();
    for _ in 0..30 {
        // A parsed line links its demuxer once.
        let pipeline = Pipeline::new(&line).unwrap();
        let sink = pipeline.element("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
        pipeline.0.set_state(gst::State::Playing).unwrap();
        let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(5));
        assert!(sample.is_some(), "no frame in cycle {}", free.len());
        drop(sample);
        pipeline.0.set_state(gst::State::Null).unwrap();
        free.push(context.context().memory().unwrap().0 >> 20);
    }
    println!("CYCLES: MiB free after each: {free:?}");
    assert!(free[2] <= free[29] + 8, "device memory leaks");
}

fn main() -> ExitCode {
    harness::run_on_device(
        missing_cuda(),
        tests![
            frames_on_the_device_are_seen_as_on_the_cpu,
            frames_in_host_memory_are_seen_as_on_the_cpu,
            the_clip_is_seen_as_on_the_cpu,
            two_runs_are_the_same_to_the_bit,
            a_decoder_bin_hands_over_device_memory_in_our_context,
            every_frame_comes_out_and_no_pixel_leaves_the_device,
            a_round_trip_through_the_host_is_named,
            frames_that_stay_on_the_device_are_no_copies,
            cycles_give_the_memory_back
        ],
        &[],
    )
}
