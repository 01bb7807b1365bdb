//! The violations in a spool, each put together from the events that tell of it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use osha::rules::Outcome;
use osha::spool::{self, Content};
use serde::Deserialize;
use serde_json::Value;

/// One violation. What its last event says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incident {
    /// The name of the rule that is violated.
    pub rule: String,
    /// Whether a person has to look before it counts.
    pub outcome: Outcome,
    /// Where, if the rule has a zone.
    pub zone: Option<String>,
    /// The standard.
    pub citation: String,
    /// The standard's name.
    pub title: String,
    /// The track of the person or thing, if it has one.
    pub track: Option<u64>,
    /// Stream time of its first frame in seconds.
    pub start_s: f64,
    /// How long it has lasted, in seconds.
    pub duration_s: f64,
    /// Whether its end was recorded.
    pub ended: bool,
    /// The hour when it was reported: of the wall clock, else of the stream.
    pub hour: String,
}

/// The part of an event that is read here. Keys that are not there, or not known, are no error.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    kind: String,
    violation: u64,
    rule: Option<String>,
    outcome: Option<Outcome>,
    zone: Option<String>,
    citation: Option<String>,
    title: Option<String>,
    track: Option<u64>,
    start_s: f64,
    duration_s: f64,
    detections: u64,
    provenance: Origin,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Origin {
    run: u64,
}

/// What was read so far.
#[derive(Default)]
pub struct Reading {
    /// Files read.
    pub files: usize,
    /// Events read.
    pub events: u64,
    /// Wall clock times of the first and the last event that has one.
    pub times: Option<(String, String)>,
    /// Detections, of the streams that ended.
    pub detections: Option<u64>,
    /// Lines that are no events, in words.
    pub complaints: Vec<String>,
    /// Violations by spool, run and number.
    incidents: BTreeMap<(usize, u64, u64), Incident>,
    spool: usize,
    last: u64,
}

impl Reading {
    /// Reads one file. The files of a spool come in the order of writing.
    ///
    /// # Errors
    /// When it cannot be read. Lines that are no events are complained of and left out.
    pub fn read(&mut self, path: &Path) -> Result<()> {
        self.files += 1;
        let at = || path.display().to_string();
        for line in spool::lines(path).with_context(at)? {
            let line = line.with_context(at)?;
            match line.content {
                Content::Event(sealed) => {
                    // Another spool begins: its runs are others.
                    self.spool += usize::from(sealed.sequence <= self.last);
                    self.last = sealed.sequence;
                    if let Err(error) = self.add(&sealed.event) {
                        self.complaints.push(format!("{}: left out: {error}", line.place));
                    }
                }
                Content::Torn => self.complaints.push(format!(
                    "{}: half a line, left out: its writer was interrupted or is still writing",
                    line.place
                )),
                Content::Unreadable(error) => {
                    self.complaints.push(format!("{}: left out: {error}", line.place));
                }
            }
        }
        Ok(())
    }

    /// The violations in the order of their start.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    fn add(&mut self, event: &Value) -> serde_json::Result<()> {
        let fields = Fields::deserialize(event)?;
        let time = event.get("time").and_then(Value::as_str);
        self.events += 1;
        if let Some(time) = time {
            let (_, last) = self.times.get_or_insert_with(|| (time.to_owned(), String::new()));
            time.clone_into(last);
        }
        match fields.kind.as_str() {
            "start" | "update" | "end" => self.tell(fields, time),
            "summary" => self.detections = Some(self.detections.unwrap_or(0) + fields.detections),
            _ => {}
        }
        Ok(())
    }

    fn tell(&mut self, fields: Fields, time: Option<&str>) {
        let key = (self.spool, fields.provenance.run, fields.violation);
        let known = self.incidents.entry(key).or_default();
        if known.hour.is_empty() {
            known.hour = hour(time, fields.start_s);
        }
        *known = Incident {
            rule: fields.rule.unwrap_or_else(|| "unknown".to_owned()),
            outcome: fields.outcome.unwrap_or_default(),
            zone: fields.zone.or_else(|| known.zone.take()),
            citation: fields.citation.unwrap_or_default(),
            title: fields.title.unwrap_or_default(),
            track: fields.track,
            start_s: fields.start_s,
            duration_s: fields.duration_s,
            ended: fields.kind == "end",
            hour: std::mem::take(&mut known.hour),
        };
    }
}

/// `2026-11-22 08:00` by the wall clock, else `stream 01:00` for the second hour of the stream.
fn hour(time: Option<&str>, start_s: f64) -> String {
    match time.and_then(|time| time.get(..13)) {
        Some(hour) => format!("{}:00", hour.replace('T', " ")),
        None => format!("stream {:02}:00", (start_s / 3600.0).max(0.0) as u64),
    }
}
