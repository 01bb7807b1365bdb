//! What is reported, one JSON object a line.
//!
//! The same frames give the same bytes: an event carries stream times, and a wall clock time only where the caller adds
//! one.

use crate::geometry::Rect;
use crate::provenance::{Clock, Provenance};
use crate::related::Related;
use crate::rules::{Outcome, RuleKind};
use crate::standards::{Basis, Scope, Severity};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Name and version of the record format.
pub const SCHEMA: &str = "gst-osha.event/1";

/// One line of the event log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: Cow<'static, str>,
    /// Position in the spool, or in the run where there is no spool; from 1, without gaps.
    pub sequence: u64,
    /// Stream time of the frame that it is reported with, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pts_ns: Option<u64>,
    /// Wall clock time, RFC 3339 in UTC; absent unless the caller adds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What `time` was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// A violation is confirmed.
    Start(Violation),
    /// A violation goes on: a while has passed, or its zone, severity or outcome has changed.
    Update(Violation),
    /// A violation is over.
    End(Violation),
    /// The stream is over.
    Summary(Summary),
}

impl Body {
    /// The violation that it is about.
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Start(violation) | Self::Update(violation) | Self::End(violation) => Some(violation),
            Self::Summary(_) => None,
        }
    }
}

/// One violation: one rule and one subject, from the first frame to the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// The same in its start, its updates and its end; counted from 1.
    pub violation: u64,
    /// The rule's name in the site file, or that of a built-in rule such as `no_hard_hat`.
    pub rule: String,
    /// The rule's kind.
    pub rule_kind: RuleKind,
    /// Whether a person has to look before it counts.
    pub outcome: Outcome,
    /// What it breaks, e.g. `29 CFR 1926.100(a)`.
    pub citation: String,
    /// Its name.
    pub title: String,
    /// What the citation rests on.
    pub basis: Basis,
    /// How bad it is.
    pub severity: Severity,
    /// The body of rules of the site.
    pub scope: Scope,
    /// The zone or line where it was last seen; absent where no zone matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The track of the person or thing that breaks the rule, or of a lack of equipment where no person was seen; absent
    /// where the place as a whole does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<u64>,
    /// Time of the first frame that shows it, in nanoseconds.
    pub start_pts_ns: u64,
    /// The same in seconds.
    pub start_s: f64,
    /// Time of the last frame that shows it, in nanoseconds; only of an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_pts_ns: Option<u64>,
    /// The same in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_s: Option<f64>,
    /// From the first to the last frame so far, in seconds.
    pub duration_s: f64,
    /// Why it is over; only of an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    /// Where it was last seen: left, top, width and height in source pixels.
    #[serde(rename = "box")]
    pub rect: Rect,
    /// Highest score of the detections that show it.
    pub score_max: f32,
    /// Mean score of them.
    pub score_mean: f32,
    /// How many frames show it.
    pub frames: u64,
    /// The others that take part, as they were last seen: the machine, the load, the people of a crowd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Party>,
    /// Standards that bear on it without being cited, the nearest first; only of a start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
}

/// One that takes part in a violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// Its track; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<u64>,
    /// Its class.
    pub class: String,
    /// Left, top, width and height in source pixels.
    #[serde(rename = "box")]
    pub rect: Rect,
}

impl Violation {
    pub(crate) fn ended(self, last: Duration, reason: EndReason) -> Self {
        Self { end_pts_ns: Some(nanoseconds(last)), end_s: Some(seconds(last)), reason: Some(reason), ..self }
    }
}

/// Why a violation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// It was put right, or is no longer seen on the person.
    Cleared,
    /// The person is no longer seen.
    Left,
    /// The rule's hours are over.
    Schedule,
    /// The stream ended first.
    EndOfStream,
}

/// What a whole stream came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Frames analysed.
    pub frames: u64,
    /// Detections in them.
    pub detections: u64,
    /// From the first frame to the last, in seconds.
    pub duration_s: f64,
    /// Violations that started.
    pub violations: u64,
    /// The same by rule; rules without any are left out.
    pub by_rule: BTreeMap<String, u64>,
}

impl Event {
    pub(crate) fn new(sequence: u64, body: Body) -> Self {
        let schema = Cow::Borrowed(SCHEMA);
        Self { schema, sequence, pts_ns: None, time: None, clock: None, body, provenance: None }
    }

    /// The event as one line of JSON, with its line feed.
    ///
    /// # Errors
    ///
    /// [`EventError::Json`] if it has no JSON form.
    pub fn to_line(&self) -> Result<String, EventError> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// Reads a line back.
    ///
    /// # Errors
    ///
    /// [`EventError::Json`] for what is no event, [`EventError::Schema`] for another version of the format.
    pub fn from_line(line: &str) -> Result<Self, EventError> {
        let event: Self = serde_json::from_str(line)?;
        if event.schema == SCHEMA { Ok(event) } else { Err(EventError::Schema(event.schema.into_owned())) }
    }
}

/// Why a line is no event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not JSON, or not the JSON of an event.
    #[error("not an event: {0}")]
    Json(#[from] serde_json::Error),
    /// An event of another format.
    #[error("schema \"{0}\" instead of \"{SCHEMA}\": written by another version")]
    Schema(String),
}

pub(crate) fn nanoseconds(pts: Duration) -> u64 {
    u64::try_from(pts.as_nanos()).unwrap_or(u64::MAX)
}

/// Rounded to the millisecond.
pub(crate) fn seconds(pts: Duration) -> f64 {
    (pts.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation() -> Violation {
        Violation {
            violation: 3,
            rule: "no_hard_hat".to_owned(),
            rule_kind: RuleKind::PpeMissing,
            outcome: Outcome::Violation,
            citation: "29 CFR 1926.100(a)".to_owned(),
            title: "Head protection".to_owned(),
            basis: Basis::Presumed,
            severity: Severity::High,
            scope: Scope::Construction,
            zone: Some("gate".to_owned()),
            track: Some(7),
            start_pts_ns: 2_033_333_333,
            start_s: 2.033,
            end_pts_ns: None,
            end_s: None,
            duration_s: 1.0,
            reason: None,
            rect: [0.1, 2.0, 33.3, 44.0],
            score_max: 0.9,
            score_mean: 0.7,
            frames: 31,
            others: vec![Party { track: Some(9), class: "truck".to_owned(), rect: [1.0, 2.0, 3.0, 4.0] }],
            related: vec![Related { citation: "29 CFR 1926.28(a)".to_owned(), retrieval_score: 0.625 }],
        }
    }

    #[test]
    fn lines_come_back() {
        let ended = violation().ended(Duration::from_millis(3500), EndReason::Left);
        let summary = Summary { frames: 9, by_rule: [("fall".to_owned(), 2)].into(), ..Summary::default() };
        for body in
            [Body::Start(violation()), Body::Update(violation()), Body::End(ended), Body::Summary(summary)]
        {
            let event = Event::new(5, body);
            let line = event.to_line().unwrap();
            assert_eq!(line.find('\n'), Some(line.len() - 1));
            assert_eq!(Event::from_line(&line).unwrap(), event);
        }
    }

    #[test]
    fn the_form_is_fixed() {
        let line = Event::new(1, Body::Start(violation())).to_line().unwrap();
        let expected = concat!(
            r#"{"schema":"gst-osha.event/1","sequence":1,"kind":"start","violation":3,"rule":"no_hard_hat","#,
            r#""rule_kind":"ppe_missing","outcome":"violation","#,
            r#""citation":"29 CFR 1926.100(a)","title":"Head protection","basis":"presumed","severity":"high","#,
            r#""scope":"construction","zone":"gate","track":7,"start_pts_ns":2033333333,"start_s":2.033,"duration_s":1.0,"#,
            r#""box":[0.1,2.0,33.3,44.0],"score_max":0.9,"score_mean":0.7,"frames":31,"#,
            r#""others":[{"track":9,"class":"truck","box":[1.0,2.0,3.0,4.0]}],"#,
            r#""related":[{"citation":"29 CFR 1926.28(a)","retrieval_score":0.625}]}"#,
            "\n"
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn other_lines_are_refused() {
        let line = Event::new(1, Body::Start(violation())).to_line().unwrap();
        let newer = line.replace("event/1", "event/2");
        assert!(
            matches!(Event::from_line(&newer), Err(EventError::Schema(schema)) if schema == "gst-osha.event/2")
        );
        assert!(matches!(Event::from_line(&line[..line.len() / 2]), Err(EventError::Json(_))));
    }
}
