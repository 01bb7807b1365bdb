//! Somebody, or something, is where it may not be. Who drives a machine has no feet there: `classes` can name the machine.

use super::{Finding, Rule, Who};
use crate::scene::{Scene, Thing};
use crate::state::Evidence;

pub(super) fn check(rule: &Rule, scene: &Scene<'_>) -> Vec<Finding> {
    let on_foot = |(_, thing, _): &(usize, &Thing, Option<usize>)| !scene.is_driver(thing);
    rule.things(scene, &["person"])
        .filter(on_foot)
        .map(|(index, thing, zone)| Finding::new(Who::Thing(index), Evidence::Against(thing.score), zone))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;

    const SITE: &str = "[[zones]]
        id = 'pit'
        kind = 'exclusion'
        points = [[0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [0.0, 1.0]]
        [[rules]]
        id = 'pit'
        kind = 'in_zone'
        zones = ['pit']";

    #[test]
    fn who_stands_in_the_zone_is_named() {
        let found = judge(SITE, |_| vec![person(1, 0.2, 0.9), person(2, 0.8, 0.9), person(3, 0.2, 0.4)]);
        assert_eq!(tracks(&found), [1]);
        assert_eq!((found[0].zone, found[0].outcome), (Some(0), Outcome::Violation));
    }

    /// The box of somebody who is cut off ends at the border, or beyond it.
    #[test]
    fn who_is_cut_off_below_stands_in_a_zone_that_reaches_the_border() {
        let site = SITE.replace("[0.5, ", "[1.0, ");
        for (x, y) in [(0.2, 1.0), (0.2, 1.1), (1.0, 0.9)] {
            assert_eq!(tracks(&judge(&site, |_| vec![person(1, x, y)])), [1], "{x} {y}");
        }
        assert_eq!(judge(SITE, |_| vec![person(1, 0.8, 1.0)]), [], "beside it");
    }

    #[test]
    fn a_driver_is_not_on_foot() {
        let found = judge(SITE, |time| {
            let x = 0.2 + 0.1 * time;
            vec![thing("forklift", 4, x, 0.9, 0.2), person(1, x, 0.8), person(2, 0.1, 0.9)]
        });
        assert_eq!(tracks(&found), [2]);
    }

    #[test]
    fn it_can_be_about_machines() {
        let site = format!("{SITE}\nclasses = ['vehicle']");
        let forklift = || thing("forklift", 4, 0.2, 0.9, 0.2);
        let found = judge(&site, |_| vec![person(1, 0.2, 0.9), forklift()]);
        assert_eq!(tracks(&found), [4]);
    }
}
