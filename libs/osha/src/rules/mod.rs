//! What rules ask of people and things. Each kind has a module that says what one frame shows; [`crate::state`] decides
//! over time, and [`crate::engine`] reports.

use crate::expression::Expression;
use crate::hazard::Hazard;
use crate::scene::{Scene, Thing};
use crate::schedule::Schedule;
use crate::site::Timing;
use crate::standards::Severity;
use crate::state::Evidence;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

mod blocked;
mod crowding;
mod custom;
mod fallen;
mod fire_smoke;
mod in_zone;
mod ladder_scaffold;
mod ppe_missing;
mod too_near;
mod under_load;
mod unprotected_edge;
mod vehicle_without_spotter;

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
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::PpeMissing,
        Self::InZone,
        Self::TooNear,
        Self::UnderLoad,
        Self::UnprotectedEdge,
        Self::Crowding,
        Self::Blocked,
        Self::FireSmoke,
        Self::Fallen,
        Self::VehicleWithoutSpotter,
        Self::LadderScaffold,
        Self::Custom,
    ];

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
        /// The classes of those who can guide it.
        spotters: Vec<String>,
    },
    /// A person on a ladder's top, or more than one on a ladder; people on top of scaffolds' frames.
    LadderScaffold {
        /// How many may be on a ladder.
        max: usize,
    },
    /// An expression that must not hold.
    Custom(Box<Expression>),
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

impl Outcome {
    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::NeedsReview => "needs_review",
        }
    }
}

/// Who or what a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// Index into the scene's things.
    Thing(usize),
    /// Index into the site's zones.
    Zone(usize),
    Place,
}

/// What one frame shows on one rule and one subject.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub who: Who,
    pub evidence: Evidence,
    /// The zone that matters.
    pub zone: Option<usize>,
    /// The others that take part, as indices into the scene's things.
    pub others: Vec<usize>,
    pub outcome: Outcome,
}

impl Finding {
    fn new(who: Who, evidence: Evidence, zone: Option<usize>) -> Self {
        Self { who, evidence, zone, others: Vec::new(), outcome: Outcome::Violation }
    }

    fn with(mut self, others: Vec<usize>) -> Self {
        self.others = others;
        self
    }

    fn review(mut self, review: bool) -> Self {
        self.outcome = if review { Outcome::NeedsReview } else { self.outcome };
        self
    }
}

/// What a frame shows on a rule. Who is judged and not named keeps it.
pub(crate) fn check(rule: &Rule, scene: &Scene<'_>) -> Vec<Finding> {
    match &rule.check {
        Check::PpeMissing { hazard, from_absence, min_height } => {
            ppe_missing::check(rule, scene, *hazard, from_absence.then_some(*min_height))
        }
        Check::InZone => in_zone::check(rule, scene),
        Check::TooNear { distance_m, speed_m_s } => too_near::check(rule, scene, *distance_m, *speed_m_s),
        Check::UnderLoad => under_load::check(rule, scene),
        Check::UnprotectedEdge { distance_m } => unprotected_edge::check(rule, scene, *distance_m),
        Check::Crowding { max } => crowding::check(rule, scene, *max),
        Check::Blocked => blocked::check(rule, scene),
        Check::FireSmoke => fire_smoke::check(rule, scene),
        Check::Fallen { aspect } => fallen::check(rule, scene, *aspect),
        Check::VehicleWithoutSpotter { distance_m, speed_m_s, spotters } => {
            vehicle_without_spotter::check(rule, scene, *distance_m, *speed_m_s, spotters)
        }
        Check::LadderScaffold { max } => ladder_scaffold::check(rule, scene, *max),
        Check::Custom(expression) => custom::check(scene, expression),
    }
}

impl Rule {
    /// Where a thing stands for this rule: in one of its zones, or anywhere if it has none; `None` if it is elsewhere.
    pub(crate) fn place_of(&self, thing: &Thing) -> Option<Option<usize>> {
        if self.zones.is_empty() {
            return Some(None);
        }
        self.zones.iter().copied().find(|&zone| thing.is_in(zone)).map(Some)
    }

    /// The things of the rule's classes, or of `usual`, that stand where it holds.
    fn things<'s>(
        &'s self,
        scene: &'s Scene<'_>,
        usual: &'s [&'s str],
    ) -> impl Iterator<Item = (usize, &'s Thing, Option<usize>)> + 's {
        let is_meant = move |thing: &Thing| {
            if self.classes.is_empty() { thing.is_any(usual) } else { thing.is_any(&self.classes) }
        };
        let things = scene.things.iter().enumerate().filter(move |(_, thing)| is_meant(thing));
        things.filter_map(|(index, thing)| Some((index, thing, self.place_of(thing)?)))
    }

    /// The places that a rule on places judges: its zones, or the whole.
    fn places(&self) -> Vec<(Who, Option<usize>)> {
        if self.zones.is_empty() {
            return vec![(Who::Place, None)];
        }
        self.zones.iter().map(|&zone| (Who::Zone(zone), Some(zone))).collect()
    }
}

#[cfg(test)]
mod testing;
