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

/// A plan as TensorRT lays it out: a header with the size of the whole and the version of the builder, a table of entries,
/// their data and a mark at the end. `entries` have a tag of four letters and a multiple of 8 bytes.
fn plan_of(version: [u8; 4], entries: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    const TABLE: usize = 32;
    let length = |bytes: usize| (bytes as u64).to_le_bytes();
    let size: usize = entries.iter().map(|(_, data)| 24 + data.len()).sum();
    let mut plan =
        [b"ftrt\0\0\0\0", &length(entries.len())[..], &length(TABLE + size + 4), &version].concat();
    plan.resize(TABLE, 0);
    let mut offset = TABLE + 24 * entries.len();
    for (tag, data) in entries {
        plan.extend([&tag[..], &[0; 4], &length(offset), &length(data.len())].concat());
        offset += data.len();
    }
    entries.iter().for_each(|(_, data)| plan.extend(data));
    plan.extend(0x8b8d_8b99_u32.to_le_bytes());
    plan
}

/// A network that begins as TensorRT's do, with the version of the builder, and goes on with nothing that makes sense.
fn network_of(version: [u8; 4]) -> Vec<u8> {
    let tagged = version.map(|part| [2, 0x80, 1, 0, part]).concat();
    let mut network =
        [b"ptrt", &100_u32.to_le_bytes(), &(4096_u64 - 20).to_le_bytes()[..], &[0; 4], &tagged].concat();
    network.resize(4096, 0);
    network
}

pub fn what_is_no_engine_is_an_error_on_the_bus() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |name: &str, plan: &[u8]| println!("{name}: {}", refusal(folder.path(), plan));
    refuse("empty", b"");
    refuse("cut off", b"ftr");
    refuse("wrong magic word", &headed(b"none", 0));
    refuse("wrong size", &headed(b"ftrt", 0));
    refuse("wrong platform", &headed(b"ftrt", 1));
    refuse("zeros", &[0; 4096]);
    let whole_of = |version| plan_of(version, &[(b"NGNE", network_of(version)), (b"THGW", vec![0; 8])]);
    for version in [[10, 9, 0, 34], [11, 3, 0, 99], [11, 4, 0, 106]] {
        refuse(&format!("version {version:?} of no network"), &whole_of(version));
    }
    let version = [11, 4, 0, 106];
    refuse("no weights", &plan_of(version, &[(b"NGNE", network_of(version))]));
    let whole = whole_of(version);
    refuse("half", &whole[..whole.len() / 2]);
    // Magic word, number of entries, size, version, platform; the first entry's tag, place and size; the network's magic
    // word and version; the end.
    for at in [0, 8, 16, 24, 28, 32, 40, 48, 80, 104, whole.len() - 1] {
        let mut plan = whole.clone();
        plan[at] ^= 4;
        refuse(&format!("flipped at {at}"), &plan);
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
