//! What a site file says. Its schema is documented in `docs/site.md`.

use crate::classes::Vocabulary;
use crate::geometry::Ground;
use crate::hazard::Hazard;
use crate::rules::{Check, Outcome, Rule};
use crate::standards::{self, Basis, Citation, Context, Place, Scope, Subject};
use crate::zone::Zone;
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mod build;
mod error;
mod file;

pub use error::SiteError;
pub(crate) use error::suggestion;

/// How many zones and lines a site can have.
pub const MAX_ZONES: usize = 128;
/// How many rules a site can have.
pub const MAX_RULES: usize = 256;

/// When a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// How long equipment has to be missing before a violation starts.
    #[serde(rename = "confirm_ms", deserialize_with = "milliseconds")]
    pub confirm: Duration,
    /// How long nothing may be missing before a violation ends.
    #[serde(rename = "clear_ms", deserialize_with = "milliseconds")]
    pub clear: Duration,
    /// How long a person may be out of sight and still be the same one.
    #[serde(rename = "gap_ms", deserialize_with = "milliseconds")]
    pub gap: Duration,
    /// How long after a violation the same one cannot start again.
    #[serde(rename = "cooldown_ms", deserialize_with = "milliseconds")]
    pub cooldown: Duration,
    /// How often a violation that goes on is reported again; zero for never.
    #[serde(rename = "update_ms", deserialize_with = "milliseconds")]
    pub update: Duration,
    /// How long what is hidden counts as it was; after that it counts as not seen.
    #[serde(rename = "hidden_ms", deserialize_with = "milliseconds")]
    pub hidden: Duration,
    /// The share of the time, 0 to 1, that has to agree before anything starts or ends.
    #[serde(deserialize_with = "share")]
    pub share: f32,
    /// The mean score, 0 to 1, of the detections that show a violation, below which it does not start.
    #[serde(deserialize_with = "score")]
    pub score: f32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            confirm: Duration::from_millis(1000),
            clear: Duration::from_millis(1500),
            gap: Duration::from_millis(1500),
            cooldown: Duration::from_millis(2000),
            update: Duration::from_millis(10_000),
            hidden: Duration::from_millis(10_000),
            share: 0.6,
            score: 0.45,
        }
    }
}

/// An hour is more than any timing needs, and bounds what the engine remembers.
const LONGEST_MS: u64 = 3_600_000;

pub(super) fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let value = u64::deserialize(deserializer)?;
    let problem = || serde::de::Error::custom(format!("{value} ms is more than an hour"));
    (value <= LONGEST_MS).then(|| Duration::from_millis(value)).ok_or_else(problem)
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let value = f32::deserialize(deserializer)?;
    let problem =
        || serde::de::Error::custom(format!("share is {value}, but has to be above 0.5 and at most 1"));
    (value > 0.5 && value <= 1.0).then_some(value).ok_or_else(problem)
}

fn score<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let value = f32::deserialize(deserializer)?;
    let problem = || serde::de::Error::custom(format!("score is {value}, but has to be from 0 to 1"));
    (0.0..=1.0).contains(&value).then_some(value).ok_or_else(problem)
}

/// Where the camera looks and what matters there.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// The body of rules.
    pub scope: Scope,
    /// The streams that the site file names.
    pub streams: Vec<String>,
    /// Facts that decide which standard applies.
    pub contexts: BTreeSet<Context>,
    /// Zones and lines.
    pub zones: Vec<Zone>,
    /// What must not happen: rules on equipment and falls first, then those of the site file in its order.
    pub rules: Vec<Rule>,
    /// How long things take where a rule does not say otherwise.
    pub timing: Timing,
    /// The ground, where it was measured.
    pub ground: Option<Ground>,
    /// Labels of the model and the canonical classes that they stand for, on top of the known ones.
    pub classes: BTreeMap<String, String>,
    /// Labels of the model that stand for nothing known, but that rules name.
    pub labels: Vec<String>,
}

impl Default for Site {
    /// A construction site of which nothing else is known.
    fn default() -> Self {
        Self::new(Scope::default(), BTreeSet::new())
    }
}

impl Site {
    /// A site that watches for missing hard hats and vests, for falls, and for whatever a standard forbids in `contexts`.
    pub fn new(scope: Scope, contexts: BTreeSet<Context>) -> Self {
        let timing = Timing::default();
        let watch = usually_watched(scope, &contexts);
        let rules = build::watch_rules(&watch, &[], timing);
        let (streams, zones, ground, classes, labels) = Default::default();
        Self { scope, streams, contexts, zones, rules, timing, ground, classes, labels }
    }

    /// Reads a site file.
    ///
    /// # Errors
    ///
    /// The first mistake, with its place: bad syntax, no scope, a key, name or value that does not exist or makes no sense.
    pub fn from_toml(text: &str) -> Result<Self, SiteError> {
        build::site(text, None)
    }

    /// Reads a site file for one of the streams that it names: what belongs to other streams is left out.
    ///
    /// # Errors
    ///
    /// Those of [`Site::from_toml`], and a stream that the file does not name.
    pub fn for_stream(text: &str, stream: &str) -> Result<Self, SiteError> {
        build::site(text, None).and_then(|_| build::site(text, Some(stream)))
    }

    /// The hazards that any rule asks about.
    pub fn hazards(&self) -> BTreeSet<Hazard> {
        let of_rule = |rule: &Rule| {
            let mut hazards: Vec<_> = rule.check.hazard().into_iter().collect();
            if let Check::Custom(expression) = &rule.check {
                hazards.extend(expression.hazards());
            }
            hazards
        };
        self.rules.iter().flat_map(of_rule).collect()
    }

    /// Whether any rule asks for the time of day.
    pub fn asks_time(&self) -> bool {
        let asks_hour =
            |rule: &Rule| matches!(&rule.check, Check::Custom(expression) if expression.asks_hour());
        self.rules.iter().any(|rule| rule.schedule.is_some() || asks_hour(rule))
    }

    /// What the model's labels mean here.
    pub fn vocabulary<S: AsRef<str>>(&self, labels: &[S]) -> Vocabulary {
        let mut vocabulary = Vocabulary::for_labels(labels);
        for (label, class) in &self.classes {
            vocabulary.define(label, class);
        }
        self.labels.iter().for_each(|label| vocabulary.add(label));
        vocabulary.limit(labels);
        vocabulary
    }

    /// What a breach of `rule` in `zone` cites, and whether a person has to look.
    pub fn cite(&self, rule: &Rule, zone: Option<usize>) -> (Citation, Outcome) {
        let zone = zone.and_then(|zone| self.zones.get(zone));
        let mut contexts = self.contexts.clone();
        contexts.extend(zone.iter().flat_map(|zone| &zone.contexts));
        let subject = match &rule.check {
            Check::PpeMissing { hazard, .. } => Subject::Hazard(*hazard),
            check => Subject::Rule(check.kind()),
        };
        let place =
            Place { scope: self.scope, contexts: &contexts, height_m: zone.and_then(|zone| zone.height_m) };
        let standard = standards::cite(subject, place);
        let mut citation = Citation::from(standard);
        let mut review = standard.needs_review(place);
        if let Some(own) = &rule.cite {
            (citation.citation, citation.basis, review) = (own.clone(), Basis::SiteFile, false);
        }
        if let Some(title) = &rule.title {
            citation.title.clone_from(title);
        }
        let severity = zone.and_then(|zone| zone.severity).or(rule.severity);
        citation.severity = severity.unwrap_or(citation.severity);
        (citation, if review { Outcome::NeedsReview } else { Outcome::Violation })
    }
}

/// Hard hats, vests, falls, and what a standard forbids.
fn usually_watched(scope: Scope, contexts: &BTreeSet<Context>) -> BTreeSet<Hazard> {
    let always = [Hazard::NoHardHat, Hazard::NoSafetyVest, Hazard::Fall];
    let place = Place { scope, contexts, height_m: None };
    let cited = |hazard: &Hazard| standards::cite(Subject::Hazard(*hazard), place).basis != Basis::SitePolicy;
    Hazard::ALL.into_iter().filter(|hazard| always.contains(hazard) || cited(hazard)).collect()
}

#[cfg(test)]
mod tests;
