//! What people wear in one frame: equipment, and the lack of it, handed to its owners.

use crate::association::{self, Item};
use crate::geometry::{self, Rect};
use crate::hazard::Hazard;
use crate::scene::{Scene, Thing};
use crate::state::Evidence;
use std::collections::{BTreeMap, BTreeSet};

/// A person, or a lack of equipment on nobody in view.
#[derive(Debug)]
pub(crate) struct Wearer {
    /// Index into the scene's things.
    pub thing: usize,
    /// Of a lack of equipment, that of the person who had it a moment ago.
    pub track: Option<u64>,
    pub person: bool,
    pub evidence: BTreeMap<Hazard, Evidence>,
}

impl Wearer {
    fn new(thing: usize, track: Option<u64>, person: bool) -> Self {
        Self { thing, track, person, evidence: BTreeMap::new() }
    }

    fn add(&mut self, hazard: Hazard, evidence: Evidence) {
        let known = self.evidence.entry(hazard).or_insert(Evidence::Silent);
        *known = known.or(evidence);
    }
}

/// A thing that says something on equipment.
#[derive(Debug)]
pub(crate) struct Clue {
    /// Index into the scene's things.
    pub thing: usize,
    pub hazard: Hazard,
    pub missing: bool,
    /// Index into the scene's wearers.
    pub owner: Option<usize>,
}

impl Clue {
    fn evidence(&self, things: &[Thing]) -> Evidence {
        let score = things[self.thing].score;
        if self.missing { Evidence::Against(score) } else { Evidence::Fine(score) }
    }
}

/// Finds the wearers of a scene, and gives every clue on the watched hazards. `wearer_of` tells who had a lack of
/// equipment, by its track, a moment ago.
pub(crate) fn dress(
    scene: &mut Scene<'_>,
    watched: &BTreeSet<Hazard>,
    wearer_of: impl Fn(u64) -> Option<u64>,
) -> Vec<Clue> {
    let people: Vec<_> = scene.people().map(|(index, _)| index).collect();
    let mut clues = clues(scene, watched);
    let mut wearers: Vec<_> =
        people.iter().map(|&person| Wearer::new(person, scene.things[person].track, true)).collect();
    assign(scene, &people, &mut clues);
    for clue in &clues {
        if let Some(wearer) = clue.owner.and_then(|owner| wearers.get_mut(owner)) {
            wearer.add(clue.hazard, clue.evidence(&scene.things));
        }
    }
    for clue in clues.iter_mut().filter(|clue| clue.owner.is_none()) {
        let track = scene.things[clue.thing].track;
        if !is_contested(scene, clue, &wearers) {
            clue.owner = stand_in(clue, track, &wearer_of, &mut wearers);
        }
        if let Some(wearer) = clue.owner.and_then(|owner| wearers.get_mut(owner)) {
            wearer.add(clue.hazard, clue.evidence(&scene.things));
        }
    }
    hide(scene, watched, &mut wearers);
    scene.wearers = wearers;
    clues
}

fn clues(scene: &Scene<'_>, watched: &BTreeSet<Hazard>) -> Vec<Clue> {
    let clues = scene.things.iter().enumerate().flat_map(|(thing, Thing { class, .. })| {
        class.evidence().map(move |(hazard, missing)| Clue { thing, hazard, missing, owner: None })
    });
    clues.filter(|clue| watched.contains(&clue.hazard)).collect()
}

/// Gives clues to people: those of a person's own box to that person, the others to whom they fit best.
fn assign(scene: &Scene<'_>, people: &[usize], clues: &mut [Clue]) {
    let boxes: Vec<_> = people.iter().map(|&person| scene.things[person].rect).collect();
    let (own, worn): (Vec<_>, Vec<_>) =
        clues.iter_mut().partition(|clue| scene.things[clue.thing].is_person());
    for clue in own {
        clue.owner = people.iter().position(|&person| person == clue.thing);
    }
    let item = |clue: &&mut Clue| {
        let Thing { rect, score, .. } = scene.things[clue.thing];
        Item { hazard: clue.hazard, rect, score }
    };
    let items: Vec<_> = worn.iter().map(item).collect();
    for (clue, owner) in worn.into_iter().zip(association::associate(&boxes, &items)) {
        clue.owner = owner;
    }
}

/// Whether a clue lies on a person of whom a better one tells already.
fn is_contested(scene: &Scene<'_>, clue: &Clue, wearers: &[Wearer]) -> bool {
    let item = &scene.things[clue.thing].rect;
    let covers = |wearer: &Wearer| {
        let both = geometry::overlap(&scene.things[wearer.thing].rect, item);
        wearer.person && wearer.evidence.contains_key(&clue.hazard) && 2.0 * both >= geometry::area(item)
    };
    wearers.iter().any(covers)
}

/// The wearer for a lack of equipment that is on nobody in view: who it was on a moment ago, or else itself.
fn stand_in(
    clue: &Clue,
    track: Option<u64>,
    wearer_of: impl Fn(u64) -> Option<u64>,
    wearers: &mut Vec<Wearer>,
) -> Option<usize> {
    if !clue.missing {
        return None;
    }
    let track = track.and_then(wearer_of).or(track);
    let known = |wearer: &Wearer| {
        (track.is_some() && wearer.track == track) || (!wearer.person && wearer.thing == clue.thing)
    };
    if let Some(known) = wearers.iter().position(known) {
        return Some(known);
    }
    wearers.push(Wearer::new(clue.thing, track, false));
    Some(wearers.len() - 1)
}

/// Marks what cannot be seen of people on whom nothing was said.
fn hide(scene: &Scene<'_>, watched: &BTreeSet<Hazard>, wearers: &mut [Wearer]) {
    for wearer in wearers.iter_mut().filter(|wearer| wearer.person) {
        let blockers = blockers(scene, wearer.thing);
        let person = &scene.things[wearer.thing].rect;
        for &hazard in watched {
            if !wearer.evidence.contains_key(&hazard) && !is_visible(scene, person, hazard, &blockers) {
                wearer.evidence.insert(hazard, Evidence::Hidden);
            }
        }
    }
}

/// The part of a region that may be covered before it counts as hidden.
const COVERED: f32 = 0.4;
/// A box that comes so near to the frame's border, in parts of the frame, is cut off there.
pub(crate) const BORDER: f32 = 0.004;

/// The boxes that stand before a person: they overlap, and reach further down.
fn blockers(scene: &Scene<'_>, person: usize) -> Vec<Rect> {
    let own = &scene.things[person].rect;
    let before = |thing: &&Thing| {
        !thing.class.is_equipment()
            && thing.rect[1] + thing.rect[3] > own[1] + own[3]
            && geometry::overlap(&thing.rect, own) > 0.0
    };
    scene.things.iter().filter(before).map(|thing| thing.rect).collect()
}

fn is_visible(scene: &Scene<'_>, person: &Rect, hazard: Hazard, blockers: &[Rect]) -> bool {
    let [left, top, width, height] = *person;
    let (from, to) = hazard.region().core;
    let part = [left + 0.2 * width, top + from * height, 0.6 * width, (to - from) * height];
    let border = [scene.size[0] * BORDER, scene.size[1] * BORDER];
    let cut = left < border[0]
        || left + width > scene.size[0] - border[0]
        || (from < 0.2 && top < border[1])
        || (to > 0.8 && top + height > scene.size[1] - border[1]);
    let size = geometry::area(&part);
    !cut && size > 0.0 && blockers.iter().all(|blocker| geometry::overlap(blocker, &part) < COVERED * size)
}
