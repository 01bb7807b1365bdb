//! Seeks through an encoded clip.

use std::sync::LazyLock;

use gst::prelude::*;
use gst_osha_tests::Pipeline;
use gst_osha_tests::record::{Item, Record};

use super::infer;

/// Three seconds at 30 frames a second.
static CLIP: LazyLock<(tempfile::TempDir, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mov").display().to_string();
    let line = format!(
        "videotestsrc num-buffers=90 ! video/x-raw,width=96,height=64,framerate=30/1 ! jpegenc ! qtmux ! \
         filesink location={path}"
    );
    assert_eq!(Pipeline::new(&line).unwrap().play().unwrap(), Ok(()));
    (folder, path)
});

struct Player {
    pipeline: Pipeline,
    left: Record,
}

impl Player {
    fn new(properties: &str, sync: bool) -> Self {
        let line = format!(
            "filesrc location={} ! qtdemux ! jpegdec ! {} ! fakesink sync={sync}",
            CLIP.1,
            infer(properties)
        );
        let pipeline = Pipeline::new(&line).unwrap();
        let left = Record::of(&pipeline.pad("infer", "src").unwrap());
        Self { pipeline, left }
    }

    fn set(&self, state: gst::State) {
        self.pipeline.0.set_state(state).unwrap();
        self.pipeline.0.state(gst::ClockTime::from_seconds(10)).0.unwrap();
    }

    fn seek(&self, flags: gst::SeekFlags, from: gst::ClockTime, to: Option<gst::ClockTime>) {
        let accurate = flags | gst::SeekFlags::ACCURATE;
        let stop = if to.is_some() { gst::SeekType::Set } else { gst::SeekType::None };
        self.pipeline.0.seek(1.0, accurate, gst::SeekType::Set, from, stop, to).unwrap();
    }

    fn wait_for_frames(&self, count: usize) {
        let frames = |items: &[Item]| items.iter().filter(|item| matches!(item, Item::Frame(..))).count();
        assert!(self.left.wait_until(|items| frames(items) >= count), "only {:?}", self.left.words());
    }

    fn wait_for(&self, kind: gst::MessageType) {
        let message = self
            .pipeline
            .0
            .bus()
            .unwrap()
            .timed_pop_filtered(gst::ClockTime::from_seconds(10), &[kind, gst::MessageType::Error]);
        assert_eq!(message.expect("the pipeline hangs").type_(), kind);
    }

    /// Milliseconds of the frames after the last segment event.
    fn last_segment(&self) -> Vec<u64> {
        let items = self.left.items();
        let is_segment =
            |item: &Item| matches!(item, Item::Event(event) if event.type_() == gst::EventType::Segment);
        let begin = items.iter().rposition(is_segment).unwrap();
        let time = |item: &Item| match item {
            Item::Frame(print, _) => print.pts.map(gst::ClockTime::mseconds),
            Item::Event(_) => None,
        };
        items[begin..].iter().filter_map(time).collect()
    }
}

const SCHEDULES: [&str; 2] =
    ["in-flight=6", "batch-size=4 in-flight=8 optimize-for=throughput batch-timeout=60000"];
const TARGET: gst::ClockTime = gst::ClockTime::from_mseconds(2500);

/// The frames of the last half second.
fn tail() -> Vec<u64> {
    (75..90).map(|frame| frame * 1000 / 30).collect()
}

#[test]
fn flushing_seeks_show_the_place_that_was_asked_for() {
    for state in [gst::State::Paused, gst::State::Playing] {
        for schedule in SCHEDULES {
            let player = Player::new(schedule, true);
            player.set(state);
            player.wait_for_frames(1);
            player.seek(gst::SeekFlags::FLUSH, TARGET, None);
            player.set(state);
            player.set(gst::State::Playing);
            player.wait_for(gst::MessageType::Eos);
            assert_eq!(player.last_segment(), tail(), "{state:?} {schedule}");
        }
    }
}

#[test]
fn seeks_without_a_flush_keep_what_is_under_way() {
    for schedule in SCHEDULES {
        let player = Player::new(schedule, true);
        player.set(gst::State::Playing);
        player.wait_for_frames(3);
        player.seek(gst::SeekFlags::empty(), TARGET, None);
        player.wait_for(gst::MessageType::Eos);
        assert_eq!(player.last_segment(), tail(), "{schedule}");
        let times: Vec<_> = player.left.prints().iter().map(|print| print.pts.unwrap()).collect();
        let first = times.iter().take_while(|time| **time < TARGET).count();
        let expected: Vec<_> = (0..first as u64).map(|frame| frame * 1000 / 30).collect();
        assert_eq!(
            times[..first].iter().map(|time| time.mseconds()).collect::<Vec<_>>(),
            expected,
            "lost a frame"
        );
    }
}

#[test]
fn many_seeks_in_a_row() {
    for sync in [true, false] {
        let player = Player::new("in-flight=6", sync);
        player.set(gst::State::Paused);
        for round in 0..30 {
            player.seek(gst::SeekFlags::FLUSH, gst::ClockTime::from_mseconds(round * 80), None);
            if round % 10 == 5 {
                player.set(gst::State::Playing);
            }
        }
        player.seek(gst::SeekFlags::FLUSH, TARGET, None);
        player.set(gst::State::Playing);
        player.wait_for(gst::MessageType::Eos);
        assert_eq!(player.last_segment(), tail());
    }
}

fn is_end(item: &Item) -> bool {
    matches!(item, Item::Event(event) if event.type_() == gst::EventType::SegmentDone)
}

#[test]
fn segment_seeks_loop() {
    let player = Player::new("batch-size=4 in-flight=8 optimize-for=throughput batch-timeout=60000", false);
    player.set(gst::State::Paused);
    let (from, to) = (gst::ClockTime::SECOND, gst::ClockTime::from_mseconds(1500));
    let mut flags = gst::SeekFlags::FLUSH | gst::SeekFlags::SEGMENT;
    for round in 1..=3 {
        player.seek(flags, from, Some(to));
        player.set(gst::State::Playing);
        player.wait_for(gst::MessageType::SegmentDone);
        flags = gst::SeekFlags::SEGMENT;
        assert!(player.left.wait_until(|items| items.iter().filter(|item| is_end(item)).count() == round));
        let frames: Vec<_> = (30..45).map(|frame| frame * 1000 / 30).collect();
        assert_eq!(player.last_segment(), frames);
    }
}
