//! Violations counted by rule, zone and hour.

use std::collections::BTreeMap;

use osha::rules::Outcome;
use serde::Serialize;

use super::incident::{Incident, Reading};

/// What a spool comes to.
#[derive(Debug, Default, Serialize)]
pub(super) struct Overview {
    pub files: usize,
    pub events: u64,
    /// Wall clock time of the first event, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// That of the last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    pub violations: u64,
    /// Most frequent first.
    pub rules: Vec<Row>,
    /// Most frequent first; violations without a zone are left out.
    pub zones: Vec<Row>,
    /// In order; hours without violations are left out.
    pub hours: Vec<Row>,
}

/// The violations that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Row {
    pub name: String,
    pub violations: u64,
    /// Those that a person has to look at before they count.
    pub review: u64,
    /// Those whose end is not recorded.
    pub open: u64,
    /// How long they lasted together.
    pub seconds: f64,
    pub longest_s: f64,
    /// Number by rule.
    pub by_rule: BTreeMap<String, u64>,
}

impl Row {
    fn add(&mut self, incident: &Incident) {
        self.violations += 1;
        self.review += u64::from(incident.outcome == Outcome::NeedsReview);
        self.open += u64::from(!incident.ended);
        self.seconds += incident.duration_s;
        self.longest_s = self.longest_s.max(incident.duration_s);
        *self.by_rule.entry(incident.rule.clone()).or_default() += 1;
    }
}

impl Overview {
    /// Of all that was read.
    pub fn of(reading: &Reading) -> Self {
        let by = |key: fn(&Incident) -> Option<&String>| rows(reading.incidents(), key);
        let (first, last) = reading.times.clone().unzip();
        Self {
            files: reading.files,
            events: reading.events,
            first,
            last,
            violations: reading.incidents().count() as u64,
            rules: most_frequent_first(by(|incident| Some(&incident.rule))),
            zones: most_frequent_first(by(|incident| incident.zone.as_ref())),
            hours: by(|incident| Some(&incident.hour)),
        }
    }
}

/// One row for each key, in the order of the keys.
fn rows<'i>(
    incidents: impl Iterator<Item = &'i Incident>,
    key: fn(&Incident) -> Option<&String>,
) -> Vec<Row> {
    let mut rows: BTreeMap<&String, Row> = BTreeMap::new();
    for incident in incidents {
        if let Some(name) = key(incident) {
            let new = || Row { name: name.clone(), ..Row::default() };
            rows.entry(name).or_insert_with(new).add(incident);
        }
    }
    rows.into_values().collect()
}

fn most_frequent_first(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| std::cmp::Reverse(row.violations));
    rows
}
