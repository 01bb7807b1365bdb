//! One frame, understood: things with classes, places and speeds, in an order of their own.

use crate::classes::{Class, Vocabulary};
use crate::engine::{FrameObservations, Object};
use crate::equipment::{BORDER, Wearer};
use crate::geometry::{self, Point, Rect};
use crate::hazard::Hazard;
use crate::motion::{Motion, Way};
use crate::schedule::LocalTime;
use crate::site::{MAX_ZONES, Site};
use crate::state::Evidence;
use crate::zone::Shape;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How tall people are, in metres, where the ground is not measured.
const PERSON_M: f32 = 1.7;
/// The same for machines, where nobody is in view.
const MACHINE_M: f32 = 2.5;

/// The part of the box of somebody in or on a machine that lies within the machine's.
const INSIDE: f32 = 0.8;
/// How far above the machine's lower edge such a box ends, in heights of the machine.
const RAISED: f32 = 0.1;
/// How much their velocities may differ, in parts of the machine's.
const ALONG: f32 = 0.3;

/// A detection that means something.
#[derive(Debug)]
pub(crate) struct Thing {
    /// Index into the frame's objects.
    pub object: usize,
    pub class: Arc<Class>,
    /// In source pixels.
    pub rect: Rect,
    pub score: f32,
    pub track: Option<u64>,
    /// The middle of the lower edge, relative to the frame.
    pub foot: Point,
    /// The zones that the foot is in, one bit each.
    zones: u128,
    way: Option<Way>,
}

impl Thing {
    pub fn is_person(&self) -> bool {
        self.class.person
    }

    /// Whether its box ends at the frame's lower border: where it stands is not seen.
    fn is_cut_off(&self) -> bool {
        self.foot[1] > 1.0 - BORDER
    }

    pub fn is_in(&self, zone: usize) -> bool {
        zone < MAX_ZONES && self.zones & (1 << zone) != 0
    }

    /// Whether it is of one of these classes.
    pub fn is_any<S: AsRef<str>>(&self, classes: &[S]) -> bool {
        classes.iter().any(|class| self.class.belongs_to(class.as_ref()))
    }
}

/// A distance or a speed, and whether it was measured on the ground. It is guessed by the heights of people where the ground
/// is not known, and by the frame's border where feet are beyond it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measure {
    /// Metres, or metres a second.
    pub value: f32,
    pub measured: bool,
}

/// One frame.
pub(crate) struct Scene<'a> {
    pub site: &'a Site,
    pub clock: Option<LocalTime>,
    /// Width and height of the frame in pixels.
    pub size: [f32; 2],
    /// In an order that does not depend on that of the objects.
    pub things: Vec<Thing>,
    /// People, and lacks of equipment on nobody, with what they wear.
    pub wearers: Vec<Wearer>,
    /// The hazards whose equipment the model cannot show in use.
    pub unseen: Arc<BTreeSet<Hazard>>,
}

impl<'a> Scene<'a> {
    /// Understands a frame. The wearers are added afterwards.
    pub fn new(
        site: &'a Site,
        vocabulary: &Vocabulary,
        motion: &mut Motion,
        now: Duration,
        frame: &FrameObservations<'_>,
    ) -> Self {
        let size = [frame.size.0.max(1) as f32, frame.size.1.max(1) as f32];
        let objects = frame.objects.iter().enumerate();
        let thing = |(index, object): (usize, &Object<'_>)| thing(index, object, vocabulary, size);
        let mut things: Vec<_> = objects.filter_map(thing).collect();
        things.sort_by(order);
        for thing in things.iter_mut().filter(|thing| !thing.class.is_equipment()) {
            thing.zones = zones(site, thing.foot);
            thing.way = thing.track.and_then(|track| motion.follow(track, now, thing.foot));
        }
        let unseen = Arc::clone(vocabulary.unseen());
        Self { site, clock: frame.clock, size, things, wearers: Vec::new(), unseen }
    }

    /// People in view.
    pub fn people(&self) -> impl Iterator<Item = (usize, &Thing)> {
        self.things.iter().enumerate().filter(|(_, thing)| thing.is_person())
    }

    /// What is known of a person's equipment.
    pub fn evidence(&self, thing: usize, hazard: Hazard) -> Evidence {
        let wearer = self.wearers.iter().find(|wearer| wearer.thing == thing);
        wearer.and_then(|wearer| wearer.evidence.get(&hazard).copied()).unwrap_or(Evidence::Silent)
    }

    /// From one thing to another. Neither the ground nor a person's height known: `None`.
    pub fn distance(&self, from: &Thing, to: &Thing) -> Option<Measure> {
        let [left, top, width, height] = to.rect;
        let ends = [[left, top + height], [left + width, top + height]];
        let edge = ends.map(|[x, y]| [x / self.size[0], y / self.size[1]]);
        self.distance_to(&edge, from, Some(to), geometry::distance_to_line)
    }

    /// From a thing to a zone or a line; zero within a zone.
    pub fn distance_to_zone(&self, from: &Thing, zone: usize) -> Option<Measure> {
        let zone = self.site.zones.get(zone)?;
        let distance = match zone.shape {
            Shape::Polygon => geometry::distance_to_polygon,
            Shape::Line => geometry::distance_to_line,
        };
        self.distance_to(&zone.points, from, None, distance)
    }

    fn distance_to(
        &self,
        points: &[Point],
        from: &Thing,
        to: Option<&Thing>,
        distance: impl Fn(&[Point], Point) -> f32,
    ) -> Option<Measure> {
        if let Some(value) = self.on_the_ground(points, from.foot, &distance) {
            let measured = !from.is_cut_off() && !to.is_some_and(Thing::is_cut_off);
            return Some(Measure { value, measured });
        }
        let scale = self.scale([Some(from), to])?;
        let points: Vec<_> = points.iter().map(|point| self.upright(*point)).collect();
        Some(Measure { value: scale * distance(&points, self.upright(from.foot)), measured: false })
    }

    fn on_the_ground(
        &self,
        points: &[Point],
        foot: Point,
        distance: impl Fn(&[Point], Point) -> f32,
    ) -> Option<f32> {
        let ground = self.site.ground?;
        let points: Vec<_> = points.iter().map(|point| ground.map(*point)).collect::<Option<_>>()?;
        Some(distance(&points, ground.map(foot)?))
    }

    /// How fast a thing moves; `None` if it has just come, or nothing tells how far a metre is. `near` is a thing of known
    /// size beside it.
    pub fn speed(&self, thing: &Thing, near: Option<&Thing>) -> Option<Measure> {
        let way = thing.way?;
        if let Some(length) =
            self.on_the_ground(&[way.from], thing.foot, |from, to| geometry::distance(from[0], to))
        {
            return Some(Measure { value: length / way.seconds, measured: !thing.is_cut_off() });
        }
        let length = geometry::distance(self.upright(way.from), self.upright(thing.foot));
        let scale = self.scale([Some(thing), near])?;
        Some(Measure { value: scale * length / way.seconds, measured: false })
    }

    /// Whether a person is in or on a machine that moves, and not beside it: within its box, off the ground, and moving along.
    pub fn rides(&self, person: &Thing, machine: &Thing) -> bool {
        let inside = geometry::overlap(&person.rect, &machine.rect) >= INSIDE * geometry::area(&person.rect);
        let raised = machine.foot[1] - person.foot[1] >= RAISED * machine.rect[3] / self.size[1];
        let along = || {
            let [own, other] = [self.velocity(person)?, self.velocity(machine)?];
            Some(geometry::distance(own, other) <= ALONG * geometry::distance(other, [0.0; 2]))
        };
        inside && raised && along().unwrap_or(false)
    }

    /// Whether a person is in or on any machine that moves.
    pub fn is_driver(&self, person: &Thing) -> bool {
        person.is_person()
            && self.things.iter().any(|thing| thing.class.belongs_to("machine") && self.rides(person, thing))
    }

    /// In heights of the frame a second.
    fn velocity(&self, thing: &Thing) -> Option<Point> {
        let way = thing.way?;
        let [from, to] = [way.from, thing.foot].map(|place| self.upright(place));
        Some([0, 1].map(|axis| (to[axis] - from[axis]) / way.seconds))
    }

    /// Metres in a height of the frame: by the first of the things that is a person, else by the people in view, else by
    /// the first that is a machine.
    fn scale(&self, things: [Option<&Thing>; 2]) -> Option<f32> {
        let height = |class: &str| {
            things
                .into_iter()
                .flatten()
                .find(|thing| thing.class.belongs_to(class))
                .map(|thing| thing.rect[3])
        };
        let people = height("person").or_else(|| self.usual_height()).map(|height| (PERSON_M, height));
        let (metres, pixels) = people.or_else(|| Some((MACHINE_M, height("machine")?)))?;
        (pixels > 0.0).then(|| metres * self.size[1] / pixels)
    }

    /// The median height of the people in view.
    fn usual_height(&self) -> Option<f32> {
        let mut heights: Vec<_> = self.people().map(|(_, person)| person.rect[3]).collect();
        heights.sort_by(f32::total_cmp);
        heights.get(heights.len() / 2).copied()
    }

    /// A relative place in heights of the frame, in which right and down are of the same length.
    fn upright(&self, [x, y]: Point) -> Point {
        [x * self.size[0] / self.size[1], y]
    }
}

fn thing(index: usize, object: &Object<'_>, vocabulary: &Vocabulary, size: [f32; 2]) -> Option<Thing> {
    if !object.score.is_finite() || !object.rect.iter().all(|value| value.is_finite()) {
        return None;
    }
    let class = Arc::clone(vocabulary.resolve(object.class)?);
    let [left, top, width, height] = object.rect;
    let foot = [(left + width / 2.0) / size[0], (top + height) / size[1]];
    let Object { rect, score, track, .. } = *object;
    Some(Thing { object: index, class, rect, score, track, foot, zones: 0, way: None })
}

/// Tracks in their order, then the rest by what they are.
fn order(a: &Thing, b: &Thing) -> std::cmp::Ordering {
    let track = |thing: &Thing| (thing.track.is_none(), thing.track);
    let sides = |thing: &Thing| [thing.rect[0], thing.rect[1], thing.rect[2], thing.rect[3], thing.score];
    let by_sides = || {
        let pairs = sides(a).into_iter().zip(sides(b));
        pairs.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    };
    track(a).cmp(&track(b)).then_with(|| a.class.name.cmp(&b.class.name)).then_with(by_sides)
}

fn zones(site: &Site, foot: Point) -> u128 {
    let bit = |(index, zone): (usize, &crate::zone::Zone)| u128::from(zone.contains(foot)) << index;
    site.zones.iter().enumerate().take(MAX_ZONES).map(bit).fold(0, |all, one| all | one)
}
