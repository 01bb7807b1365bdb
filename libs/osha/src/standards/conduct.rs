//! The standards on what people and machines do.

use super::{Context, Scope, Severity, Standard, Topic};
use crate::rules::RuleKind;
use Context::*;
use Scope::{Construction, GeneralIndustry};
use Severity::{Critical, High, Low, Medium};

pub(super) fn topic(kind: RuleKind) -> &'static Topic {
    match kind {
        RuleKind::PpeMissing => &PPE,
        RuleKind::InZone => &IN_ZONE,
        RuleKind::TooNear => &TOO_NEAR,
        RuleKind::UnderLoad => &UNDER_LOAD,
        RuleKind::UnprotectedEdge => &UNPROTECTED_EDGE,
        RuleKind::Crowding => &CROWDING,
        RuleKind::Blocked => &BLOCKED,
        RuleKind::FireSmoke => &FIRE_SMOKE,
        RuleKind::Fallen => &FALLEN,
        RuleKind::VehicleWithoutSpotter => &SPOTTER,
        RuleKind::LadderScaffold => &LADDER_SCAFFOLD,
        RuleKind::Custom => &CUSTOM,
    }
}

const fn feet(feet: f32) -> f32 {
    feet * 0.3048
}

static PPE: Topic = Topic {
    candidates: &[],
    otherwise: Standard::policy("Protective equipment", Low, "The site's own rule on protective equipment."),
};

static IN_ZONE: Topic = Topic {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.1425(b)",
            "Keep clear of the fall zone of suspended loads",
            Critical,
            &[LoadFallZone],
            "Nobody may be where a hoisted load could fall, except those who hook, unhook or guide it.",
        )
        .review(),
        Standard::new(
            Construction,
            "29 CFR 1926.1424(a)(2)(ii)",
            "Crane swing radius barricaded",
            Critical,
            &[MachineRadius],
            "People must be kept out of the area in which a crane's rotating parts could strike or crush them.",
        ),
        Standard::new(
            Construction,
            "29 CFR 1926.416(a)(1)",
            "Keep workers from contacting live circuits",
            Critical,
            &[PowerLineZone],
            "Nobody may work so near to a live circuit that they could touch it, unless it is dead or guarded.",
        )
        .review(),
        Standard::new(
            Construction,
            "29 CFR 1926.652(a)(1)",
            "Protection from cave-ins",
            Critical,
            &[ExcavationZone],
            "Excavations 5 ft deep or more need a protective system, unless they are made entirely in stable rock.",
        )
        .review(),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.333(c)(3)",
            "Overhead lines: 10 ft for unqualified people",
            Critical,
            &[PowerLineZone],
            "Unqualified people must keep at least 10 ft from live overhead lines.",
        )
        .review(),
    ],
    otherwise: Standard::policy(
        "Person in a closed zone",
        High,
        "No OSHA standard applies as such: the site has closed this zone to people.",
    ),
};

static TOO_NEAR: Topic = Topic {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.1424(a)(2)(ii)",
            "Crane swing radius barricaded",
            Critical,
            &[MachineRadius],
            "People must be kept out of the area in which a crane's rotating parts could strike or crush them.",
        ),
        Standard::general_duty(
            "General Duty Clause: people on foot near moving machines",
            &[VehicleZone],
            "Employers must keep the workplace free of recognised hazards likely to kill or seriously hurt people; people \
             on foot close to moving machines are one.",
        ),
    ],
    otherwise: Standard::policy(
        "Too near to a moving machine",
        High,
        "No OSHA standard names a distance: the site's own rule keeps people away from moving machines.",
    ),
};

const LOAD_CRANE: Standard = Standard::new(
    Construction,
    "29 CFR 1926.1425(b)",
    "Keep clear of the fall zone of suspended loads",
    Critical,
    &[LoadFallZone],
    "Nobody may be where a hoisted load could fall, except those who hook, unhook or guide it.",
);

const LOAD_FORKS: Standard = Standard::new(
    GeneralIndustry,
    "29 CFR 1910.178(m)(2)",
    "Nobody under raised forks",
    Critical,
    &[VehicleZone],
    "Nobody may stand or pass under the raised part of a truck, loaded or empty.",
);

static UNDER_LOAD: Topic = Topic {
    candidates: &[
        LOAD_CRANE,
        Standard::new(
            Construction,
            "29 CFR 1926.651(e)",
            "No one under loads of digging or lifting equipment",
            Critical,
            &[ExcavationZone],
            "Nobody may be under loads that lifting or digging equipment handles at an excavation.",
        ),
        LOAD_FORKS,
        LOAD_CRANE.presumed().review(),
        LOAD_FORKS.presumed().review(),
    ],
    otherwise: Standard::policy("Person under a load", Critical, "The site's own rule on hoisted loads."),
};

static UNPROTECTED_EDGE: Topic = Topic {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.760(a)(1)",
            "Steel erection fall protection above 15 ft",
            Critical,
            &[SteelErection],
            "Steel erectors on a surface with an open side or edge more than 15 ft above the level below need fall \
             protection.",
        )
        .above(feet(15.0)),
        Standard::new(
            Construction,
            "29 CFR 1926.451(g)(1)",
            "Scaffold fall protection above 10 ft",
            Critical,
            &[ScaffoldZone],
            "Everybody on a scaffold more than 10 ft above the level below needs fall arrest or guardrails.",
        )
        .above(feet(10.0)),
        Standard::new(
            Construction,
            "29 CFR 1926.501(b)(10)",
            "Low-slope roofing",
            Critical,
            &[RoofZone],
            "Roofers on low slopes 6 ft or more above the level below need guardrails, nets, fall arrest or a warning line \
             system with another safeguard.",
        )
        .above(feet(6.0)),
        Standard::new(
            Construction,
            "29 CFR 1926.501(b)(1)",
            "Unprotected sides and edges (construction)",
            Critical,
            &[EdgeZone],
            "Anyone on a surface with an open side or edge 6 ft or more above the level below must be protected by \
             guardrails, a safety net or a personal fall arrest system.",
        )
        .above(feet(6.0)),
        Standard::new(
            Construction,
            "29 CFR 1926.501(b)(7)(i)",
            "Edges of excavations hard to see",
            High,
            &[ExcavationZone],
            "People at the edge of an excavation 6 ft deep or more that is hard to see must be protected by guardrails, \
             fences or barricades.",
        )
        .above(feet(6.0)),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.28(b)(1)(i)",
            "Unprotected edges at 4 ft (general industry)",
            Critical,
            &[EdgeZone],
            "Anyone on a surface with an open side or edge 4 ft or more above the level below must be protected by \
             guardrails, nets or personal fall protection.",
        )
        .above(feet(4.0)),
    ],
    otherwise: Standard::policy(
        "Unprotected edge",
        High,
        "No OSHA standard applies as such: the site has marked this edge.",
    ),
};

static CROWDING: Topic = Topic {
    candidates: &[],
    otherwise: Standard::policy(
        "Too many people",
        Medium,
        "No OSHA standard applies as such: the site has limited the number of people here.",
    ),
};

static BLOCKED: Topic = Topic {
    candidates: &[
        Standard::new(
            Construction,
            "29 CFR 1926.34(a)",
            "Exits free and unobstructed (construction)",
            High,
            &[ExitZone],
            "Exits must be arranged and kept so that everybody can leave freely at any time.",
        ),
        Standard::new(
            Construction,
            "29 CFR 1926.150(a)(2)",
            "Access to fire-fighting equipment (construction)",
            Medium,
            &[ExtinguisherZone],
            "Access to fire-fighting equipment must be kept at all times.",
        ),
        Standard::new(
            Construction,
            "29 CFR 1926.250(a)(3)",
            "Aisles and passageways clear (construction)",
            Medium,
            &[WalkwayZone],
            "Aisles and passageways must be kept clear, so that people and materials move safely.",
        ),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.37(a)(3)",
            "Exit routes free and unobstructed",
            High,
            &[ExitZone],
            "Exit routes must be free of material and equipment, for a moment too.",
        ),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.157(c)(1)",
            "Extinguishers mounted and accessible",
            Medium,
            &[ExtinguisherZone],
            "Portable extinguishers must be placed so that people reach them readily and unhurt.",
        ),
        Standard::new(
            GeneralIndustry,
            "29 CFR 1910.176(a)",
            "Aisles clear and marked",
            Medium,
            &[WalkwayZone],
            "Aisles in which goods are moved mechanically must be wide enough, clear and marked.",
        ),
    ],
    otherwise: Standard::policy("Blocked zone", Medium, "The site keeps this zone clear."),
};

static FIRE_SMOKE: Topic = Topic {
    candidates: &[],
    otherwise: Standard::policy(
        "Fire or smoke",
        Critical,
        "An incident, not a breach: no OSHA standard is broken by a fire as such. Help first, then look for the cause.",
    ),
};

static FALLEN: Topic = Topic {
    candidates: &[],
    otherwise: Standard::policy(
        "Person down",
        Critical,
        "An incident, not a breach: no OSHA standard is broken by a fall as such. Help first, then look for the cause.",
    ),
};

static SPOTTER: Topic = Topic {
    candidates: &[Standard::new(
        Construction,
        "29 CFR 1926.601(b)(4)",
        "Reversing vehicles with blocked rear view",
        Critical,
        &[VehicleZone],
        "A vehicle whose rear view is blocked may reverse only with an alarm that is heard above the noise, or when an \
         observer says that it is safe.",
    )
    .review()],
    otherwise: Standard::policy(
        "Vehicle without a spotter",
        Medium,
        "No OSHA standard applies as such: the site asks for a spotter here.",
    ),
};

const LADDER: Standard = Standard::new(
    Construction,
    "29 CFR 1926.1053(b)(13)",
    "Do not stand on top of a stepladder",
    High,
    &[],
    "The top and the top step of a stepladder are no steps.",
)
.presumed()
.review();

static LADDER_SCAFFOLD: Topic = Topic {
    candidates: &[LADDER],
    otherwise: Standard::policy(
        "Ladder or scaffold misused",
        Medium,
        "No OSHA standard can be told from a picture here: the site's own rule on ladders applies.",
    ),
};

static CUSTOM: Topic =
    Topic { candidates: &[], otherwise: Standard::policy("Site rule", Medium, "The site's own rule.") };
