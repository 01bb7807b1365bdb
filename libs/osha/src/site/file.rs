//! The form of a site file, as TOML has it.

use super::Timing;
use super::milliseconds;
use crate::hazard::Hazard;
use crate::rules::RuleKind;
use crate::schedule::Weekday;
use crate::standards::{Context, Scope, Severity};
use crate::zone::ZoneKind;
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub scope: Option<Scope>,
    pub contexts: BTreeSet<Context>,
    pub watch: Option<BTreeSet<Hazard>>,
    pub timing: Timing,
    pub classes: BTreeMap<String, Spanned<String>>,
    pub labels: Vec<String>,
    pub ground: Option<Spanned<GroundFile>>,
    pub schedules: BTreeMap<String, Spanned<ScheduleFile>>,
    pub streams: Vec<StreamFile>,
    pub zones: Vec<ZoneFile>,
    pub lines: Vec<ZoneFile>,
    pub rules: Vec<RuleFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroundFile {
    pub points: Vec<GroundPointFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroundPointFile {
    pub image: [f64; 2],
    pub metres: [f64; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleFile {
    pub days: Option<Spanned<Vec<Weekday>>>,
    pub from: Spanned<String>,
    pub to: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamFile {
    pub name: Spanned<String>,
    #[serde(default)]
    pub contexts: BTreeSet<Context>,
    pub ground: Option<Spanned<GroundFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneFile {
    pub id: Spanned<String>,
    pub kind: ZoneKind,
    pub points: Spanned<Vec<[f32; 2]>>,
    #[serde(default)]
    pub contexts: BTreeSet<Context>,
    #[serde(default)]
    pub ppe: Vec<Spanned<String>>,
    #[serde(default, deserialize_with = "positive")]
    pub height_m: Option<f32>,
    pub severity: Option<Severity>,
    #[serde(default)]
    pub streams: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    pub id: Spanned<String>,
    pub kind: Spanned<RuleKind>,
    pub zones: Option<Spanned<Vec<Spanned<String>>>>,
    pub classes: Option<Spanned<Vec<Spanned<String>>>>,
    pub equipment: Option<Spanned<Vec<Spanned<String>>>>,
    pub spotters: Option<Spanned<Vec<Spanned<String>>>>,
    pub from_absence: Option<Spanned<bool>>,
    #[serde(default, deserialize_with = "positive")]
    pub min_height: Option<Spanned<f32>>,
    #[serde(default, deserialize_with = "positive")]
    pub distance_m: Option<Spanned<f32>>,
    #[serde(default, deserialize_with = "positive")]
    pub speed_m_s: Option<Spanned<f32>>,
    pub max: Option<Spanned<u16>>,
    #[serde(default, deserialize_with = "not_negative")]
    pub aspect: Option<Spanned<f32>>,
    pub when: Option<Spanned<String>>,
    pub schedule: Option<Spanned<String>>,
    pub severity: Option<Severity>,
    pub cite: Option<String>,
    pub title: Option<String>,
    #[serde(default, deserialize_with = "optional_milliseconds")]
    pub confirm_ms: Option<Duration>,
    #[serde(default, deserialize_with = "optional_milliseconds")]
    pub clear_ms: Option<Duration>,
    #[serde(default)]
    pub streams: Vec<Spanned<String>>,
}

impl RuleFile {
    /// The keys that only some kinds of rules know, with their places where they are given.
    pub fn special_keys(&self) -> [(&'static str, Option<Range<usize>>); 11] {
        fn place<T>(value: &Option<Spanned<T>>) -> Option<Range<usize>> {
            value.as_ref().map(Spanned::span)
        }
        [
            ("zones", place(&self.zones)),
            ("classes", place(&self.classes)),
            ("equipment", place(&self.equipment)),
            ("spotters", place(&self.spotters)),
            ("from_absence", place(&self.from_absence)),
            ("min_height", place(&self.min_height)),
            ("distance_m", place(&self.distance_m)),
            ("speed_m_s", place(&self.speed_m_s)),
            ("max", place(&self.max)),
            ("aspect", place(&self.aspect)),
            ("when", place(&self.when)),
        ]
    }
}

/// Larger numbers are slips.
const LARGEST: f32 = 1000.0;

fn checked<'de, D, T>(deserializer: D, fits: impl Fn(f32) -> bool, range: &str) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Number,
{
    let value = T::deserialize(deserializer)?;
    let number = value.number();
    let problem = || serde::de::Error::custom(format!("{number} has to be {range} and at most {LARGEST}"));
    (fits(number) && number <= LARGEST).then_some(Some(value)).ok_or_else(problem)
}

fn positive<'de, D: Deserializer<'de>, T: Deserialize<'de> + Number>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    checked(deserializer, |value| value > 0.0, "above 0")
}

fn not_negative<'de, D: Deserializer<'de>, T: Deserialize<'de> + Number>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    checked(deserializer, |value| value >= 0.0, "0 or more")
}

fn optional_milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    milliseconds(deserializer).map(Some)
}

/// A number, with or without its place.
trait Number {
    fn number(&self) -> f32;
}

impl Number for f32 {
    fn number(&self) -> f32 {
        *self
    }
}

impl Number for Spanned<f32> {
    fn number(&self) -> f32 {
        *self.get_ref()
    }
}
