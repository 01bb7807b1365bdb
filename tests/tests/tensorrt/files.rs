//! `engine-file`: an engine of the user's own.

use std::path::Path;

use gst::prelude::*;

use crate::{double, listen, pipeline_of, play};

/// What the bus says of an engine in a file of these bytes.
fn refusal(folder: &Path, bytes: &[u8]) -> String {
    let file = folder.join("own.plan");
    std::fs::write(&file, bytes).unwrap();
    let source = "videotestsrc num-buffers=1 ! video/x-raw,format=RGB,width=64,height=64";
    let pipeline = pipeline_of(source, folder, &format!("backend=tensorrt engine-file={}", file.display()));
    let _ = pipeline.0.set_state(gst::State::Playing);
    let text = listen(&pipeline).error.expect("the engine is taken");
    pipeline.0.set_state(gst::State::Null).unwrap();
    let named = format!("engine-file: {}: ", file.display());
    let reason = text.strip_prefix(&named).unwrap_or_else(|| panic!("{text}"));
    assert!(reason.contains("Name an engine") && !reason.contains("no reason"), "{text}");
    reason.to_owned()
}

/// Bytes that start as a plan of TensorRT's does, and go on with nothing that makes sense.
fn headed(magic: &[u8; 4], filler: u8) -> Vec<u8> {
    [&magic[..], &[filler; 4096]].concat()
}

pub fn what_is_no_engine_is_an_error_on_the_bus() {
    let folder = tempfile::tempdir().unwrap();
    let plans: [(&str, Vec<u8>); 6] = [
        ("empty", Vec::new()),
        ("cut off", b"ftr".to_vec()),
        ("wrong magic word", headed(b"none", 0)),
        ("wrong size", headed(b"ftrt", 0)),
        ("wrong platform", headed(b"ftrt", 1)),
        ("zeros", vec![0; 4096]),
    ];
    for (name, plan) in plans {
        println!("{name}: {}", refusal(folder.path(), &plan));
    }
}

pub fn a_damaged_engine_is_an_error_on_the_bus() {
    let folder = tempfile::tempdir().unwrap();
    double::builder().set("plan_version", 100_100);
    let (heard, _) = play(folder.path(), "tensorrt");
    assert!(heard.error.unwrap().contains("version tag 100100 does not match"));
    let whole = double::cached(folder.path());
    assert!(refusal(folder.path(), &whole).contains("version tag 100100 does not match"));
    assert!(refusal(folder.path(), &whole[..20]).contains("truncated"));
    let mut flipped = whole;
    flipped[0] ^= 1;
    assert!(refusal(folder.path(), &flipped).contains("magic tag"));
}
