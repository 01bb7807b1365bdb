//! Element messages for applications.

use std::path::Path;

use osha::event::{Body, Event, Violation};

use super::snapshot::Moment;

/// The message `osha-violation` for the start, an update or the end of a violation; `None` for other events.
pub(super) fn violation(event: &Event) -> Option<gst::Structure> {
    let (kind, violation) = match &event.body {
        Body::Start(violation) => ("start", violation),
        Body::Update(violation) => ("update", violation),
        Body::End(violation) => ("end", violation),
        Body::Summary(_) => return None,
    };
    Some(structure(kind, event, violation))
}

fn structure(kind: &str, event: &Event, violation: &Violation) -> gst::Structure {
    let [x, y, width, height] = violation.rect;
    gst::Structure::builder("osha-violation")
        .field("kind", kind)
        .field("sequence", event.sequence)
        .field_if_some("time", event.time.as_deref())
        .field("violation", violation.violation)
        .field("rule", &violation.rule)
        .field("rule-kind", violation.rule_kind.name())
        .field("outcome", violation.outcome.name())
        .field("citation", &violation.citation)
        .field("basis", violation.basis.name())
        .field("title", &violation.title)
        .field("severity", violation.severity.name())
        .field_if_some("zone", violation.zone.as_ref())
        .field_if_some("track", violation.track)
        .field("start", gst::ClockTime::from_nseconds(violation.start_pts_ns))
        .field_if_some("end", violation.end_pts_ns.map(gst::ClockTime::from_nseconds))
        .field("duration", violation.duration_s)
        .field("x", x)
        .field("y", y)
        .field("width", width)
        .field("height", height)
        .field("score", violation.score_max)
        .build()
}

/// The message `osha-snapshot`: a picture of `moment` lies at `path`.
pub(super) fn snapshot(path: &Path, moment: &Moment) -> gst::Structure {
    gst::Structure::builder("osha-snapshot")
        .field("location", path.to_string_lossy().as_ref())
        .field("kind", moment.kind)
        .field("violation", moment.violation)
        .field("rule", &moment.rule)
        .field("stream-time", gst::ClockTime::try_from(moment.at).unwrap_or(gst::ClockTime::MAX))
        .build()
}
