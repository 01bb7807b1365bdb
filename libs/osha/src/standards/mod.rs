//! Which standard a finding breaks, given what is known of the site.
//!
//! A citation is only right in its context: a missing vest breaks 29 CFR 1926.651(d) at an excavation beside traffic and
//! no standard at all in a quiet yard. A finding therefore has several candidates, the first whose contexts the site
//! declares is cited, and where none fits the finding is a matter of the site's own policy.

use crate::corpus::Corpus;
use crate::hazard::Hazard;
use crate::rules::RuleKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod conduct;
mod equipment;
mod fall;

/// The body of rules that a site falls under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// 29 CFR part 1926.
    #[default]
    Construction,
    /// 29 CFR part 1910.
    GeneralIndustry,
}

impl Scope {
    /// Its name in site files and in the corpus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Construction => "construction",
            Self::GeneralIndustry => "general_industry",
        }
    }
}

/// A fact about the watched place that a camera cannot know and the site file declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// Heads could be struck, or meet live conductors.
    OverheadHazardZone,
    /// Work in or beside a road that carries traffic.
    RoadWorkZone,
    /// The people in view direct traffic.
    FlaggingStation,
    /// Work in or at an excavation.
    ExcavationZone,
    /// Vehicles of the public pass by.
    PublicTraffic,
    /// Work that endangers the eyes: grinding, cutting, chemicals, welding.
    EyeHazardTask,
    /// Work that endangers the hands: sharp, hot or corrosive material.
    HandHazardTask,
    /// Dust, fumes or vapours above what may be breathed.
    AirborneHazardZone,
    /// Noise above the permitted exposure.
    NoiseZone,
    /// An open side or edge at a height from which protection is due, without guardrail or net.
    EdgeZone,
    /// The employer's hazard assessment calls for the watched equipment here.
    PpeRequiredZone,
    /// A roof.
    RoofZone,
    /// A scaffold's platform.
    ScaffoldZone,
    /// Steel is being erected.
    SteelErection,
    /// An exit or the way to it.
    ExitZone,
    /// The place before a fire extinguisher.
    ExtinguisherZone,
    /// A way or an aisle for people and goods.
    WalkwayZone,
    /// Welding, cutting, grinding.
    HotWorkZone,
    /// Site vehicles or forklifts drive here.
    VehicleZone,
    /// Within reach of a machine that swings or moves.
    MachineRadius,
    /// Where a hoisted load would fall.
    LoadFallZone,
    /// Near overhead power lines.
    PowerLineZone,
}

impl Context {
    /// Its name in site files and in the corpus.
    pub fn name(self) -> &'static str {
        match self {
            Self::OverheadHazardZone => "overhead_hazard_zone",
            Self::RoadWorkZone => "road_work_zone",
            Self::FlaggingStation => "flagging_station",
            Self::ExcavationZone => "excavation_zone",
            Self::PublicTraffic => "public_traffic",
            Self::EyeHazardTask => "eye_hazard_task",
            Self::HandHazardTask => "hand_hazard_task",
            Self::AirborneHazardZone => "airborne_hazard_zone",
            Self::NoiseZone => "noise_zone",
            Self::EdgeZone => "edge_zone",
            Self::PpeRequiredZone => "ppe_required_zone",
            Self::RoofZone => "roof_zone",
            Self::ScaffoldZone => "scaffold_zone",
            Self::SteelErection => "steel_erection",
            Self::ExitZone => "exit_zone",
            Self::ExtinguisherZone => "extinguisher_zone",
            Self::WalkwayZone => "walkway_zone",
            Self::HotWorkZone => "hot_work_zone",
            Self::VehicleZone => "vehicle_zone",
            Self::MachineRadius => "machine_radius",
            Self::LoadFallZone => "load_fall_zone",
            Self::PowerLineZone => "power_line_zone",
        }
    }
}

/// What a citation rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A standard whose conditions the site file declares to be met.
    Standard,
    /// A standard whose conditions are usual in this scope, but not declared: a person has to confirm them.
    Presumed,
    /// The General Duty Clause.
    GeneralDuty,
    /// The site's own rules; no standard applies as such.
    SitePolicy,
    /// Cited because the site file says so.
    SiteFile,
}

impl Basis {
    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Presumed => "presumed",
            Self::GeneralDuty => "general_duty",
            Self::SitePolicy => "site_policy",
            Self::SiteFile => "site_file",
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Untidy.
    Low,
    /// Could hurt.
    Medium,
    /// Could maim or kill.
    High,
    /// Kills.
    Critical,
}

impl Severity {
    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A rule that a finding cites.
#[derive(Debug, PartialEq)]
pub struct Standard {
    /// E.g. `29 CFR 1926.100(a)`, `OSH Act 5(a)(1)` or `site policy`.
    pub citation: &'static str,
    /// Where it holds; `None` for everywhere.
    pub scope: Option<Scope>,
    /// What the citation rests on.
    pub basis: Basis,
    /// What the site has to declare before it may be cited: all of these.
    pub context: &'static [Context],
    /// Whether it depends on something that a camera cannot measure, so that a person has to look.
    pub review: bool,
    /// Of fall protection: the height from which it is due, in metres.
    pub fall_height_m: Option<f32>,
    /// What it says here, where the corpus of standards has no row for that.
    wording: Option<Wording>,
}

/// What a standard says, in our own words.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Wording {
    title: &'static str,
    summary: &'static str,
    severity: Severity,
}

impl Standard {
    /// A standard of `scope` that needs `context`. The corpus says what it asks for.
    const fn new(scope: Scope, citation: &'static str, context: &'static [Context]) -> Self {
        Self {
            citation,
            scope: Some(scope),
            basis: Basis::Standard,
            context,
            review: false,
            fall_height_m: None,
            wording: None,
        }
    }

    /// The same, cited without the context being declared.
    const fn presumed(mut self) -> Self {
        self.context = &[];
        self.basis = Basis::Presumed;
        self
    }

    /// The same, for findings that a person has to look at.
    const fn review(mut self) -> Self {
        self.review = true;
        self
    }

    /// The same, due from a height of `metres`. Who has not declared the height has to look.
    const fn above(mut self, metres: f32) -> Self {
        self.fall_height_m = Some(metres);
        self.review = true;
        self
    }

    /// The General Duty Clause, where the site declares `context`.
    const fn general_duty(title: &'static str, context: &'static [Context], summary: &'static str) -> Self {
        Self {
            citation: "OSH Act 5(a)(1)",
            scope: None,
            basis: Basis::GeneralDuty,
            context,
            review: false,
            fall_height_m: None,
            wording: Some(Wording { title, summary, severity: Severity::High }),
        }
    }

    const fn policy(title: &'static str, severity: Severity, summary: &'static str) -> Self {
        Self {
            citation: "site policy",
            scope: None,
            basis: Basis::SitePolicy,
            context: &[],
            review: false,
            fall_height_m: None,
            wording: Some(Wording { title, summary, severity }),
        }
    }

    /// Title, summary and severity: its own, or those of the corpus.
    fn words(&self) -> (&str, &str, Severity) {
        let own = self.wording.map(|Wording { title, summary, severity }| (title, summary, severity));
        let of_corpus = || {
            let record = Corpus::built_in().get(self.citation)?;
            Some((record.title.as_str(), record.summary.as_str(), record.severity))
        };
        own.or_else(of_corpus).unwrap_or_else(|| unreachable!("{} is tested to have words", self.citation))
    }

    fn fits(&self, place: Place<'_>) -> bool {
        let high_enough = match (self.fall_height_m, place.height_m) {
            (Some(least), Some(height)) => height >= least,
            _ => true,
        };
        high_enough
            && self.scope.is_none_or(|own| own == place.scope)
            && self.context.iter().all(|context| place.contexts.contains(context))
    }

    /// Whether a finding there needs a person's look before it counts. A declared height settles that of falls.
    pub fn needs_review(&self, place: Place<'_>) -> bool {
        self.review && (self.fall_height_m.is_none() || place.height_m.is_none())
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Equipment that is missing, or a fall.
    Hazard(Hazard),
    /// Any other kind of rule.
    Rule(RuleKind),
}

/// What is declared of the place of a finding.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The body of rules.
    pub scope: Scope,
    /// Facts that a camera cannot know.
    pub contexts: &'a BTreeSet<Context>,
    /// How far one can fall, in metres.
    pub height_m: Option<f32>,
}

/// The standard that a finding breaks at a place.
pub fn cite(subject: Subject, place: Place<'_>) -> &'static Standard {
    let topic = topic(subject);
    topic.candidates.iter().find(|standard| standard.fits(place)).unwrap_or(&topic.otherwise)
}

/// Every standard that can be cited for `subject`, the site's own policy last.
pub fn candidates(subject: Subject) -> impl Iterator<Item = &'static Standard> {
    let topic = topic(subject);
    topic.candidates.iter().chain(std::iter::once(&topic.otherwise))
}

struct Topic {
    /// The most specific first.
    candidates: &'static [Standard],
    otherwise: Standard,
}

fn topic(subject: Subject) -> &'static Topic {
    match subject {
        Subject::Hazard(hazard) => equipment::topic(hazard),
        Subject::Rule(kind) => conduct::topic(kind),
    }
}

/// In metres.
const fn feet(feet: f32) -> f32 {
    feet * 0.3048
}

/// What a finding cites, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// E.g. `29 CFR 1926.100(a)`, `OSH Act 5(a)(1)` or `site policy`.
    pub citation: String,
    /// Short name.
    pub title: String,
    /// What it asks for and when, in our own words.
    pub summary: String,
    /// How bad a breach is.
    pub severity: Severity,
    /// What the citation rests on.
    pub basis: Basis,
}

impl From<&Standard> for Citation {
    fn from(standard: &Standard) -> Self {
        let (title, summary, severity) = standard.words();
        Self {
            citation: standard.citation.to_owned(),
            title: title.to_owned(),
            summary: summary.to_owned(),
            severity,
            basis: standard.basis,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{EVERYWHERE, Verified};
    use Context::*;
    use Scope::*;

    fn citation(hazard: Hazard, scope: Scope, contexts: &[Context]) -> &'static str {
        at(Subject::Hazard(hazard), scope, contexts).citation
    }

    fn conduct(kind: RuleKind, scope: Scope, contexts: &[Context]) -> &'static str {
        at(Subject::Rule(kind), scope, contexts).citation
    }

    fn at(subject: Subject, scope: Scope, contexts: &[Context]) -> &'static Standard {
        let contexts = contexts.iter().copied().collect();
        cite(subject, Place { scope, contexts: &contexts, height_m: None })
    }

    fn subjects() -> impl Iterator<Item = Subject> {
        Hazard::ALL.into_iter().map(Subject::Hazard).chain(RuleKind::ALL.into_iter().map(Subject::Rule))
    }

    #[test]
    fn a_missing_vest_is_cited_by_its_context() {
        let vest = |contexts: &[Context]| citation(Hazard::NoSafetyVest, Construction, contexts);
        assert_eq!(vest(&[ExcavationZone, PublicTraffic, RoadWorkZone]), "29 CFR 1926.651(d)");
        assert_eq!(vest(&[RoadWorkZone, FlaggingStation]), "29 CFR 1926.201(a)");
        assert_eq!(vest(&[RoadWorkZone]), "OSH Act 5(a)(1)");
        assert_eq!(vest(&[PpeRequiredZone]), "29 CFR 1926.28(a)");
        assert_eq!(vest(&[ExcavationZone]), "site policy");
        assert_eq!(vest(&[]), "site policy");
    }

    #[test]
    fn no_part_of_the_other_scope_is_cited() {
        let all = [
            OverheadHazardZone,
            RoadWorkZone,
            FlaggingStation,
            ExcavationZone,
            PublicTraffic,
            EyeHazardTask,
            HandHazardTask,
            AirborneHazardZone,
            NoiseZone,
            EdgeZone,
            PpeRequiredZone,
            RoofZone,
            ScaffoldZone,
            SteelErection,
            ExitZone,
            ExtinguisherZone,
            WalkwayZone,
            HotWorkZone,
            VehicleZone,
            MachineRadius,
            LoadFallZone,
            PowerLineZone,
        ];
        for subject in subjects() {
            for contexts in std::iter::once(all.to_vec()).chain(all.map(|one| vec![one])) {
                let citation = |scope| at(subject, scope, &contexts).citation;
                assert!(!citation(Construction).contains("1910."), "{subject:?}");
                assert!(!citation(GeneralIndustry).contains("1926."), "{subject:?}");
            }
        }
    }

    #[test]
    fn a_hard_hat_is_presumed_until_the_hazard_is_declared() {
        for (scope, expected) in
            [(Construction, "29 CFR 1926.100(a)"), (GeneralIndustry, "29 CFR 1910.135(a)(1)")]
        {
            let presumed = at(Subject::Hazard(Hazard::NoHardHat), scope, &[]);
            let declared = at(Subject::Hazard(Hazard::NoHardHat), scope, &[OverheadHazardZone]);
            assert_eq!((presumed.citation, presumed.basis), (expected, Basis::Presumed));
            assert_eq!((declared.citation, declared.basis), (expected, Basis::Standard));
        }
    }

    #[test]
    fn names_of_bases_are_the_serialised_ones() {
        for basis in
            [Basis::Standard, Basis::Presumed, Basis::GeneralDuty, Basis::SitePolicy, Basis::SiteFile]
        {
            assert_eq!(serde_json::to_value(basis).unwrap(), basis.name());
        }
    }

    #[test]
    fn the_basis_agrees_with_the_citation() {
        for standard in subjects().flat_map(candidates) {
            let expected = match standard.basis {
                Basis::Standard | Basis::Presumed => "29 CFR 19",
                Basis::GeneralDuty => "OSH Act",
                Basis::SitePolicy => "site policy",
                Basis::SiteFile => unreachable!("{}", standard.citation),
            };
            assert!(standard.citation.starts_with(expected), "{}", standard.citation);
            let unconditional = standard.context.is_empty();
            assert!(standard.basis != Basis::Standard || !unconditional, "{}", standard.citation);
        }
    }

    #[test]
    fn falls_are_cited_by_what_one_stands_on() {
        let edge = |scope, contexts: &[Context]| {
            let standard = at(Subject::Rule(RuleKind::UnprotectedEdge), scope, contexts);
            (standard.citation, standard.fall_height_m)
        };
        let feet = |number: f32| Some(feet(number));
        assert_eq!(edge(Construction, &[EdgeZone]), ("29 CFR 1926.501(b)(1)", feet(6.0)));
        assert_eq!(edge(Construction, &[EdgeZone, ScaffoldZone]), ("29 CFR 1926.451(g)(1)", feet(10.0)));
        assert_eq!(edge(Construction, &[EdgeZone, SteelErection]), ("29 CFR 1926.760(a)(1)", feet(15.0)));
        assert_eq!(edge(Construction, &[ExcavationZone]), ("29 CFR 1926.501(b)(7)(i)", feet(6.0)));
        assert_eq!(edge(GeneralIndustry, &[EdgeZone]), ("29 CFR 1910.28(b)(1)(i)", feet(4.0)));
    }

    #[test]
    fn conduct_is_cited_by_its_context() {
        assert_eq!(conduct(RuleKind::Blocked, Construction, &[ExitZone]), "29 CFR 1926.34(a)");
        assert_eq!(conduct(RuleKind::Blocked, GeneralIndustry, &[ExtinguisherZone]), "29 CFR 1910.157(c)(1)");
        assert_eq!(conduct(RuleKind::Blocked, Construction, &[]), "site policy");
        assert_eq!(conduct(RuleKind::UnderLoad, Construction, &[LoadFallZone]), "29 CFR 1926.1425(b)");
        assert_eq!(conduct(RuleKind::Crowding, Construction, &[ExitZone]), "site policy");
    }

    #[test]
    fn what_is_cited_is_in_the_corpus_and_was_read() {
        for standard in subjects().flat_map(candidates).filter(|one| one.basis != Basis::SitePolicy) {
            let record = Corpus::built_in().get(standard.citation).expect(standard.citation);
            assert_ne!(record.verified, Verified::No, "{}", standard.citation);
            let scope = standard.scope.map(Scope::name).unwrap_or(EVERYWHERE);
            assert_eq!(record.scope, scope, "{}", standard.citation);
            assert!(standard.wording.is_none() || standard.basis == Basis::GeneralDuty);
            assert!(!Citation::from(standard).summary.is_empty());
        }
    }

    /// The standards on reversing are not broken by every vehicle that moves.
    #[test]
    fn a_moving_vehicle_breaks_no_standard_as_such() {
        for scope in [Construction, GeneralIndustry] {
            let standard = at(Subject::Rule(RuleKind::VehicleWithoutSpotter), scope, &[VehicleZone]);
            assert_eq!((standard.citation, standard.basis), ("site policy", Basis::SitePolicy));
        }
    }

    /// A harness is one of the protections that are due from a height, which differs by what one stands on.
    #[test]
    fn a_missing_harness_is_judged_by_the_height_too() {
        let harness = |contexts: &[Context], height_m| {
            let contexts = contexts.iter().copied().collect();
            let place = Place { scope: Construction, contexts: &contexts, height_m };
            let standard = cite(Subject::Hazard(Hazard::NoHarness), place);
            (standard.citation, standard.needs_review(place))
        };
        assert_eq!(harness(&[EdgeZone], None), ("29 CFR 1926.501(b)(1)", true));
        assert_eq!(harness(&[EdgeZone], Some(1.0)), ("site policy", false));
        assert_eq!(harness(&[ScaffoldZone], Some(4.0)), ("29 CFR 1926.451(g)(1)", false));
        assert_eq!(harness(&[ScaffoldZone], Some(2.0)), ("site policy", false));
        assert_eq!(harness(&[SteelErection], Some(4.0)), ("site policy", false));
        assert_eq!(
            harness(&[ExcavationZone], Some(4.0)),
            ("site policy", false),
            "no edge of it asks for a harness"
        );
    }

    /// Who hooks or guides a load may stand in its fall zone, and a picture shows no stepladder.
    #[test]
    fn what_a_picture_does_not_tell_is_no_violation() {
        let contexts = BTreeSet::from([LoadFallZone]);
        let place = Place { scope: Construction, contexts: &contexts, height_m: None };
        assert!(cite(Subject::Rule(RuleKind::UnderLoad), place).needs_review(place));
        assert_eq!(conduct(RuleKind::LadderScaffold, Construction, &[]), "site policy");
    }

    #[test]
    fn eyes_and_ears_are_protected_in_both_scopes() {
        let goggles = |scope| citation(Hazard::NoGoggles, scope, &[HotWorkZone]);
        assert_eq!(
            (goggles(Construction), goggles(GeneralIndustry)),
            ("29 CFR 1926.102(a)(1)", "29 CFR 1910.133(a)(1)")
        );
        assert_eq!(citation(Hazard::NoEarProtection, GeneralIndustry, &[NoiseZone]), "29 CFR 1910.95(i)");
    }

    #[test]
    fn a_declared_height_decides_whether_fall_protection_is_due() {
        let contexts = BTreeSet::from([EdgeZone]);
        let edge = |height_m| {
            let place = Place { scope: Construction, contexts: &contexts, height_m };
            let standard = cite(Subject::Rule(RuleKind::UnprotectedEdge), place);
            (standard.citation, standard.needs_review(place))
        };
        assert_eq!(edge(None), ("29 CFR 1926.501(b)(1)", true));
        assert_eq!(edge(Some(2.5)), ("29 CFR 1926.501(b)(1)", false));
        assert_eq!(edge(Some(1.0)), ("site policy", false));
    }
}
