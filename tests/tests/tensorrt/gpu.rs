//! A warm start on a device: ONNX Runtime's CUDA provider and the machine's driver, with the double of TensorRT.

use std::path::Path;
use std::time::Duration;

use gpu::MemoryKind;
use gpu::cuda::copies::{Copies, Direction, all};
use gst::prelude::*;
use gst_osha_tests::objects::Object;
use gst_osha_tests::record::{Item, Record};
use gst_osha_tests::{Pipeline, file};

use crate::warm::{announced_at, stats};
use crate::{Heard, double, listen, pipeline_of};

const WARM: &str = "backend=tensorrt warm-start=onnxruntime-cuda";
/// Bytes of a frame of the clip.
const FRAME: u64 = 1280 * 720 * 3 / 2;

/// A pipeline, where its frames lie and how many there are.
struct Stream {
    source: String,
    memory: MemoryKind,
    frames: usize,
    /// Nothing copies frames on their way.
    stays: bool,
}

/// Frames of a test pattern in `format`.
fn pattern(format: &str, upload: &str, memory: MemoryKind) -> Stream {
    let source = format!(
        "videotestsrc pattern=smpte horizontal-speed=3 num-buffers=200 ! video/x-raw,format={format},width=96,height=64 \
         ! identity sleep-time=10000 {upload}"
    );
    Stream { source, memory, frames: 200, stays: false }
}

fn streams() -> [Stream; 3] {
    let upload = "! cudaupload ! video/x-raw(memory:CUDAMemory)";
    let clip = format!(
        "filesrc location={} ! qtdemux ! h264parse ! nvh264dec ! video/x-raw(memory:CUDAMemory) ! identity sleep-time=5000",
        file("tests/data/site.mp4")
    );
    [
        pattern("RGB", "", MemoryKind::Host),
        pattern("RGBA", upload, MemoryKind::Cuda),
        Stream { source: clip, memory: MemoryKind::Cuda, frames: 350, stays: true },
    ]
}

/// A pipeline that runs, with what left the network.
fn start(stream: &Stream, cache: &Path, properties: &str) -> (Pipeline, Record) {
    let fail = if stream.stays { "fail-on-copy=true" } else { "" };
    let pipeline = pipeline_of(&stream.source, cache, &format!("{properties} {fail}"));
    let left = Record::of(&pipeline.pad("infer", "src").unwrap());
    let _ = pipeline.0.set_state(gst::State::Playing);
    (pipeline, left)
}

fn play(stream: &Stream, cache: &Path, properties: &str) -> Record {
    let (pipeline, left) = start(stream, cache, properties);
    assert_eq!(listen(&pipeline).error, None, "{properties}");
    left
}

/// A build that lasts until [`finish_build`].
fn endless_build() {
    double::builder().set("build_steps", 100_000);
    double::builder().set("build_step_ms", 10);
}

fn finish_build() {
    double::builder().set("build_steps", 0);
}

fn count(left: &Record) -> usize {
    left.items().iter().filter(|item| matches!(item, Item::Frame(..))).count()
}

/// The engines' words for themselves, before and after the swap.
fn told(heard: &Heard) -> (String, String) {
    let [told] = &heard.engines[..] else { panic!("{:?}", heard.engines) };
    (told.get("from").unwrap(), told.get("to").unwrap())
}

/// Whether all caps that left name frames in this memory.
fn lies_in(left: &Record, memory: MemoryKind) -> bool {
    let caps = left.items().into_iter().filter_map(|item| match item {
        Item::Event(event) => match event.view() {
            gst::EventView::Caps(caps) => Some(MemoryKind::of(caps.caps().features(0)) == Some(memory)),
            _ => None,
        },
        Item::Frame(..) => None,
    });
    caps.collect::<Vec<_>>() == [true]
}

/// Bytes that were copied between host and device so far.
fn copied() -> u64 {
    let across = |copies: &Copies| copies.direction != Direction::DeviceToDevice;
    all().iter().filter(|copies| across(copies)).map(|copies| copies.bytes).sum()
}

/// Times of the frames, and what was seen in them. Their pixels are not compared: rows have undefined bytes behind them.
fn seen(left: &Record) -> Vec<(Option<gst::ClockTime>, Option<Vec<Object>>)> {
    left.frames().into_iter().map(|(print, objects)| (print.pts, objects)).collect()
}

/// Plays `stream` with a warm start that ends when it serves frames. Returns what left the network, what the bus said and
/// the bytes copied for each frame.
fn play_warm(stream: &Stream, cache: &Path, schedule: &str) -> (Record, Heard, u64) {
    double::reset();
    endless_build();
    let copied_before = copied();
    let (pipeline, left) = start(stream, cache, &format!("{WARM} {schedule}"));
    let is_served = left.wait_until(|items| items.len() > 40);
    finish_build();
    let heard = listen(&pipeline);
    assert_eq!(heard.error, None, "{schedule}");
    assert!(is_served, "{schedule}: nothing served frames while the engine was built");
    assert_eq!(stats(&pipeline).get::<u64>("frames-inferred"), Ok(stream.frames as u64));
    (left, heard, (copied() - copied_before) / stream.frames as u64)
}

pub fn every_frame_is_seen_once_by_onnxruntime_or_the_engine() {
    for stream in streams() {
        for schedule in ["in-flight=6", "batch-size=4 in-flight=9 batch-timeout=60000"] {
            let cache = tempfile::tempdir().unwrap();
            let (left, heard, bytes) = play_warm(&stream, cache.path(), schedule);
            let after = seen(&play(&stream, cache.path(), &format!("backend=tensorrt {schedule}")));
            let before = seen(&play(&stream, cache.path(), &format!("backend=onnxruntime-cuda {schedule}")));

            let announced = announced_at(&left);
            let &[0, swap] = &announced[..] else { panic!("{schedule}: announced at {announced:?}") };
            let (frames, memory) = (stream.frames, stream.memory);
            println!(
                "SWAP: {memory:?}, {schedule}: at frame {swap} of {frames}, {bytes} bytes copied a frame"
            );
            assert!((20..frames - 20).contains(&swap), "{schedule}: swapped at frame {swap}");
            assert!(lies_in(&left, memory), "{schedule}: frames lie elsewhere");
            assert!(!stream.stays || bytes < FRAME / 2, "{schedule}: {bytes} bytes copied a frame");
            let left = seen(&left);
            assert!(before != after, "the engines cannot be told apart");
            assert_eq!(left.len(), frames);
            assert!(left[..swap] == before[..swap], "{schedule}: other results before the swap");
            assert!(left[swap..] == after[swap..], "{schedule}: other results after the swap");
            let (from, to) = told(&heard);
            assert!(from.starts_with("ONNX Runtime") && from.contains("CUDA"), "{from}");
            assert!(to.starts_with("TensorRT 11."), "{to}");
        }
    }
}

pub fn without_a_warm_start_frames_wait() {
    let [_, stream, _] = streams();
    let cache = tempfile::tempdir().unwrap();
    endless_build();
    let (pipeline, left) = start(&stream, cache.path(), "backend=tensorrt");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(count(&left), 0, "frames did not wait for the engine");
    finish_build();
    let heard = listen(&pipeline);
    assert_eq!((heard.error, heard.engines.len()), (None, 0));
    assert_eq!((announced_at(&left), count(&left)), (vec![0], stream.frames));
    assert!(lies_in(&left, MemoryKind::Cuda));
}
