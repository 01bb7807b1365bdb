//! Somebody is at an open edge without fall protection.

use super::{Finding, Outcome, Rule, Who};
use crate::hazard::Hazard;
use crate::scene::{Scene, Thing};
use crate::state::Evidence;
use crate::zone::Shape;

pub(super) fn check(rule: &Rule, scene: &Scene<'_>, distance_m: f32) -> Vec<Finding> {
    scene.people().filter_map(|person| at_edge(rule, scene, person, distance_m)).collect()
}

/// A harness that nobody sees may be there, so a person has to look.
fn at_edge(
    rule: &Rule,
    scene: &Scene<'_>,
    (index, person): (usize, &Thing),
    distance_m: f32,
) -> Option<Finding> {
    let near = |zone: usize| match scene.site.zones[zone].shape {
        Shape::Polygon => person.is_in(zone).then_some(true),
        Shape::Line => {
            let distance = scene.distance_to_zone(person, zone)?;
            (distance.value < distance_m).then_some(distance.measured)
        }
    };
    let (zone, measured) = rule.zones.iter().find_map(|&zone| Some((zone, near(zone)?)))?;
    let (evidence, outcome) = match scene.evidence(index, Hazard::NoHarness) {
        Evidence::Silent | Evidence::Hidden => (Evidence::Against(person.score), Outcome::NeedsReview),
        seen => (seen, Outcome::Violation),
    };
    let review = !measured || outcome == Outcome::NeedsReview;
    Some(Finding::new(Who::Thing(index), evidence, Some(zone)).review(review))
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;
    use crate::state::Evidence;

    const SITE: &str = "[[zones]]
        id = 'roof edge'
        kind = 'edge'
        points = [[0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [0.0, 1.0]]
        [[lines]]
        id = 'slab'
        kind = 'edge'
        points = [[0.7, 0.0], [0.7, 1.0]]
        [[rules]]
        id = 'edge'
        kind = 'unprotected_edge'
        zones = ['roof edge', 'slab']
        distance_m = 1.0";

    #[test]
    fn a_missing_harness_is_a_violation_an_unseen_one_needs_a_look() {
        let on = |class, x: f32| item(class, 90, x, 0.75, 0.05);
        let bare = judge(SITE, |_| vec![person(1, 0.2, 0.9), on("no_harness", 0.2)]);
        assert_eq!((tracks(&bare), bare[0].outcome), (vec![1], Outcome::Violation));
        let unknown = judge(SITE, |_| vec![person(1, 0.2, 0.9)]);
        assert_eq!((tracks(&unknown), unknown[0].outcome), (vec![1], Outcome::NeedsReview));
        let tied = judge(SITE, |_| vec![person(1, 0.2, 0.9), on("harness", 0.2)]);
        assert!(matches!(tied[0].evidence, Evidence::Fine(_)));
    }

    #[test]
    fn near_a_line_counts_by_its_distance() {
        let found = judge(SITE, |_| vec![person(1, 0.68, 0.9), person(2, 0.9, 0.9)]);
        assert_eq!((tracks(&found), found[0].zone), (vec![1], Some(1)));
    }
}
