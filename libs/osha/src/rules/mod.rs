//! What rules ask of people and things. Each kind has a module that says what one frame shows; [`crate::state`] decides
//! over time, and [`crate::engine`] reports.

use crate::expression::Expression;
use crate::hazard::Hazard;
use crate::schedule::Schedule;
use crate::site::Timing;
use crate::standards::Severity;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The kinds of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// Protective equipment is not worn.
    PpeMissing,
    /// Somebody is where nobody may be.
    InZone,
    /// Somebody is too near to a moving machine.
    TooNear,
    /// Somebody is below a load.
    UnderLoad,
    /// Somebody is at an open edge without fall protection.
    UnprotectedEdge,
    /// Too many people are in a place.
    Crowding,
    /// Something blocks an exit, a way or an extinguisher.
    Blocked,
    /// Fire or smoke.
    FireSmoke,
    /// Somebody lies on the ground.
    Fallen,
    /// A vehicle moves and nobody guides it.
    VehicleWithoutSpotter,
    /// A ladder or a scaffold is misused.
    LadderScaffold,
    /// An expression of the site file holds.
    Custom,
}

impl RuleKind {
    /// Its name in site files and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::PpeMissing => "ppe_missing",
            Self::InZone => "in_zone",
            Self::TooNear => "too_near",
            Self::UnderLoad => "under_load",
            Self::UnprotectedEdge => "unprotected_edge",
            Self::Crowding => "crowding",
            Self::Blocked => "blocked",
            Self::FireSmoke => "fire_smoke",
            Self::Fallen => "fallen",
            Self::VehicleWithoutSpotter => "vehicle_without_spotter",
            Self::LadderScaffold => "ladder_scaffold",
            Self::Custom => "custom",
        }
    }
}

/// What a rule looks for, with its thresholds.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Equipment that a person lacks.
    PpeMissing {
        /// The equipment, by the hazard that it averts.
        hazard: Hazard,
        /// Whether equipment that is not seen where it should be counts as missing.
        from_absence: bool,
        /// People smaller than this part of the frame's height are not judged by absence.
        min_height: f32,
    },
    /// A person in a zone.
    InZone,
    /// A person and a moving machine.
    TooNear {
        /// The least distance, in metres.
        distance_m: f32,
        /// Machines slower than this, in metres a second, stand.
        speed_m_s: f32,
    },
    /// A person below a load.
    UnderLoad,
    /// A person in an edge zone, or near to an edge line.
    UnprotectedEdge {
        /// How near to a line, in metres.
        distance_m: f32,
    },
    /// People in a zone, or in the frame.
    Crowding {
        /// How many are allowed.
        max: usize,
    },
    /// A thing in a zone.
    Blocked,
    /// Fire or smoke in a zone, or in the frame.
    FireSmoke,
    /// A person on the ground.
    Fallen {
        /// Boxes wider than this times their height are people who lie; `None` asks the detector alone.
        aspect: Option<f32>,
    },
    /// A moving vehicle.
    VehicleWithoutSpotter {
        /// How near a spotter has to be, in metres.
        distance_m: f32,
        /// Vehicles slower than this, in metres a second, stand.
        speed_m_s: f32,
    },
    /// A person on a ladder's top, or more than one on a ladder; people on top of scaffolds' frames.
    LadderScaffold {
        /// How many may be on a ladder.
        max: usize,
    },
    /// An expression that must not hold.
    Custom(Expression),
}

impl Check {
    /// Its kind.
    pub fn kind(&self) -> RuleKind {
        match self {
            Self::PpeMissing { .. } => RuleKind::PpeMissing,
            Self::InZone => RuleKind::InZone,
            Self::TooNear { .. } => RuleKind::TooNear,
            Self::UnderLoad => RuleKind::UnderLoad,
            Self::UnprotectedEdge { .. } => RuleKind::UnprotectedEdge,
            Self::Crowding { .. } => RuleKind::Crowding,
            Self::Blocked => RuleKind::Blocked,
            Self::FireSmoke => RuleKind::FireSmoke,
            Self::Fallen { .. } => RuleKind::Fallen,
            Self::VehicleWithoutSpotter { .. } => RuleKind::VehicleWithoutSpotter,
            Self::LadderScaffold { .. } => RuleKind::LadderScaffold,
            Self::Custom(_) => RuleKind::Custom,
        }
    }

    /// The equipment that the rule is about, if it is about any.
    pub fn hazard(&self) -> Option<Hazard> {
        match self {
            Self::PpeMissing { hazard, .. } => Some(*hazard),
            Self::Fallen { .. } => Some(Hazard::Fall),
            Self::UnprotectedEdge { .. } => Some(Hazard::NoHarness),
            _ => None,
        }
    }
}

/// One rule of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name in events; unique within the site.
    pub id: Arc<str>,
    /// What it looks for.
    pub check: Check,
    /// Where it holds, as indices into the site's zones; everywhere if empty.
    pub zones: Vec<usize>,
    /// The classes that it is about; empty for those that its kind is usually about.
    pub classes: Vec<String>,
    /// When it holds; always if `None`.
    pub schedule: Option<Schedule>,
    /// How long things take.
    pub timing: Timing,
    /// How bad a breach is; overrides the standard's.
    pub severity: Option<Severity>,
    /// What it cites instead of the built-in standard.
    pub cite: Option<String>,
    /// The words of the finding instead of the standard's title.
    pub title: Option<String>,
}

/// What a finding comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What the camera sees is enough.
    #[default]
    Violation,
    /// The standard depends on something that a camera cannot measure: a person has to look.
    NeedsReview,
}
