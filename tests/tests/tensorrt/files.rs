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

/// A plan as TensorRT lays it out: a header with the size of the whole and the version of the builder, a table with one
/// entry, the entry's data and a mark at the end. Only the network in it makes no sense.
fn plan_of(version: [u8; 4]) -> Vec<u8> {
    const TABLE: usize = 64;
    const DATA: usize = TABLE + 24;
    let length = |bytes: usize| (bytes as u64).to_le_bytes();
    let zeros = vec![0; 4000];
    let tagged = version.map(|part| [2, 0x80, 1, 0, part]).concat();
    let network =
        [b"ptrt", &100_u32.to_le_bytes(), &length(tagged.len() + zeros.len())[..], &[0; 4]].concat();
    let data = [network, tagged, zeros].concat();
    let end = (DATA + data.len()).next_multiple_of(8);
    let header = [b"ftrt\0\0\0\0", &length(1)[..], &length(end + 4), &version, &[0; TABLE - 28]].concat();
    let table = [b"NGNE\0\0\0\0", &length(DATA)[..], &length(data.len())].concat();
    let mut plan = [header, table, data].concat();
    plan.resize(end, 0);
    plan.extend(0x8b8d_8b99_u32.to_le_bytes());
    plan
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
    for version in [[10, 9, 0, 34], [11, 3, 0, 99], [11, 4, 0, 106]] {
        refuse(&format!("no network, version {version:?}"), &plan_of(version));
    }
    let whole = plan_of([11, 4, 0, 106]);
    // Magic word, number of entries, size, version, platform, flags; an entry's tag, place and size; the network's magic
    // word, version and first bytes; the end.
    for at in [0, 8, 16, 24, 28, 32, 64, 72, 80, 88, 112, 140, whole.len() - 1] {
        let mut plan = whole.clone();
        plan[at] ^= 4;
        refuse(&format!("flipped at {at}"), &plan);
    }
    refuse("half", &whole[..whole.len() / 2]);
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
