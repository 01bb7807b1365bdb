//! The standards on what people and machines do.

use super::{Context, Scope, Severity, Standard, Topic, fall, feet};
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

static PPE: Topic = Topic {
    candidates: &[],
    otherwise: Standard::policy("Protective equipment", Low, "The site's own rule on protective equipment."),
};

static IN_ZONE: Topic = Topic {
    candidates: &[
        LOAD_CRANE,
        Standard::new(Construction, "29 CFR 1926.1424(a)(2)(ii)", &[MachineRadius]).review(),
        Standard::new(Construction, "29 CFR 1926.416(a)(1)", &[PowerLineZone]).review(),
        Standard::new(Construction, "29 CFR 1926.652(a)(1)", &[ExcavationZone]).review(),
        Standard::new(GeneralIndustry, "29 CFR 1910.333(c)(3)", &[PowerLineZone]).review(),
    ],
    otherwise: Standard::policy(
        "Person in a closed zone",
        High,
        "No OSHA standard applies as such: the site has closed this zone to people.",
    ),
};

static TOO_NEAR: Topic = Topic {
    candidates: &[
        Standard::new(Construction, "29 CFR 1926.1424(a)(2)(ii)", &[MachineRadius]).review(),
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

/// Who hooks, guides or lands the load may be there.
const LOAD_CRANE: Standard = Standard::new(Construction, "29 CFR 1926.1425(b)", &[LoadFallZone]).review();

const LOAD_FORKS: Standard = Standard::new(GeneralIndustry, "29 CFR 1910.178(m)(2)", &[VehicleZone]);

static UNDER_LOAD: Topic = Topic {
    candidates: &[
        LOAD_CRANE,
        Standard::new(Construction, "29 CFR 1926.651(e)", &[ExcavationZone]),
        LOAD_FORKS,
        LOAD_CRANE.presumed(),
        LOAD_FORKS.presumed().review(),
    ],
    otherwise: Standard::policy("Person under a load", Critical, "The site's own rule on hoisted loads."),
};

static UNPROTECTED_EDGE: Topic = Topic {
    candidates: &[
        fall::STEEL,
        fall::SCAFFOLD,
        fall::ROOF,
        fall::EDGE,
        Standard::new(Construction, "29 CFR 1926.501(b)(7)(i)", &[ExcavationZone]).above(feet(6.0)),
        fall::EDGE_INDUSTRY,
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
        Standard::new(Construction, "29 CFR 1926.34(a)", &[ExitZone]),
        Standard::new(Construction, "29 CFR 1926.150(a)(2)", &[ExtinguisherZone]),
        Standard::new(Construction, "29 CFR 1926.250(a)(3)", &[WalkwayZone]),
        Standard::new(GeneralIndustry, "29 CFR 1910.37(a)(3)", &[ExitZone]),
        Standard::new(GeneralIndustry, "29 CFR 1910.157(c)(1)", &[ExtinguisherZone]),
        Standard::new(GeneralIndustry, "29 CFR 1910.176(a)", &[WalkwayZone]),
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
    candidates: &[],
    otherwise: Standard::policy(
        "Moving vehicle without a spotter",
        Medium,
        "The site asks for a spotter here. The standards ask for a signal or an alarm only of a vehicle that reverses \
         without a view to the rear (29 CFR 1926.601(b)(4), 1926.602(a)(9)(ii)), which a picture does not tell.",
    ),
};

static LADDER_SCAFFOLD: Topic = Topic {
    candidates: &[],
    otherwise: Standard::policy(
        "Ladder or scaffold misused",
        Medium,
        "The site's own rule on ladders and scaffolds. Which standard it breaks hangs on what a picture does not tell: the \
         top step is forbidden of stepladders (29 CFR 1926.1053(b)(13)), and a ladder or scaffold carries what it was built for.",
    ),
};

static CUSTOM: Topic =
    Topic { candidates: &[], otherwise: Standard::policy("Site rule", Medium, "The site's own rule.") };
