//! What is found, attached to the buffer: for elements and applications downstream.
//!
//! - `GstAnalyticsTrackingMtd`, related to the detection, for tracks that upstream did not name.
//! - `GstAnalyticsClsMtd`, related to the detection of each subject: its state, then every rule that it is suspected of
//!   or breaks, with the detector's confidence.
//! - The custom meta [`REPORT`]: a structure with the whole report, which needs no header of ours.

use gst::glib;
use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsRelationMeta, AnalyticsTrackingMtd, RelTypes};
use osha::state::Compliance;

use super::findings::{Finding, Findings, Judged, state_name};
use super::observation::Observation;
use super::tracks::{Followed, Track};

/// Name of the custom meta and of the structure in it.
pub(super) const REPORT: &str = "GstOshaReportMeta";

/// Name and version of the structure's form.
const SCHEMA: &str = "gst-osha.report/1";

/// Makes [`REPORT`] known to GStreamer.
pub(super) fn register() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if !gst::meta::CustomMeta::is_registered(REPORT) {
            gst::meta::CustomMeta::register_simple(REPORT);
        }
    });
}

/// Attaches what is found to the buffer that it was found on.
///
/// # Errors
/// When GStreamer cannot take it.
pub(super) fn attach(
    buffer: &mut gst::BufferRef,
    observation: &Observation,
    followed: &Followed,
    findings: &Findings,
) -> Result<(), glib::BoolError> {
    if !followed.from_upstream {
        for (&detection, track) in observation.ids.iter().zip(&followed.tracks) {
            track.map_or(Ok(()), |track| attach_track(buffer, detection, track, clock_time(findings.at)))?;
        }
    }
    for subject in &findings.subjects {
        attach_state(buffer, observation, subject)?;
    }
    attach_report(buffer, observation, findings)
}

fn clock_time(time: std::time::Duration) -> gst::ClockTime {
    time.try_into().unwrap_or(gst::ClockTime::MAX)
}

fn relation_meta(
    buffer: &mut gst::BufferRef,
) -> Result<gst::MetaRefMut<'_, AnalyticsRelationMeta, gst::meta::Standalone>, glib::BoolError> {
    let missing = || glib::bool_error!("the detections' meta is gone");
    buffer.meta_mut::<AnalyticsRelationMeta>().ok_or_else(missing)
}

fn attach_track(
    buffer: &mut gst::BufferRef,
    detection: u32,
    track: Track,
    now: gst::ClockTime,
) -> Result<(), glib::BoolError> {
    let mut meta = relation_meta(buffer)?;
    let id = meta.add_tracking_mtd(track.id, clock_time(track.first_seen))?.id();
    meta.set_relation(RelTypes::RELATE_TO, detection, id)?;
    let mut meta = relation_meta(buffer)?;
    meta.mtd_mut::<AnalyticsTrackingMtd>(id).map_or(Ok(()), |mut track| track.update_last_seen(now))
}

fn attach_state(
    buffer: &mut gst::BufferRef,
    observation: &Observation,
    subject: &Judged,
) -> Result<(), glib::BoolError> {
    let is_bad = |rule: &&Finding| matches!(rule.state, Compliance::Suspected | Compliance::Violating);
    let bad: Vec<_> = subject.rules.iter().filter(is_bad).collect();
    let seen = observation.detections[subject.detection].score;
    let surest = bad.iter().filter_map(|rule| rule.score).reduce(f32::max);
    let mut classes = vec![glib::Quark::from_str(state_name(subject.state))];
    let mut confidences = vec![surest.unwrap_or(seen)];
    classes.extend(bad.iter().map(|rule| glib::Quark::from_str(&*rule.rule)));
    confidences.extend(bad.iter().map(|rule| rule.score.unwrap_or(seen)));
    let mut meta = relation_meta(buffer)?;
    let id = meta.add_cls_mtd(&confidences, &classes)?.id();
    meta.set_relation(RelTypes::RELATE_TO, observation.ids[subject.detection], id)
}

fn attach_report(
    buffer: &mut gst::BufferRef,
    observation: &Observation,
    findings: &Findings,
) -> Result<(), glib::BoolError> {
    let subjects = findings.subjects.iter().map(|subject| structure(subject, observation));
    let zones = findings.zones.iter().map(|zone| {
        gst::Structure::builder("zone")
            .field("name", &zone.name)
            .field("state", state_name(zone.state))
            .field("people", zone.people as u32)
            .field("rules", rules(&zone.rules))
            .build()
    });
    let known = gst::meta::CustomMeta::from_buffer(buffer, REPORT).is_ok();
    let mut meta = if known {
        gst::meta::CustomMeta::from_mut_buffer(buffer, REPORT)?
    } else {
        gst::meta::CustomMeta::add(buffer, REPORT)?
    };
    let report = meta.mut_structure();
    report.set("schema", SCHEMA);
    report.set("stream-time", clock_time(findings.at));
    report.set("subjects", gst::Array::new(subjects));
    report.set("zones", gst::Array::new(zones));
    report.set("place", rules(&findings.place));
    Ok(())
}

fn structure(subject: &Judged, observation: &Observation) -> gst::Structure {
    gst::Structure::builder("subject")
        .field("detection", observation.ids[subject.detection])
        .field("class", observation.label(subject.detection))
        .field_if_some("track", subject.track)
        .field("state", state_name(subject.state))
        .field("rules", rules(&subject.rules))
        .build()
}

fn rules(findings: &[Finding]) -> gst::Array {
    gst::Array::new(findings.iter().map(rule_structure))
}

fn rule_structure(rule: &Finding) -> gst::Structure {
    gst::Structure::builder("rule")
        .field("rule", &*rule.rule)
        .field("state", state_name(rule.state))
        .field("citation", &rule.citation.citation)
        .field("basis", rule.citation.basis.name())
        .field("severity", rule.citation.severity.name())
        .field("outcome", rule.outcome.name())
        .field_if_some("score", rule.score)
        .field_if_some("violation", rule.violation)
        .field_if_some("since", rule.since.map(clock_time))
        .field_if_some("zone", rule.zone.as_deref())
        .build()
}
