//! No pixel, time or flag changes, and no frame is lost, doubled or overtaken.

use gst::prelude::*;
use gst_osha_tests::{Pipeline, model};

use super::{moving, play};

/// Ways to hand the same frames to the network.
const SCHEDULES: [&str; 12] = [
    "",
    "in-flight=1",
    "in-flight=5",
    "optimize-for=latency",
    "optimize-for=latency in-flight=1",
    "optimize-for=latency in-flight=8",
    "threads=3 requests=3",
    "batch-size=3",
    "batch-size=3 optimize-for=latency in-flight=8",
    "batch-size=3 threads=3 requests=3 optimize-for=latency",
    "batch-size=4 in-flight=1 batch-timeout=1",
    "batch-size=4 in-flight=8",
];

/// Gives frames something of everything that a buffer can say.
fn decorate(pipeline: &Pipeline) {
    let pad = pipeline.pad("decorated", "src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        let buffer = info.buffer_mut().unwrap().make_mut();
        match buffer.offset() % 6 {
            1 => buffer.set_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::MARKER),
            2 => buffer.set_flags(gst::BufferFlags::DELTA_UNIT | gst::BufferFlags::CORRUPTED),
            3 => buffer.set_duration(None),
            4 => buffer.set_dts(buffer.pts()),
            5 => buffer.set_flags(gst::BufferFlags::DROPPABLE),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

#[test]
fn frames_leave_as_they_came_whatever_the_schedule() {
    let source = format!("{} ! identity name=decorated", moving(241));
    let expected = play(&source, SCHEDULES[0], decorate).left.frames();
    let seen =
        expected.iter().filter(|(_, objects)| objects.as_ref().is_some_and(|objects| !objects.is_empty()));
    assert!(seen.count() > 200, "too few frames with detections to compare anything");
    assert!(expected.windows(2).any(|pair| pair[0].1 != pair[1].1), "the detections never change");
    for schedule in SCHEDULES {
        let played = play(&source, schedule, decorate);
        assert_eq!(played.entered.prints().len(), 241);
        assert_eq!(played.left.prints(), played.entered.prints(), "{schedule}");
        let differing =
            played.left.frames().iter().zip(&expected).position(|(frame, expected)| frame != expected);
        assert_eq!(differing, None, "{schedule}: first frame with other detections");
    }
}

/// The tiny model with a batch of exactly four: the name of the first dimension gives way to a number of as many
/// bytes.
fn batch_of_four() -> (tempfile::TempDir, String) {
    let mut bytes = std::fs::read(model("yolo-dynamic")).unwrap();
    let (name, four) = (b"\x0a\x07\x12\x05batch", b"\x0a\x07\x08\x84\x80\x80\x80\x80\x00");
    let places: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(name)).collect();
    assert_eq!(places.len(), 2, "input and output");
    for at in places {
        bytes[at..at + four.len()].copy_from_slice(four);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("four.onnx");
    std::fs::write(&path, bytes).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn a_model_that_prescribes_its_batch_gets_it() {
    let (_folder, four) = batch_of_four();
    let expected = play(&moving(50), "", |_| {}).left.frames();
    let played =
        play(&moving(50), "", |pipeline| pipeline.element("infer").unwrap().set_property("model", &four));
    assert_eq!(played.left.frames(), expected);
    let line = format!("{} ! trtinfer model={four} batch-size=3 ! fakesink", moving(1));
    let error = Pipeline::new(&line).unwrap().play().unwrap().unwrap_err();
    assert!(error.text().contains("batches of 4, not 3"), "{}", error.text());
}
