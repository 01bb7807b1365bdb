//! The standards on protective equipment.

use super::{Context, Scope, Severity, Standard, Topic};
use crate::hazard::Hazard;
use Context::*;
use Scope::{Construction, GeneralIndustry};
use Severity::{Critical, High, Low, Medium};

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
        Standard::general_duty(
            "General Duty Clause: high visibility in road work zones",
            &[RoadWorkZone],
            "Employers must keep the workplace free of recognised hazards likely to kill or seriously hurt people; OSHA \
             uses this duty to require high-visibility clothing for every worker in a road work zone, not only flaggers.",
        ),
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

static GOGGLES: Topic = Topic {
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

static GLOVES: Topic = Topic {
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

static BOOTS: Topic = Topic {
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

static MASK: Topic = Topic {
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

static HARNESS: Topic = Topic {
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

static EAR_PROTECTION: Topic = Topic {
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

static FALL: Topic = Topic {
    candidates: &[],
    otherwise: Standard::policy(
        "Person down",
        Critical,
        "An incident, not a breach: no OSHA standard is broken by a fall as such. Help first, then look for the cause.",
    ),
};
