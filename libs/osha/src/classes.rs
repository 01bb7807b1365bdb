//! Class names: what the labels of public models mean for a person's protection.

use crate::hazard::Hazard;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// What a detector's label means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Canonical name, e.g. `no_hard_hat`.
    pub name: String,
    /// Whether the box is a whole person.
    #[serde(default)]
    pub person: bool,
    /// Wider classes that it belongs to.
    #[serde(default)]
    pub is: Vec<String>,
    /// Hazards that the box shows to be averted, since the equipment is worn.
    #[serde(default)]
    pub worn: Vec<Hazard>,
    /// Hazards that the box shows.
    #[serde(default)]
    pub missing: Vec<Hazard>,
    #[serde(default)]
    labels: Vec<String>,
}

impl Class {
    /// Whether it is `name` or belongs to it. Every person is a `person`.
    pub fn belongs_to(&self, name: &str) -> bool {
        self.name == name || self.is.iter().any(|wider| wider == name) || (self.person && name == "person")
    }

    /// Whether its boxes are equipment, or the lack of it, on somebody.
    pub fn is_equipment(&self) -> bool {
        !self.person && (!self.worn.is_empty() || !self.missing.is_empty())
    }

    /// The hazards that the box bears on, each with whether the equipment is missing.
    pub(crate) fn evidence(&self) -> impl Iterator<Item = (Hazard, bool)> + '_ {
        let worn = self.worn.iter().map(|&hazard| (hazard, false));
        worn.chain(self.missing.iter().map(|&hazard| (hazard, true)))
    }
}

/// A label set in which some labels have a meaning of their own.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dataset {
    #[serde(rename = "name")]
    _name: String,
    labels: Vec<String>,
    means: BTreeMap<String, String>,
}

impl Dataset {
    fn is(&self, labels: &BTreeSet<String>) -> bool {
        self.labels.iter().map(|label| normalise(label)).collect::<BTreeSet<_>>() == *labels
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "class")]
    classes: Vec<Arc<Class>>,
    #[serde(rename = "dataset")]
    datasets: Vec<Dataset>,
}

const SOURCE: &str = include_str!("../data/classes.toml");

/// The built-in table; a test holds it to be well formed.
static TABLE: LazyLock<Table> = LazyLock::new(|| toml::from_str(SOURCE).unwrap_or_default());

fn by_name(name: &str) -> Option<&'static Arc<Class>> {
    TABLE.classes.iter().find(|class| class.name == name)
}

/// Every canonical class.
pub fn canonical() -> impl Iterator<Item = &'static Class> {
    TABLE.classes.iter().map(AsRef::as_ref)
}

/// The form in which labels are compared: trimmed, lower case, runs of blanks, underscores and hyphens as one underscore.
pub fn normalise(label: &str) -> String {
    let separator = |c: char| c.is_whitespace() || c == '_' || c == '-';
    let words = label.split(separator).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

/// Labels and the classes that they stand for.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    labels: BTreeMap<String, Arc<Class>>,
    /// The hazards whose equipment the model cannot show in use, as far as its labels are known.
    unseen: Arc<BTreeSet<Hazard>>,
}

impl Default for Vocabulary {
    /// The labels whose meaning is the same in every public data set.
    fn default() -> Self {
        let pairs = TABLE.classes.iter().flat_map(|class| {
            let own = std::iter::once(&class.name);
            own.chain(&class.labels).map(move |label| (normalise(label), Arc::clone(class)))
        });
        Self { labels: pairs.collect(), unseen: Arc::default() }
    }
}

impl Vocabulary {
    /// Takes the whole label set of a model into account. `head`, for instance, is a head without helmet in some data
    /// sets and any head in others, and `red` is a hard hat in one.
    pub fn for_labels<S: AsRef<str>>(labels: &[S]) -> Self {
        let mut vocabulary = Self::default();
        let set = labels.iter().map(|label| normalise(label.as_ref())).collect();
        for dataset in TABLE.datasets.iter().filter(|dataset| dataset.is(&set)) {
            for (label, name) in &dataset.means {
                vocabulary.define(label, name);
            }
        }
        vocabulary
    }

    /// Makes `label` stand for the canonical class `name`. False, and nothing changes, if there is no such class.
    pub fn define(&mut self, label: &str, name: &str) -> bool {
        let class = by_name(name);
        self.labels.extend(class.map(|class| (normalise(label), Arc::clone(class))));
        class.is_some()
    }

    /// Makes a label that stands for nothing yet a class of its own, which rules may name.
    pub fn add(&mut self, label: &str) {
        let name = normalise(label);
        let class = Class { name: name.clone(), ..Class::default() };
        self.labels.entry(name).or_insert_with(|| Arc::new(class));
    }

    /// Takes note of what `labels`, if they are the whole set of a model, cannot show.
    pub(crate) fn limit<S: AsRef<str>>(&mut self, labels: &[S]) {
        let shown: BTreeSet<_> = labels
            .iter()
            .filter_map(|label| self.resolve(label.as_ref()))
            .flat_map(|class| &class.worn)
            .collect();
        let unseen = Hazard::ALL.into_iter().filter(|hazard| !labels.is_empty() && !shown.contains(hazard));
        self.unseen = Arc::new(unseen.collect());
    }

    /// The hazards whose equipment the model cannot show in use: not to see it means nothing.
    pub(crate) fn unseen(&self) -> &Arc<BTreeSet<Hazard>> {
        &self.unseen
    }

    /// Everything that a rule may name: labels and canonical names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.labels.keys().map(String::as_str)
    }

    /// The class that a label stands for; `None` for labels without a meaning here, such as `none`.
    pub fn resolve(&self, label: &str) -> Option<&Arc<Class>> {
        self.labels.get(label).or_else(|| self.labels.get(&normalise(label)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name<'a>(vocabulary: &'a Vocabulary, label: &str) -> Option<&'a str> {
        vocabulary.resolve(label).map(|class| class.name.as_str())
    }

    #[test]
    fn the_table_is_well_formed() {
        let table: Table = toml::from_str(SOURCE).unwrap();
        let mut seen = BTreeMap::new();
        for class in &table.classes {
            for label in class.labels.iter().map(|label| normalise(label)).collect::<BTreeSet<_>>() {
                assert_eq!(seen.insert(label.clone(), &class.name), None, "{label} has two meanings");
            }
        }
        for wider in table.classes.iter().flat_map(|class| &class.is) {
            assert!(by_name(wider).is_some(), "{wider}");
        }
        for dataset in &table.datasets {
            for (label, class) in &dataset.means {
                assert!(
                    by_name(class).is_some() && dataset.labels.contains(label),
                    "{}: {label}",
                    dataset._name
                );
            }
        }
    }

    #[test]
    fn spelling_does_not_matter() {
        let vocabulary = Vocabulary::default();
        for label in ["NO-Safety Vest", "no_safety_vest", " No  Safety--Vest ", "no safety vest"] {
            assert_eq!(name(&vocabulary, label), Some("no_safety_vest"), "{label}");
        }
        assert_eq!(normalise("--"), "");
    }

    /// Label sets as published, with labels that carry no meaning marked by an empty name.
    const SETS: &[(&str, &[(&str, &str)])] = &[
        (
            "SH17",
            &[
                ("person", "person"),
                ("ear", "ear"),
                ("ear-mufs", "ear_protection"),
                ("face", "face"),
                ("face-guard", "face_shield"),
                ("face-mask", "mask"),
                ("foot", "foot"),
                ("tool", "tool"),
                ("glasses", "glasses"),
                ("gloves", "gloves"),
                ("helmet", "hard_hat"),
                ("hands", "hand"),
                ("head", "head"),
                ("medical-suit", "safety_suit"),
                ("shoes", "shoes"),
                ("safety-suit", "safety_suit"),
                ("safety-vest", "safety_vest"),
            ],
        ),
        (
            "Construction-PPE",
            &[
                ("helmet", "hard_hat"),
                ("gloves", "gloves"),
                ("vest", "safety_vest"),
                ("boots", "boots"),
                ("goggles", "goggles"),
                ("none", ""),
                ("Person", "person"),
                ("no_helmet", "no_hard_hat"),
                ("no_goggle", "no_goggles"),
                ("no_gloves", "no_gloves"),
                ("no_boots", "no_boots"),
            ],
        ),
        (
            "Construction Site Safety",
            &[
                ("Hardhat", "hard_hat"),
                ("Mask", "mask"),
                ("NO-Hardhat", "no_hard_hat"),
                ("NO-Mask", "no_mask"),
                ("NO-Safety Vest", "no_safety_vest"),
                ("Person", "person"),
                ("Safety Cone", "cone"),
                ("Safety Vest", "safety_vest"),
                ("machinery", "machine"),
                ("vehicle", "vehicle"),
            ],
        ),
        ("Hard Hat Workers", &[("helmet", "hard_hat"), ("head", "no_hard_hat"), ("person", "person")]),
        (
            "PPEs kaxsi",
            &[
                ("glove", "gloves"),
                ("goggles", "goggles"),
                ("helmet", "hard_hat"),
                ("mask", "mask"),
                ("no_glove", "no_gloves"),
                ("no_goggles", "no_goggles"),
                ("no_helmet", "no_hard_hat"),
                ("no_mask", "no_mask"),
                ("no_shoes", "no_boots"),
                ("shoes", "boots"),
            ],
        ),
        (
            "CHV",
            &[
                ("person", "person"),
                ("vest", "safety_vest"),
                ("blue", "hard_hat"),
                ("red", "hard_hat"),
                ("white", "hard_hat"),
                ("yellow", "hard_hat"),
            ],
        ),
        ("Pictor approach 1", &[("worker", "person"), ("hat", "hard_hat"), ("vest", "safety_vest")]),
        (
            "Pictor approach 2",
            &[
                ("W", "worker_bare"),
                ("WH", "worker_hat_only"),
                ("WV", "worker_vest_only"),
                ("WHV", "worker_hat_and_vest"),
            ],
        ),
        (
            "SHEL5K",
            &[
                ("helmet", "hard_hat"),
                ("head", "no_hard_hat"),
                ("head with helmet", "hard_hat"),
                ("person with helmet", "person_hard_hat"),
                ("person without helmet", "person_no_hard_hat"),
                ("face", "face"),
            ],
        ),
        (
            "SafetyVision",
            &[
                ("Fall-Detected", "fall_event"),
                ("Gloves", "gloves"),
                ("NO-Gloves", "no_gloves"),
                ("NO-Goggles", "no_goggles"),
                ("No_Harness", "no_harness"),
            ],
        ),
        ("ppe-detection", &[("no-helmet", "no_hard_hat"), ("no-vest", "no_safety_vest")]),
    ];

    #[test]
    fn every_published_label_resolves() {
        for (set, labels) in SETS {
            let vocabulary =
                Vocabulary::for_labels(&labels.iter().map(|(label, _)| *label).collect::<Vec<_>>());
            for (label, expected) in *labels {
                assert_eq!(name(&vocabulary, label).unwrap_or(""), *expected, "{set}: {label}");
            }
        }
    }

    #[test]
    fn ambiguous_labels_say_nothing_without_their_data_set() {
        let vocabulary = Vocabulary::default();
        for label in ["head", "glasses", "shoes", "hat"] {
            let class = vocabulary.resolve(label).unwrap();
            assert_eq!(class.evidence().count(), 0, "{label}");
        }
        for label in ["red", "none", ""] {
            assert_eq!(vocabulary.resolve(label), None, "{label}");
        }
    }

    #[test]
    fn labels_can_be_defined() {
        let mut vocabulary = Vocabulary::default();
        assert!(vocabulary.define("Schutzhelm", "hard_hat"));
        assert!(!vocabulary.define("Schutzhelm", "hardness"));
        assert_eq!(name(&vocabulary, "SCHUTZHELM"), Some("hard_hat"));
    }

    #[test]
    fn composites_show_several_things() {
        let vocabulary = Vocabulary::default();
        let class = vocabulary.resolve("WH").unwrap();
        assert!(class.person);
        let evidence: Vec<_> = class.evidence().collect();
        assert_eq!(evidence, [(Hazard::NoHardHat, false), (Hazard::NoSafetyVest, true)]);
    }
}
