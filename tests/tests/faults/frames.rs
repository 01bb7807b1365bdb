//! Frames of unusual sizes and formats, changes of caps, and models and boxes whose numbers make no sense.

use gst::prelude::*;
use gst_osha_tests::{Pipeline, file};

use crate::common::{detect, faulty, play, run, yolo};

/// Boxes that no detector should return: around, beside and far beyond the frame, empty, inside out.
const BOXES: [(&str, [i32; 4]); 8] = [
    ("person", [-50, -50, 700, 700]),
    ("person", [1, 1, 20, 40]),
    ("NO-Hardhat", [2, 2, 10, 8]),
    ("person", [0, 0, 0, 0]),
    ("hardhat", [-9, -9, 5, 5]),
    ("person", [i32::MAX, i32::MIN, i32::MAX, i32::MAX]),
    ("vehicle", [i32::MIN, i32::MIN, i32::MAX, i32::MAX]),
    ("", [5, 5, -3, -3]),
];

fn line(caps: &str, settings: &str) -> String {
    format!(
        "videotestsrc num-buffers=4 ! video/x-raw,{caps},framerate=2/1 ! trtinfer name=infer model={} ! \
         oshaannotate name=annotate {settings} ! appsink name=out",
        yolo()
    )
}

/// The bytes of every frame, with [`BOXES`] on each.
fn drawn(line: &str, size: (i32, i32)) -> Vec<Vec<u8>> {
    let pipeline = Pipeline::new(line).unwrap();
    detect(&pipeline, BOXES.to_vec());
    let run = play(&pipeline, line);
    assert_eq!((&run.errors, run.sizes()), (&vec![], vec![size; 4]), "{line}");
    run.assert_nothing_lost(line);
    run.samples.iter().map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec()).collect()
}

#[test]
fn every_size_in_every_format() {
    for format in ["I420", "YV12", "NV12", "P010_10LE", "RGB", "BGRA", "GRAY8"] {
        for size in [(1, 1), (1, 2), (2, 1), (3, 5), (17, 2), (333, 517), (1, 1080), (1919, 3)] {
            let caps = format!("format={format},width={},height={}", size.0, size.1);
            let (on, off) = (drawn(&line(&caps, ""), size), drawn(&line(&caps, "draw=false"), size));
            assert_eq!(on[0].len(), off[0].len(), "{caps}");
            assert!(size != (333, 517) || on != off, "{caps}: nothing is drawn");
        }
    }
}

fn still(image: &str, format: &str) -> String {
    let location = file(&format!("tests/golden/images/{image}.png"));
    format!(
        "filesrc location={location} ! pngdec ! imagefreeze num-buffers=5 ! videoconvert ! video/x-raw,format={format}"
    )
}

/// Plays one source after the other through the same elements.
fn one_after_the_other(sources: &[String], settings: &str) -> crate::common::Run {
    let model = file("tests/golden/models/yolo-dynamic.onnx");
    let joined: String = sources.iter().map(|source| format!(" {source} ! c.")).collect();
    run(&format!(
        "concat name=c ! trtinfer name=infer model={model} confidence=0.3 {settings} ! oshaannotate name=annotate ! \
         appsink name=out {joined}"
    ))
}

#[test]
fn caps_change_in_mid_stream() {
    let sources =
        [still("wide", "I420"), still("odd", "RGB"), still("small", "NV12"), still("wide", "GRAY8")];
    for settings in ["", "batch-size=4", "batch-size=3 optimize-for=throughput", "in-flight=1"] {
        let together = one_after_the_other(&sources, settings);
        assert_eq!(together.errors, [], "{settings}");
        together.assert_nothing_lost(settings);
        let alone: Vec<_> = sources
            .iter()
            .flat_map(|source| one_after_the_other(std::slice::from_ref(source), settings).detections())
            .collect();
        assert!(alone[..15].iter().all(|found| !found.is_empty()), "nothing is detected");
        assert_eq!((together.samples.len(), together.detections()), (20, alone), "{settings}");
        let sizes = [(1280, 720), (333, 517), (64, 48), (1280, 720)].map(|size| [size; 5]);
        assert_eq!(together.sizes(), sizes.concat(), "{settings}");
    }
}

#[test]
fn formats_that_no_element_takes() {
    for element in ["trtinfer", "oshaannotate"] {
        let line = format!("videotestsrc ! capsfilter name=caps ! {element} name=it ! fakesink");
        let linked = line.replace("name=caps", "caps=video/x-raw,format=YUY2");
        let error = format!("{:#}", Pipeline::new(&linked).err().expect("YUY2 is refused"));
        assert!(error.contains("could not link"), "{error}");

        let pipeline = Pipeline::new(&line).unwrap();
        if element == "trtinfer" {
            pipeline.element("it").unwrap().set_property("model", yolo());
        }
        let caps: gst::Caps = "video/x-raw,format=YUY2".parse().unwrap();
        pipeline.element("caps").unwrap().set_property("caps", caps);
        let run = play(&pipeline, &line);
        assert!(run.errors[0].text().contains("not-negotiated"), "{:?}", run.errors);
    }
}

/// An appsrc of RGB frames of 16x16 into `elements`.
fn pushed(elements: &str) -> (Pipeline, gst_app::AppSrc, String) {
    let line = format!(
        "appsrc name=in format=time caps=video/x-raw,format=RGB,width=16,height=16,framerate=30/1 ! {elements}"
    );
    let pipeline = Pipeline::new(&line).unwrap();
    let source = pipeline.element("in").unwrap().downcast().unwrap();
    (pipeline, source, line)
}

#[test]
fn a_buffer_that_is_too_small_for_its_caps() {
    let elements = format!("trtinfer name=infer model={} ! appsink name=out", yolo());
    let (pipeline, source, line) = pushed(&elements);
    for bytes in [768, 768, 768, 700] {
        source.push_buffer(gst::Buffer::from_mut_slice(vec![0u8; bytes])).unwrap();
    }
    source.end_of_stream().unwrap();
    let run = play(&pipeline, &line);
    let error = &run.errors[0];
    assert_eq!((error.element.as_str(), run.samples.len()), ("infer", 3), "{error:?}");
    assert!(error.message.contains("cannot be mapped as a 16x16 Rgb frame"), "{error:?}");
}

#[test]
fn a_failure_after_the_last_frame_is_told() {
    let (pipeline, source, line) = pushed(&format!("trtinfer name=infer model={}", yolo()));
    source.push_buffer(gst::Buffer::from_mut_slice(vec![0u8; 768])).unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        source.end_of_stream()
    });
    let error = &play(&pipeline, &line).errors[0];
    assert_eq!(error.element, "infer");
    assert!(error.text().to_lowercase().contains("not"), "{error:?}");
}

#[test]
fn models_that_fail_when_they_are_run() {
    for (name, reason, remedy) in [
        ("fails", "inference failed", "Check that the input shapes suit the model"),
        ("lies", "expected [B, 7, N]", "export the model again"),
    ] {
        let line = format!(
            "videotestsrc num-buffers=9 ! video/x-raw,format=RGB,width=64,height=48 ! \
             trtinfer name=infer model={} ! appsink name=out",
            faulty(name)
        );
        let run = run(&line);
        let error = &run.errors[0];
        assert_eq!((error.element.as_str(), run.samples.len()), ("infer", 0), "{error:?}");
        for said in ["model: ", &faulty(name), reason, remedy] {
            assert!(error.message.contains(said), "{error:?}: does not say {said:?}");
        }
    }
}

#[test]
fn scores_and_boxes_that_are_no_numbers() {
    for name in ["nan", "infinite", "huge", "negative"] {
        let line = format!(
            "videotestsrc num-buffers=9 ! video/x-raw,format=RGB,width=64,height=48 ! \
             trtinfer name=infer model={} confidence=0 ! oshaannotate name=annotate ! appsink name=out",
            faulty(name)
        );
        let run = run(&line);
        assert_eq!((run.errors.as_slice(), run.samples.len()), ([].as_slice(), 9), "{name}");
        for object in run.detections().concat() {
            let inside = object.corners.iter().all(|corner| (0.0..=64.0).contains(corner));
            assert!(inside && object.score.is_finite(), "{name}: {object:?}");
        }
    }
}
