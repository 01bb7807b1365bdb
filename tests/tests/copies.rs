//! `fail-on-copy`, and what elements say of copies when a stream ends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gst::prelude::*;
use gst_osha_tests::{BusError, Pipeline, file, init, model};

const SOURCE: &str = "videotestsrc num-buffers=6 ! video/x-raw,format=I420,width=64,height=64";

fn error(line: &str) -> BusError {
    Pipeline::new(line).unwrap().play().unwrap().expect_err("the pipeline should fail")
}

/// Every element of ours with `fail-on-copy`, each called `own`.
fn elements() -> [String; 3] {
    [
        format!("trtinfer name=own fail-on-copy=true backend=onnxruntime-cpu model={}", model("yolo")),
        "oshaannotate name=own fail-on-copy=true".into(),
        "zcbufferpool name=own fail-on-copy=true memory=system".into(),
    ]
}

#[test]
fn an_element_upstream_that_copies_is_named() {
    for element in elements() {
        let error = error(&format!(
            "{SOURCE} ! identity ! videoconvert name=culprit ! video/x-raw,format=RGB ! queue ! {element} ! fakesink"
        ));
        assert_eq!(error.element, "own", "{error:?}");
        let says = |text: &str| assert!(error.message.contains(text), "{error:?}");
        says("fail-on-copy=true: 'culprit' copied a frame");
        says("culprit:src -> ");
        says("set fail-on-copy=false");
    }
}

#[test]
fn frames_that_nobody_copies_pass() {
    for element in elements() {
        let line = format!("{SOURCE} ! queue ! identity ! {element} ! fakesink");
        assert_eq!(Pipeline::new(&line).unwrap().play().unwrap(), Ok(()), "{element}");
    }
}

#[test]
fn without_fail_on_copy_copies_are_allowed() {
    for element in elements() {
        let element = element.replace("fail-on-copy=true", "");
        let line = format!("{SOURCE} ! videoconvert ! video/x-raw,format=RGB ! {element} ! fakesink");
        assert_eq!(Pipeline::new(&line).unwrap().play().unwrap(), Ok(()), "{element}");
    }
}

#[test]
fn a_stopped_pipeline_fails_again_and_can_be_mended() {
    let pipeline = Pipeline::new(&format!(
        "{SOURCE} ! videoflip name=culprit method=rotate-180 ! oshaannotate name=own fail-on-copy=true ! fakesink"
    ))
    .unwrap();
    for _ in 0..3 {
        assert!(pipeline.play().unwrap().is_err());
        pipeline.0.set_state(gst::State::Null).unwrap();
    }
    pipeline.element("culprit").unwrap().set_property_from_str("video-direction", "identity");
    assert_eq!(pipeline.play().unwrap(), Ok(()), "a converter that passes frames on is none");
}

/// The clip, whose people are drawn, in two branches that hold the same frames.
fn shared(options: &str) -> String {
    format!(
        "filesrc location={} ! decodebin3 ! videoconvert ! video/x-raw,format=NV12 ! trtinfer model={} \
         backend=onnxruntime-cpu confidence=0.4 interval=30 ! tee name=t \
         t. ! queue ! oshaannotate name=own {options} ! fakesink t. ! queue ! fakesink enable-last-sample=false",
        file("tests/data/site.mp4"),
        file("models/ppe-demo.onnx")
    )
}

#[test]
fn a_frame_that_somebody_else_holds_is_refused() {
    init();
    let own = error(&shared("fail-on-copy=true"));
    assert_eq!(own.element, "own");
    // The converter before it copies first.
    assert!(own.message.contains("'videoconvert0' copied a frame"), "{own:?}");
    let line = shared("fail-on-copy=true").replace("videoconvert ! video/x-raw,format=NV12 ! ", "");
    let own = error(&line);
    assert!(own.message.contains("somebody else holds the frame too"), "{own:?}");
}

#[test]
fn totals_are_posted_at_the_end() {
    let line = format!("{SOURCE} ! {} ! oshaannotate ! fakesink", elements()[0]);
    let pipeline = Pipeline::new(&line).unwrap();
    let bus = pipeline.0.bus().unwrap();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let kinds = [gst::MessageType::Element, gst::MessageType::Eos, gst::MessageType::Error];
    let mut totals = Vec::new();
    loop {
        let message =
            bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &kinds).expect("the pipeline hangs");
        let Some(structure) = message.structure().filter(|_| message.type_() == gst::MessageType::Element)
        else {
            break;
        };
        if let (Ok(passed), Ok(copied)) = (structure.get("frames-zero-copy"), structure.get("frames-copied"))
        {
            totals.push((structure.name().to_string(), passed, copied));
        }
    }
    let expected = ["trtinfer-stats", "oshaannotate-stats"].map(|name| (name.to_owned(), 6_u64, 0_u64));
    assert_eq!(totals, expected);
}

#[test]
fn nobody_upstream_is_told_that_frames_are_cropped_downstream() {
    init();
    let caps: gst::Caps = "video/x-raw,format=I420,width=64,height=64,framerate=30/1".parse().unwrap();
    let is_offered = |pipeline: &Pipeline, name: &str| {
        let mut query = gst::query::Allocation::new(Some(&caps), true);
        assert!(pipeline.pad(name, "sink").unwrap().query(query.query_mut()), "{name}");
        query.find_allocation_meta::<gst_video::VideoCropMeta>().is_some()
    };
    for element in elements() {
        let pipeline =
            Pipeline::new(&format!("{SOURCE} ! {element} ! appsink name=out wait-on-eos=false")).unwrap();
        let sink = pipeline.element("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
        let callbacks = gst_app::AppSinkCallbacks::builder().propose_allocation(|_, query| {
            query.add_allocation_meta::<gst_video::VideoCropMeta>(None);
            true
        });
        sink.set_callbacks(callbacks.build());
        // The query waits for frames before it, so that it is put when all of them have left.
        assert_eq!(pipeline.play().unwrap(), Ok(()), "{element}");
        let offered = ["out", "own"].map(|name| is_offered(&pipeline, name));
        assert_eq!(offered, [true, false], "{element}");
    }
}
