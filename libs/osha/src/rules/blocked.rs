//! Something blocks an exit, a way or an extinguisher.

use super::{Finding, Rule};
use crate::geometry;
use crate::scene::{Scene, Thing};
use crate::state::Evidence;

/// The part of a zone that people may cover before it counts as hidden.
const COVERED: f32 = 0.4;

/// Things of these classes belong where they are.
const HARMLESS: [&str; 4] = ["extinguisher", "guardrail", "fire", "smoke"];

pub(super) fn check(rule: &Rule, scene: &Scene<'_>) -> Vec<Finding> {
    let judge = |(who, zone): (_, Option<usize>)| {
        let inside = |thing: &Thing| zone.is_some_and(|zone| stands_in(scene, thing, zone));
        let things = scene.things.iter().enumerate();
        let blocking: Vec<_> = things
            .filter(|(_, thing)| can_block(rule, thing) && inside(thing))
            .map(|(index, _)| index)
            .collect();
        let score = blocking.iter().map(|&index| scene.things[index].score).reduce(f32::max);
        let free = if zone.is_some_and(|zone| is_hidden(scene, zone)) {
            Evidence::Hidden
        } else {
            Evidence::Fine(1.0)
        };
        let evidence = score.map_or(free, Evidence::Against);
        Finding::new(who, evidence, zone).with(blocking)
    };
    rule.places().into_iter().map(judge).collect()
}

fn can_block(rule: &Rule, thing: &Thing) -> bool {
    if !rule.classes.is_empty() {
        return thing.is_any(&rule.classes);
    }
    !thing.is_person() && !thing.class.is_equipment() && !thing.is_any(&HARMLESS)
}

/// Whether people cover so much of the zone's box that a thing in it would not be seen. Where their boxes overlap, each
/// counts. What has no area is not hidden.
fn is_hidden(scene: &Scene<'_>, zone: usize) -> bool {
    let [width, height] = scene.size;
    let [x, y, w, h] = geometry::bounds(&scene.site.zones[zone].points);
    let zone = [x * width, y * height, w * width, h * height];
    let covered: f32 = scene.people().map(|(_, person)| geometry::overlap(&person.rect, &zone)).sum();
    covered > COVERED * geometry::area(&zone)
}

/// Whether an end or the middle of the thing's lower edge is in the zone.
fn stands_in(scene: &Scene<'_>, thing: &Thing, zone: usize) -> bool {
    let [left, top, width, height] = thing.rect;
    let at = |share: f32| [(left + share * width) / scene.size[0], (top + height) / scene.size[1]];
    thing.is_in(zone) || [0.05, 0.95].into_iter().any(|share| scene.site.zones[zone].contains(at(share)))
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;
    use crate::state::Evidence;

    const SITE: &str = "[[zones]]
        id = 'door'
        kind = 'exit'
        points = [[0.4, 0.5], [0.6, 0.5], [0.6, 1.0], [0.4, 1.0]]
        [[rules]]
        id = 'door'
        kind = 'blocked'
        zones = ['door']";

    #[test]
    fn things_block_and_people_do_not() {
        let pallet = |x: f32| thing("pallet", 3, x, 0.9, 0.1);
        assert!(matches!(judge(SITE, |_| vec![pallet(0.5)])[0].evidence, Evidence::Against(_)));
        assert!(
            matches!(judge(SITE, |_| vec![pallet(0.36)])[0].evidence, Evidence::Against(_)),
            "its corner"
        );
        for other in [pallet(0.2), person(1, 0.5, 0.9), thing("fire_extinguisher", 4, 0.5, 0.9, 0.05)] {
            assert_eq!(judge(SITE, |_| vec![other])[0].evidence, Evidence::Fine(1.0));
        }
    }

    #[test]
    fn people_who_stand_before_it_hide_it() {
        let queue = |count: u64| (0..count).map(|index| person(index, 0.44 + 0.06 * index as f32, 0.9));
        assert_eq!(judge(SITE, |_| queue(1).collect())[0].evidence, Evidence::Fine(1.0));
        assert_eq!(judge(SITE, |_| queue(3).collect())[0].evidence, Evidence::Hidden);
        let pallet = thing("pallet", 9, 0.5, 0.95, 0.1);
        let seen = judge(SITE, |_| queue(3).chain([pallet]).collect());
        assert!(matches!(seen[0].evidence, Evidence::Against(_)), "between their feet");
    }

    #[test]
    fn the_classes_can_be_named() {
        let site = format!("{SITE}\nclasses = ['person']");
        let found = judge(&site, |_| vec![person(1, 0.5, 0.9), thing("pallet", 3, 0.5, 0.9, 0.1)]);
        assert_eq!(found[0].others.len(), 1);
    }
}
