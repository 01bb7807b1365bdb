//! The element `oshaannotate`, on detections made by hand: what it draws, reports and leaves alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use gst::prelude::*;
use gst_analytics::AnalyticsRelationMeta;
use gst_analytics::prelude::*;
use gst_check::Harness;
use gst_osha_tests::record::{Record, checksum};
use gst_osha_tests::{Pipeline, init, model};
use gst_video::VideoInfo;
use osha::event::{Body, EndReason, Event};

/// Class, left, top, width and height.
type Thing = (&'static str, [i32; 4]);

/// A worker whose head is bare.
const BARE: &[Thing] = &[("person", [100, 80, 60, 120]), ("no_hard_hat", [115, 82, 30, 24])];
/// The same worker with a hat.
const SAFE: &[Thing] = &[("person", [100, 80, 60, 120]), ("hard_hat", [115, 82, 30, 24])];

/// The element on its own, fed by hand.
struct Bench {
    harness: Harness,
    bus: gst::Bus,
    info: VideoInfo,
}

impl Bench {
    fn new(properties: &str) -> Self {
        Self::with_caps(properties, "video/x-raw,format=RGB,width=320,height=240,framerate=10/1")
    }

    fn with_caps(properties: &str, caps: &str) -> Self {
        init();
        let caps: gst::Caps = caps.parse().unwrap();
        let element = gst::parse::launch(&format!("oshaannotate {properties}")).unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        let info = VideoInfo::from_caps(&caps).unwrap();
        harness.set_src_caps(caps);
        harness.play();
        Self { harness, bus, info }
    }

    fn element(&self) -> gst::Element {
        self.harness.element().unwrap()
    }

    /// A grey frame with `things` in it; `None` if no detector looked at it.
    fn frame(&self, milliseconds: u64, things: Option<&[Thing]>) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_mut_slice(vec![128; self.info.size()]);
        let frame = buffer.get_mut().unwrap();
        frame.set_pts(gst::ClockTime::from_mseconds(milliseconds));
        if let Some(things) = things {
            let mut meta = AnalyticsRelationMeta::add(frame);
            for (class, [x, y, width, height]) in things {
                let class = gst::glib::Quark::from_str(*class);
                meta.add_od_mtd(class, *x, *y, *width, *height, 0.9).unwrap();
            }
        }
        buffer
    }

    /// Hands over a frame and takes what comes out.
    fn pass(&mut self, buffer: gst::Buffer) -> gst::Buffer {
        self.harness.push_and_pull(buffer).unwrap()
    }

    /// Shows `things` in ten frames a second from one time to the other, in milliseconds; returns the last frame.
    fn show(&mut self, from: u64, to: u64, things: Option<&[Thing]>) -> Option<gst::Buffer> {
        (from..to).step_by(100).map(|at| self.pass(self.frame(at, things))).last()
    }

    /// The messages so far, but for the totals at the end of a stream.
    fn messages(&self) -> Vec<gst::Structure> {
        let messages = self.bus.iter().filter(|message| message.type_() == gst::MessageType::Element);
        let structures = messages.map(|message| message.structure().unwrap().to_owned());
        structures.filter(|structure| structure.name() != "oshaannotate-stats").collect()
    }

    /// `start 1`, `end 1` and so on for the messages so far.
    fn words(&self) -> Vec<String> {
        let word = |message: &gst::Structure| {
            assert_eq!(message.name(), "osha-violation");
            format!("{} {}", message.get::<&str>("kind").unwrap(), message.get::<u64>("violation").unwrap())
        };
        self.messages().iter().map(word).collect()
    }

    fn stop(&self) {
        self.element().set_state(gst::State::Null).unwrap();
    }
}

/// Column and row of every pixel of an RGB frame that is no longer grey.
fn changed(bench: &Bench, buffer: &gst::Buffer) -> Vec<(usize, usize)> {
    let (map, stride) = (buffer.map_readable().unwrap(), bench.info.stride()[0] as usize);
    let row = |y: usize| &map[y * stride..][..bench.info.width() as usize * 3];
    let grey = |pixel: &[u8]| pixel.iter().all(|byte| *byte == 128);
    (0..bench.info.height() as usize)
        .flat_map(|y| {
            row(y).chunks_exact(3).enumerate().filter(|(_, pixel)| !grey(pixel)).map(move |(x, _)| (x, y))
        })
        .collect()
}

fn events(path: &Path) -> Vec<Event> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| Event::from_line(line).unwrap()).collect()
}

fn names(events: &[Event]) -> Vec<&'static str> {
    let name = |event: &Event| match event.body {
        Body::Start(_) => "start",
        Body::Update(_) => "update",
        Body::End(_) => "end",
        Body::Summary(_) => "summary",
    };
    events.iter().map(name).collect()
}

/// Properties that write the log, and where it is.
fn logged(folder: &tempfile::TempDir, name: &str) -> (String, std::path::PathBuf) {
    let path = folder.path().join(name);
    (format!("events-location={}", path.display()), path)
}

mod drawing {
    use super::*;

    #[test]
    fn the_picture_changes_where_the_box_is_and_nowhere_else() {
        let mut bench = Bench::new("");
        let drawn = bench.pass(bench.frame(0, Some(&[("person", [100, 80, 60, 120])])));
        let changed = changed(&bench, &drawn);
        let near = |(x, y): &(usize, usize)| (80..260).contains(x) && (50..215).contains(y);
        assert!(changed.iter().all(near), "{:?}", changed.iter().find(|pixel| !near(pixel)));
        for edge in [(100..160, 80..82), (100..160, 198..200), (100..102, 80..200), (158..160, 80..200)] {
            let on_edge = |(x, y): &&(usize, usize)| edge.0.contains(x) && edge.1.contains(y);
            assert!(changed.iter().filter(on_edge).count() > 20, "no line along {edge:?}");
        }
        assert!(!changed.contains(&(130, 150)), "the worker is covered");
    }

    #[test]
    fn nothing_is_drawn_where_nothing_is() {
        let mut bench = Bench::new("");
        for things in [None, Some([].as_slice())] {
            let drawn = bench.pass(bench.frame(0, things));
            assert!(changed(&bench, &drawn).is_empty());
        }
    }

    #[test]
    fn skipped_frames_keep_the_boxes_for_half_a_second() {
        let mut bench = Bench::new("");
        bench.pass(bench.frame(0, Some(SAFE)));
        for (at, visible) in [(100, true), (500, true), (600, false), (700, false)] {
            let drawn = bench.pass(bench.frame(at, None));
            assert_eq!(!changed(&bench, &drawn).is_empty(), visible, "{at} ms");
        }
    }

    #[test]
    fn without_drawing_the_very_memory_passes() {
        let mut bench = Bench::new("draw=false");
        let memory = |buffer: &gst::Buffer| buffer.peek_memory(0).as_ptr();
        for index in 0..20 {
            let buffer = bench.frame(index * 100, Some(BARE));
            let before = (checksum(&buffer), memory(&buffer));
            // Held here, it is not writable there.
            let passed = bench.pass(buffer.clone());
            assert_eq!((checksum(&passed), memory(&passed)), before);
            assert_eq!(buffer.iter_meta::<gst::Meta>().count(), 1, "somebody else's buffer has changed");
        }
        assert_eq!(bench.words(), ["start 1"], "events come all the same");
    }

    #[test]
    fn without_drawing_a_buffer_of_our_own_stays_the_same() {
        let mut bench = Bench::new("draw=false");
        let buffer = bench.frame(0, Some(BARE));
        let before = buffer.as_ptr();
        assert_eq!(bench.pass(buffer).as_ptr(), before);
    }

    #[test]
    fn a_zone_of_the_site_file_is_drawn_in_itself_only() {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("site.toml");
        let zone = "[[zones]]\nid = 'west'\nkind = 'exclusion'\n\
                    points = [[0.25, 0.25], [0.5, 0.25], [0.5, 0.75], [0.25, 0.75]]\n";
        std::fs::write(&rules, format!("scope = 'construction'\n{zone}")).unwrap();
        let mut bench = Bench::new(&format!("rules={}", rules.display()));
        let drawn = bench.pass(bench.frame(0, Some(&[])));
        let changed = changed(&bench, &drawn);
        // The line and its contour lie astride the edge.
        let near = |(x, y): &(usize, usize)| (77..163).contains(x) && (57..183).contains(y);
        assert_eq!(changed.iter().find(|pixel| !near(pixel)), None, "drawn outside of the zone");
        let inside = (80..160).flat_map(|x| (60..180).map(move |y| (x, y)));
        let covered = changed.iter().filter(|(x, y)| (80..160).contains(x) && (60..180).contains(y)).count();
        assert_eq!(covered, inside.count(), "a part of the zone is left out");
    }

    #[test]
    fn themes_and_languages_change_the_picture() {
        let drawn = |properties: &str| {
            let mut bench =
                Bench::with_caps(properties, "video/x-raw,format=RGB,width=640,height=480,framerate=10/1");
            checksum(&bench.show(0, 2000, Some(BARE)).unwrap())
        };
        let plain = drawn("");
        assert_eq!(plain, drawn("theme=dark language=en"));
        let others = ["theme=light", "theme=high-contrast", "language=de", "language=es", "language=fr"];
        let mut pictures: Vec<_> = others.into_iter().map(drawn).chain([plain]).collect();
        pictures.sort();
        pictures.dedup();
        assert_eq!(pictures.len(), 6);
    }

    #[test]
    fn a_frame_of_our_own_is_drawn_on_in_place() {
        let mut bench = Bench::new("");
        let buffer = bench.frame(0, Some(SAFE));
        let memory = |buffer: &gst::Buffer| buffer.peek_memory(0).as_ptr();
        let before = memory(&buffer);
        let drawn = bench.pass(buffer);
        assert_eq!(memory(&drawn), before);
        assert!(!changed(&bench, &drawn).is_empty());
    }

    #[test]
    fn a_frame_that_others_hold_is_copied() {
        let mut bench = Bench::new("");
        let buffer = bench.frame(0, Some(SAFE));
        let drawn = bench.pass(buffer.clone());
        assert!(!changed(&bench, &drawn).is_empty());
        assert!(changed(&bench, &buffer).is_empty(), "drawn on somebody else's frame");
    }

    #[test]
    fn the_other_branch_of_a_tee_stays_clean() {
        let line = format!(
            "videotestsrc num-buffers=60 ! video/x-raw,format=NV12,width=96,height=64 ! trtinfer model={} ! \
             tee name=t ! queue ! oshaannotate name=a ! fakesink async=false \
             t. ! queue ! identity name=other ! fakesink async=false",
            model("yolo")
        );
        let pipeline = Pipeline::new(&line).unwrap();
        let record = |name, pad| Record::of(&pipeline.pad(name, pad).unwrap());
        let (entered, drawn, other) = (record("t", "sink"), record("a", "src"), record("other", "src"));
        assert_eq!(pipeline.play().unwrap(), Ok(()));
        assert_eq!(entered.prints().len(), 60);
        assert_eq!(other.frames(), entered.frames());
        assert!(drawn.prints().iter().zip(entered.prints()).all(|(drawn, entered)| *drawn != entered));
    }

    #[test]
    fn every_format_and_size_can_be_drawn_on() {
        init();
        let factory = gst::ElementFactory::find("oshaannotate").unwrap();
        let caps = factory.static_pad_templates().iter().next().unwrap().caps();
        let formats = caps.structure(0).unwrap().get::<gst::List>("format").unwrap();
        let things: &[Thing] = &[
            ("person", [-5, -5, 20, 30]),
            ("hard_hat", [3, 1, 5, 3]),
            ("person", [200, 300, 500, 900]),
            ("person", [7, 7, 0, 0]),
            ("person", [i32::MAX - 9, i32::MIN, i32::MAX, i32::MAX]),
        ];
        assert_eq!(formats.len(), 15);
        for format in formats.iter().map(|format| format.get::<String>().unwrap()) {
            for (width, height) in [(1, 1), (3, 2), (17, 13), (333, 517)] {
                let caps =
                    format!("video/x-raw,format={format},width={width},height={height},framerate=10/1");
                let mut bench = Bench::with_caps("", &caps);
                let blank = checksum(&bench.frame(0, None));
                let drawn =
                    (0..20).map(|index| bench.pass(bench.frame(index * 100, Some(things)))).last().unwrap();
                assert!(width < 17 || checksum(&drawn) != blank, "nothing drawn on {caps}");
            }
        }
    }

    /// Mean colour of what is drawn on a frame of `format`.
    fn mean_colour(format: &str) -> [f64; 3] {
        let caps = format!("video/x-raw,format={format},width=320,height=240,framerate=10/1");
        let mut bench = Bench::with_caps("", &caps);
        let drawn = bench.show(0, 2000, Some(BARE)).unwrap();
        let sample = gst::Sample::builder().buffer(&drawn).caps(&caps.parse().unwrap()).build();
        let rgb = "video/x-raw,format=RGB".parse().unwrap();
        let rgb = gst_video::convert_sample(&sample, &rgb, Some(gst::ClockTime::from_seconds(10))).unwrap();
        let rgb = rgb.buffer().unwrap().map_readable().unwrap();
        // The left edge of the worker's box.
        let pixels: Vec<_> = (120..190).map(|y| &rgb[(y * 320 + 101) * 3..][..3]).collect();
        [0, 1, 2].map(|channel| {
            pixels.iter().map(|pixel| f64::from(pixel[channel])).sum::<f64>() / pixels.len() as f64
        })
    }

    #[test]
    fn colours_are_the_same_in_every_format() {
        let rgb = mean_colour("RGB");
        assert!(rgb[0] > rgb[1] + 60.0 && rgb[0] > rgb[2] + 60.0, "a violation is red: {rgb:?}");
        for format in ["BGRx", "ARGB", "NV12", "I420", "YV12", "P010_10LE"] {
            let other = mean_colour(format);
            let far = rgb.iter().zip(other).any(|(a, b)| (a - b).abs() > 24.0);
            assert!(!far, "{format}: {other:?}, RGB: {rgb:?}");
        }
    }

    #[test]
    fn the_banner_can_be_switched_while_playing() {
        let mut bench = Bench::new("");
        let at_the_top =
            |bench: &Bench, drawn: &gst::Buffer| changed(bench, drawn).iter().any(|(_, y)| *y < 12);
        let drawn = bench.show(0, 2000, Some(BARE)).unwrap();
        assert!(at_the_top(&bench, &drawn));
        bench.element().set_property("banner", false);
        let drawn = bench.show(2000, 2100, Some(BARE)).unwrap();
        assert!(!at_the_top(&bench, &drawn));
    }

    #[test]
    fn the_stock_overlay_draws_the_same_metas() {
        let line = format!(
            "videotestsrc num-buffers=10 ! video/x-raw,format=BGRA,width=320,height=240 ! \
             trtinfer name=infer model={} ! objectdetectionoverlay ! fakesink name=sink",
            model("yolo")
        );
        let pipeline = Pipeline::new(&line).unwrap();
        let plain = Record::of(&pipeline.pad("infer", "src").unwrap());
        let drawn = Record::of(&pipeline.pad("sink", "sink").unwrap());
        assert_eq!(pipeline.play().unwrap(), Ok(()));
        assert_eq!(drawn.prints().len(), 10);
        assert!(drawn.prints().iter().zip(plain.prints()).all(|(drawn, plain)| *drawn != plain));
    }
}

mod attaching {
    use super::*;
    use gst_analytics::{AnalyticsClassificationMtd, AnalyticsODMtd, AnalyticsTrackingMtd, RelTypes};

    const REPORT: &str = "GstOshaReportMeta";

    fn report(buffer: &gst::BufferRef) -> gst::Structure {
        gst::meta::CustomMeta::from_buffer(buffer, REPORT).unwrap().structure().to_owned()
    }

    fn list(structure: &gst::StructureRef, name: &str) -> Vec<gst::Structure> {
        let array = structure.get::<gst::Array>(name).unwrap();
        array.iter().map(|value| value.get::<gst::Structure>().unwrap()).collect()
    }

    /// Number of the detection of `class`.
    fn detection(buffer: &gst::BufferRef, class: &str) -> u32 {
        let meta = buffer.meta::<AnalyticsRelationMeta>().unwrap();
        meta.iter::<AnalyticsODMtd>().find(|mtd| mtd.obj_type().unwrap().as_str() == class).unwrap().id()
    }

    /// The classes of detection `id` and how sure they are.
    fn classes(buffer: &gst::BufferRef, id: u32) -> Vec<(String, f32)> {
        let meta = buffer.meta::<AnalyticsRelationMeta>().unwrap();
        let related = meta.iter_direct_related::<AnalyticsClassificationMtd>(id, RelTypes::RELATE_TO);
        let entries = |mtd: gst_analytics::AnalyticsMtdRef<'_, AnalyticsClassificationMtd>| {
            (0..mtd.len())
                .map(|index| (mtd.quark(index).as_str().to_string(), mtd.level(index)))
                .collect::<Vec<_>>()
        };
        related.flat_map(entries).collect()
    }

    fn tracks(buffer: &gst::BufferRef, id: u32) -> Vec<(u64, gst::ClockTime, gst::ClockTime, bool)> {
        let meta = buffer.meta::<AnalyticsRelationMeta>().unwrap();
        meta.iter_direct_related::<AnalyticsTrackingMtd>(id, RelTypes::RELATE_TO)
            .map(|mtd| mtd.info())
            .collect()
    }

    #[test]
    fn a_person_is_classified_and_named() {
        for properties in ["", "draw=false"] {
            let mut bench = Bench::new(properties);
            let last = bench.show(0, 2000, Some(BARE)).unwrap();
            let person = detection(&last, "person");
            let expected = [("violating".to_string(), 0.9), ("no_hard_hat".to_string(), 0.9)];
            assert_eq!(classes(&last, person), expected);
            let milliseconds = gst::ClockTime::from_mseconds;
            let [track] = tracks(&last, person)[..] else { panic!("{:?}", tracks(&last, person)) };
            // A track has a name from its second frame on.
            assert_eq!((track.1, track.2, track.3), (milliseconds(100), milliseconds(1900), false));
            let safe = bench.show(2000, 6000, Some(SAFE)).unwrap();
            assert_eq!(classes(&safe, detection(&safe, "person"))[0].0, "compliant");
        }
    }

    #[test]
    fn the_report_tells_who_breaks_what_since_when() {
        let mut bench = Bench::new("");
        let last = bench.show(0, 2000, Some(BARE)).unwrap();
        let report = report(&last);
        assert_eq!(report.get::<String>("schema").unwrap(), "gst-osha.report/1");
        assert_eq!(report.get::<gst::ClockTime>("stream-time").unwrap().mseconds(), 1900);
        let [subject] = &list(&report, "subjects")[..] else { panic!("{report:?}") };
        assert_eq!(subject.get::<u32>("detection").unwrap(), detection(&last, "person"));
        assert_eq!(subject.get::<u64>("track").unwrap(), tracks(&last, detection(&last, "person"))[0].0);
        assert_eq!(subject.get::<String>("state").unwrap(), "violating");
        let [rule] = &list(subject, "rules")[..] else { panic!("{subject:?}") };
        let text = |name: &str| rule.get::<String>(name).unwrap();
        assert_eq!((text("rule"), text("state")), ("no_hard_hat".into(), "violating".into()));
        assert_eq!((text("citation"), text("severity")), ("29 CFR 1926.100(a)".into(), "high".into()));
        assert_eq!(text("basis"), "presumed", "no overhead hazard is declared");
        assert_eq!(rule.get::<gst::ClockTime>("since").unwrap().mseconds(), 100);
    }

    #[test]
    fn an_empty_frame_has_an_empty_report_and_a_skipped_one_none() {
        let mut bench = Bench::new("");
        let empty = bench.pass(bench.frame(0, Some(&[])));
        assert!(list(&report(&empty), "subjects").is_empty());
        let skipped = bench.pass(bench.frame(100, None));
        assert!(gst::meta::CustomMeta::from_buffer(&skipped, REPORT).is_err());
    }

    #[test]
    fn the_report_travels_with_copies() {
        let mut bench = Bench::new("");
        let last = bench.show(0, 2000, Some(BARE)).unwrap();
        assert_eq!(report(&last.copy()), report(&last));
        assert_eq!(report(&last.copy_deep().unwrap()), report(&last));
    }

    #[test]
    fn a_second_element_takes_the_place_of_the_first() {
        let (mut first, mut second) = (Bench::new("draw=false"), Bench::new("draw=false"));
        for at in (0..2000).step_by(100) {
            let once = first.pass(first.frame(at, Some(BARE)));
            let twice = second.pass(once);
            let meta = twice.meta::<AnalyticsRelationMeta>().unwrap();
            let named = meta.iter::<AnalyticsTrackingMtd>().count();
            assert_eq!(named, if at == 0 { 0 } else { 2 }, "the second one names nobody again");
            assert_eq!(list(&report(&twice), "subjects").len(), 1);
        }
    }

    #[test]
    fn upstream_trackers_are_believed() {
        for direction in [true, false] {
            let mut bench = Bench::new("");
            let mut last = None;
            for at in (0..2000).step_by(100) {
                let mut buffer = bench.frame(at, Some(BARE));
                let person = detection(&buffer, "person");
                let mut meta = buffer.get_mut().unwrap().meta_mut::<AnalyticsRelationMeta>().unwrap();
                let track = meta.add_tracking_mtd(4711, gst::ClockTime::ZERO).unwrap().id();
                let (from, to) = if direction { (person, track) } else { (track, person) };
                meta.set_relation(RelTypes::RELATE_TO, from, to).unwrap();
                last = Some(bench.pass(buffer));
            }
            let last = last.unwrap();
            let meta = last.meta::<AnalyticsRelationMeta>().unwrap();
            assert_eq!(meta.iter::<AnalyticsTrackingMtd>().count(), 1, "nobody gets two names");
            assert_eq!(list(&report(&last), "subjects")[0].get::<u64>("track").unwrap(), 4711);
            let track = bench.messages()[0].get::<u64>("track").unwrap();
            assert_eq!(track, 4711);
        }
    }

    #[test]
    fn a_track_that_upstream_has_lost_names_nobody() {
        let mut bench = Bench::new("");
        let mut buffer = bench.frame(0, Some(BARE));
        let person = detection(&buffer, "person");
        let frame = buffer.get_mut().unwrap();
        let mut meta = frame.meta_mut::<AnalyticsRelationMeta>().unwrap();
        let track = meta.add_tracking_mtd(4711, gst::ClockTime::ZERO).unwrap().id();
        meta.set_relation(RelTypes::RELATE_TO, person, track).unwrap();
        let mut meta = frame.meta_mut::<AnalyticsRelationMeta>().unwrap();
        meta.mtd_mut::<AnalyticsTrackingMtd>(track).unwrap().set_lost().unwrap();
        let passed = bench.pass(buffer);
        assert!(list(&report(&passed), "subjects")[0].get::<u64>("track").is_err());
    }
}

mod snapshots {
    use super::*;
    use gst_osha_tests::eventually;

    fn names(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn count(bench: &Bench, name: &str) -> u64 {
        bench.element().property::<gst::Structure>("stats").get(name).unwrap()
    }

    /// Red, green and blue of the picture `path`.
    fn pixels(path: &Path) -> Vec<u8> {
        let line = format!(
            "filesrc location={} ! pngdec ! videoconvert ! video/x-raw,format=RGB ! appsink name=out",
            path.display()
        );
        let delivered = gst_osha_tests::collect(&line).unwrap();
        assert_eq!(delivered.error, None);
        gst_osha_tests::pixels::of(&delivered.samples[0]).unwrap()
    }

    #[test]
    fn a_violation_leaves_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("{violation}-{kind}-{rule}.png");
        let mut bench = Bench::new(&format!(
            "draw=false snapshot=violation-start-end snapshot-picture=both snapshot-location={}",
            location.display()
        ));
        bench.show(0, 2000, Some(BARE));
        bench.show(2000, 5000, Some(SAFE));
        assert!(bench.harness.push_event(gst::event::Eos::new()));
        let expected = [
            "00001-end-no_hard_hat-drawn.png",
            "00001-end-no_hard_hat-plain.png",
            "00001-start-no_hard_hat-drawn.png",
            "00001-start-no_hard_hat-plain.png",
        ];
        assert_eq!(names(folder.path()), expected);
        assert_eq!((count(&bench, "snapshots-written"), count(&bench, "snapshots-dropped")), (4, 0));
        let told = bench.messages();
        let told: Vec<_> = told.iter().filter(|message| message.name() == "osha-snapshot").collect();
        assert_eq!(told.len(), 4);
        assert_eq!(
            told[0].get::<String>("location").unwrap(),
            folder.path().join(expected[3]).to_str().unwrap()
        );
        assert!(
            pixels(&folder.path().join(expected[3])).iter().all(|byte| *byte == 128),
            "the frame as it came"
        );
        assert!(pixels(&folder.path().join(expected[2])).iter().any(|byte| *byte > 200), "nothing is drawn");
    }

    #[test]
    fn faces_and_people_can_be_blurred() {
        let checker = |blur: &str| {
            let folder = tempfile::tempdir().unwrap();
            let location = folder.path().join("{violation}.png");
            let mut bench = Bench::new(&format!(
                "snapshot-picture=plain snapshot-blur={blur} snapshot-location={}",
                location.display()
            ));
            for at in (0..2000).step_by(100) {
                let mut buffer = bench.frame(at, Some(BARE));
                let mut map = buffer.get_mut().unwrap().map_writable().unwrap();
                map.iter_mut().enumerate().for_each(|(index, byte)| *byte = ((index / 3 % 2) * 255) as u8);
                drop(map);
                bench.pass(buffer);
            }
            bench.stop();
            let pixels = pixels(&folder.path().join("00001.png"));
            // The head, the legs, and the background.
            [(130, 90), (130, 190), (300, 90)]
                .map(|(x, y)| pixels[3 * (y * 320 + x)].abs_diff(pixels[3 * (y * 320 + x + 1)]))
        };
        assert_eq!(checker("none"), [255, 255, 255]);
        let [head, legs, behind] = checker("faces");
        assert!(head < 64 && legs == 255 && behind == 255, "{head} {legs} {behind}");
        let [head, legs, behind] = checker("people");
        assert!(head < 64 && legs < 64 && behind == 255, "{head} {legs} {behind}");
    }

    #[test]
    fn a_name_that_cannot_be_used_is_an_error_before_anything_plays() {
        for (location, remedy) in [
            ("/no/such/folder/{violation}.png", "create it"),
            ("shot.png", "put {violation} into it"),
            ("{violation}.gif", "let it end in"),
        ] {
            init();
            let element = gst::ElementFactory::make("oshaannotate")
                .property("snapshot-location", location)
                .build()
                .unwrap();
            let bus = gst::Bus::new();
            element.set_bus(Some(&bus));
            assert!(element.set_state(gst::State::Paused).is_err(), "{location}");
            let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
            let gst::MessageView::Error(error) = message.view() else { panic!("{message:?}") };
            let text = error.error().to_string();
            assert!(text.contains("snapshot-location") && text.contains(remedy), "{text}");
            element.set_state(gst::State::Null).unwrap();
        }
    }

    #[test]
    fn a_folder_that_goes_away_is_a_warning_and_the_stream_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("{violation}.jpg");
        let mut bench = Bench::new(&format!("snapshot-location={}", location.display()));
        folder.close().unwrap();
        bench.show(0, 3000, Some(BARE));
        assert!(eventually(|| count(&bench, "snapshots-failed") == 1));
        assert!(eventually(|| bench.bus.pop_filtered(&[gst::MessageType::Warning]).is_some()));
        assert_eq!(count(&bench, "snapshots-written"), 0);
    }
}

mod reporting {
    use super::*;

    #[test]
    fn a_violation_starts_and_ends() {
        let mut bench = Bench::new("");
        bench.show(0, 2000, Some(BARE));
        bench.show(2000, 5000, Some(SAFE));
        let messages = bench.messages();
        assert_eq!(messages.len(), 2);
        for (message, kind) in messages.iter().zip(["start", "end"]) {
            let text = |name: &str| message.get::<String>(name).unwrap();
            assert_eq!(text("kind"), kind);
            assert_eq!((text("rule"), text("citation")), ("no_hard_hat".into(), "29 CFR 1926.100(a)".into()));
            assert_eq!(text("basis"), "presumed", "no overhead hazard is declared");
            assert!(!text("title").is_empty() && !text("severity").is_empty());
            let place = ["x", "y", "width", "height"].map(|name| message.get::<f32>(name).unwrap());
            assert_eq!(place, [100.0, 80.0, 60.0, 120.0]);
            assert!((message.get::<f32>("score").unwrap() - 0.9).abs() < 0.01);
            assert_eq!(message.get::<u64>("violation").unwrap(), 1);
            assert!(message.get::<u64>("track").is_ok());
        }
        let time = |index: usize, name: &str| {
            messages[index].get::<gst::ClockTime>(name).ok().map(|time| time.mseconds())
        };
        // A track has a name from its second frame on.
        assert_eq!((time(0, "start"), time(0, "end")), (Some(100), None));
        assert_eq!((time(1, "start"), time(1, "end")), (Some(100), Some(1900)));
        assert!((messages[1].get::<f64>("duration").unwrap() - 1.8).abs() < 0.01);
        assert_eq!([0, 1].map(|index| messages[index].get::<u64>("sequence").unwrap()), [1, 2]);
    }

    #[test]
    fn a_moment_is_no_violation() {
        let mut bench = Bench::new("");
        bench.show(0, 600, Some(BARE));
        bench.show(600, 5000, Some(SAFE));
        assert!(bench.words().is_empty());
    }

    #[test]
    fn the_log_is_the_same_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let logs = ["one.jsonl", "two.jsonl"].map(|name| {
            let (properties, path) = logged(&folder, name);
            let mut bench = Bench::new(&format!("{properties} events-wall-clock=false"));
            bench.show(0, 2000, Some(BARE));
            bench.show(2000, 5000, Some(SAFE));
            bench.show(5000, 8000, Some(BARE));
            assert!(bench.harness.push_event(gst::event::Eos::new()));
            bench.stop();
            path
        });
        assert_eq!(std::fs::read(&logs[0]).unwrap(), std::fs::read(&logs[1]).unwrap());
        let events = events(&logs[0]);
        assert_eq!(names(&events), ["start", "end", "start", "end", "summary"]);
        assert!(events.iter().map(|event| event.sequence).eq(1..=5));
        let reasons = events.iter().filter_map(|event| match &event.body {
            Body::End(violation) => violation.reason,
            _ => None,
        });
        assert_eq!(reasons.collect::<Vec<_>>(), [EndReason::Cleared, EndReason::EndOfStream]);
    }

    /// Ways for a stream to end or to begin anew.
    type Break = (&'static str, fn(&mut Bench));

    fn begin_anew(bench: &mut Bench) {
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(bench.harness.push_event(gst::event::Segment::new(&segment)));
        bench.show(0, 2000, Some(BARE));
    }

    #[test]
    fn what_is_open_is_closed_where_the_stream_ends_or_jumps() {
        let breaks: [Break; 4] = [
            ("end", |bench| assert!(bench.harness.push_event(gst::event::Eos::new()))),
            ("stop", |_| {}),
            ("flush", |bench| {
                assert!(bench.harness.push_event(gst::event::FlushStart::new()));
                assert!(bench.harness.push_event(gst::event::FlushStop::new(true)));
                begin_anew(bench);
            }),
            ("seek-back", begin_anew),
        ];
        let folder = tempfile::tempdir().unwrap();
        for (name, breaks) in breaks {
            let (properties, path) = logged(&folder, name);
            let mut bench = Bench::new(&properties);
            bench.show(0, 2000, Some(BARE));
            breaks(&mut bench);
            bench.stop();
            let once = ["start", "end", "summary"];
            let jumped = matches!(name, "flush" | "seek-back");
            assert_eq!(names(&events(&path)), if jumped { once.repeat(2) } else { once.to_vec() }, "{name}");
            let expected: &[&str] =
                if jumped { &["start 1", "end 1", "start 2", "end 2"] } else { &["start 1", "end 1"] };
            let words = bench.words();
            // A stopped element's bus takes no more messages.
            assert!(
                expected.starts_with(&words.iter().map(String::as_str).collect::<Vec<_>>()),
                "{name}: {words:?}"
            );
            assert!(words.len() >= expected.len() - 1);
        }
    }

    #[test]
    fn after_a_jump_nothing_is_remembered() {
        let mut bench = Bench::new("");
        bench.show(0, 900, Some(BARE));
        assert!(bench.harness.push_event(gst::event::FlushStart::new()));
        assert!(bench.harness.push_event(gst::event::FlushStop::new(true)));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(bench.harness.push_event(gst::event::Segment::new(&segment)));
        bench.show(900, 1800, Some(BARE));
        assert!(bench.words().is_empty(), "two halves of a second make no whole one across a jump");
    }

    #[test]
    fn times_are_those_of_the_stream() {
        let mut bench = Bench::new("");
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_start(gst::ClockTime::from_seconds(100));
        segment.set_time(gst::ClockTime::from_seconds(7));
        assert!(bench.harness.push_event(gst::event::Segment::new(&segment)));
        bench.show(100_000, 102_000, Some(BARE));
        let start = bench.messages()[0].get::<gst::ClockTime>("start").unwrap();
        assert_eq!(start.mseconds(), 7100);
    }

    #[test]
    fn frames_that_nobody_looked_at_pass() {
        let mut bench = Bench::new("");
        bench.show(0, 2000, None);
        assert!(bench.words().is_empty());
        let stats: gst::Structure = bench.element().property("stats");
        let count = |name: &str| stats.get::<u64>(name).unwrap();
        assert_eq!((count("frames"), count("frames-observed")), (20, 0));
    }

    #[test]
    fn skipped_frames_keep_the_clock_running() {
        let mut bench = Bench::new("");
        for at in (0..3000).step_by(100) {
            let things = (at % 300 == 0).then_some(BARE);
            bench.pass(bench.frame(at, things));
        }
        assert_eq!(bench.words(), ["start 1"]);
    }

    #[test]
    fn statistics_count_what_happened() {
        let mut bench = Bench::new("");
        bench.show(0, 2000, Some(BARE));
        bench.show(2000, 2500, None);
        let stats: gst::Structure = bench.element().property("stats");
        let counts = ["frames", "frames-observed", "detections", "violations", "violations-open"];
        assert_eq!(counts.map(|name| stats.get::<u64>(name).unwrap()), [25, 20, 40, 1, 1]);
    }

    #[test]
    fn a_site_file_decides_what_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("site.toml");
        let cases = [
            ("watch = ['no_safety_vest']", 0),
            ("[timing]\nconfirm_ms = 5000", 0),
            ("[timing]\nconfirm_ms = 100", 1),
            ("[classes]\nno_hard_hat = 'hard_hat'", 0),
        ];
        for (text, expected) in cases {
            std::fs::write(&rules, format!("scope = 'construction'\n{text}")).unwrap();
            let mut bench = Bench::new(&format!("rules={}", rules.display()));
            bench.show(0, 2000, Some(BARE));
            assert_eq!(bench.words().len(), expected, "{text}");
        }
    }
}

mod labels {
    use super::*;

    /// Tells the element which labels the model upstream has.
    fn announce(bench: &mut Bench, labels: &[&str]) {
        let structure =
            gst::Structure::builder("gst-osha/model").field("labels", gst::Array::new(labels)).build();
        assert!(bench.harness.push_event(gst::event::CustomDownstreamSticky::new(structure)));
    }

    #[test]
    fn a_data_set_is_known_by_its_labels() {
        let bare: &[Thing] = &[("person", [100, 80, 60, 120]), ("head", [115, 82, 30, 24])];
        let violations = |labels: &[&str]| {
            let mut bench = Bench::new("");
            announce(&mut bench, labels);
            bench.show(0, 3000, Some(bare));
            bench.words().len()
        };
        assert_eq!(violations(&["helmet", "head", "person"]), 1, "Hard Hat Workers: a head without a helmet");
        assert_eq!(violations(&["helmet", "head", "person", "face"]), 0, "any head");
    }

    #[test]
    fn a_rule_on_equipment_that_the_model_does_not_know_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.toml");
        let text = "scope = 'construction'\nwatch = []\n[[rules]]\nid = 'gloves on'\nkind = 'ppe_missing'\n\
                    equipment = ['gloves']\nfrom_absence = true\n";
        std::fs::write(&path, text).unwrap();
        let mut bench = Bench::new(&format!("rules={}", path.display()));
        for _ in 0..2 {
            announce(&mut bench, &["person", "no_hard_hat"]);
        }
        bench.show(0, 10_000, Some(BARE));
        let warnings: Vec<_> =
            bench.bus.iter().filter(|message| message.type_() == gst::MessageType::Warning).collect();
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        let gst::MessageView::Warning(warning) = warning.view() else { unreachable!() };
        let said = warning.error().message().to_owned();
        assert!(said.contains("gloves on") && said.contains("[classes]"), "{said}");
        assert_eq!(bench.words(), [""; 0]);
    }
}

mod timestamps {
    use super::*;

    #[test]
    fn a_frame_without_one_ends_nothing_and_is_told_of() {
        let mut bench = Bench::new("");
        for at in (0..3000).step_by(100) {
            let mut buffer = bench.frame(at, Some(BARE));
            if at % 500 == 300 {
                buffer.get_mut().unwrap().set_pts(gst::ClockTime::NONE);
            }
            bench.pass(buffer);
        }
        assert_eq!(bench.words(), ["start 1"]);
        let mut bench = Bench::new("");
        for _ in 0..30 {
            let mut buffer = bench.frame(0, Some(BARE));
            buffer.get_mut().unwrap().set_pts(gst::ClockTime::NONE);
            bench.pass(buffer);
        }
        let warnings =
            bench.bus.iter().filter(|message| message.type_() == gst::MessageType::Warning).count();
        assert_eq!((bench.words().len(), warnings), (0, 1));
    }
}
