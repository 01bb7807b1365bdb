//! From what single frames show to what is true of a person: hysteresis in time.

use crate::site::Timing;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// How a person stands with a hazard, or with all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compliance {
    /// Nothing is known. Absence is no evidence: who is seen neither with nor without a hat is here.
    #[default]
    Unknown,
    /// The equipment was seen in use.
    Compliant,
    /// It seems to be missing, but not for long enough yet.
    Suspected,
    /// It is missing.
    Violating,
}

/// What one frame shows on one person and one hazard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Evidence {
    /// The person is in view, the equipment is not.
    Nothing,
    /// The equipment is worn, with the detector's score.
    Worn(f32),
    /// The equipment is missing, with the detector's score.
    Missing(f32),
}

impl Evidence {
    /// Of two statements about the same frame the surer one; a tie goes to `self`.
    pub(crate) fn or(self, other: Self) -> Self {
        if other.score() > self.score() { other } else { self }
    }

    fn score(self) -> f32 {
        match self {
            Self::Nothing => -1.0,
            Self::Worn(score) | Self::Missing(score) => score,
        }
    }

    fn missing(self) -> Option<f32> {
        match self {
            Self::Missing(score) => Some(score),
            _ => None,
        }
    }
}

/// A violation under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Breach {
    /// Of the first frame that showed it.
    pub start: Duration,
    /// Of the last frame that showed it.
    pub last: Duration,
    /// How many frames showed it.
    pub frames: u64,
    /// Highest score.
    pub score_max: f32,
    score_sum: f64,
}

impl Breach {
    /// Out of the frames that showed it, the first one first.
    fn new(start: Duration, shown: impl Iterator<Item = (Duration, f32)>) -> Self {
        let mut breach = Self {
            start,
            last: start,
            frames: 0,
            score_max: 0.0,
            score_sum: 0.0,
        };
        for (pts, score) in shown {
            breach.last = pts;
            breach.add(score);
        }
        breach
    }

    fn add(&mut self, score: f32) {
        self.frames += 1;
        self.score_max = self.score_max.max(score);
        self.score_sum += f64::from(score);
    }

    /// Mean score of the frames that showed it.
    pub(crate) fn score_mean(&self) -> f32 {
        (self.score_sum / self.frames.max(1) as f64) as f32
    }
}

/// What an observation changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Transition {
    Started(Breach),
    Ended(Breach),
}

/// One person and one hazard over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    history: VecDeque<(Duration, Evidence)>,
    breach: Option<Breach>,
    ended: Option<Duration>,
}

impl Condition {
    /// Takes what a frame shows. Times must not go back; of several observations at one time the last counts.
    pub(crate) fn observe(
        &mut self,
        pts: Duration,
        evidence: Evidence,
        timing: &Timing,
    ) -> Option<Transition> {
        let before = self.history.back().and_then(|(_, evidence)| evidence.missing());
        self.remember(pts, evidence, timing);
        match &mut self.breach {
            Some(breach) => {
                if let Some(score) = evidence.missing() {
                    breach.add(score);
                    // A frame that stands alone does not prolong it.
                    breach.last = if before.is_some() { pts } else { breach.last };
                }
                self.clear(pts, timing).map(Transition::Ended)
            }
            None => self.confirm(pts, timing).map(Transition::Started),
        }
    }

    /// Ends what is under way.
    pub(crate) fn close(&mut self) -> Option<Breach> {
        self.history.clear();
        self.breach.take()
    }

    /// Whether a violation is under way.
    pub(crate) fn violating(&self) -> bool {
        self.breach.is_some()
    }

    /// The state and, for the two bad ones, since when it seems to have been so.
    pub(crate) fn state(&self, timing: &Timing) -> (Compliance, Option<Duration>) {
        if let Some(breach) = &self.breach {
            return (Compliance::Violating, Some(breach.start));
        }
        if let Some(onset) = self.run(timing, |evidence| evidence.missing().is_some()) {
            return (Compliance::Suspected, Some(onset));
        }
        let count = |what: fn(Evidence) -> bool| {
            self.history
                .iter()
                .filter(|(_, evidence)| what(*evidence))
                .count()
        };
        let worn = count(|evidence| matches!(evidence, Evidence::Worn(_)));
        let missing = count(|evidence| evidence.missing().is_some());
        (
            if worn > missing {
                Compliance::Compliant
            } else {
                Compliance::Unknown
            },
            None,
        )
    }

    fn remember(&mut self, pts: Duration, evidence: Evidence, timing: &Timing) {
        let horizon = pts.saturating_sub(2 * timing.confirm.max(timing.clear));
        while self.history.front().is_some_and(|(seen, _)| *seen < horizon) {
            self.history.pop_front();
        }
        match self.history.back_mut() {
            Some(newest) if newest.0 == pts => newest.1 = evidence,
            _ => self.history.push_back((pts, evidence)),
        }
    }

    /// The earliest remembered frame of which `what` holds and from which on it holds of the share asked for. A frame
    /// that stands alone begins nothing, unless it is the newest.
    fn run(&self, timing: &Timing, what: impl Fn(Evidence) -> bool) -> Option<Duration> {
        let (mut agreeing, mut newer, mut start) = (0, true, None);
        for (count, (pts, evidence)) in self.history.iter().rev().enumerate() {
            let agrees = what(*evidence);
            agreeing += usize::from(agrees);
            if agrees && newer && agreeing as f32 >= timing.share * (count + 1) as f32 {
                start = Some(*pts);
            }
            newer = agrees;
        }
        start
    }

    fn confirm(&mut self, pts: Duration, timing: &Timing) -> Option<Breach> {
        let onset = self.run(timing, |evidence| evidence.missing().is_some())?;
        let cooling = self
            .ended
            .is_some_and(|ended| pts < ended.saturating_add(timing.cooldown));
        if cooling || pts - onset < timing.confirm {
            return None;
        }
        let since = self.history.iter().filter(|(seen, _)| *seen >= onset);
        let shown = since.filter_map(|(seen, evidence)| Some((*seen, evidence.missing()?)));
        Some(self.breach.insert(Breach::new(onset, shown)).clone())
    }

    fn clear(&mut self, pts: Duration, timing: &Timing) -> Option<Breach> {
        let quiet = self.run(timing, |evidence| evidence.missing().is_none())?;
        if pts - quiet < timing.clear {
            return None;
        }
        self.ended = Some(pts);
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Evidence::{Missing, Nothing, Worn};

    const FRAME: Duration = Duration::from_millis(40);

    /// Runs one frame per letter: m(issing), w(orn), n(othing), and space for out of view. A number repeats what follows.
    fn play(condition: &mut Condition, script: &str) -> Vec<(Duration, Transition)> {
        let mut out = Vec::new();
        let (mut pts, mut repeat) = (Duration::ZERO, 0);
        for letter in script.chars() {
            if let Some(digit) = letter.to_digit(10) {
                repeat = repeat * 10 + digit;
                continue;
            }
            for _ in 0..repeat.max(1) {
                let evidence = match letter {
                    'm' => Some(Missing(0.5)),
                    'w' => Some(Worn(0.5)),
                    'n' => Some(Nothing),
                    _ => None,
                };
                let change = evidence.and_then(|e| condition.observe(pts, e, &Timing::default()));
                out.extend(change.map(|change| (pts, change)));
                pts += FRAME;
            }
            repeat = 0;
        }
        out
    }

    fn starts(script: &str) -> Vec<u32> {
        let frame = |breach: &Breach| (breach.start.as_millis() / FRAME.as_millis()) as u32;
        let starts = play(&mut Condition::default(), script).into_iter();
        starts
            .filter_map(|(_, t)| matches!(&t, Transition::Started(_)).then(|| frame(&inner(t))))
            .collect()
    }

    fn inner(transition: Transition) -> Breach {
        match transition {
            Transition::Started(breach) | Transition::Ended(breach) => breach,
        }
    }

    #[test]
    fn starts_and_ends_where_it_was_seen() {
        let changes = play(&mut Condition::default(), "50w100m100w");
        let [
            (confirmed, Transition::Started(started)),
            (cleared, Transition::Ended(ended)),
        ] = &changes[..]
        else {
            panic!("{changes:?}");
        };
        assert_eq!((started.start, *confirmed), (50 * FRAME, 75 * FRAME));
        assert_eq!(
            (ended.start, ended.last, ended.frames),
            (50 * FRAME, 149 * FRAME, 100)
        );
        assert!(*cleared <= 150 * FRAME + Timing::default().clear, "{cleared:?}");
        assert_eq!((ended.score_max, ended.score_mean()), (0.5, 0.5));
    }

    #[test]
    fn flicker_is_nothing() {
        for script in ["50w1m50w1m50w", "50n1m50n", "20w10m40w", "30w2m3w2m30w2m40w"] {
            assert_eq!(starts(script), [0; 0], "{script}");
        }
    }

    #[test]
    fn a_lone_frame_before_it_moves_no_start() {
        assert_eq!(starts("50w1m9w60m"), [60]);
    }

    #[test]
    fn lone_frames_after_it_move_no_end() {
        let changes = play(&mut Condition::default(), "50w60m10w1m10w1m60w");
        assert_eq!(changes.len(), 2);
        assert_eq!(inner(changes[1].1.clone()).last, 109 * FRAME);
    }

    #[test]
    fn misses_of_the_detector_do_not_hide_it() {
        let script = "3m1n".repeat(20);
        assert_eq!(starts(&script), [0]);
    }

    #[test]
    fn out_of_view_does_not_split_it() {
        assert_eq!(starts("50m12 50m12 50m"), [0]);
    }

    #[test]
    fn it_rests_after_an_end() {
        let changes = play(&mut Condition::default(), "50m45w100m");
        let times: Vec<_> = changes.iter().map(|(pts, _)| *pts).collect();
        assert_eq!(times.len(), 3, "{changes:?}");
        assert!(times[2] >= times[1] + Timing::default().cooldown);
        assert_eq!(inner(changes[2].1.clone()).start, 95 * FRAME);
    }

    #[test]
    fn states_follow_the_evidence() {
        let state = |script| {
            let mut condition = Condition::default();
            play(&mut condition, script);
            condition.state(&Timing::default()).0
        };
        assert_eq!(state(""), Compliance::Unknown);
        assert_eq!(state("80n"), Compliance::Unknown);
        assert_eq!(state("1w80n"), Compliance::Unknown);
        assert_eq!(state("10w20n"), Compliance::Compliant);
        assert_eq!(state("10w5m"), Compliance::Compliant);
        assert_eq!(state("10w16m"), Compliance::Suspected);
        assert_eq!(state("40m"), Compliance::Violating);
        assert_eq!(state("40m60w"), Compliance::Compliant);
    }

    #[test]
    fn memory_is_bounded() {
        let mut condition = Condition::default();
        play(&mut condition, "5000n");
        assert!(condition.history.len() <= 76, "{}", condition.history.len());
        for _ in 0..1000 {
            condition.observe(Duration::from_secs(1000), Nothing, &Timing::default());
        }
        assert_eq!(condition.history.len(), 1);
    }
}
