//! The standards on protective equipment.

use super::{Context, Scope, Severity, Standard, Topic, fall};
use crate::hazard::Hazard;
use Context::*;
use Scope::{Construction, GeneralIndustry};
use Severity::{Critical, Low};

pub(super) fn topic(hazard: Hazard) -> &'static Topic {
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

const HEAD_CONSTRUCTION: Standard = Standard::new(Construction, "29 CFR 1926.100(a)", &[OverheadHazardZone]);

const HEAD_INDUSTRY: Standard =
    Standard::new(GeneralIndustry, "29 CFR 1910.135(a)(1)", &[OverheadHazardZone]);

static HARD_HAT: Topic = Topic {
    candidates: &[HEAD_CONSTRUCTION, HEAD_INDUSTRY, HEAD_CONSTRUCTION.presumed(), HEAD_INDUSTRY.presumed()],
    otherwise: Standard::policy(
        "Hard hat",
        Low,
        "No OSHA standard applies as such; the site's own rule does.",
    ),
};

static SAFETY_VEST: Topic = Topic {
    candidates: &[
        Standard::new(Construction, "29 CFR 1926.651(d)", &[ExcavationZone, PublicTraffic]),
        Standard::new(Construction, "29 CFR 1926.201(a)", &[FlaggingStation]),
        Standard::general_duty(
            "General Duty Clause: high visibility in road work zones",
            &[RoadWorkZone],
            "Employers must keep the workplace free of recognised hazards likely to kill or seriously hurt people; OSHA \
             uses this duty to require high-visibility clothing for every worker in a road work zone, not only flaggers.",
        ),
        Standard::new(Construction, "29 CFR 1926.28(a)", &[PpeRequiredZone]),
        Standard::new(GeneralIndustry, "29 CFR 1910.132(a)", &[PpeRequiredZone]),
    ],
    otherwise: Standard::policy(
        "High-visibility vest",
        Low,
        "No OSHA standard applies as such: vests are required at excavations beside public traffic, of flaggers, in road \
         work zones, and where a hazard makes them necessary. The site's own rule applies.",
    ),
};

static GOGGLES: Topic = Topic {
    candidates: &[
        Standard::new(Construction, "29 CFR 1926.102(a)(1)", &[EyeHazardTask]),
        Standard::new(Construction, "29 CFR 1926.102(a)(1)", &[HotWorkZone]),
        Standard::new(GeneralIndustry, "29 CFR 1910.133(a)(1)", &[EyeHazardTask]),
        Standard::new(GeneralIndustry, "29 CFR 1910.133(a)(1)", &[HotWorkZone]),
    ],
    otherwise: Standard::policy(
        "Eye protection",
        Low,
        "No OSHA standard applies as such: eye protection is required at work that endangers the eyes.",
    ),
};

static GLOVES: Topic = Topic {
    candidates: &[
        Standard::new(Construction, "29 CFR 1926.95(a)", &[HandHazardTask]),
        Standard::new(GeneralIndustry, "29 CFR 1910.138(a)", &[HandHazardTask]),
    ],
    otherwise: Standard::policy(
        "Hand protection",
        Low,
        "No OSHA standard applies as such: gloves are required at work that endangers the hands.",
    ),
};

static BOOTS: Topic = Topic {
    candidates: &[
        Standard::new(Construction, "29 CFR 1926.95(a)", &[PpeRequiredZone]),
        Standard::new(GeneralIndustry, "29 CFR 1910.136(a)", &[PpeRequiredZone]),
    ],
    otherwise: Standard::policy(
        "Protective footwear",
        Low,
        "No OSHA standard applies as such: protective footwear is required where the feet could be hurt.",
    ),
};

static MASK: Topic = Topic {
    candidates: &[
        Standard::new(Construction, "29 CFR 1926.103", &[AirborneHazardZone]),
        Standard::new(GeneralIndustry, "29 CFR 1910.134(a)(2)", &[AirborneHazardZone]),
    ],
    otherwise: Standard::policy(
        "Mask",
        Low,
        "No OSHA standard applies as such: respirators are required where the air is harmful.",
    ),
};

static HARNESS: Topic = Topic {
    candidates: &[fall::STEEL, fall::SCAFFOLD, fall::ROOF, fall::EDGE, fall::EDGE_INDUSTRY],
    otherwise: Standard::policy(
        "Fall-arrest harness",
        Low,
        "No OSHA standard applies as such: fall arrest is one of the protections required at height.",
    ),
};

static EAR_PROTECTION: Topic = Topic {
    candidates: &[
        Standard::new(Construction, "29 CFR 1926.101(a)", &[NoiseZone]),
        Standard::new(GeneralIndustry, "29 CFR 1910.95(i)", &[NoiseZone]),
    ],
    otherwise: Standard::policy(
        "Ear protection",
        Low,
        "No OSHA standard applies as such: ear protection is required where noise exceeds the permitted exposure.",
    ),
};

static FALL: Topic = Topic {
    candidates: &[],
    otherwise: Standard::policy(
        "Person down",
        Critical,
        "An incident, not a breach: no OSHA standard is broken by a fall as such. Help first, then look for the cause.",
    ),
};
