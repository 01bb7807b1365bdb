//! Zones and lines of a site, in coordinates relative to the frame.

use crate::geometry::{self, Point};
use crate::hazard::Hazard;
use crate::standards::{Context, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a zone or a line is for. It implies facts about the place, see [`ZoneKind::context`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneKind {
    /// A place of no other kind.
    Area,
    /// Nobody may be here.
    Exclusion,
    /// An open side or edge.
    Edge,
    /// A pit or a trench.
    Excavation,
    /// A road that carries traffic.
    Traffic,
    /// Where site vehicles drive.
    Vehicles,
    /// Where forklifts drive.
    ForkliftAisle,
    /// Where people walk.
    Walkway,
    /// An exit or the way to it.
    Exit,
    /// The place before a fire extinguisher.
    Extinguisher,
    /// Welding, cutting, grinding.
    HotWork,
    /// Protective equipment is required.
    Ppe,
    /// A roof.
    Roof,
    /// A scaffold's platform.
    Scaffold,
    /// Below hoisted loads.
    Load,
    /// Within reach of a machine that swings or moves.
    Machine,
    /// Near overhead power lines.
    PowerLine,
}

impl ZoneKind {
    /// The fact that the kind alone declares.
    pub fn context(self) -> Option<Context> {
        Some(match self {
            Self::Area | Self::Exclusion => return None,
            Self::Edge => Context::EdgeZone,
            Self::Excavation => Context::ExcavationZone,
            Self::Traffic => Context::RoadWorkZone,
            Self::Vehicles | Self::ForkliftAisle => Context::VehicleZone,
            Self::Walkway => Context::WalkwayZone,
            Self::Exit => Context::ExitZone,
            Self::Extinguisher => Context::ExtinguisherZone,
            Self::HotWork => Context::HotWorkZone,
            Self::Ppe => Context::PpeRequiredZone,
            Self::Roof => Context::RoofZone,
            Self::Scaffold => Context::ScaffoldZone,
            Self::Load => Context::LoadFallZone,
            Self::Machine => Context::MachineRadius,
            Self::PowerLine => Context::PowerLineZone,
        })
    }
}

/// The form of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A closed polygon, which contains places.
    Polygon,
    /// An open line, which contains none, but is near to some.
    Line,
}

/// A zone or a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Its name in rules, events and pictures.
    pub id: Arc<str>,
    /// What it is for.
    pub kind: ZoneKind,
    /// Polygon or line.
    pub shape: Shape,
    /// Its corners, right and down, 0 to 1 within the frame.
    pub points: Vec<Point>,
    /// Facts about the place beyond those of the site, those of its kind included.
    pub contexts: BTreeSet<Context>,
    /// What has to be worn here.
    pub ppe: BTreeSet<Hazard>,
    /// How far one can fall here, in metres.
    pub height_m: Option<f32>,
    /// How bad a breach is here; overrides the standard's.
    pub severity: Option<Severity>,
}

impl Zone {
    /// Whether a place lies in the zone; never in a line. Who is cut off at the frame's border stands at it: a zone that
    /// reaches the border contains them.
    pub fn contains(&self, place: Point) -> bool {
        let place = place.map(|along| along.clamp(0.0, 1.0 - f32::EPSILON));
        self.shape == Shape::Polygon && geometry::contains(&self.points, place)
    }
}
