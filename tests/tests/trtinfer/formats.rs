//! The same picture gives the same detections in every pixel format and colorimetry.

use gst_osha_tests::{init, objects};

use super::detections;

/// Every format that the element's sink pad offers.
fn formats() -> Vec<String> {
    init();
    let factory = gst::ElementFactory::find("trtinfer").unwrap();
    let caps = factory.static_pad_templates().iter().next().unwrap().caps();
    let formats = caps.structure(0).unwrap().get::<gst::List>("format").unwrap();
    formats.iter().map(|format| format.get::<String>().unwrap()).collect()
}

/// Detections that `caps` and RGB have in common, and the larger number of detections.
fn agreement(caps: &str) -> (usize, usize) {
    let pictures = ["wide", "odd"].map(|picture| {
        let expected = detections(picture, "video/x-raw,format=RGB", "confidence=0.3");
        let found = detections(picture, caps, "confidence=0.3");
        (objects::matched(&expected, &found, 3.0, 0.05), expected.len().max(found.len()))
    });
    pictures.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[test]
fn every_format_shows_the_same_picture() {
    let formats = formats();
    assert_eq!(formats.len(), 15, "{formats:?}");
    for format in formats.iter().filter(|format| *format != "GRAY8") {
        let (matched, all) = agreement(&format!("video/x-raw,format={format}"));
        println!("{format}: {matched} of {all}");
        assert!(matched * 100 >= all * 97, "{format}: {matched} of {all}");
    }
}

#[test]
fn grey_frames_are_looked_at() {
    detections("odd", "video/x-raw,format=GRAY8", "");
}

/// Range, matrix, transfer and primaries as caps name them.
const COLORIMETRIES: [&str; 5] = ["2:4:5:1", "1:4:5:1", "2:3:5:1", "1:3:5:1", "2:6:5:1"];

#[test]
fn the_colorimetry_of_the_caps_is_honoured() {
    for format in ["NV12", "I420", "P010_10LE"] {
        for colorimetry in COLORIMETRIES {
            let (matched, all) = agreement(&format!("video/x-raw,format={format},colorimetry={colorimetry}"));
            println!("{format} {colorimetry}: {matched} of {all}");
            assert!(matched * 100 >= all * 97, "{format} {colorimetry}: {matched} of {all}");
        }
    }
}

#[test]
fn a_wrong_colorimetry_shows() {
    let lie = "video/x-raw,format=NV12,colorimetry=2:4:5:1 ! capssetter caps=video/x-raw,colorimetry=1:3:5:1";
    let (matched, all) = agreement(lie);
    assert!(matched * 100 < all * 97, "{matched} of {all} agree although the colours are wrong");
}
