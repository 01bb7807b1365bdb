//! When downstream takes no frames any more, the pipeline ends instead of hanging.

use anyhow::anyhow;
use gst::prelude::*;
use gst_osha_tests::{BusError, Pipeline};

use super::{Fed, SMALL, infer, moving};

/// How a pipeline of `source`, the element and `downstream` ends.
fn end(source: &str, downstream: &str) -> Result<(), BusError> {
    let line = format!("{source} ! {} in-flight=4 {downstream}", infer(""));
    Pipeline::new(&line).unwrap().play_for(gst::ClockTime::from_seconds(10)).expect(&line)
}

/// Plays `source` to an appsink that answers its `at`th frame with `answer`.
fn end_at(source: &str, at: u32, answer: gst::FlowError) -> Result<(), BusError> {
    let pipeline = Pipeline::new(&format!("{source} ! {} ! appsink name=out sync=false", infer(""))).unwrap();
    let sink = pipeline
        .element("out")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .map_err(|_| anyhow!("no appsink"))
        .unwrap();
    let mut frames = 0;
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        let _ = sink.pull_sample();
        frames += 1;
        if frames == at { Err(answer) } else { Ok(gst::FlowSuccess::Ok) }
    });
    sink.set_callbacks(callbacks.build());
    pipeline.play_for(gst::ClockTime::from_seconds(10)).unwrap()
}

#[test]
fn an_error_downstream_ends_the_pipeline() {
    assert_eq!(
        end("videotestsrc", "! identity name=fails error-after=10 ! fakesink").unwrap_err().element,
        "fails"
    );
}

#[test]
fn a_pad_that_is_not_linked_ends_the_pipeline() {
    for frames in [1, 2, 100] {
        let error = end(&format!("videotestsrc num-buffers={frames} ! {SMALL}"), "").unwrap_err();
        assert!(
            error.text().contains("not-linked") || error.text().contains("cannot be passed on"),
            "{error:?}"
        );
    }
}

#[test]
fn a_failure_of_any_frame_ends_the_pipeline() {
    for (frames, at) in [(1, 1), (5, 5), (5, 4), (100, 7)] {
        for answer in [gst::FlowError::Error, gst::FlowError::NotSupported] {
            assert!(end_at(&moving(frames), at, answer).is_err(), "{answer:?} at {at} of {frames}");
        }
    }
}

#[test]
fn a_sink_that_has_had_enough_ends_the_pipeline() {
    for (frames, at) in [(1, 1), (5, 5), (5, 4), (100, 7)] {
        assert_eq!(end_at(&moving(frames), at, gst::FlowError::Eos), Ok(()), "{at} of {frames}");
    }
    assert_eq!(end(&moving(100), "! identity eos-after=10 ! fakesink"), Ok(()));
}

#[test]
fn upstream_hears_what_downstream_answers() {
    let mut fed = Fed::new("in-flight=1");
    let pad = fed.harness.sinkpad().unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        info.flow_res = Err(gst::FlowError::NotNegotiated);
        gst::PadProbeReturn::Handled
    });
    let answer = (0..100).map(|at| fed.push(at)).find(Result::is_err);
    assert_eq!(answer, Some(Err(gst::FlowError::NotNegotiated)));
}

#[test]
fn frames_of_another_format_are_refused() {
    let mut fed = Fed::new("");
    fed.harness.set_src_caps_str("video/x-raw,format=YUY2,width=96,height=64,framerate=30/1");
    assert_eq!(fed.push(0), Err(gst::FlowError::NotNegotiated));
}

#[test]
fn a_frame_that_is_too_small_is_an_error() {
    let line = format!("appsrc name=in format=time caps={SMALL} ! {} ! fakesink", infer(""));
    let pipeline = Pipeline::new(&line).unwrap();
    let source = pipeline.element("in").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    pipeline.0.set_state(gst::State::Playing).unwrap();
    source.push_buffer(gst::Buffer::with_size(100).unwrap()).unwrap();
    let error = pipeline.play().unwrap().unwrap_err();
    assert_eq!(error.element, "infer");
    assert!(error.text().contains("cannot be mapped as a 96x64"), "{}", error.text());
}
