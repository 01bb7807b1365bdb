//! The element `oshaannotate` on frames in CUDA memory: of a CUDA device, or of a double of the driver where there is none.
#![allow(clippy::unwrap_used)]

#[path = "../../libs/gpu/tests/harness/mod.rs"]
mod harness;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_analytics::AnalyticsRelationMeta;
use gst_analytics::prelude::*;
use gst_osha_tests::objects::{self, Object};
use gst_osha_tests::{Pipeline, init, missing_cuda_elements};
use gst_video::{VideoFormat, VideoFrame, VideoFrameExt, VideoInfo};

const FRAMES: usize = 20;
const DEVICE: &str = "video/x-raw(memory:CUDAMemory)";

/// Class, left, top, width and height: two workers, one of whom has no hat, and a machine beyond the edge.
const SCENE: &[(&str, [i32; 4])] = &[
    ("person", [100, 80, 60, 120]),
    ("no_hard_hat", [115, 82, 30, 24]),
    ("person", [331, 45, 77, 160]),
    ("hard_hat", [350, 47, 35, 30]),
    ("machinery", [520, 200, 300, 300]),
];

/// Stock elements of CUDA register themselves only where there is a device.
fn has_device() -> bool {
    init();
    gst::ElementFactory::find("cudaupload").is_some()
}

/// A test picture without noise, ten frames a second.
fn source(format: &str) -> String {
    format!(
        "videotestsrc num-buffers={FRAMES} pattern=smpte75 ! \
         video/x-raw,format={format},width=642,height=362,framerate=10/1"
    )
}

/// From device memory to the sink `name`.
fn download(name: &str) -> String {
    format!("cudadownload ! video/x-raw ! fakesink name={name}")
}

/// Runs `each` on every buffer that passes the pad `pad` of `element`.
fn on_buffers(element: &gst::Element, pad: &str, each: impl Fn(&mut gst::Buffer) + Send + Sync + 'static) {
    element.static_pad(pad).unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
            each(buffer);
        }
        gst::PadProbeReturn::Ok
    });
}

/// What `of` says of every buffer that passes the pad `pad` of `element`.
fn record<T: Send + 'static>(
    element: &gst::Element,
    pad: &str,
    of: impl Fn(&gst::Buffer) -> T + Send + Sync + 'static,
) -> Arc<Mutex<Vec<T>>> {
    let record = Arc::new(Mutex::new(Vec::new()));
    let recorded = record.clone();
    on_buffers(element, pad, move |buffer| recorded.lock().unwrap().push(of(buffer)));
    record
}

/// Attaches the scene to a frame, as a detector does.
fn attach_scene(buffer: &mut gst::Buffer) {
    let mut meta = AnalyticsRelationMeta::add(buffer.make_mut());
    for (class, [x, y, width, height]) in SCENE {
        meta.add_od_mtd(gst::glib::Quark::from_str(*class), *x, *y, *width, *height, 0.9).unwrap();
    }
}

/// A pipeline in which the elements called `detect`, `detect1`, ... attach the scene.
fn pipeline(line: &str) -> Pipeline {
    let pipeline = Pipeline::new(line).unwrap();
    for element in pipeline.0.iterate_elements().into_iter().flatten() {
        if element.name().starts_with("detect") {
            on_buffers(&element, "src", attach_scene);
        }
    }
    pipeline
}

/// The frames that the sink `name` gets.
fn frames(pipeline: &Pipeline, name: &str) -> Arc<Mutex<Vec<Picture>>> {
    let sink = pipeline.element(name).unwrap();
    record(&sink, "sink", {
        let pad = sink.static_pad("sink").unwrap();
        move |buffer| Picture::of(buffer, &pad.current_caps().unwrap())
    })
}

fn play(pipeline: &Pipeline) {
    assert_eq!(pipeline.play().unwrap(), Ok(()));
}

fn taken<T>(record: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut record.lock().unwrap())
}

fn count(element: &gst::Element, name: &str) -> u64 {
    element.property::<gst::Structure>("stats").get(name).unwrap()
}

/// The samples of a frame, without padding between rows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Picture {
    format: VideoFormat,
    samples: Vec<u8>,
}

impl Picture {
    fn of(buffer: &gst::Buffer, caps: &gst::CapsRef) -> Self {
        let info = VideoInfo::from_caps(caps).unwrap();
        let frame = VideoFrame::from_buffer_readable(buffer.clone(), &info).unwrap();
        let samples = (0..frame.n_planes()).flat_map(|plane| rows(&frame, plane)).collect();
        Self { format: info.format(), samples }
    }

    /// The share of samples that are within 2/255 of those of `other`.
    fn agreement(&self, other: &Self) -> f64 {
        assert_eq!((self.format, self.samples.len()), (other.format, other.samples.len()));
        let (ours, theirs) = (self.values(), other.values());
        let close = ours.iter().zip(&theirs).filter(|(a, b)| (*a - *b).abs() <= 2.0 / 255.0);
        close.count() as f64 / ours.len() as f64
    }

    /// Samples between 0 and 1.
    fn values(&self) -> Vec<f64> {
        if self.format != VideoFormat::P01010le {
            return self.samples.iter().map(|&byte| f64::from(byte) / 255.0).collect();
        }
        let words = self.samples.as_chunks().0.iter();
        words.map(|word| f64::from(u16::from_le_bytes(*word)) / 65535.0).collect()
    }
}

/// The bytes of a plane that show.
fn rows(frame: &VideoFrame<gst_video::video_frame::Readable>, plane: u32) -> Vec<u8> {
    let (info, format) = (frame.info(), frame.format_info());
    let component = (0..info.n_components()).find(|&component| format.plane()[component as usize] == plane);
    let component = component.unwrap() as u8;
    let width = info.comp_width(component) as usize * info.comp_pstride(component) as usize;
    let (data, stride) = (frame.plane_data(plane).unwrap(), frame.plane_stride()[plane as usize] as usize);
    let height = info.comp_height(component) as usize;
    (0..height).flat_map(|y| &data[y * stride..][..width]).copied().collect()
}

/// What a frame says of itself besides its pixels.
fn label(buffer: &gst::Buffer) -> (Option<gst::ClockTime>, Option<gst::ClockTime>, u64, Option<Vec<Object>>) {
    (buffer.pts(), buffer.duration(), buffer.offset(), objects::of(buffer))
}

fn memory(buffer: &gst::Buffer) -> usize {
    buffer.peek_memory(0).as_ptr() as usize
}

/// The plain frames of the source, as the CPU sees them.
fn plain(format: &str) -> Vec<Picture> {
    let pipeline = pipeline(&format!("{} ! fakesink name=out", source(format)));
    let frames = frames(&pipeline, "out");
    play(&pipeline);
    taken(&frames)
}

/// The frames that `line` draws, which ends in the sink `out`.
fn drawn(line: &str) -> Vec<Picture> {
    let pipeline = pipeline(line);
    let frames = frames(&pipeline, "out");
    play(&pipeline);
    taken(&frames)
}

fn drawn_on_device(format: &str) -> Vec<Picture> {
    drawn(&format!(
        "{} ! cudaupload ! {DEVICE} ! identity name=detect ! oshaannotate ! {}",
        source(format),
        download("out")
    ))
}

fn drawn_on_host(format: &str) -> Vec<Picture> {
    drawn(&format!("{} ! identity name=detect ! oshaannotate ! fakesink name=out", source(format)))
}

fn device_memory_is_taken_where_there_is_a_device() {
    init();
    let element = gst::ElementFactory::make("oshaannotate").build().unwrap();
    let device: gst::Caps = DEVICE.parse().unwrap();
    for pad in ["sink", "src"].map(|name| element.static_pad(name).unwrap()) {
        assert!(pad.pad_template_caps().can_intersect(&device));
        assert_eq!(pad.query_caps(None).can_intersect(&device), has_device());
        assert!(pad.query_caps(None).can_intersect(&"video/x-raw,format=NV12".parse::<gst::Caps>().unwrap()));
    }
}

fn neighbours_get_our_context_in_any_state() {
    init();
    let element = gst::ElementFactory::make("oshaannotate").build().unwrap();
    for pad in ["sink", "src"].map(|name| element.static_pad(name).unwrap()) {
        let mut query = gst::query::Context::new("gst.cuda.context");
        assert_eq!(pad.query(query.query_mut()), has_device());
        assert_eq!(query.context_owned().is_some(), has_device());
        assert!(!pad.query(gst::query::Context::new("gst.gl.GLDisplay").query_mut()));
    }
}

fn the_pipeline_hears_of_our_context() {
    init();
    let (element, bus) = (gst::ElementFactory::make("oshaannotate").build().unwrap(), gst::Bus::new());
    element.set_bus(Some(&bus));
    element.set_state(gst::State::Ready).unwrap();
    assert_eq!(bus.pop_filtered(&[gst::MessageType::HaveContext]).is_some(), has_device());
    assert!(bus.pop_filtered(&[gst::MessageType::Warning, gst::MessageType::Error]).is_none());
    element.set_state(gst::State::Null).unwrap();
}

fn a_device_that_is_not_there_is_a_warning() {
    let element = gst::ElementFactory::make("oshaannotate").property("device-id", 99).build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_state(gst::State::Ready).unwrap();
    assert!(bus.pop_filtered(&[gst::MessageType::Warning]).is_some());
    element.set_state(gst::State::Null).unwrap();
}

fn the_pictures_are_those_of_the_cpu() {
    for format in ["NV12", "P010_10LE", "RGBA"] {
        let (device, host, plain) = (drawn_on_device(format), drawn_on_host(format), plain(format));
        assert_eq!((device.len(), host.len()), (FRAMES, FRAMES));
        assert!(host.iter().zip(&plain).all(|(host, plain)| host != plain), "{format}: nothing is drawn");
        for (index, (device, host)) in device.iter().zip(&host).enumerate() {
            let agreement = device.agreement(host);
            assert!(agreement >= 0.999, "{format}, frame {index}: only {agreement} of the samples agree");
        }
    }
}

fn two_runs_give_the_same_bytes() {
    for format in ["NV12", "P010_10LE", "RGBA"] {
        assert!(drawn_on_device(format) == drawn_on_device(format), "{format}");
    }
}

fn frames_of_our_own_are_drawn_on_in_place() {
    let line = format!(
        "{} ! cudaupload ! {DEVICE} ! identity name=detect ! oshaannotate name=a ! fakesink",
        source("NV12")
    );
    let pipeline = pipeline(&line);
    let element = pipeline.element("a").unwrap();
    let (before, after) = (record(&element, "sink", memory), record(&element, "src", memory));
    // What a stopped element did is forgotten.
    let counts = Arc::new(Mutex::new((0, 0)));
    on_buffers(&element, "src", {
        let (counts, element) = (counts.clone(), element.downgrade());
        move |_| {
            let counted = |name| count(&element.upgrade().unwrap(), name);
            *counts.lock().unwrap() = (counted("frames-drawn-in-place"), counted("frames-drawn-on-copy"));
        }
    });
    play(&pipeline);
    assert_eq!(before.lock().unwrap().len(), FRAMES);
    assert_eq!(taken(&before), taken(&after));
    assert_eq!(*counts.lock().unwrap(), (FRAMES as u64, 0));
    assert!(count(&element, "bytes-host-to-device") > 0, "display lists go to the device");
    assert_eq!(count(&element, "bytes-device-to-host"), 0);
}

/// Draws while each frame is held elsewhere too: before or after the scene was attached to it, which is to say its
/// memory or all of it.
fn drawn_while_held(hold_at: &str) {
    let line = format!(
        "{} ! cudaupload ! {DEVICE} ! identity name=first ! identity name=detect ! identity name=last ! \
         oshaannotate name=a ! {}",
        source("NV12"),
        download("out")
    );
    let pipeline = pipeline(&line);
    let element = pipeline.element("a").unwrap();
    let held = record(&pipeline.element(hold_at).unwrap(), "sink", gst::Buffer::clone);
    let (entered, left) = (record(&element, "sink", label), record(&element, "src", label));
    let (before, after) = (record(&element, "sink", memory), record(&element, "src", memory));
    let drawn = frames(&pipeline, "out");
    let caps = record(&element, "sink", {
        let pad = element.static_pad("sink").unwrap();
        move |_| pad.current_caps().unwrap()
    });
    play(&pipeline);
    let (plain, caps) = (plain("NV12"), taken(&caps));
    let held: Vec<_> =
        taken(&held).iter().zip(&caps).map(|(buffer, caps)| Picture::of(buffer, caps)).collect();
    assert!(held == plain, "drawn on somebody else's frame");
    assert!(taken(&drawn) == drawn_on_device("NV12"), "a copy is drawn on like the frame itself");
    assert_eq!(taken(&entered), taken(&left), "a copy has the frame's times and detections");
    assert!(taken(&before).iter().zip(taken(&after)).all(|(before, after)| *before != after));
}

fn frames_whose_memory_others_hold_are_copied() {
    drawn_while_held("first");
}

fn frames_that_others_hold_are_copied() {
    drawn_while_held("last");
}

fn the_other_branch_of_a_tee_stays_clean() {
    let line = format!(
        "{} ! cudaupload ! {DEVICE} ! identity name=detect ! tee name=t ! queue ! oshaannotate ! {} \
         t. ! queue ! {}",
        source("NV12"),
        download("out"),
        download("other")
    );
    let pipeline = pipeline(&line);
    let (drawn, other) = (frames(&pipeline, "out"), frames(&pipeline, "other"));
    play(&pipeline);
    assert!(taken(&other) == plain("NV12"));
    assert!(taken(&drawn) == drawn_on_device("NV12"));
}

fn without_drawing_the_very_buffer_passes() {
    let line = format!(
        "{} ! cudaupload ! {DEVICE} ! identity name=detect ! oshaannotate name=a draw=false ! {}",
        source("NV12"),
        download("out")
    );
    let pipeline = pipeline(&line);
    let element = pipeline.element("a").unwrap();
    let address = |buffer: &gst::Buffer| buffer.as_ptr() as usize;
    let (before, after) = (record(&element, "sink", address), record(&element, "src", address));
    let passed = frames(&pipeline, "out");
    play(&pipeline);
    assert_eq!(taken(&before), taken(&after));
    assert!(taken(&passed) == plain("NV12"));
}

fn upstream_is_offered_a_pool() {
    let line = format!("{} ! cudaupload ! {DEVICE} ! oshaannotate name=a ! fakesink", source("NV12"));
    let pipeline = pipeline(&line);
    let element = pipeline.element("a").unwrap();
    play(&pipeline);
    let pad = element.static_pad("sink").unwrap();
    let mut query = gst::query::Allocation::new(pad.current_caps().as_ref(), true);
    assert!(pad.query(query.query_mut()));
    assert!(query.allocation_pools().any(|(pool, ..)| pool.is_some()));
}

/// Frames of `source` that `cudaupload` made in a context of its own, with nobody to share one.
fn foreign_frames(source: &str) -> (gst::Caps, Vec<gst::Buffer>) {
    let line = format!("{source} ! cudaupload ! {DEVICE} ! fakesink name=out");
    let pipeline = pipeline(&line);
    let sink = pipeline.element("out").unwrap();
    let pad = sink.static_pad("sink").unwrap();
    let buffers = record(&sink, "sink", gst::Buffer::clone);
    let caps = record(&sink, "sink", move |_| pad.current_caps().unwrap());
    play(&pipeline);
    (taken(&caps).remove(0), taken(&buffers))
}

/// Gives the frames to the source `in` of `pipeline`, which it starts.
fn feed(pipeline: &Pipeline, (caps, buffers): (gst::Caps, Vec<gst::Buffer>)) {
    let input = pipeline.element("in").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    input.set_caps(Some(&caps));
    input.set_max_bytes(0);
    pipeline.0.set_state(gst::State::Playing).unwrap();
    for buffer in buffers {
        // An element that ends with an error takes no more.
        let _ = input.push_buffer(buffer);
    }
    let _ = input.end_of_stream();
}

fn frames_of_another_context_are_drawn_on_with_one_warning() {
    let foreign = foreign_frames(&source("NV12"));
    let line = format!(
        "appsrc name=in format=time ! identity name=detect ! oshaannotate name=a ! {}",
        download("out")
    );
    let pipeline = pipeline(&line);
    let drawn = frames(&pipeline, "out");
    let warnings = Arc::new(AtomicUsize::new(0));
    pipeline.0.bus().unwrap().set_sync_handler({
        let warnings = warnings.clone();
        move |_, message| {
            let is_warning = message.type_() == gst::MessageType::Warning;
            warnings.fetch_add(is_warning.into(), Ordering::SeqCst);
            gst::BusSyncReply::Pass
        }
    });
    feed(&pipeline, foreign);
    play(&pipeline);
    assert_eq!(warnings.load(Ordering::SeqCst), 1);
    assert!(taken(&drawn) == drawn_on_device("NV12"));
}

fn pictures_cost_one_frame_brought_to_the_host_each() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(&format!(
        "{} ! cudaupload ! {DEVICE} ! identity name=detect ! oshaannotate name=a snapshot-location={}/{{violation}}.png ! \
         fakesink",
        source("NV12").replace("num-buffers=20", "num-buffers=60"),
        folder.path().display()
    ));
    let annotate = pipeline.element("a").unwrap();
    let before = count(&annotate, "bytes-device-to-host");
    play(&pipeline);
    let written = folder.path().read_dir().unwrap().count() as u64;
    assert!(written > 0);
    let info = VideoInfo::builder(VideoFormat::Nv12, 642, 362).build().unwrap();
    assert_eq!(count(&annotate, "bytes-device-to-host") - before, written * info.size() as u64);
}

fn a_picture_of_a_frame_on_the_device_is_no_picture_with_fail_on_copy() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(&format!(
        "appsrc name=in format=time ! identity name=detect ! oshaannotate fail-on-copy=true \
         snapshot-location={}/{{violation}}.png ! fakesink",
        folder.path().display()
    ));
    let long = source("NV12").replace("num-buffers=20", "num-buffers=60");
    feed(&pipeline, foreign_frames(&long));
    let error = pipeline.play().unwrap().unwrap_err();
    assert!(error.message.contains("a picture is kept of a frame in GPU memory"), "{error:?}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

fn main() -> ExitCode {
    harness::run_on_device_or_double(
        missing_cuda_elements(),
        tests![
            a_device_that_is_not_there_is_a_warning,
            the_pictures_are_those_of_the_cpu,
            two_runs_give_the_same_bytes,
            frames_of_our_own_are_drawn_on_in_place,
            frames_whose_memory_others_hold_are_copied,
            frames_that_others_hold_are_copied,
            the_other_branch_of_a_tee_stays_clean,
            without_drawing_the_very_buffer_passes,
            upstream_is_offered_a_pool,
            pictures_cost_one_frame_brought_to_the_host_each,
            a_picture_of_a_frame_on_the_device_is_no_picture_with_fail_on_copy,
            frames_of_another_context_are_drawn_on_with_one_warning
        ],
        &[],
        tests![
            device_memory_is_taken_where_there_is_a_device,
            neighbours_get_our_context_in_any_state,
            the_pipeline_hears_of_our_context
        ],
    )
}
