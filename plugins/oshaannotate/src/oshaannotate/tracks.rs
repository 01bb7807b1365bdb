//! Which detection is whose: upstream's tracks where there are any, ours otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use vision::track::{Tracker, TrackerConfig};

use super::observation::Observation;

/// How long a track's first sight is remembered after its last.
const MEMORY: Duration = Duration::from_secs(60);

/// The track of one detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Track {
    pub id: u64,
    /// Stream time of its first frame.
    pub first_seen: Duration,
}

/// The tracks of one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Followed {
    /// One for each detection; `None` for what is not followed.
    pub tracks: Vec<Option<Track>>,
    /// Whether upstream named them.
    pub from_upstream: bool,
}

/// Follows detections through one stream.
pub(super) struct Tracks {
    tracker: Tracker,
    /// Whether a tracker upstream has been heard of: then ours is silent, since its numbers could be taken.
    upstream: bool,
    /// First and last sight.
    seen: BTreeMap<u64, (Duration, Duration)>,
}

impl Tracks {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self { tracker: Tracker::new(TrackerConfig::default()), upstream: false, seen: BTreeMap::new() }
    }

    /// Names the detections of the frame at time `at`.
    pub fn follow(&mut self, at: Duration, observation: &Observation) -> Followed {
        self.upstream |= observation.tracks.iter().any(Option::is_some);
        let ids: Vec<_> = if self.upstream {
            observation.tracks.clone()
        } else {
            let tracks = self.tracker.update(at, &observation.detections);
            tracks.into_iter().map(|track| track.map(|track| track.0)).collect()
        };
        self.seen.retain(|_, (_, last)| at.saturating_sub(*last) <= MEMORY);
        let tracks = ids.into_iter().map(|id| id.map(|id| self.see(id, at))).collect();
        Followed { tracks, from_upstream: self.upstream }
    }

    fn see(&mut self, id: u64, at: Duration) -> Track {
        let (first_seen, last) = self.seen.entry(id).or_insert((at, at));
        *last = at;
        Track { id, first_seen: *first_seen }
    }

    /// Forgets everybody. Our numbers go on.
    pub fn reset(&mut self) {
        self.tracker.reset();
        self.upstream = false;
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision::detection::Detection;
    use vision::geometry::Rect;

    fn person(tracks: &[Option<u64>]) -> Observation {
        let rect = |index: usize| Rect { x: 100.0 * index as f32, y: 50.0, width: 60.0, height: 120.0 };
        let detection = |index| Detection { rect: rect(index), score: 0.9, class: 1 };
        let mut observation = Observation::default();
        observation.detections = (0..tracks.len()).map(detection).collect();
        observation.tracks = tracks.to_vec();
        observation
    }

    fn ids(followed: &Followed) -> Vec<Option<u64>> {
        followed.tracks.iter().map(|track| track.map(|track| track.id)).collect()
    }

    #[test]
    fn upstream_names_people_if_it_can() {
        let mut tracks = Tracks::new();
        let first = tracks.follow(Duration::ZERO, &person(&[Some(70), None]));
        assert_eq!((ids(&first), first.from_upstream), (vec![Some(70), None], true));
        let later = tracks.follow(Duration::from_secs(2), &person(&[Some(70), Some(71)]));
        assert_eq!(later.tracks[0], Some(Track { id: 70, first_seen: Duration::ZERO }));
        assert_eq!(later.tracks[1], Some(Track { id: 71, first_seen: Duration::from_secs(2) }));
        let alone = tracks.follow(Duration::from_secs(3), &person(&[None, None]));
        assert_eq!(ids(&alone), [None, None], "our own numbers could be upstream's");
    }

    #[test]
    fn we_name_people_if_nobody_else_does() {
        let mut tracks = Tracks::new();
        assert_eq!(ids(&tracks.follow(Duration::ZERO, &person(&[None]))), [None], "not confirmed yet");
        let followed = tracks.follow(Duration::from_millis(100), &person(&[None]));
        assert_eq!((ids(&followed), followed.from_upstream), (vec![Some(1)], false));
    }

    #[test]
    fn memory_is_bounded() {
        let mut tracks = Tracks::new();
        for second in 0..10_000 {
            tracks.follow(Duration::from_secs(second), &person(&[Some(second)]));
        }
        assert!(tracks.seen.len() <= 61, "{}", tracks.seen.len());
        tracks.reset();
        assert!(tracks.seen.is_empty());
    }
}
