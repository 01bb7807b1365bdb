//! What a site file says.
//!
//! ```toml
//! scope = "construction"
//! contexts = ["road_work_zone"]
//! watch = ["no_hard_hat", "no_safety_vest"]
//!
//! [timing]
//! confirm_ms = 1000
//!
//! [classes]
//! Schutzhelm = "hard_hat"
//! ```

use crate::classes::Vocabulary;
use crate::hazard::Hazard;
use crate::standards::{self, Basis, Context, Scope, Standard};
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

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
    /// The share of a person's frames, 0 to 1, that has to agree before anything starts or ends.
    #[serde(deserialize_with = "share")]
    pub share: f32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            confirm: Duration::from_millis(1000),
            clear: Duration::from_millis(1500),
            gap: Duration::from_millis(1500),
            cooldown: Duration::from_millis(2000),
            share: 0.6,
        }
    }
}

/// An hour is more than any timing needs, and bounds what the engine remembers.
const LONGEST_MS: u64 = 3_600_000;

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
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

/// Where the camera looks and what matters there.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// The body of rules.
    pub scope: Scope,
    /// Facts that decide which standard applies.
    pub contexts: BTreeSet<Context>,
    /// Hazards that are reported; every other one is ignored.
    pub watch: BTreeSet<Hazard>,
    /// When a finding counts.
    pub timing: Timing,
    /// Labels of the model and the canonical classes that they stand for, on top of the known ones.
    pub classes: BTreeMap<String, String>,
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
        let always = [Hazard::NoHardHat, Hazard::NoSafetyVest, Hazard::Fall];
        let cited = |hazard: &Hazard| standards::cite(*hazard, scope, &contexts).basis != Basis::SitePolicy;
        let watch =
            Hazard::ALL.into_iter().filter(|hazard| always.contains(hazard) || cited(hazard)).collect();
        Self { scope, contexts, watch, timing: Timing::default(), classes: BTreeMap::new() }
    }

    /// Reads a site file.
    ///
    /// # Errors
    ///
    /// The first mistake, with its place: bad syntax, a key, context, hazard or class that does not exist, or a value out
    /// of range.
    pub fn from_toml(text: &str) -> Result<Self, SiteError> {
        let file: File = toml::from_str(text)
            .map_err(|error| SiteError::new(text, error.span().unwrap_or(0..0), error.message()))?;
        let defaults = Self::new(file.scope, file.contexts);
        Ok(Self {
            watch: file.watch.unwrap_or(defaults.watch),
            timing: file.timing,
            classes: checked_classes(text, file.classes)?,
            ..defaults
        })
    }

    /// The rule that `hazard` breaks here.
    pub fn cite(&self, hazard: Hazard) -> &'static Standard {
        standards::cite(hazard, self.scope, &self.contexts)
    }
}

fn checked_classes(
    text: &str,
    classes: BTreeMap<String, Spanned<String>>,
) -> Result<BTreeMap<String, String>, SiteError> {
    let mut vocabulary = Vocabulary::default();
    let check = |(label, class): (String, Spanned<String>)| {
        if !vocabulary.define(&label, class.get_ref()) {
            let message = format!("\"{}\" is not a canonical class", class.get_ref());
            return Err(SiteError::new(text, class.span(), &message));
        }
        Ok((label, class.into_inner()))
    };
    classes.into_iter().map(check).collect()
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct File {
    scope: Scope,
    contexts: BTreeSet<Context>,
    watch: Option<BTreeSet<Hazard>>,
    timing: Timing,
    classes: BTreeMap<String, Spanned<String>>,
}

/// A mistake in a site file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SiteError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl SiteError {
    fn new(text: &str, span: Range<usize>, message: &str) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        Self { line, column, message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default_site() {
        assert_eq!(Site::from_toml("").unwrap(), Site::default());
        assert_eq!(Site::default().cite(Hazard::NoHardHat).citation, "29 CFR 1926.100(a)");
    }

    #[test]
    fn everything_can_be_said() {
        let text = "scope = 'general_industry'\ncontexts = ['overhead_hazard_zone']\nwatch = ['no_hard_hat']\n\
                    [timing]\nconfirm_ms = 10\nclear_ms = 20\ngap_ms = 30\ncooldown_ms = 40\nshare = 0.75\n\
                    [classes]\nkask = 'hard_hat'\n";
        let milliseconds = Duration::from_millis;
        let expected = Site {
            scope: Scope::GeneralIndustry,
            contexts: [Context::OverheadHazardZone].into(),
            watch: [Hazard::NoHardHat].into(),
            timing: Timing {
                confirm: milliseconds(10),
                clear: milliseconds(20),
                gap: milliseconds(30),
                cooldown: milliseconds(40),
                share: 0.75,
            },
            classes: [("kask".to_owned(), "hard_hat".to_owned())].into(),
        };
        assert_eq!(Site::from_toml(text).unwrap(), expected);
    }

    #[test]
    fn contexts_widen_what_is_watched() {
        let watched = |text: &str| Site::from_toml(text).unwrap().watch.contains(&Hazard::NoGoggles);
        assert!(!watched(""));
        assert!(watched("contexts = ['eye_hazard_task']"));
    }

    #[test]
    fn mistakes_have_a_place() {
        let cases = [
            ("scope = 'construction'\nscpoe = 1", 2, 1, "scpoe"),
            ("scope = 'moon'", 1, 9, "moon"),
            ("contexts = ['road_work_zone',\n  'rode']", 2, 3, "rode"),
            ("watch = ['no_hat']", 1, 10, "no_hat"),
            ("[timing]\nconfirm_ms = -1", 2, 14, "-1"),
            ("[timing]\nclear_ms = 99999999", 2, 12, "more than an hour"),
            ("[timing]\nshare = 0.5", 2, 9, "above 0.5"),
            ("[timing]\nshare = nan", 2, 9, "above 0.5"),
            ("[classes]\n'ä' = 'hart_hat'", 2, 7, "hart_hat"),
            ("scope = ", 1, 9, ""),
        ];
        for (text, line, column, part) in cases {
            let error = Site::from_toml(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }
}
