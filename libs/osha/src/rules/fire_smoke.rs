//! Fire or smoke.

use super::{Finding, Rule};
use crate::geometry::centre;
use crate::scene::{Scene, Thing};
use crate::state::Evidence;

pub(super) fn check(rule: &Rule, scene: &Scene<'_>) -> Vec<Finding> {
    let judge = |(who, zone): (_, Option<usize>)| {
        let things = scene.things.iter().enumerate();
        let burning: Vec<_> = things
            .filter(|(_, thing)| is_meant(rule, thing) && zone.is_none_or(|zone| is_at(scene, thing, zone)))
            .map(|(index, _)| index)
            .collect();
        let score = burning.iter().map(|&index| scene.things[index].score).reduce(f32::max);
        Finding::new(who, score.map_or(Evidence::Silent, Evidence::Against), zone).with(burning)
    };
    rule.places().into_iter().map(judge).collect()
}

fn is_meant(rule: &Rule, thing: &Thing) -> bool {
    if rule.classes.is_empty() { thing.is_any(&["fire", "smoke"]) } else { thing.is_any(&rule.classes) }
}

/// Flames have no feet: their middle counts too.
fn is_at(scene: &Scene<'_>, thing: &Thing, zone: usize) -> bool {
    let [x, y] = centre(&thing.rect);
    thing.is_in(zone) || scene.site.zones[zone].contains([x / scene.size[0], y / scene.size[1]])
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;
    use crate::state::Evidence;

    const RULE: &str = "[[rules]]\nid = 'fire'\nkind = 'fire_smoke'";

    #[test]
    fn flames_are_found_without_a_track() {
        let mut flame = thing("flame", 3, 0.5, 0.9, 0.1);
        flame.track = None;
        let found = judge(RULE, |_| vec![flame]);
        assert_eq!((found[0].who, found[0].evidence), (Who::Place, Evidence::Against(0.8)));
        assert_eq!(judge(RULE, |_| vec![person(1, 0.5, 0.9)])[0].evidence, Evidence::Silent);
    }

    #[test]
    fn one_kind_can_be_enough() {
        let site = format!("{RULE}\nclasses = ['smoke']");
        assert_eq!(judge(&site, |_| vec![thing("fire", 3, 0.5, 0.9, 0.1)])[0].evidence, Evidence::Silent);
    }
}
