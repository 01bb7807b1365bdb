//! Element messages for applications.

use osha::event::{Body, Event, Violation};

/// The message `osha-violation` for the start or the end of a violation; `None` for other events.
pub(super) fn violation(event: &Event) -> Option<gst::Structure> {
    let (kind, violation) = match &event.body {
        Body::Start(violation) => ("start", violation),
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
        .field("hazard", violation.hazard.name())
        .field("citation", &violation.citation)
        .field("title", &violation.title)
        .field("severity", violation.severity.to_string())
        .field("track", violation.track)
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
