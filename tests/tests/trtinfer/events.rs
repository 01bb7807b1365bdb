//! Events keep their place between the frames, and the end of the stream brings out everything.

use std::time::Instant;

use gst_osha_tests::record::Item;

use super::{Fed, play};

fn custom(name: &str) -> gst::Event {
    gst::event::CustomDownstream::new(gst::Structure::new_empty(name))
}

fn tag() -> gst::Event {
    let mut tags = gst::TagList::new();
    tags.get_mut().unwrap().add::<gst::tags::Title>(&"here", gst::TagMergeMode::Append);
    gst::event::Tag::new(tags)
}

fn gap() -> gst::Event {
    gst::event::Gap::builder(gst::ClockTime::from_mseconds(40)).build()
}

/// What follows stream-start, caps, segment and the announcement of the model.
fn after_beginning(words: &[String]) -> &[String] {
    assert_eq!(words[..4], ["stream-start", "caps", "segment", "gst-osha/model"]);
    &words[4..]
}

#[test]
fn events_keep_their_place() {
    for properties in ["in-flight=8", "batch-size=4 in-flight=8 optimize-for=throughput batch-timeout=60000"]
    {
        let mut fed = Fed::new(properties);
        for (index, event) in [custom("first"), tag(), gap(), custom("last")].into_iter().enumerate() {
            let at = index as u64 * 100;
            fed.push(at).unwrap();
            fed.push(at + 50).unwrap();
            assert!(fed.harness.push_event(event));
        }
        let expected = [
            "0.000", "0.050", "first", "0.100", "0.150", "tag", "0.200", "0.250", "gap", "0.300", "0.350",
            "last",
        ];
        assert_eq!(after_beginning(&fed.words_until("last")), expected, "{properties}");
    }
}

#[test]
fn the_end_of_the_stream_brings_out_an_incomplete_batch() {
    let mut fed = Fed::new("batch-size=4 in-flight=8 optimize-for=throughput batch-timeout=60000");
    for index in 0..6 {
        fed.push(index * 40).unwrap();
    }
    assert!(fed.harness.push_event(gst::event::Eos::new()));
    let words = fed.words_until("eos");
    assert_eq!(after_beginning(&words), ["0.000", "0.040", "0.080", "0.120", "0.160", "0.200", "eos"]);
    assert!(fed.left.frames().iter().all(|(_, objects)| objects.is_some()));
    assert_eq!(fed.push(240), Err(gst::FlowError::Eos));
}

#[test]
fn an_incomplete_batch_leaves_when_its_time_is_up() {
    let mut fed = Fed::new("batch-size=4 optimize-for=throughput batch-timeout=100");
    let before = Instant::now();
    fed.push(0).unwrap();
    fed.words_until("0.000");
    assert!(before.elapsed().as_millis() >= 100, "it did not wait for others");
}

#[test]
fn without_a_timeout_single_frames_do_not_wait_for_a_batch() {
    let mut fed = Fed::new("batch-size=4 optimize-for=latency");
    fed.push(0).unwrap();
    fed.words_until("0.000");
}

#[test]
fn a_new_stream_follows_the_end_of_one() {
    let mut fed = Fed::new("");
    fed.push(0).unwrap();
    assert!(fed.harness.push_event(gst::event::Eos::new()));
    fed.words_until("eos");
    let time = gst::FormattedSegment::<gst::ClockTime>::new();
    for event in [gst::event::StreamStart::new("next"), gst::event::Segment::new(&time)] {
        assert!(fed.harness.push_event(event));
    }
    fed.push(80).unwrap();
    let words = fed.words_until("0.080");
    // The model is the same: what downstream knows already is not sent again.
    assert_eq!(after_beginning(&words), ["0.000", "eos", "stream-start", "segment", "0.080"]);
}

#[test]
fn a_flush_drops_what_is_under_way_and_the_stream_goes_on() {
    for properties in ["in-flight=8", "batch-size=4 in-flight=8 optimize-for=throughput batch-timeout=60000"]
    {
        let mut fed = Fed::new(properties);
        let start = Instant::now();
        for round in 0..20 {
            let at = round * 1000;
            for index in 0..3 {
                fed.push(at + index).unwrap();
            }
            assert!(fed.harness.push_event(gst::event::FlushStart::new()));
            assert_eq!(fed.push(at + 500), Err(gst::FlowError::Flushing));
            assert!(fed.harness.push_event(gst::event::FlushStop::new(true)));
            assert!(
                fed.harness
                    .push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()))
            );
            fed.push(at + 900).unwrap();
            assert!(fed.harness.push_event(custom(&format!("round-{round}"))));
            let words = fed.words_until(&format!("round-{round}"));
            // The flush may have met the announcement of the model in the queue: then it comes now.
            let words: Vec<_> = words.into_iter().filter(|word| word != "gst-osha/model").collect();
            let expected = ["flush-stop", "segment", &format!("{round}.900"), &format!("round-{round}")];
            assert_eq!(words[words.len() - 4..], expected, "{properties}");
        }
        assert!(start.elapsed().as_secs() < 20, "a flush waited for a batch to fill up");
    }
}

#[test]
fn the_size_and_the_format_may_change_on_the_way() {
    let source = |format: &str, width: u32| {
        format!(
            "videotestsrc num-buffers=20 ! \
             video/x-raw,format={format},width={width},height=64,framerate=30/1 ! c."
        )
    };
    let line =
        format!("concat name=c {} {} {} c.", source("RGB", 96), source("NV12", 160), source("GRAY8", 64));
    for schedule in ["in-flight=8", "batch-size=3 in-flight=8 optimize-for=throughput"] {
        let played = play(&line, schedule, |_| {});
        assert_eq!(played.left.prints().len(), 60);
        let words = |record: &gst_osha_tests::record::Record| {
            let kept = |word: &String| word == "caps" || word.parse::<f32>().is_ok();
            record.words().into_iter().filter(kept).collect::<Vec<_>>()
        };
        assert_eq!(words(&played.left), words(&played.entered));
        assert_eq!(words(&played.left).iter().filter(|word| *word == "caps").count(), 3);
        let in_picture = played.left.items().iter().all(fits());
        assert!(in_picture, "a detection outside its own frame");
    }
}

/// Says of one item after the other whether its detections lie in the picture that the caps before it announce.
fn fits() -> impl FnMut(&Item) -> bool {
    let mut width = 0.0;
    move |item| match item {
        Item::Event(event) => {
            if let gst::EventView::Caps(caps) = event.view() {
                width = caps.caps().structure(0).unwrap().get::<i32>("width").unwrap() as f32;
            }
            true
        }
        Item::Frame(_, objects) => objects.as_ref().unwrap().iter().all(|object| object.corners[2] <= width),
    }
}
