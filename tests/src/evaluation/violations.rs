//! Violations reported against violations that happened.

use osha::event::{Body, Event, Violation};

use super::truth::{self, Truth};
use super::{iou, share};

/// What lasts less need not be reported: the default site confirms after a second. Reported, it is no mistake either.
const SHORTEST_MS: u64 = 2000;
/// Share of the time from the earlier start to the later end in which both hold.
const SAME_TIME: f64 = 0.5;
/// Overlap of the reported box with the worker.
const SAME_PLACE: f32 = 0.3;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Violations that happened and were reported.
    pub hits: usize,
    /// That happened and were not reported.
    pub misses: usize,
    /// That were reported and did not happen, or were reported before.
    pub false_alarms: usize,
    /// That were reported and happened, but show too little to be labelled: neither right nor wrong.
    pub hidden: usize,
}

impl Counts {
    /// Share of the reported ones that happened.
    pub fn precision(&self) -> f64 {
        share(self.hits, self.hits + self.false_alarms)
    }

    /// Share of those that happened that was reported.
    pub fn recall(&self) -> f64 {
        share(self.hits, self.hits + self.misses)
    }

    /// Of two recordings together.
    pub fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            false_alarms: self.false_alarms + other.false_alarms,
            hidden: self.hidden + other.hidden,
        }
    }
}

/// Compares the ended violations among `events` with `truth`. Each mistake is given to `tell`, in words.
pub fn score(truth: &Truth, events: &[Event], mut tell: impl FnMut(String)) -> Counts {
    let ended = events.iter().filter_map(|event| match &event.body {
        Body::End(violation) => Some(violation),
        _ => None,
    });
    let mut open: Vec<&truth::Violation> = truth.violations.iter().collect();
    let mut counts = Counts::default();
    for found in ended {
        let partner = open.iter().position(|real| tells_of(truth, found, real));
        match partner.map(|index| open.swap_remove(index)) {
            Some(real) => counts.hits += usize::from(is_long(real)),
            None if is_hidden(truth, found) => counts.hidden += 1,
            None => {
                counts.false_alarms += 1;
                let end = found.end_s.unwrap_or_default();
                tell(format!(
                    "false alarm: {} from {:.2} to {end:.2} s at {:?}",
                    found.rule, found.start_s, found.rect
                ));
            }
        }
    }
    for real in open.into_iter().filter(|real| is_long(real)) {
        counts.misses += 1;
        tell(format!("missed: {real:?}"));
    }
    counts
}

fn is_long(real: &truth::Violation) -> bool {
    real.end_ms - real.start_ms >= SHORTEST_MS
}

/// Whether `found` is the violation `real`: the same rule, about the same time, the same worker.
fn tells_of(truth: &Truth, found: &Violation, real: &truth::Violation) -> bool {
    let (start, end) = (found.start_s * 1e3, found.end_s.unwrap_or_default() * 1e3);
    let both = end.min(real.end_ms as f64) - start.max(real.start_ms as f64);
    let either = end.max(real.end_ms as f64) - start.min(real.start_ms as f64);
    found.rule == real.class && both >= SAME_TIME * either && is_of(truth, found, real.track)
}

/// Whether `found` is something that the worker shows too little of to be labelled.
fn is_hidden(truth: &Truth, found: &Violation) -> bool {
    let ms = |seconds: f64| (seconds * 1e3) as u64;
    let tracks = truth.hidden(&found.rule, ms(found.start_s), ms(found.end_s.unwrap_or_default()));
    tracks.into_iter().any(|track| is_of(truth, found, track))
}

/// Whether the box of `found` is on the worker `track`.
fn is_of(truth: &Truth, found: &Violation, track: i64) -> bool {
    let (start, end) = (found.start_s * 1e3, found.end_s.unwrap_or_default() * 1e3);
    let is_there =
        |at: f64| truth.person(track, at as u64).is_some_and(|rect| iou(&rect, &found.rect) >= SAME_PLACE);
    // The box is that of the last frame in which the person was seen: a while before the end where only the head was
    // still seen, or after it.
    (-30..=20).map(|step| end + f64::from(step) * 100.0).filter(|at| *at >= start).any(is_there)
}
