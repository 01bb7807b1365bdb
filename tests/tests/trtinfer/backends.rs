//! Which backend is chosen, what is said of the others, and which memory the caps offer.

use gpu::{MemoryKind, cuda, gstcuda};
use gst::prelude::*;
use gst_osha_tests::Pipeline;

use super::{infer, moving, play};

/// Kinds of memory that the sink pad offers while paused.
fn offered(properties: &str) -> Vec<Option<MemoryKind>> {
    let line = format!("{} ! {} ! fakesink", moving(2), infer(properties));
    let pipeline = Pipeline::new(&line).unwrap();
    pipeline.0.set_state(gst::State::Paused).unwrap();
    pipeline.0.state(gst::ClockTime::from_seconds(30)).0.unwrap();
    let caps = pipeline.pad("infer", "sink").unwrap().query_caps(None);
    let kinds: std::collections::HashSet<_> =
        caps.iter_with_features().map(|(_, features)| MemoryKind::of(Some(features))).collect();
    let known = [MemoryKind::Cuda, MemoryKind::Host].map(Some);
    known.into_iter().filter(|kind| kinds.contains(kind)).collect()
}

#[test]
fn cuda_memory_is_offered_only_to_a_network_that_reads_it() {
    assert_eq!(offered("backend=onnxruntime-cpu"), [Some(MemoryKind::Host)]);
    assert_eq!(offered("device=cpu"), [Some(MemoryKind::Host)]);
}

#[test]
fn a_network_on_the_cpu_takes_no_cuda_memory() {
    let pipeline = Pipeline::new(&format!("{} ! fakesink", infer("device=cpu"))).unwrap();
    pipeline.element("infer").unwrap().set_state(gst::State::Paused).unwrap();
    let pad = pipeline.pad("infer", "sink").unwrap();
    let caps = |feature: &str| {
        let text = format!("video/x-raw{feature},format=NV12,width=64,height=64,framerate=25/1");
        text.parse::<gst::Caps>().unwrap()
    };
    assert!(pad.query_accept_caps(&caps("")));
    assert!(!pad.query_accept_caps(&caps("(memory:CUDAMemory)")));
}

#[test]
fn the_choice_is_explained() {
    let explained = |properties: &str| {
        let stats = play(&moving(2), properties, |_| {}).stats;
        (stats.get::<String>("engine").unwrap(), stats.get::<String>("refused").unwrap())
    };
    assert_eq!(explained("device=cpu").1, "");
    let (engine, refused) = explained("");
    if cuda::status().is_err() {
        assert!(engine.contains("CPU"), "{engine}");
        let expected = [
            "tensorrt: TensorRT cannot be used: ",
            "onnxruntime-tensorrt: ONNX Runtime with",
            "onnxruntime-cuda: ONNX Runtime with CUDA cannot be used: ",
        ];
        let places: Vec<_> = expected.iter().filter_map(|text| refused.find(text)).collect();
        assert!(places.len() == 3 && places.is_sorted() && places[0] == 0, "{refused}");
    }
}

#[test]
fn a_context_query_is_answered_where_there_is_a_device_and_nowhere_else() {
    for (properties, may) in [("", true), ("device=cpu", false), ("backend=onnxruntime-cpu", false)] {
        let pipeline = Pipeline::new(&format!("{} ! fakesink", infer(properties))).unwrap();
        let mut query = gst::query::Context::new("gst.cuda.context");
        let answered = pipeline.pad("infer", "sink").unwrap().query(&mut query);
        assert_eq!(answered, may && gstcuda::status().is_ok(), "{properties:?}");
    }
}
