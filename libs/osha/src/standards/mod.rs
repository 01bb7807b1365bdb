//! Which standard a hazard breaks, given what is known of the site.
//!
//! A citation is only right in its context: a missing vest breaks 29 CFR 1926.651(d) at an excavation beside traffic and
//! no standard at all in a quiet yard. A hazard therefore has several candidates, the first whose contexts the site
//! declares is cited, and where none fits the finding is a matter of the site's own policy.

use crate::hazard::Hazard;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

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

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// A rule that a finding cites.
#[derive(Debug, PartialEq, Eq)]
pub struct Standard {
    /// E.g. `29 CFR 1926.100(a)`, `OSH Act 5(a)(1)` or `site policy`.
    pub citation: &'static str,
    /// Short name.
    pub title: &'static str,
    /// What it asks for and when, in our own words.
    pub summary: &'static str,
    /// Where it holds; `None` for everywhere.
    pub scope: Option<Scope>,
    /// How bad a breach is.
    pub severity: Severity,
    /// What the citation rests on.
    pub basis: Basis,
    /// What the site has to declare before it may be cited: all of these.
    pub context: &'static [Context],
}

impl Standard {
    /// A rule of `scope` that needs `context`.
    const fn new(
        scope: Scope,
        citation: &'static str,
        title: &'static str,
        severity: Severity,
        context: &'static [Context],
        summary: &'static str,
    ) -> Self {
        Self { citation, title, summary, scope: Some(scope), severity, basis: Basis::Standard, context }
    }

    /// The same, cited without the context being declared.
    const fn presumed(mut self) -> Self {
        self.context = &[];
        self.basis = Basis::Presumed;
        self
    }

    const fn policy(title: &'static str, severity: Severity, summary: &'static str) -> Self {
        let basis = Basis::SitePolicy;
        Self { citation: "site policy", title, summary, scope: None, severity, basis, context: &[] }
    }

    fn fits(&self, scope: Scope, contexts: &BTreeSet<Context>) -> bool {
        self.scope.is_none_or(|own| own == scope)
            && self.context.iter().all(|context| contexts.contains(context))
    }
}

/// The rule that `hazard` breaks at a site of this scope and these contexts.
pub fn cite(hazard: Hazard, scope: Scope, contexts: &BTreeSet<Context>) -> &'static Standard {
    let rule = rule(hazard);
    rule.candidates.iter().find(|standard| standard.fits(scope, contexts)).unwrap_or(&rule.otherwise)
}

/// Every rule that can be cited for `hazard`, the site's own policy last.
pub fn candidates(hazard: Hazard) -> impl Iterator<Item = &'static Standard> {
    let rule = rule(hazard);
    rule.candidates.iter().chain(std::iter::once(&rule.otherwise))
}

struct Rule {
    /// The most specific first.
    candidates: &'static [Standard],
    otherwise: Standard,
}

fn rule(hazard: Hazard) -> &'static Rule {
    match hazard {
        Hazard::NoHardHat => &HARD_HAT,
        Hazard::NoSafetyVest => &SAFETY_VEST,
        Hazard::NoGoggles => &GOGGLES,
        Hazard::NoGloves => &GLOVES,
        Hazard::NoBoots => &BOOTS,
        Hazard::NoMask => &MASK,
        Hazard::NoHarness => &HARNESS,
        Hazard::NoEarProtection => &EAR_PROTECTION,
        Hazard::Fall => &FALL,
    }
}

use Context::*;
use Scope::{Construction, GeneralIndustry};
use Severity::{Critical, High, Low, Medium};

const HEAD_CONSTRUCTION: Standard = Standard::new(
    Construction,
    "29 CFR 1926.100(a)",
    "Head protection (hard hats)",
    High,
    &[OverheadHazardZone],
    "Workers must wear a protective helmet wherever their head could be hurt by impact, by falling or flying objects, \
     or by electric shock or burns.",
);

const HEAD_INDUSTRY: Standard = Standard::new(
    GeneralIndustry,
    "29 CFR 1910.135(a)(1)",
    "Head protection (general industry)",
    High,
    &[OverheadHazardZone],
    "Workers must wear a protective helmet where falling objects could injure the head.",
);

static HARD_HAT: Rule = Rule {
    candidates: &[HEAD_CONSTRUCTION, HEAD_INDUSTRY, HEAD_CONSTRUCTION.presumed(), HEAD_INDUSTRY.presumed()],
    otherwise: Standard::policy(
        "Hard hat",
        Low,
        "No OSHA standard applies as such; the site's own rule does.",
    ),
};

static SAFETY_VEST: Rule = Rule {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.651(d)",
            "Warning vests at excavations",
            High,
            &[ExcavationZone, PublicTraffic],
            "Excavation workers exposed to public vehicle traffic must be given and wear vests marked with reflective \
             or high-visibility material.",
        ),
        Standard::new(
            Construction,
            "29 CFR 1926.201(a)",
            "Flaggers and their warning garments",
            High,
            &[FlaggingStation],
            "Flaggers must signal, and wear high-visibility garments, as the MUTCD edition named in the rules \
             prescribes.",
        ),
        Standard {
            citation: "OSH Act 5(a)(1)",
            title: "General Duty Clause: high visibility in road work zones",
            summary: "Employers must keep the workplace free of recognised hazards likely to kill or seriously hurt \
                      people; OSHA uses this duty to require high-visibility clothing for every worker in a road work \
                      zone, not only flaggers.",
            scope: None,
            severity: High,
            basis: Basis::GeneralDuty,
            context: &[RoadWorkZone],
        },
        Standard::new(
            Construction,
            "29 CFR 1926.28(a)",
            "Requiring workers to wear protective equipment",
            Medium,
            &[PpeRequiredZone],
            "The employer must make workers wear suitable protective equipment wherever conditions are hazardous or \
             this part calls for it.",
        ),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.132(a)",
            "Protective equipment provided and used",
            Medium,
            &[PpeRequiredZone],
            "Protective equipment must be provided, used and kept reliable wherever workplace hazards call for it.",
        ),
    ],
    otherwise: Standard::policy(
        "High-visibility vest",
        Low,
        "No OSHA standard applies as such: vests are required at excavations beside public traffic, of flaggers, in road \
         work zones, and where a hazard makes them necessary. The site's own rule applies.",
    ),
};

static GOGGLES: Rule = Rule {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.102(a)(1)",
            "Eye and face protection",
            High,
            &[EyeHazardTask],
            "Workers must use suitable eye or face protection when exposed to flying particles, molten metal, \
             chemicals, gases or harmful light.",
        ),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.133(a)(1)",
            "Eye and face protection (general industry)",
            High,
            &[EyeHazardTask],
            "Workers must use suitable eye or face protection against flying particles, molten metal, chemicals, \
             gases or harmful light.",
        ),
    ],
    otherwise: Standard::policy(
        "Eye protection",
        Low,
        "No OSHA standard applies as such: eye protection is required at work that endangers the eyes.",
    ),
};

static GLOVES: Rule = Rule {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.95(a)",
            "Protective equipment provided, used and maintained",
            Medium,
            &[HandHazardTask],
            "Protective gear for eyes, face, head, limbs and breathing has to be supplied, worn and kept reliable \
             wherever hazards could injure any part of the body.",
        ),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.138(a)",
            "Hand protection",
            Medium,
            &[HandHazardTask],
            "Employers must choose gloves and make workers use them where hands face cuts, abrasion, chemicals, burns \
             or extreme temperature.",
        ),
    ],
    otherwise: Standard::policy(
        "Hand protection",
        Low,
        "No OSHA standard applies as such: gloves are required at work that endangers the hands.",
    ),
};

static BOOTS: Rule = Rule {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.95(a)",
            "Protective equipment provided, used and maintained",
            Medium,
            &[PpeRequiredZone],
            "Protective gear for the limbs has to be supplied and worn wherever hazards could injure them; the \
             footwear itself must meet 1926.96.",
        ),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.136(a)",
            "Foot protection (general industry)",
            Medium,
            &[PpeRequiredZone],
            "Protective footwear is required where feet could be hurt by falling, rolling or piercing objects or by \
             electricity.",
        ),
    ],
    otherwise: Standard::policy(
        "Protective footwear",
        Low,
        "No OSHA standard applies as such: protective footwear is required where the feet could be hurt.",
    ),
};

static MASK: Rule = Rule {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.103",
            "Respiratory protection",
            High,
            &[AirborneHazardZone],
            "Construction sites follow the general-industry respirator standard, 1910.134, whenever air contaminants \
             cannot be controlled another way.",
        ),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.134(a)(2)",
            "Respirators (general industry)",
            High,
            &[AirborneHazardZone],
            "Respirators must be provided and used when needed to protect health, under a respiratory protection \
             programme.",
        ),
    ],
    otherwise: Standard::policy(
        "Mask",
        Low,
        "No OSHA standard applies as such: respirators are required where the air is harmful.",
    ),
};

static HARNESS: Rule = Rule {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.501(b)(1)",
            "Unprotected sides and edges (construction)",
            Critical,
            &[EdgeZone],
            "Anyone on a surface with an open side or edge 6 ft or more above the level below must be protected by \
             guardrails, a safety net or a personal fall arrest system.",
        ),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.28(b)(1)(i)",
            "Unprotected edges at 4 ft (general industry)",
            Critical,
            &[EdgeZone],
            "Anyone on a surface with an open side or edge 4 ft or more above the level below must be protected by \
             guardrails, nets or personal fall protection.",
        ),
    ],
    otherwise: Standard::policy(
        "Fall-arrest harness",
        Low,
        "No OSHA standard applies as such: fall arrest is one of the protections required at height.",
    ),
};

static EAR_PROTECTION: Rule = Rule {
    candidates: &[Standard::new(
        Construction,
        "29 CFR 1926.101(a)",
        "Hearing protection where noise cannot be reduced",
        Medium,
        &[NoiseZone],
        "When noise cannot practically be brought below the permitted exposure, ear protection must be supplied and \
         worn.",
    )],
    otherwise: Standard::policy(
        "Ear protection",
        Low,
        "No OSHA standard applies as such: ear protection is required where noise exceeds the permitted exposure.",
    ),
};

static FALL: Rule = Rule {
    candidates: &[],
    otherwise: Standard::policy(
        "Person down",
        Critical,
        "An incident, not a breach: no OSHA standard is broken by a fall as such. Help first, then look for the cause.",
    ),
};

#[cfg(test)]
mod tests {
    use super::*;

    fn citation(hazard: Hazard, scope: Scope, contexts: &[Context]) -> &'static str {
        cite(hazard, scope, &contexts.iter().copied().collect()).citation
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
        ];
        for hazard in Hazard::ALL {
            assert!(!citation(hazard, Construction, &all).contains("1910."), "{hazard}");
            assert!(!citation(hazard, GeneralIndustry, &all).contains("1926."), "{hazard}");
        }
    }

    #[test]
    fn a_hard_hat_is_presumed_until_the_hazard_is_declared() {
        for (scope, expected) in
            [(Construction, "29 CFR 1926.100(a)"), (GeneralIndustry, "29 CFR 1910.135(a)(1)")]
        {
            let presumed = cite(Hazard::NoHardHat, scope, &BTreeSet::new());
            let declared = cite(Hazard::NoHardHat, scope, &[OverheadHazardZone].into());
            assert_eq!((presumed.citation, presumed.basis), (expected, Basis::Presumed));
            assert_eq!((declared.citation, declared.basis), (expected, Basis::Standard));
        }
    }

    #[test]
    fn the_basis_agrees_with_the_citation() {
        for standard in Hazard::ALL.into_iter().flat_map(candidates) {
            let expected = match standard.basis {
                Basis::Standard | Basis::Presumed => "29 CFR 19",
                Basis::GeneralDuty => "OSH Act",
                Basis::SitePolicy => "site policy",
            };
            assert!(standard.citation.starts_with(expected), "{}", standard.citation);
            let unconditional = standard.context.is_empty();
            assert!(standard.basis != Basis::Standard || !unconditional, "{}", standard.citation);
        }
    }
}
