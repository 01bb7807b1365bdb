//! What `gst-inspect-1.0` shows.

use gst::glib;
use gst::prelude::*;
use gst_osha_tests::init;

/// Flags that say until when a property may be changed.
fn mutability(pspec: &glib::ParamSpec) -> &'static str {
    let kinds = [
        (gst::PARAM_FLAG_MUTABLE_PLAYING, "playing"),
        (gst::PARAM_FLAG_MUTABLE_PAUSED, "paused"),
        (gst::PARAM_FLAG_MUTABLE_READY, "ready"),
    ];
    let kind = kinds.into_iter().find(|(flag, _)| pspec.flags().contains(*flag));
    kind.map_or("", |(_, name)| name)
}

fn own_properties(element: &str) -> Vec<glib::ParamSpec> {
    init();
    let element = gst::ElementFactory::make(element).build().unwrap();
    let inherited = ["name", "parent", "qos"];
    let properties = element.list_properties().to_vec();
    properties.into_iter().filter(|pspec| !inherited.contains(&pspec.name())).collect()
}

#[test]
fn every_property_is_described() {
    for element in ["trtinfer", "oshaannotate"] {
        let properties = own_properties(element);
        assert!(properties.len() > 5);
        for pspec in properties {
            let (name, blurb) = (pspec.name(), pspec.blurb().unwrap_or_default());
            assert!(!pspec.nick().is_empty() && pspec.nick() != name, "{element} {name}: no nick");
            assert!(blurb.len() > 15, "{element} {name}: {blurb:?}");
        }
    }
}

#[test]
fn properties_say_until_when_they_may_change() {
    let playing: &[&str] = &["banner", "class-agnostic", "confidence", "interval", "iou", "max-detections"];
    for element in ["trtinfer", "oshaannotate"] {
        for pspec in own_properties(element) {
            let expected = match pspec.name() {
                "stats" => "",
                name if playing.contains(&name) => "playing",
                _ => "ready",
            };
            assert_eq!(mutability(&pspec), expected, "{element} {}", pspec.name());
            assert_eq!(pspec.flags().contains(glib::ParamFlags::WRITABLE), pspec.name() != "stats");
        }
    }
}

#[test]
fn properties_read_back_what_was_set() {
    init();
    let cases = [
        ("model", "a.onnx"),
        ("labels", "names.txt"),
        ("onnxruntime-library", "lib.so"),
        ("backend", "onnxruntime-cpu"),
        ("device", "cpu"),
        ("precision", "fp16"),
        ("threads", "3"),
        ("requests", "2"),
        ("fuse-convolutions", "false"),
        ("confidence", "0.5"),
        ("iou", "0.25"),
        ("max-detections", "7"),
        ("classes", "person"),
        ("class-agnostic", "true"),
        ("interval", "2"),
        ("batch-size", "4"),
        ("batch-timeout", "9"),
        ("in-flight", "6"),
        ("optimize-for", "latency"),
        ("output", "detections"),
        ("fail-on-copy", "true"),
        ("tensorrt-library", "libnvinfer.so.11"),
        ("engine-file", "ppe.plan"),
        ("engine-cache", "engines"),
        ("workspace", "64"),
        ("optimization-level", "5"),
        ("version-compatible", "true"),
        ("hardware-compatible", "true"),
        ("warm-start", "onnxruntime-cpu"),
    ];
    let infer = gst::ElementFactory::make("trtinfer").build().unwrap();
    for (name, text) in cases {
        infer.set_property_from_str(name, text);
        let value = infer.property_value(name).serialize().unwrap();
        assert_eq!(value.trim_matches('"'), text, "{name}");
    }
    let covered = own_properties("trtinfer").len() - 1;
    assert_eq!(covered, cases.len(), "a property without a case");
}

#[test]
fn elements_are_classified() {
    init();
    for (element, class) in
        [("trtinfer", "Filter/Analyzer/Video"), ("oshaannotate", "Filter/Analyzer/Effect/Video")]
    {
        let factory = gst::ElementFactory::find(element).unwrap();
        assert_eq!(factory.metadata("klass"), Some(class));
        assert_eq!(factory.rank(), gst::Rank::NONE, "{element} would be plugged by itself");
        assert_eq!(factory.static_pad_templates().len(), 2);
    }
}
