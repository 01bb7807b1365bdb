//! Pipelines whose elements copy, or do not.

use gst::prelude::*;

use super::*;

/// A pipeline of `line` between a source of frames and a sink, and the copies that a guard before the sink saw. There are
/// more frames than a queue holds, so that some come when the guard is in its place.
fn play(line: &str) -> (gst::Pipeline, Option<String>) {
    gst::init().unwrap();
    let line = format!(
        "videotestsrc num-buffers=500 ! video/x-raw,format=I420,width=64,height=48 ! {line} ! fakesink name=out"
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap().static_pad("sink").unwrap();
    let guard = std::sync::Arc::new(std::sync::Mutex::new(None));
    let set = guard.clone();
    sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        if info.event().is_some_and(|event| event.type_() == gst::EventType::Segment) {
            *crate::lock(&set) = Some(Guard::watch(pad));
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let wait = gst::ClockTime::from_seconds(20);
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(wait, &kinds).expect("the pipeline hangs");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    let violation = crate::lock(&guard).as_ref().and_then(Guard::violation);
    (pipeline, violation)
}

#[test]
fn frames_that_are_passed_on_are_no_copies() {
    for line in [
        "identity",
        "queue ! identity ! queue max-size-buffers=2",
        "tee name=t t. ! queue ! fakesink t. ! queue",
    ] {
        assert_eq!(play(line).1, None, "{line}");
    }
}

#[test]
fn a_converter_is_named_with_its_link() {
    let text = play("identity ! videoconvert name=culprit ! video/x-raw,format=RGB ! queue").1.unwrap();
    assert!(
        text.contains("'culprit' copied a frame") && text.contains("culprit:src -> capsfilter"),
        "{text}"
    );
    assert!(text.contains("I420 64x48") && text.contains("RGB 64x48"), "{text}");
}

#[test]
fn a_copy_in_the_same_format_is_seen() {
    let text = play("videoflip name=culprit method=rotate-180").1.unwrap();
    assert!(text.contains("'culprit' copied a frame (new memory"), "{text}");
}

#[test]
fn a_copy_inside_a_bin_is_seen() {
    let text = play("( identity ! videoconvert name=culprit ) ! video/x-raw,format=RGB ! queue").1;
    assert!(text.is_some_and(|text| text.contains("'culprit'")));
}

#[test]
fn a_ledger_counts_and_forgets() {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(
        "videotestsrc name=source num-buffers=8 ! identity name=middle ! \
         video/x-raw,format=GRAY8,width=64,height=48 ! fakesink name=out",
    )
    .unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let ledger = std::sync::Arc::new(std::sync::Mutex::new(Ledger::default()));
    for name in ["source", "middle"] {
        let ledger = ledger.clone();
        let pad = pipeline.by_name(name).unwrap().static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            crate::lock(&ledger).pushed(pad, info.buffer().unwrap());
            gst::PadProbeReturn::Ok
        });
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let wait = gst::ClockTime::from_seconds(20);
    pipeline.bus().unwrap().timed_pop_filtered(wait, &[gst::MessageType::Eos]).expect("the pipeline hangs");
    let top = pipeline.upcast_ref::<gst::Object>();
    let report = crate::lock(&ledger).report(top, 1.0);
    let links: Vec<_> =
        report.links.iter().map(|link| (link.from.as_str(), link.buffers, link.bytes)).collect();
    assert_eq!(links, [("source:src", 8, 8 * 64 * 48), ("middle:src", 8, 8 * 64 * 48)]);
    assert_eq!((report.links[1].memory.as_str(), report.copies.len()), ("SystemMemory", 0));
    let json = serde_json::to_string(&Report::new(vec![report.clone()])).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap().pipelines, [report]);
    crate::lock(&ledger).forget(top);
    assert_eq!(crate::lock(&ledger).report(top, 1.0).links, []);
    pipeline.set_state(gst::State::Null).unwrap();
}
