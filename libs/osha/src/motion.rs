//! Where things came from: their speed.

use crate::geometry::Point;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How far back a speed looks.
const SPAN: Duration = Duration::from_millis(1000);
/// Places nearer in time than this are not kept apart.
const STEP: Duration = Duration::from_millis(100);
/// A speed over less time than this is noise.
const LEAST: Duration = Duration::from_millis(300);

/// A track's places of the last second, the oldest first. Relative coordinates.
#[derive(Debug, Default)]
struct Trail {
    places: VecDeque<(Duration, Point)>,
    seen: Duration,
}

impl Trail {
    fn add(&mut self, now: Duration, place: Point) {
        let from = now.saturating_sub(SPAN);
        while self.places.get(1).is_some_and(|(at, _)| *at <= from) {
            self.places.pop_front();
        }
        if self.places.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= STEP) {
            self.places.push_back((now, place));
        }
        self.seen = now;
    }
}

/// A way that a track went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Way {
    /// Where it began.
    pub from: Point,
    /// How long ago, in seconds.
    pub seconds: f32,
}

/// The trails of all tracks in view.
#[derive(Debug, Default)]
pub(crate) struct Motion {
    trails: BTreeMap<u64, Trail>,
}

impl Motion {
    /// Takes a track's place, and gives the way that led there.
    pub fn follow(&mut self, track: u64, now: Duration, place: Point) -> Option<Way> {
        let trail = self.trails.entry(track).or_default();
        trail.add(now, place);
        let (at, from) = *trail.places.front()?;
        let ago = now.saturating_sub(at);
        (ago >= LEAST).then(|| Way { from, seconds: ago.as_secs_f32() })
    }

    /// Forgets the tracks that were last seen before `oldest`.
    pub fn forget(&mut self, oldest: Duration) {
        self.trails.retain(|_, trail| trail.seen >= oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_covers_the_last_second_at_any_frame_rate() {
        for step in [10, 40, 200] {
            let mut motion = Motion::default();
            let mut way = None;
            for time in (0..=5000).step_by(step) {
                way = motion.follow(1, Duration::from_millis(time), [time as f32 / 1000.0, 0.0]);
            }
            let way = way.unwrap();
            let speed = (5.0 - way.from[0]) / way.seconds;
            assert!((speed - 1.0).abs() < 1e-3 && (0.9..1.3).contains(&way.seconds), "{step}: {way:?}");
            assert!(motion.trails[&1].places.len() < 15);
        }
    }

    #[test]
    fn who_has_just_come_has_no_speed() {
        let mut motion = Motion::default();
        assert_eq!(motion.follow(1, Duration::ZERO, [0.0; 2]), None);
        assert_eq!(motion.follow(1, Duration::from_millis(200), [0.1; 2]), None);
    }

    #[test]
    fn those_who_left_are_forgotten() {
        let mut motion = Motion::default();
        motion.follow(1, Duration::ZERO, [0.0; 2]);
        motion.follow(2, Duration::from_secs(3), [0.0; 2]);
        motion.forget(Duration::from_secs(2));
        assert_eq!(motion.trails.keys().collect::<Vec<_>>(), [&2]);
    }
}
