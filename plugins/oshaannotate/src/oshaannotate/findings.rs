//! What a report says, in names and in the frame's own order: what pictures, metas and snapshots are made of.

use std::time::Duration;

use osha::engine::{FrameReport, HazardState, Subject};
use osha::standards::Severity;
use osha::state::Compliance;
use vision::draw::Point;

/// Everything that is found on one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Findings {
    /// Stream time of the frame.
    pub at: Duration,
    /// Everybody in view, and everything else that a rule judges.
    pub subjects: Vec<Judged>,
    /// Equipment, by its detection.
    pub marks: Vec<(usize, Compliance)>,
    /// Zones and lines of the site.
    pub zones: Vec<Area>,
}

/// One that can break a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judged {
    /// Index of its detection.
    pub detection: usize,
    pub track: Option<u64>,
    pub state: Compliance,
    pub rules: Vec<Finding>,
}

/// How one rule stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    /// Its name, such as `no_hard_hat`.
    pub rule: String,
    pub state: Compliance,
    pub citation: String,
    pub severity: Severity,
    /// Since when, for suspicions and violations.
    pub since: Option<Duration>,
    /// The zone that matters.
    pub zone: Option<String>,
    /// How sure the detector is of what shows it, 0 to 1.
    pub score: f32,
}

/// A zone or a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Area {
    pub name: String,
    /// Corners in shares of the frame.
    pub points: Vec<Point>,
    pub closed: bool,
    pub state: Compliance,
}

impl Findings {
    /// Of `report` on a frame at time `at`; `scores` are those of the frame's detections.
    pub fn new(at: Duration, report: &FrameReport, scores: &[f32]) -> Self {
        let judged = |subject: &Subject| Judged {
            detection: subject.object,
            track: subject.track,
            state: subject.state,
            rules: subject.hazards.iter().map(|rule| finding(rule, subject, report, scores)).collect(),
        };
        Self {
            at,
            subjects: report.subjects.iter().map(judged).collect(),
            marks: report.marks.iter().map(|mark| (mark.object, mark.state)).collect(),
            zones: Vec::new(),
        }
    }

    /// Violations under way and who they are of, the one that has lasted longest first.
    pub fn violations(&self) -> Vec<(Option<u64>, &Finding)> {
        let of = |subject: &'_ Judged| subject.track;
        let mut open: Vec<_> = self
            .subjects
            .iter()
            .flat_map(|subject| subject.rules.iter().map(move |rule| (of(subject), rule)))
            .filter(|(_, rule)| rule.state == Compliance::Violating)
            .collect();
        open.sort_by_key(|(track, rule)| (rule.since, *track, std::cmp::Reverse(rule.severity)));
        open
    }
}

fn finding(rule: &HazardState, subject: &Subject, report: &FrameReport, scores: &[f32]) -> Finding {
    let shows = |mark: &&osha::engine::Mark| mark.owner == Some(subject.object) && mark.hazard == rule.hazard;
    let shown_by = report.marks.iter().find(shows).map_or(subject.object, |mark| mark.object);
    Finding {
        rule: rule.hazard.name().to_owned(),
        state: rule.state,
        citation: rule.standard.citation.to_owned(),
        severity: rule.standard.severity,
        since: rule.since,
        zone: None,
        score: scores.get(shown_by).copied().unwrap_or_default(),
    }
}

/// The name of a state in metas.
pub(super) fn state_name(state: Compliance) -> &'static str {
    match state {
        Compliance::Unknown => "unknown",
        Compliance::Compliant => "compliant",
        Compliance::Suspected => "suspected",
        Compliance::Violating => "violating",
    }
}
