//! Pipelines that meet a fault, and what became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use gst::prelude::*;
use gst_osha_tests::{BusError, Pipeline, file, objects};

/// A detector that works.
pub fn yolo() -> String {
    file("tests/golden/models/yolo.onnx")
}

/// A model of `tests/faults/generate.py`.
pub fn faulty(name: &str) -> String {
    file(&format!("tests/data/faults/{name}.onnx"))
}

/// Ends the process if it is not dropped in time: what hangs in a state change cannot be ended otherwise.
struct Watchdog {
    _alive: mpsc::Sender<()>,
}

impl Watchdog {
    fn new(what: &str) -> Self {
        let (alive, gone) = mpsc::channel();
        let what = what.to_owned();
        std::thread::spawn(move || {
            if gone.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
                eprintln!("hangs: {what}");
                std::process::abort();
            }
        });
        Self { _alive: alive }
    }
}

/// What became of a pipeline.
pub struct Run {
    /// What its appsink `out` got, in order.
    pub samples: Vec<gst::Sample>,
    /// Frames into and out of its element `infer`.
    pub inferred: [usize; 2],
    /// Every error message in order.
    pub errors: Vec<BusError>,
}

impl Run {
    /// The size of each frame that came out.
    pub fn sizes(&self) -> Vec<(i32, i32)> {
        let size = |sample: &gst::Sample| {
            let structure = sample.caps().unwrap().structure(0).unwrap();
            (structure.get("width").unwrap(), structure.get("height").unwrap())
        };
        self.samples.iter().map(size).collect()
    }

    /// The detections on each frame that came out.
    pub fn detections(&self) -> Vec<Vec<objects::Object>> {
        let seen =
            |sample: &gst::Sample| objects::of(sample.buffer().unwrap()).expect("the network saw the frame");
        self.samples.iter().map(seen).collect()
    }

    /// Every frame that went into `infer` came out at the end, with what the network saw.
    pub fn assert_nothing_lost(&self, what: &str) {
        let [entered, left] = self.inferred;
        assert_eq!((entered, self.samples.len()), (left, left), "{what}: frames are lost: {:?}", self.errors);
        self.detections();
    }

    /// No element of ours is to blame for what went wrong.
    pub fn assert_not_ours(&self, what: &str) {
        let ours = |error: &&BusError| ["infer", "annotate"].contains(&error.element.as_str());
        assert_eq!(self.errors.iter().find(ours), None, "{what}");
    }
}

/// Plays a launch line to its end or to an error, and lets what is on its way come out.
pub fn run(line: &str) -> Run {
    play(&Pipeline::new(line).unwrap(), line)
}

/// As [`run`], for a pipeline that was made from `line`.
pub fn play(pipeline: &Pipeline, line: &str) -> Run {
    let _watchdog = Watchdog::new(line);
    let counters = ["sink", "src"].map(|pad| count(pipeline, "infer", pad));
    let samples = samples(pipeline);
    let first = pipeline.play().unwrap_or_else(|error| panic!("{error}: {line}")).err();
    if first.is_some() {
        settle(pipeline, &counters);
    }
    let errors: Vec<_> = first.into_iter().chain(further_errors(pipeline)).collect();
    pipeline.0.set_state(gst::State::Null).unwrap();
    let panicked = errors.iter().find(|error| error.text().to_lowercase().contains("panic"));
    assert_eq!(panicked, None, "{line}");
    let inferred = counters.map(|counter| counter.load(Ordering::SeqCst));
    Run { samples: samples.try_iter().collect(), inferred, errors }
}

/// Counts the buffers that pass a pad. Stays 0 if the pipeline lacks the element.
fn count(pipeline: &Pipeline, element: &str, pad: &str) -> Arc<AtomicUsize> {
    let counter = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&counter);
    if let Ok(element) = pipeline.element(element) {
        element.static_pad(pad).unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            gst::PadProbeReturn::Ok
        });
    }
    counter
}

fn samples(pipeline: &Pipeline) -> mpsc::Receiver<gst::Sample> {
    let (sender, receiver) = mpsc::channel();
    if let Ok(sink) = pipeline.element("out") {
        let sink = sink.downcast::<gst_app::AppSink>().unwrap();
        sink.set_property("sync", false);
        // Else a fault before the first frame can keep the pipeline from PLAYING, and every frame in it.
        sink.set_property("async", false);
        let take = move |sink: &gst_app::AppSink| {
            sender
                .send(sink.pull_sample().map_err(|_| gst::FlowError::Eos)?)
                .map_err(|_| gst::FlowError::Error)?;
            Ok(gst::FlowSuccess::Ok)
        };
        sink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(take).build());
    }
    receiver
}

/// Waits until the stream has ended or no frame has moved for a second; at most 10 seconds.
fn settle(pipeline: &Pipeline, counters: &[Arc<AtomicUsize>; 2]) {
    let ended = || pipeline.element("out").is_ok_and(|sink| sink.property("eos"));
    let read = || counters.each_ref().map(|counter| counter.load(Ordering::SeqCst));
    let (mut before, mut quiet) = (read(), 0);
    for _ in 0..100 {
        if ended() || quiet == 10 {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
        let now = read();
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
    }
}

fn further_errors(pipeline: &Pipeline) -> Vec<BusError> {
    let bus = pipeline.0.bus().unwrap();
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Error]))
        .filter_map(|message| match message.view() {
            gst::MessageView::Error(error) => Some(BusError::new(error)),
            _ => None,
        })
        .collect()
}

/// Sets up `source ! element settings ! fakesink`, which must fail before PLAYING with one error from `element` that
/// starts with the `property` and says all of `says`.
pub fn assert_refused(element: &str, settings: &str, property: &str, says: &[&str]) {
    let line = format!("videotestsrc ! {element} name=it {settings} ! fakesink");
    let _watchdog = Watchdog::new(&line);
    let pipeline = Pipeline::new(&line).unwrap();
    assert!(pipeline.0.set_state(gst::State::Playing).is_err(), "accepted: {line}");
    assert!(pipeline.element("it").unwrap().current_state() < gst::State::Paused, "{line}");
    let errors = further_errors(&pipeline);
    let [error] = &errors[..] else { panic!("not one error but {errors:?}: {line}") };
    assert_eq!(error.element, "it", "{line}");
    assert!(
        error.message.starts_with(&format!("{property}: ")),
        "{}: does not name {property}",
        error.message
    );
    for said in says {
        assert!(error.text().contains(said), "{}: does not say {said:?}", error.text());
    }
}

/// Adds boxes to every frame that enters the element `annotate`, as a detector upstream would.
pub fn detect(pipeline: &Pipeline, boxes: Vec<(&'static str, [i32; 4])>) {
    use gst_analytics::prelude::*;
    let pad = pipeline.element("annotate").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let buffer = info.buffer_mut().unwrap().make_mut();
        if buffer.meta::<gst_analytics::AnalyticsRelationMeta>().is_none() {
            gst_analytics::AnalyticsRelationMeta::add(buffer);
        }
        let mut meta = buffer.meta_mut::<gst_analytics::AnalyticsRelationMeta>().unwrap();
        for &(class, [x, y, width, height]) in &boxes {
            meta.add_od_mtd(gst::glib::Quark::from_str(class), x, y, width, height, 0.9).unwrap();
        }
        gst::PadProbeReturn::Ok
    });
}
