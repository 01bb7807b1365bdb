//! CLEAR MOT: misses, false positives and identity switches of a tracker.

use std::collections::BTreeMap;

use super::{Rect, iou, share};

/// Overlap from which a track is on an object.
const SAME: f32 = 0.5;

/// One frame: identity and place of everything.
pub type Places<Id> = Vec<(Id, Rect)>;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects in all frames.
    pub objects: usize,
    /// Of them without a track.
    pub misses: usize,
    /// Tracks on nothing.
    pub false_positives: usize,
    /// Objects whose track is another one than the last that they had.
    pub switches: usize,
}

impl Counts {
    /// Multi-object tracking accuracy: 1 is perfect, below 0 is possible.
    pub fn mota(&self) -> f64 {
        1.0 - share(self.misses + self.false_positives + self.switches, self.objects.max(1))
    }

    /// Of two recordings together.
    pub fn and(self, other: Self) -> Self {
        Self {
            objects: self.objects + other.objects,
            misses: self.misses + other.misses,
            false_positives: self.false_positives + other.false_positives,
            switches: self.switches + other.switches,
        }
    }
}

/// Follows one recording.
#[derive(Debug, Default)]
pub struct Score {
    last: BTreeMap<i64, u64>,
    counts: Counts,
}

impl Score {
    /// Adds a frame. What is found of `hidden` is neither right nor wrong.
    pub fn add(&mut self, truth: &Places<i64>, hidden: &Places<i64>, found: &Places<u64>) {
        let pairs = self.pairs(truth, found);
        let is_wrong = |(track, rect): &&(u64, Rect)| {
            let is_paired = pairs.iter().any(|pair| pair.1 == *track);
            !is_paired && hidden.iter().all(|(_, place)| iou(place, rect) < SAME)
        };
        self.counts.objects += truth.len();
        self.counts.misses += truth.len() - pairs.len();
        self.counts.false_positives += found.iter().filter(is_wrong).count();
        for (object, track) in pairs {
            let before = self.last.insert(object, track);
            self.counts.switches += usize::from(before.is_some_and(|before| before != track));
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Who is followed by which track: as in the last frame where that still holds, else the best overlap first.
    fn pairs(&self, truth: &Places<i64>, found: &Places<u64>) -> Vec<(i64, u64)> {
        let mut candidates: Vec<(bool, f32, i64, u64)> = truth
            .iter()
            .flat_map(|(object, place)| {
                let candidate = move |(track, rect): &(u64, Rect)| {
                    (self.last.get(object) == Some(track), iou(place, rect), *object, *track)
                };
                found.iter().map(candidate)
            })
            .filter(|(_, overlap, ..)| *overlap >= SAME)
            .collect();
        candidates.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)));
        let mut pairs: Vec<(i64, u64)> = Vec::new();
        for (_, _, object, track) in candidates {
            if pairs.iter().all(|pair| pair.0 != object && pair.1 != track) {
                pairs.push((object, track));
            }
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32) -> Rect {
        [x, 0.0, 10.0, 20.0]
    }

    #[test]
    fn a_perfect_tracker_has_a_perfect_score() {
        let mut score = Score::default();
        (0..5).for_each(|x| score.add(&vec![(1, at(x as f32))], &vec![], &vec![(7, at(x as f32))]));
        assert_eq!((score.counts().mota(), score.counts().objects), (1.0, 5));
    }

    #[test]
    fn each_kind_of_mistake_counts() {
        let mut score = Score::default();
        score.add(&vec![(1, at(0.0)), (2, at(50.0))], &vec![], &vec![(7, at(0.0)), (8, at(50.0))]);
        score.add(&vec![(1, at(0.0)), (2, at(50.0))], &vec![], &vec![(8, at(0.0)), (9, at(90.0))]);
        assert_eq!(score.counts(), Counts { objects: 4, misses: 1, false_positives: 1, switches: 1 });
        assert_eq!(score.counts().mota(), 0.25);
    }

    #[test]
    fn to_find_the_hidden_is_no_mistake() {
        let mut score = Score::default();
        score.add(
            &vec![(1, at(0.0))],
            &vec![(2, at(50.0))],
            &vec![(7, at(0.0)), (8, at(51.0)), (9, at(90.0))],
        );
        assert_eq!(score.counts(), Counts { objects: 1, false_positives: 1, ..Counts::default() });
    }

    #[test]
    fn a_gap_is_no_switch_if_the_track_is_the_same() {
        let mut score = Score::default();
        score.add(&vec![(1, at(0.0))], &vec![], &vec![(7, at(0.0))]);
        score.add(&vec![(1, at(0.0))], &vec![], &vec![]);
        score.add(&vec![(1, at(0.0))], &vec![], &vec![(7, at(0.0))]);
        assert_eq!((score.counts().switches, score.counts().misses), (0, 1));
    }

    #[test]
    fn the_track_of_before_wins_over_a_better_overlap() {
        let mut score = Score::default();
        score.add(&vec![(1, at(0.0))], &vec![], &vec![(7, at(0.0))]);
        score.add(&vec![(1, at(0.0))], &vec![], &vec![(7, at(1.0)), (8, at(0.0))]);
        assert_eq!((score.counts().switches, score.counts().false_positives), (0, 1));
    }
}
