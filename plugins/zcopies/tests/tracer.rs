//! The tracer in a process of its own: what it writes when a pipeline stops, and what it answers meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use gst::glib;
use gst::prelude::*;
use gstsupport::flow::{Change, PipelineReport, Report};

/// A tracer that lives as long as the process, as GStreamer's own do. It sees the pipelines of every test.
fn tracer(file: &Path, format: &str, socket: &Path) {
    gst::init().unwrap();
    // Fails when another test has done it.
    let _ = gstzcopies::plugin_register_static();
    let kind = glib::Type::from_name("GstZCopiesTracer").expect("the tracer is registered");
    let tracer = glib::Object::with_type(kind);
    tracer.set_property("file", file.to_str().unwrap());
    tracer.set_property("format", format);
    tracer.set_property("socket", socket.to_str().unwrap());
    std::mem::forget(tracer);
}

fn pipeline(name: &str, elements: &str) -> gst::Pipeline {
    let line = format!(
        "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=64,height=48 ! {elements} ! fakesink sync=false"
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_property("name", name);
    pipeline
}

fn play(pipeline: &gst::Pipeline) {
    pipeline.set_state(gst::State::Playing).unwrap();
    let wait = gst::ClockTime::from_seconds(20);
    pipeline.bus().unwrap().timed_pop_filtered(wait, &[gst::MessageType::Eos]).expect("the pipeline hangs");
}

/// The reports of the pipeline called `name` in the JSON lines of `file`.
fn reports(file: &Path, name: &str) -> Vec<PipelineReport> {
    let text = std::fs::read_to_string(file).unwrap();
    let reports = text.lines().flat_map(|line| serde_json::from_str::<Report>(line).unwrap().pipelines);
    reports.filter(|report| report.name == name).collect()
}

#[test]
fn a_copy_is_named_in_the_json_report() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("links.json");
    tracer(&file, "json", Path::new("none"));
    let pipeline =
        pipeline("copying", "queue ! videoconvert name=culprit ! video/x-raw,format=RGB ! identity");
    for _ in 0..2 {
        play(&pipeline);
        pipeline.set_state(gst::State::Null).unwrap();
    }
    let reports = reports(&file, "copying");
    assert_eq!(reports.len(), 2, "one for each run");
    for report in reports {
        let [copy] = &report.copies[..] else { panic!("{report:?}") };
        assert_eq!((copy.element.as_str(), copy.factory.as_str()), ("culprit", "videoconvert"));
        assert_eq!((copy.change, copy.frames), (Change::NewMemory, 10));
        assert!(copy.link.starts_with("culprit:src -> "));
        let buffers: Vec<u64> = report.links.iter().map(|link| link.buffers).collect();
        assert_eq!(buffers, [10; 6]);
        assert!(
            report.links[0].from.starts_with("videotestsrc") && report.links[5].to.starts_with("fakesink")
        );
        assert_eq!(report.links[0].bytes, 10 * 64 * 48 * 3 / 2);
    }
}

#[test]
fn a_link_whose_format_changes_has_a_row_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("links.json");
    tracer(&file, "json", Path::new("none"));
    let pipeline = pipeline("changing", "capsfilter name=filter ! identity");
    let filter = pipeline.iterate_recurse().into_iter().flatten().find(|element| {
        element.factory().is_some_and(|factory| factory.name() == "capsfilter") && element.name() != "filter"
    });
    let filter = filter.expect("the filter behind the source");
    let changed = filter.clone();
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let pad = filter.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        if seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 4 {
            let caps = "video/x-raw,format=RGB,width=32,height=16".parse::<gst::Caps>().unwrap();
            changed.set_property("caps", caps);
        }
        gst::PadProbeReturn::Ok
    });
    play(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    let [report] = &reports(&file, "changing")[..] else { panic!("one run") };
    let rows: Vec<(&str, u64)> = report
        .links
        .iter()
        .filter(|link| link.from.starts_with("identity"))
        .map(|link| (link.format.as_str(), link.buffers))
        .collect();
    assert_eq!(rows, [("I420 64x48", 5), ("RGB 32x16", 5)]);
    assert_eq!(report.copies, []);
}

#[test]
fn the_table_says_that_nothing_was_copied() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("links.txt");
    tracer(&file, "text", Path::new("none"));
    let pipeline = pipeline("plain", "queue ! identity name=middle");
    play(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let ours = text.split("zcopies: ").find(|table| table.starts_with("plain,")).expect("a table");
    assert!(
        ours.contains("middle:src") && ours.contains("I420 64x48") && ours.contains("no frame was copied")
    );
}

#[test]
fn a_running_pipeline_answers_on_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("top.sock");
    tracer(&folder.path().join("links.txt"), "text", &socket);
    let pipeline = pipeline("asked", "identity");
    play(&pipeline);
    let mut client = UnixStream::connect(&socket).unwrap();
    let mut answers = BufReader::new(client.try_clone().unwrap());
    for _ in 0..2 {
        client.write_all(b"\n").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let report: Report = serde_json::from_str(&line).unwrap();
        assert_eq!(report.process, std::process::id());
        let ours = report.pipelines.iter().find(|pipeline| pipeline.name == "asked").expect("our pipeline");
        assert!(ours.links.iter().all(|link| link.buffers == 10) && ours.position_s.is_some());
        assert!(ours.elements.iter().any(|element| element.factory == "fakesink"));
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_file_that_cannot_be_written_stops_nothing() {
    tracer(Path::new("/proc/none/links.json"), "json", Path::new("none"));
    let pipeline = pipeline("unwritten", "identity");
    play(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
}
