//! What a report says, in names and in the frame's own order: what pictures, metas and snapshots are made of.

use std::sync::Arc;
use std::time::Duration;

use osha::engine::{FrameReport, RuleState, Subject, ZoneState};
use osha::rules::Outcome;
use osha::standards::Citation;
use osha::state::Compliance;
use osha::zone::{Shape, Zone};
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
    /// Rules that judge the place as a whole.
    pub place: Vec<Finding>,
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
    pub rule: Arc<str>,
    pub state: Compliance,
    /// Whether a person has to look before a violation counts.
    pub outcome: Outcome,
    /// The number of the violation under way, as events have it.
    pub violation: Option<u64>,
    pub citation: Arc<Citation>,
    /// Since when, for suspicions and violations.
    pub since: Option<Duration>,
    /// The zone that matters.
    pub zone: Option<Arc<str>>,
    /// How sure the detector is of what shows it, 0 to 1; unknown where the place as a whole shows it.
    pub score: Option<f32>,
}

/// A zone or a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Area {
    pub name: String,
    /// Corners in shares of the frame.
    pub points: Vec<Point>,
    pub closed: bool,
    pub state: Compliance,
    /// People in it.
    pub people: usize,
    /// Rules that judge it as a whole.
    pub rules: Vec<Finding>,
}

impl Findings {
    /// Of `report` on a frame at time `at`; `scores` are those of the frame's detections, `zones` those of the site.
    pub fn new(at: Duration, report: &FrameReport, scores: &[f32], zones: &[Zone]) -> Self {
        let judged = |subject: &Subject| Judged {
            detection: subject.object,
            track: subject.track,
            state: subject.state,
            rules: subject
                .rules
                .iter()
                .map(|rule| of_subject(rule, subject, report, scores, zones))
                .collect(),
        };
        Self {
            at,
            subjects: report.subjects.iter().map(judged).collect(),
            marks: report.marks.iter().map(|mark| (mark.object, mark.state)).collect(),
            zones: report.zones.iter().filter_map(|state| area(state, zones)).collect(),
            place: report.place.iter().map(|rule| finding(rule, None, zones)).collect(),
        }
    }

    /// Violations under way and who they are of, the one that has lasted longest first.
    pub fn violations(&self) -> Vec<(Who, &Finding)> {
        let people = self
            .subjects
            .iter()
            .map(|subject| (Who::Subject(subject.track, subject.detection), &subject.rules));
        let zones = self.zones.iter().map(|zone| (Who::Place, &zone.rules));
        let mut open: Vec<_> = people
            .chain(zones)
            .chain([(Who::Place, &self.place)])
            .flat_map(|(who, rules)| rules.iter().map(move |rule| (who, rule)))
            .filter(|(_, rule)| rule.state == Compliance::Violating)
            .collect();
        open.sort_by_key(|(who, rule)| (rule.since, *who, std::cmp::Reverse(rule.citation.severity)));
        open
    }
}

/// Who breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Somebody or something, by its track and its detection.
    Subject(Option<u64>, usize),
    /// A zone, or all that the camera sees.
    Place,
}

fn area(state: &ZoneState, zones: &[Zone]) -> Option<Area> {
    let zone = zones.get(state.zone)?;
    Some(Area {
        name: zone.id.to_string(),
        points: zone.points.iter().map(|&point| corner(point)).collect(),
        closed: zone.shape == Shape::Polygon,
        state: state.state,
        people: state.people,
        rules: state.rules.iter().map(|rule| finding(rule, None, zones)).collect(),
    })
}

fn corner(point: osha::geometry::Point) -> Point {
    let [x, y] = point;
    Point { x, y }
}

/// A rule on a subject. The detection that shows it is the equipment that a mark names, or the subject's own.
fn of_subject(
    rule: &RuleState,
    subject: &Subject,
    report: &FrameReport,
    scores: &[f32],
    zones: &[Zone],
) -> Finding {
    let shows =
        |mark: &&osha::engine::Mark| mark.owner == Some(subject.object) && rule.hazard == Some(mark.hazard);
    let shown_by = report.marks.iter().find(shows).map_or(subject.object, |mark| mark.object);
    finding(rule, scores.get(shown_by).copied(), zones)
}

fn finding(rule: &RuleState, score: Option<f32>, zones: &[Zone]) -> Finding {
    Finding {
        rule: Arc::clone(&rule.rule),
        state: rule.state,
        outcome: rule.outcome,
        violation: rule.violation,
        citation: Arc::clone(&rule.citation),
        since: rule.since,
        zone: rule.zone.and_then(|zone| zones.get(zone)).map(|zone| Arc::clone(&zone.id)),
        score,
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
