//! The element `trtinfer`: the frames that come in go out, in order and untouched, with what the network saw.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backends;
mod description;
mod events;
mod failures;
mod formats;
mod frames;
mod properties;
mod seeking;
mod sharing;
#[cfg(feature = "v1_26")]
mod tensors;
mod timing;

use gst::prelude::*;
use gst_check::Harness;
use gst_osha_tests::objects::Object;
use gst_osha_tests::record::Record;
use gst_osha_tests::{Pipeline, collect, eventually, file, init, model, objects};

/// `trtinfer` with a tiny model, for a launch line.
fn infer(properties: &str) -> String {
    format!("trtinfer name=infer model={} {properties}", model("yolo-dynamic"))
}

/// The detections in the picture `name` of the golden files, handed to the element in `caps`.
fn detections(name: &str, caps: &str, properties: &str) -> Vec<Object> {
    let image = file(&format!("tests/golden/images/{name}.png"));
    let line = format!(
        "filesrc location={image} ! pngdec ! videoconvert ! {caps} ! {} ! appsink name=out",
        infer(properties)
    );
    let delivered = collect(&line).unwrap();
    assert_eq!(delivered.error, None, "{line}");
    objects::of(delivered.samples[0].buffer().unwrap()).expect("the network saw the frame")
}

/// What a pipeline of `source` and `trtinfer` took in and gave out.
struct Played {
    entered: Record,
    left: Record,
    stats: gst::Structure,
}

/// Plays `source` through the element to its end; `prepare` sees the pipeline before.
fn play(source: &str, properties: &str, prepare: impl FnOnce(&Pipeline)) -> Played {
    let pipeline = Pipeline::new(&format!("{source} ! {} ! fakesink name=sink", infer(properties))).unwrap();
    let entered = Record::of(&pipeline.pad("infer", "sink").unwrap());
    let left = Record::of(&pipeline.pad("infer", "src").unwrap());
    prepare(&pipeline);
    assert_eq!(pipeline.play().unwrap(), Ok(()), "{properties}");
    let stats = pipeline.element("infer").unwrap().property("stats");
    Played { entered, left, stats }
}

/// Pictures that move, `count` of them.
fn moving(count: u32) -> String {
    format!("videotestsrc num-buffers={count} pattern=smpte horizontal-speed=3 ! {SMALL}")
}

const SMALL: &str = "video/x-raw,format=RGB,width=96,height=64,framerate=30/1";

/// The element on its own, fed by hand.
struct Fed {
    harness: Harness,
    left: Record,
}

impl Fed {
    fn new(properties: &str) -> Self {
        Self::of(&infer(properties))
    }

    fn of(element: &str) -> Self {
        init();
        let element = gst::parse::launch(element).unwrap();
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        let left = Record::of(&element.static_pad("src").unwrap());
        harness.set_src_caps_str(SMALL);
        harness.play();
        Self { harness, left }
    }

    /// Hands over a grey frame of the time `milliseconds`.
    fn push(&mut self, milliseconds: u64) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut buffer = gst::Buffer::from_mut_slice(vec![128; 96 * 64 * 3]);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(milliseconds));
        self.harness.push(buffer)
    }

    /// The words of what has left once something of `last` has.
    fn words_until(&self, last: &str) -> Vec<String> {
        let came = eventually(|| self.left.words().iter().any(|word| word == last));
        assert!(came, "no {last} in {:?}", self.left.words());
        self.left.words()
    }
}
