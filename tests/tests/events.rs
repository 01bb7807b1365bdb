//! Events as they come out of a pipeline: their form, what they rest on, and the spool that keeps them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use gst::prelude::*;
use gst_analytics::prelude::*;
use gst_osha_tests::{Pipeline, file, model, repository};
use osha::hash::Hash;
use osha::spool::{check, files};
use serde_json::Value;

/// A pipeline of a detector and `oshaannotate properties`, which sees a worker without a hat in three of five seconds.
struct Site(Pipeline);

impl Site {
    fn new(properties: &str) -> Self {
        let line = format!(
            "videotestsrc num-buffers=80 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! \
             trtinfer model={} ! oshaannotate name=annotate draw=false {properties} ! fakesink name=sink sync=false",
            model("yolo")
        );
        let pipeline = Pipeline::new(&line).unwrap();
        let pad = pipeline.pad("annotate", "sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
            detect(info.buffer_mut().unwrap().make_mut());
            gst::PadProbeReturn::Ok
        });
        Self(pipeline)
    }

    /// Adds a reference timestamp of the kind `caps` to every frame: its own time after `start`.
    fn with_reference(self, caps: &'static str, start: gst::ClockTime) -> Self {
        let pad = self.0.pad("annotate", "sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer_mut().unwrap().make_mut();
            let at = start + buffer.pts().unwrap();
            gst::ReferenceTimestampMeta::add(buffer, &caps.parse().unwrap(), at, gst::ClockTime::NONE);
            gst::PadProbeReturn::Ok
        });
        self
    }

    /// Plays to the end; the `osha-violation` messages.
    fn play(self) -> Vec<gst::Structure> {
        let bus = self.0.0.bus().unwrap();
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let messages = heard.clone();
        bus.set_sync_handler(move |_, message| {
            if let Some(structure) =
                message.structure().filter(|structure| structure.name() == "osha-violation")
            {
                messages.lock().unwrap().push(structure.to_owned());
            }
            gst::BusSyncReply::Pass
        });
        assert_eq!(self.0.play().unwrap(), Ok(()));
        drop(self);
        std::mem::take(&mut *heard.lock().unwrap())
    }
}

fn detect(buffer: &mut gst::BufferRef) {
    let is_bare = buffer.pts().unwrap().mseconds() % 5000 < 3000;
    if let Some(meta) = buffer.meta_mut::<gst_analytics::AnalyticsRelationMeta>() {
        // What the tiny network sees in the test picture is none of our business.
        let _ = meta.remove();
    }
    let mut meta = gst_analytics::AnalyticsRelationMeta::add(buffer);
    let head = if is_bare { "no_hard_hat" } else { "hard_hat" };
    for (class, [x, y, width, height]) in [("person", [100, 80, 60, 120]), (head, [115, 82, 30, 24])] {
        meta.add_od_mtd(gst::glib::Quark::from_str(class), x, y, width, height, 0.9).unwrap();
    }
}

/// Properties for a spool in `folder`, and its path.
fn spool(folder: &tempfile::TempDir) -> (String, PathBuf) {
    let path = folder.path().join("events.jsonl");
    (format!("events-location={}", path.display()), path)
}

/// The published schema.
fn schema() -> jsonschema::Validator {
    let schema = std::fs::read_to_string(repository().join("docs/event.schema.json")).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap()
}

/// All events of a spool that is whole, each valid by the published schema.
fn events(path: &Path) -> Vec<Value> {
    let schema = schema();
    let files = files(path).unwrap();
    assert_eq!(check(&files, None).unwrap().problems, []);
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<_> = schema.iter_errors(&event).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{line}");
        event
    };
    text.lines().map(event).collect()
}

fn texts<'e>(events: &'e [Value], pointer: &str) -> Vec<Option<&'e str>> {
    events.iter().map(|event| event.pointer(pointer).and_then(Value::as_str)).collect()
}

#[test]
fn an_event_tells_what_it_rests_on() {
    let folder = tempfile::tempdir().unwrap();
    let (location, path) = spool(&folder);
    let rules = file("pipelines/site.toml");
    Site::new(&format!("{location} stream-name=gate rules={rules}")).play();
    let events = events(&path);
    assert!(events.len() >= 5, "{events:#?}");
    for event in &events {
        let text = |name: &str| event["provenance"][name].as_str().unwrap_or_default();
        assert_eq!(text("stream"), "gate");
        assert_eq!(text("model"), Hash::of_file(Path::new(&model("yolo"))).unwrap().to_string());
        assert_eq!(text("labels").len(), 64);
        assert_eq!(text("rules"), Hash::of_file(Path::new(&rules)).unwrap().to_string());
        assert_eq!(text("software"), concat!("gst-osha ", env!("CARGO_PKG_VERSION")));
        assert_eq!((event["provenance"]["run"].as_u64(), event["clock"].as_str()), (Some(1), Some("system")));
    }
    let start = events[0]["pts_ns"].as_u64().unwrap();
    assert!(start > events[0]["start_pts_ns"].as_u64().unwrap(), "it is reported once it is sure");
}

#[test]
fn the_schema_refuses_other_events() {
    let folder = tempfile::tempdir().unwrap();
    let (location, path) = spool(&folder);
    Site::new(&location).play();
    let (events, schema) = (events(&path), schema());
    let of_kind = |kind: &str| events.iter().find(|event| event["kind"] == kind).unwrap().clone();
    let wrong = [
        ("/schema", "gst-osha.event/2".into()),
        ("/kind", "begin".into()),
        ("/sequence", 0.into()),
        ("/time", "yesterday".into()),
        ("/box", [1.0, 2.0, 3.0].as_slice().into()),
        ("/score_max", 1.5.into()),
        ("/violation", Value::Null),
        ("/hash", "ABC".into()),
        ("/provenance/model", "yolo".into()),
        ("/provenance/run", "first".into()),
    ];
    for (pointer, value) in wrong {
        let mut event = of_kind("start");
        *event.pointer_mut(pointer).unwrap() = value;
        assert!(!schema.is_valid(&event), "{pointer}");
    }
    let needed = [
        ("start", ["sequence", "citation", "box", "clock", "provenance"].as_slice()),
        ("end", &["end_s", "end_pts_ns", "reason"]),
        ("summary", &["frames", "previous"]),
    ];
    for (kind, keys) in needed {
        for key in keys {
            let mut event = of_kind(kind);
            event.as_object_mut().unwrap().remove(*key).unwrap();
            assert!(!schema.is_valid(&event), "{kind} without {key}");
        }
    }
}

#[test]
fn messages_have_the_numbers_of_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let (location, path) = spool(&folder);
    let (first, second) = (Site::new(&location).play(), Site::new(&location).play());
    let events = events(&path);
    let told: Vec<u64> =
        [first, second].concat().iter().map(|message| message.get("sequence").unwrap()).collect();
    let kept = events.iter().filter(|event| event["kind"] != "summary");
    assert_eq!(told, kept.map(|event| event["sequence"].as_u64().unwrap()).collect::<Vec<_>>());
    let half = events.len() / 2;
    let runs: Vec<_> =
        events.iter().map(|event| event["provenance"]["run"].as_u64().unwrap() as usize).collect();
    assert_eq!(runs, [vec![1; half], vec![half + 1; half]].concat());
}

#[test]
fn the_spool_is_the_same_whenever_it_is_synced() {
    let spool_of = |sync: &str| {
        let folder = tempfile::tempdir().unwrap();
        let (location, path) = spool(&folder);
        Site::new(&format!("{location} events-sync={sync} events-wall-clock=false")).play();
        assert!(!events(&path).is_empty(), "{sync}");
        std::fs::read(&path).unwrap()
    };
    let always = spool_of("always");
    for sync in ["interval", "interval events-sync-interval=1", "on-close", "never"] {
        assert_eq!(spool_of(sync), always, "{sync}");
    }
}

#[test]
fn frames_that_know_when_they_were_taken_say_so() {
    let unix = gst::ClockTime::from_seconds(1_700_000_000);
    let ntp = unix + gst::ClockTime::from_seconds(2_208_988_800);
    for (caps, start) in [("timestamp/x-unix", unix), ("timestamp/x-ntp", ntp)] {
        let folder = tempfile::tempdir().unwrap();
        let (location, path) = spool(&folder);
        Site::new(&location).with_reference(caps, start).play();
        let events = events(&path);
        assert!(texts(&events, "/clock").iter().all(|clock| *clock == Some("reference")));
        let seconds = events[0]["pts_ns"].as_u64().unwrap() as f64 / 1e9;
        assert_eq!(
            texts(&events, "/time")[0],
            Some(format!("2023-11-14T22:13:{:06.3}Z", 20.0 + seconds).as_str())
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let (location, path) = spool(&folder);
    Site::new(&location).with_reference("timestamp/x-other", unix).play();
    assert!(texts(&events(&path), "/clock").iter().all(|clock| *clock == Some("system")));
}

#[test]
fn without_the_wall_clock_the_bytes_are_the_same() {
    let bytes = || {
        let folder = tempfile::tempdir().unwrap();
        let (location, path) = spool(&folder);
        Site::new(&format!("{location} events-wall-clock=false")).play();
        assert!(texts(&events(&path), "/time").iter().all(Option::is_none));
        std::fs::read(path).unwrap()
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn files_are_rotated_and_old_ones_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (location, path) = spool(&folder);
    Site::new(&format!("{location} events-max-size=2000")).play();
    let all = events(&path);
    assert!(files(&path).unwrap().len() > 2 && all[0]["sequence"] == 1);
    Site::new(&format!("{location} events-max-size=2000 events-max-files=2")).play();
    assert_eq!(files(&path).unwrap().len(), 2);
    let left = events(&path);
    assert_eq!(left.last().unwrap()["sequence"].as_u64().unwrap() as usize, 2 * all.len());
}

#[test]
fn two_elements_do_not_share_a_spool() {
    let folder = tempfile::tempdir().unwrap();
    let (location, path) = spool(&folder);
    let line =
        format!("videotestsrc ! oshaannotate {location} ! oshaannotate name=second {location} ! fakesink");
    let error = Pipeline::new(&line).unwrap().play().unwrap().unwrap_err();
    for said in ["events-location: ", &path.display().to_string(), "a spool of its own"] {
        assert!(error.message.contains(said), "{error:?}");
    }
}

#[test]
fn what_a_crash_left_is_mended_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (location, path) = spool(&folder);
    Site::new(&location).play();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"schema\":\"gst-osha.ev");
    std::fs::write(&path, text).unwrap();
    let site = Site::new(&location);
    let bus = site.0.0.bus().unwrap();
    site.0.0.set_state(gst::State::Paused).unwrap();
    let warning =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Warning]).unwrap();
    let gst::MessageView::Warning(warning) = warning.view() else { panic!("{warning:?}") };
    assert!(warning.error().message().contains("half a line of 22 bytes"), "{}", warning.error());
    site.play();
    events(&path);
}

#[test]
fn the_detector_announces_itself_after_the_segment() {
    let site = Site::new("");
    let sink = site.0.pad("sink", "sink").unwrap();
    site.0.0.set_state(gst::State::Paused).unwrap();
    site.0.0.state(gst::ClockTime::from_seconds(10)).0.unwrap();
    let mut names = Vec::new();
    sink.sticky_events_foreach(|event| {
        names.push(event.structure().map(|structure| structure.name().to_string()).unwrap_or_default());
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    assert!(names.iter().any(|name| name == "gst-osha/model"), "{names:?}");
}

/// A site file that asks for hard hats from `from` to `to`.
fn scheduled(folder: &tempfile::TempDir, from: &str, to: &str) -> String {
    let path = folder.path().join("site.toml");
    let text = format!(
        "scope = 'construction'\nwatch = []\n[schedules.shift]\nfrom = '{from}'\nto = '{to}'\n[[rules]]\nid = 'hats'\n\
         kind = 'ppe_missing'\nequipment = ['hard_hat']\nschedule = 'shift'\n"
    );
    std::fs::write(&path, text).unwrap();
    format!("rules={}", path.display())
}

#[test]
fn schedules_go_by_the_time_at_which_a_frame_was_taken() {
    const TAKEN: u64 = 1_700_000_000;
    let folder = tempfile::tempdir().unwrap();
    let local = gst::glib::DateTime::from_unix_local(TAKEN as i64).unwrap();
    let at = |hours: i32| local.add_hours(hours).unwrap().format("%H:%M").unwrap();
    let heard = |from: i32, to: i32| {
        let rules = scheduled(&folder, &at(from), &at(to));
        let site = Site::new(&format!("events-wall-clock=false {rules}"));
        let start = gst::ClockTime::from_seconds(TAKEN);
        site.with_reference("timestamp/x-unix", start).play().len()
    };
    assert!(heard(-1, 1) >= 2);
    assert_eq!(heard(1, 3), 0);
}

#[test]
fn schedules_that_nobody_can_judge_are_told_once_and_hold() {
    let folder = tempfile::tempdir().unwrap();
    let rules = scheduled(&folder, "03:00", "03:01");
    let site = Site::new(&format!("events-wall-clock=false {rules}"));
    let bus = site.0.0.bus().unwrap();
    let warnings = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = warnings.clone();
    bus.enable_sync_message_emission();
    bus.connect_sync_message(Some("warning"), move |_, message| {
        if let gst::MessageView::Warning(warning) = message.view() {
            told.lock().unwrap().push(warning.error().message().to_owned());
        }
    });
    assert_eq!(site.0.play().unwrap(), Ok(()));
    let warnings = warnings.lock().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("events-wall-clock"), "{warnings:?}");
}
