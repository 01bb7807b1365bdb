//! Event logs on disks that are full.

use std::path::{Path, PathBuf};
use std::process::Command;

use gst::prelude::*;
use gst_osha_tests::Pipeline;
use osha::event::Event;

use crate::common::{Run, detect, play};

/// Twelve people side by side, bare-headed: more than one page of events.
fn bareheaded() -> Vec<(&'static str, [i32; 4])> {
    let person =
        |index| [("person", [index * 100, 100, 80, 300]), ("NO-Hardhat", [index * 100 + 20, 100, 40, 50])];
    (0..12).flat_map(person).collect()
}

/// Twelve seconds of people who violate a rule, logged at `location`. Whoever hears of it asks for the counters at once.
fn log_violations(location: &Path) -> Run {
    let line = format!(
        "videotestsrc num-buffers=60 ! video/x-raw,format=I420,width=1280,height=720,framerate=5/1 ! \
         oshaannotate name=annotate draw=false events-location={} ! appsink name=out",
        location.display()
    );
    let pipeline = Pipeline::new(&line).unwrap();
    detect(&pipeline, bareheaded());
    let annotate = pipeline.element("annotate").unwrap();
    pipeline.0.bus().unwrap().set_sync_handler(move |_, message| {
        if matches!(message.type_(), gst::MessageType::Element | gst::MessageType::Error) {
            annotate.property::<gst::Structure>("stats");
        }
        gst::BusSyncReply::Pass
    });
    play(&pipeline, &line)
}

/// The log could not be written, and the frames until then came out.
fn assert_full(run: &Run, location: &Path) {
    let error = run.errors.first().expect("events are lost in silence");
    assert_eq!(error.element, "annotate", "{error:?}");
    for said in ["events-location: ", &location.display().to_string(), "free some space"] {
        assert!(error.message.contains(said), "{error:?}: does not say {said:?}");
    }
    assert!((1..60).contains(&run.samples.len()), "{} frames", run.samples.len());
}

#[test]
fn a_full_device() {
    let location = Path::new("/dev/full");
    assert_full(&log_violations(location), location);
}

/// A file system in memory with room for one page.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4k", "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk() {
    let Some(disk) = Tmpfs::mount() else {
        eprintln!("SKIPPED: a file system can be mounted by root only");
        return;
    };
    let location: PathBuf = disk.0.path().join("events.jsonl");
    assert_full(&log_violations(&location), &location);
    let log = std::fs::read_to_string(&location).unwrap();
    let events: Vec<_> = log.lines().map(|line| Event::from_line(line).expect("no line is torn")).collect();
    assert!((1..12).contains(&events.len()), "{log}");
}

#[test]
fn pictures_on_a_full_disk() {
    let Some(disk) = Tmpfs::mount() else {
        eprintln!("SKIPPED: a file system can be mounted by root only");
        return;
    };
    let line = format!(
        "videotestsrc num-buffers=60 pattern=snow ! video/x-raw,format=I420,width=1280,height=720,framerate=5/1 ! \
         oshaannotate name=annotate snapshot-location={}/{{violation}}.png ! appsink name=out",
        disk.0.path().display()
    );
    let pipeline = Pipeline::new(&line).unwrap();
    detect(&pipeline, bareheaded());
    let warnings = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = warnings.clone();
    pipeline.0.bus().unwrap().set_sync_handler(move |_, message| {
        if let gst::MessageView::Warning(warning) = message.view() {
            heard.lock().unwrap().push(warning.error().to_string());
        }
        gst::BusSyncReply::Pass
    });
    let run = play(&pipeline, &line);
    assert_eq!((run.errors, run.samples.len()), (vec![], 60), "the stream goes on");
    let warnings = warnings.lock().unwrap();
    let told = |warning: &String| warning.contains("snapshot-location") && warning.contains("Make room");
    assert!(warnings.iter().any(told), "{warnings:?}");
    let left: Vec<_> = std::fs::read_dir(disk.0.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "torn pictures are left behind");
}

#[test]
fn a_disk_with_room() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("events.jsonl");
    let run = log_violations(&location);
    assert_eq!((run.errors, run.samples.len()), (vec![], 60));
    assert!(std::fs::metadata(&location).unwrap().len() > 4096, "too few events to fill the small disk");
}
