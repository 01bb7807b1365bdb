//! Somebody, or something, is where it may not be.

use super::{Finding, Rule, Who};
use crate::scene::Scene;
use crate::state::Evidence;

pub(super) fn check(rule: &Rule, scene: &Scene<'_>) -> Vec<Finding> {
    let inside = rule.things(scene, &["person"]);
    inside
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

    #[test]
    fn it_can_be_about_machines() {
        let site = format!("{SITE}\nclasses = ['vehicle']");
        let forklift = || thing("forklift", 4, 0.2, 0.9, 0.2);
        let found = judge(&site, |_| vec![person(1, 0.2, 0.9), forklift()]);
        assert_eq!(tracks(&found), [4]);
    }
}
