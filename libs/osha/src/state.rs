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

/// A violation, suspected or confirmed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Breach {
    /// Of the first frame that showed it.
    pub start: Duration,
    /// Of the last frame that showed it, leaving out frames that stand alone.
    pub last: Duration,
    /// How many frames showed it.
    pub frames: u64,
    /// Highest score.
    pub score_max: f32,
    score_sum: f64,
}

impl Breach {
    fn new(start: Duration, score: f32) -> Self {
        Self { start, last: start, frames: 1, score_max: score, score_sum: score.into() }
    }

    fn add(&mut self, score: f32) {
        self.frames += 1;
        self.score_max = self.score_max.max(score);
        self.score_sum += f64::from(score);
    }

    /// Mean score of the frames that showed it.
    pub(crate) fn score_mean(&self) -> f32 {
        (self.score_sum / self.frames as f64) as f32
    }
}

/// What an observation changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Transition {
    Started(Breach),
    Ended(Breach),
}

/// One person and one hazard over time.
///
/// Two frames in a row begin a suspicion, which holds while the share asked for of the latest frames agrees, and becomes
/// a violation when it has lasted long enough. A violation ends in the same way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    history: VecDeque<(Duration, Evidence)>,
    breach: Option<Breach>,
    confirmed: bool,
    /// Since when a confirmed violation seems to be over.
    quiet: Option<Duration>,
    ended: Option<Duration>,
}

impl Condition {
    /// Takes what a frame shows. Times must not go back; of several observations of one time the first counts.
    pub(crate) fn observe(
        &mut self,
        pts: Duration,
        evidence: Evidence,
        timing: &Timing,
    ) -> Option<Transition> {
        let before = self.history.back().copied();
        if before.is_some_and(|(seen, _)| seen == pts) {
            return None;
        }
        self.remember(pts, evidence, timing);
        self.extend(before, pts, evidence);
        if self.confirmed {
            self.clear(before, pts, timing).map(Transition::Ended)
        } else {
            self.confirm(pts, timing).map(Transition::Started)
        }
    }

    /// Ends what is under way, and gives it if it was confirmed.
    pub(crate) fn close(&mut self) -> Option<Breach> {
        let breach = self.breach.take().filter(|_| self.confirmed);
        *self = Self { ended: self.ended, ..Self::default() };
        breach
    }

    /// Whether a violation is confirmed and not over.
    pub(crate) fn violating(&self) -> bool {
        self.confirmed
    }

    /// The state and, for the two bad ones, since when it seems to have been so.
    pub(crate) fn state(&self) -> (Compliance, Option<Duration>) {
        if let Some(breach) = &self.breach {
            let state = if self.confirmed { Compliance::Violating } else { Compliance::Suspected };
            return (state, Some(breach.start));
        }
        let count =
            |what: fn(Evidence) -> bool| self.history.iter().filter(|(_, evidence)| what(*evidence)).count();
        let worn = count(|evidence| matches!(evidence, Evidence::Worn(_)));
        let missing = count(|evidence| evidence.missing().is_some());
        (if worn > missing { Compliance::Compliant } else { Compliance::Unknown }, None)
    }

    fn remember(&mut self, pts: Duration, evidence: Evidence, timing: &Timing) {
        let horizon = pts.saturating_sub(timing.confirm.max(timing.clear));
        while self.history.front().is_some_and(|(seen, _)| *seen < horizon) {
            self.history.pop_front();
        }
        self.history.push_back((pts, evidence));
    }

    fn extend(&mut self, before: Option<(Duration, Evidence)>, pts: Duration, evidence: Evidence) {
        let Some(score) = evidence.missing() else { return };
        let before = before.and_then(|(seen, evidence)| Some((seen, evidence.missing()?)));
        if self.breach.is_none() {
            self.breach = before.map(|(seen, score)| Breach::new(seen, score));
        }
        if let Some(breach) = &mut self.breach {
            breach.add(score);
            breach.last = if before.is_some() { pts } else { breach.last };
        }
    }

    fn confirm(&mut self, pts: Duration, timing: &Timing) -> Option<Breach> {
        let start = self.breach.as_ref()?.start;
        let missing = |evidence: Evidence| evidence.missing().is_some();
        if self.share(start.max(pts.saturating_sub(timing.confirm)), missing) < timing.share {
            self.breach = None;
        }
        let cooling = self.ended.is_some_and(|ended| pts < ended.saturating_add(timing.cooldown));
        self.confirmed = self.breach.is_some() && !cooling && pts - start >= timing.confirm;
        self.breach.clone().filter(|_| self.confirmed)
    }

    fn clear(
        &mut self,
        before: Option<(Duration, Evidence)>,
        pts: Duration,
        timing: &Timing,
    ) -> Option<Breach> {
        let fine = |evidence: Evidence| evidence.missing().is_none();
        let window = pts.saturating_sub(timing.clear);
        self.quiet = self.quiet.filter(|since| self.share((*since).max(window), fine) >= timing.share);
        if self.quiet.is_none() && self.history.back().is_some_and(|(_, evidence)| fine(*evidence)) {
            self.quiet = before.filter(|(_, evidence)| fine(*evidence)).map(|(seen, _)| seen);
        }
        if pts - self.quiet? < timing.clear {
            return None;
        }
        self.ended = Some(pts);
        self.close()
    }

    /// The share of the frames since `from` of which `what` holds.
    fn share(&self, from: Duration, what: impl Fn(Evidence) -> bool) -> f32 {
        let recent = self.history.iter().rev().take_while(|(seen, _)| *seen >= from);
        let (count, agreeing) = recent
            .fold((0, 0), |(count, sum), (_, evidence)| (count + 1, sum + usize::from(what(*evidence))));
        agreeing as f32 / count.max(1) as f32
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
        starts.filter_map(|(_, t)| matches!(&t, Transition::Started(_)).then(|| frame(&inner(t)))).collect()
    }

    fn inner(transition: Transition) -> Breach {
        match transition {
            Transition::Started(breach) | Transition::Ended(breach) => breach,
        }
    }

    #[test]
    fn starts_and_ends_where_it_was_seen() {
        let changes = play(&mut Condition::default(), "50w100m100w");
        let [(confirmed, Transition::Started(started)), (cleared, Transition::Ended(ended))] = &changes[..]
        else {
            panic!("{changes:?}");
        };
        assert_eq!((started.start, *confirmed), (50 * FRAME, 75 * FRAME));
        assert_eq!((ended.start, ended.last, ended.frames), (50 * FRAME, 149 * FRAME, 100));
        assert!(*cleared <= 151 * FRAME + Timing::default().clear, "{cleared:?}");
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
    fn moments_of_calm_do_not_end_it() {
        let script = "50m".to_owned() + &"2w3m".repeat(30);
        assert_eq!(play(&mut Condition::default(), &script).len(), 1);
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
            condition.state().0
        };
        assert_eq!(state(""), Compliance::Unknown);
        assert_eq!(state("80n"), Compliance::Unknown);
        assert_eq!(state("1w80n"), Compliance::Unknown);
        assert_eq!(state("10w20n"), Compliance::Compliant);
        assert_eq!(state("10w1m"), Compliance::Compliant);
        assert_eq!(state("10w2m"), Compliance::Suspected);
        assert_eq!(state("40m"), Compliance::Violating);
        assert_eq!(state("40m60w"), Compliance::Compliant);
    }

    #[test]
    fn memory_is_bounded() {
        let mut condition = Condition::default();
        play(&mut condition, "5000n");
        assert!(condition.history.len() <= 38, "{}", condition.history.len());
        for _ in 0..1000 {
            condition.observe(Duration::from_secs(1000), Missing(0.5), &Timing::default());
        }
        assert_eq!((condition.history.len(), condition.state().0), (1, Compliance::Unknown));
    }
}
