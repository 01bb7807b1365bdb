//! From what single frames show to what is true of a person: hysteresis in time.

use crate::site::Timing;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a subject stands with a rule, or with all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compliance {
    /// Nothing is known. Absence is no evidence: who is seen neither with nor without a hat is here.
    #[default]
    Unknown,
    /// The rule is kept: equipment was seen in use, nobody is where nobody may be.
    Compliant,
    /// It seems to be broken, but not for long enough yet.
    Suspected,
    /// It is broken.
    Violating,
}

/// What one frame shows on one subject and one rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Evidence {
    /// It cannot be seen: the part of the body is hidden, cut off or too small.
    Hidden,
    /// It could be seen, but the detector says nothing.
    Silent,
    /// All is well, with the detector's score.
    Fine(f32),
    /// The rule is broken, with the detector's score.
    Against(f32),
}

impl Evidence {
    /// Of two statements about the same frame the surer one; a tie goes to the worse.
    pub(crate) fn or(self, other: Self) -> Self {
        if (other.score(), other.against().is_some()) > (self.score(), self.against().is_some()) {
            other
        } else {
            self
        }
    }

    fn score(self) -> f32 {
        match self {
            Self::Hidden => -2.0,
            Self::Silent => -1.0,
            Self::Fine(score) | Self::Against(score) => score,
        }
    }

    fn against(self) -> Option<f32> {
        match self {
            Self::Against(score) => Some(score),
            _ => None,
        }
    }

    /// Whether the detector says anything.
    pub(crate) fn is_statement(self) -> bool {
        matches!(self, Self::Fine(_) | Self::Against(_))
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
    fn new(start: Duration) -> Self {
        Self { start, last: start, frames: 0, score_max: 0.0, score_sum: 0.0 }
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

/// One subject and one rule over time.
///
/// A balance weighs time against time: the time during which the rule was seen broken fills it, the time during which it
/// was seen kept drains it, faster, so that it fills only if more than [`Timing::share`] of the time agrees. Silence
/// drains half as fast, and what is hidden does nothing. The balance is full after [`Timing::confirm`]; a second one, of
/// [`Timing::clear`], ends the violation in the same way. The time between two frames belongs to both halves, so neither
/// the frame rate nor lost frames matter, and the memory is the same for every length of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    before: Option<(Duration, Evidence)>,
    /// Seconds of evidence: against the subject, or, once confirmed, for it.
    balance: f64,
    breach: Option<Breach>,
    confirmed: bool,
    seen_fine: Option<Duration>,
    hidden_since: Option<Duration>,
    ended: Option<Duration>,
}

/// Sums of times are exact to less than this, in seconds.
const ROUNDING: f64 = 1e-6;

impl Condition {
    /// Takes what a frame shows. Times must not go back; of several observations of one time the first counts.
    pub(crate) fn observe(
        &mut self,
        pts: Duration,
        evidence: Evidence,
        timing: &Timing,
    ) -> Option<Transition> {
        let before = self.before;
        if before.is_some_and(|(seen, _)| seen >= pts) {
            return None;
        }
        let evidence = self.patience(pts, evidence, timing);
        self.before = Some((pts, evidence));
        if matches!(evidence, Evidence::Fine(_)) {
            self.seen_fine = Some(pts);
        }
        if let Some((seen, earlier)) = before {
            let half = (pts - seen).as_secs_f64() / 2.0;
            self.weigh(earlier, half, timing);
            self.weigh(evidence, half, timing);
        }
        self.extend(before, pts, evidence);
        if self.confirmed {
            self.clear(pts, timing).map(Transition::Ended)
        } else {
            self.confirm(pts, evidence, timing).map(Transition::Started)
        }
    }

    /// Ends what is under way, and gives it if it was confirmed.
    pub(crate) fn close(&mut self) -> Option<Breach> {
        let breach = self.breach.take().filter(|_| self.confirmed);
        *self = Self { ended: self.ended, seen_fine: self.seen_fine, before: self.before, ..Self::default() };
        breach
    }

    /// The violation that is confirmed and not over.
    pub(crate) fn violation(&self) -> Option<&Breach> {
        self.breach.as_ref().filter(|_| self.confirmed)
    }

    /// The state and, for the two bad ones, since when it seems to have been so.
    pub(crate) fn state(&self, timing: &Timing) -> (Compliance, Option<Duration>) {
        if let Some(breach) = self.breach.as_ref().filter(|breach| self.confirmed || breach.frames > 1) {
            let state = if self.confirmed { Compliance::Violating } else { Compliance::Suspected };
            return (state, Some(breach.start));
        }
        let recent = |fine: Duration| self.before.is_some_and(|(now, _)| now - fine <= timing.clear);
        let fine = self.seen_fine.is_some_and(recent);
        (if fine { Compliance::Compliant } else { Compliance::Unknown }, None)
    }

    /// What has been hidden for too long counts as silence.
    fn patience(&mut self, pts: Duration, evidence: Evidence, timing: &Timing) -> Evidence {
        if evidence != Evidence::Hidden {
            self.hidden_since = None;
            return evidence;
        }
        let since = *self.hidden_since.get_or_insert(pts);
        if pts - since > timing.hidden { Evidence::Silent } else { evidence }
    }

    fn weigh(&mut self, evidence: Evidence, seconds: f64, timing: &Timing) {
        let share = f64::from(timing.share);
        let penalty = if share < 1.0 { seconds * share / (1.0 - share) } else { f64::MAX };
        let (gain, full) = match (self.confirmed, evidence) {
            (_, Evidence::Hidden) => return,
            (false, Evidence::Against(_)) => (seconds, timing.confirm),
            (false, Evidence::Fine(_)) => (-penalty, timing.confirm),
            (false, Evidence::Silent) => (-penalty / 2.0, timing.confirm),
            (true, Evidence::Against(_)) => (-penalty, timing.clear),
            (true, _) => (seconds, timing.clear),
        };
        // More than full, so that the frame that tips it need not be the best one; but not more than is soon drained.
        self.balance = (self.balance + gain).clamp(0.0, 2.0 * full.as_secs_f64());
    }

    fn extend(&mut self, before: Option<(Duration, Evidence)>, pts: Duration, evidence: Evidence) {
        let Some(score) = evidence.against() else { return };
        let breach = self.breach.get_or_insert_with(|| Breach::new(pts));
        breach.add(score);
        if before.is_some_and(|(_, earlier)| earlier.against().is_some()) {
            breach.last = pts;
        }
    }

    fn confirm(&mut self, pts: Duration, evidence: Evidence, timing: &Timing) -> Option<Breach> {
        if evidence.against().is_none() {
            if self.balance <= 0.0 {
                self.breach = None;
            }
            return None;
        }
        let cooling = self.ended.is_some_and(|ended| pts < ended.saturating_add(timing.cooldown));
        let full = self.balance + ROUNDING >= timing.confirm.as_secs_f64();
        let is_sure = |breach: &&Breach| breach.frames > 1 && breach.score_mean() >= timing.score;
        let breach = self.breach.as_ref().filter(|_| full && !cooling).filter(is_sure)?.clone();
        self.confirmed = true;
        self.balance = 0.0;
        Some(breach)
    }

    fn clear(&mut self, pts: Duration, timing: &Timing) -> Option<Breach> {
        if self.balance <= 0.0 || self.balance + ROUNDING < timing.clear.as_secs_f64() {
            return None;
        }
        self.ended = Some(pts);
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Evidence::{Against, Fine, Hidden, Silent};

    const FRAME: Duration = Duration::from_millis(40);

    /// Runs one frame per letter: m(issing), u(nsurely missing), w(orn), n(othing), h(idden), and space for out of view. A number repeats what follows.
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
                    'm' => Some(Against(0.5)),
                    'u' => Some(Against(0.3)),
                    'w' => Some(Fine(0.5)),
                    'n' => Some(Silent),
                    'h' => Some(Hidden),
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
    fn what_is_unsure_on_the_whole_is_nothing() {
        assert_eq!(starts("200u"), [0; 0]);
        assert_eq!(starts("20w20u70m20w"), [20], "sure in the end, and since when it was seen");
        assert_eq!(starts("5m3u60m"), [0]);
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
            condition.state(&Timing::default()).0
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
    fn what_is_hidden_neither_starts_nor_ends_anything() {
        assert_eq!(starts("20m100h"), [0; 0]);
        assert_eq!(starts("20m50h10m"), [0], "it goes on after the break");
        assert_eq!(play(&mut Condition::default(), "50m200h50m").len(), 1);
        assert_eq!(play(&mut Condition::default(), "50m400h").len(), 2, "but not for ever");
    }

    #[test]
    fn half_of_the_frames_are_enough_against_silence() {
        assert_eq!(starts(&"1m1n".repeat(150)), [0]);
        assert_eq!(starts(&"1m1w".repeat(150)), [0; 0]);
    }

    #[test]
    fn the_frame_rate_does_not_matter() {
        for milliseconds in [4, 20, 40, 100, 250, 500] {
            let mut condition = Condition::default();
            let mut times = Vec::new();
            for frame in 0..20_000 / milliseconds {
                let pts = Duration::from_millis(frame * milliseconds);
                let bare = (5_000..12_000).contains(&pts.as_millis());
                let evidence = if bare { Against(0.5) } else { Fine(0.5) };
                times.extend(condition.observe(pts, evidence, &Timing::default()).map(|_| pts.as_millis()));
            }
            let [start, end] = times[..] else { panic!("{milliseconds} ms: {times:?}") };
            assert!(
                start.abs_diff(6_000) <= 250 && end.abs_diff(13_500) <= 500,
                "{milliseconds} ms: {times:?}"
            );
        }
    }

    #[test]
    fn a_time_counts_once() {
        let mut condition = Condition::default();
        for _ in 0..1000 {
            condition.observe(Duration::from_secs(1000), Against(0.5), &Timing::default());
        }
        assert_eq!(condition.state(&Timing::default()).0, Compliance::Unknown);
    }

    #[test]
    fn a_share_of_one_allows_no_exception() {
        let timing = Timing { share: 1.0, ..Timing::default() };
        let mut condition = Condition::default();
        let evidence = |frame: u32| if frame % 20 == 19 { Fine(0.5) } else { Against(0.5) };
        assert!((0..500).all(|frame| condition.observe(frame * FRAME, evidence(frame), &timing).is_none()));
    }
}
