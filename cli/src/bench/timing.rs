//! How long frames stay in an element, from its sink to its source pad.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gst::prelude::*;
use gstsupport::lock;

/// Frames on their way through an element, and the milliseconds that earlier ones took.
#[derive(Default)]
struct Passages {
    entered: HashMap<Option<gst::ClockTime>, Instant>,
    /// Frames that came in and went out, where their order tells them apart.
    counts: [u64; 2],
    milliseconds: Vec<f64>,
}

/// How frames are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// By their time stamps: decoders change the order.
    Time,
    /// By their order: encoders change the time stamps.
    Order,
}

/// Milliseconds per frame in one element or several.
#[derive(Clone, Default)]
pub struct Timing(Arc<Mutex<Passages>>);

impl Timing {
    /// Times `element`, which has one pad `sink` and one pad `src`.
    pub fn watch(&self, element: &gst::Element, key: Key) {
        if let (Some(sink), Some(src)) = (element.static_pad("sink"), element.static_pad("src")) {
            self.between(&sink, &src, key);
        }
    }

    /// Times the way from pad `from` to pad `to`.
    pub fn between(&self, from: &gst::Pad, to: &gst::Pad, key: Key) {
        for (pad, enters) in [(from, true), (to, false)] {
            let passages = Arc::clone(&self.0);
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                if let Some(buffer) = info.buffer() {
                    let mut passages = lock(&passages);
                    let key = if key == Key::Time { buffer.pts() } else { passages.count(enters) };
                    passages.at(key, enters);
                }
                gst::PadProbeReturn::Ok
            });
        }
    }

    /// Forgets what was measured.
    pub fn clear(&self) {
        lock(&self.0).milliseconds.clear();
    }

    /// What was measured so far.
    pub fn milliseconds(&self) -> Vec<f64> {
        lock(&self.0).milliseconds.clone()
    }
}

impl Passages {
    /// The number of a frame that enters or leaves, as a time.
    fn count(&mut self, enters: bool) -> Option<gst::ClockTime> {
        let count = &mut self.counts[usize::from(enters)];
        *count += 1;
        Some(gst::ClockTime::from_nseconds(*count))
    }

    fn at(&mut self, pts: Option<gst::ClockTime>, enters: bool) {
        let now = Instant::now();
        if enters {
            self.entered.insert(pts, now);
        } else if let Some(entered) = self.entered.remove(&pts) {
            self.milliseconds.push((now - entered).as_secs_f64() * 1e3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_with_new_times_are_matched_by_their_order() {
        let mut passages = Passages::default();
        for enters in [true, true, false, false] {
            let key = passages.count(enters);
            passages.at(key, enters);
        }
        assert_eq!((passages.milliseconds.len(), passages.entered.len()), (2, 0));
    }

    #[test]
    fn frames_are_matched_by_their_times() {
        let mut passages = Passages::default();
        let time = |ms| Some(gst::ClockTime::from_mseconds(ms));
        passages.at(time(0), true);
        passages.at(time(40), true);
        passages.at(time(40), false);
        passages.at(time(80), false);
        assert_eq!((passages.milliseconds.len(), passages.entered.len()), (1, 1));
    }
}
