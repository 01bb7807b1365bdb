//! Somebody is below a load.

use super::{Finding, Rule, Who};
use crate::scene::{Scene, Thing};
use crate::standards::Context;
use crate::state::Evidence;

pub(super) fn check(rule: &Rule, scene: &Scene<'_>) -> Vec<Finding> {
    scene.people().filter_map(|person| under(rule, scene, person)).collect()
}

/// Where the site declares that loads would fall every load counts; elsewhere the one above the person in the picture, whose
/// depth nobody knows.
fn under(rule: &Rule, scene: &Scene<'_>, (index, person): (usize, &Thing)) -> Option<Finding> {
    let zone = rule.place_of(person)?;
    let loads = scene.things.iter().enumerate().filter(|(_, thing)| {
        if rule.classes.is_empty() { thing.class.belongs_to("load") } else { thing.is_any(&rule.classes) }
    });
    let would_fall =
        zone.is_some_and(|zone| scene.site.zones[zone].contexts.contains(&Context::LoadFallZone));
    let (at, load) = loads.into_iter().find(|(_, load)| would_fall || is_above(load, person))?;
    let evidence = Evidence::Against(person.score.min(load.score));
    Some(Finding::new(Who::Thing(index), evidence, zone).with(vec![at]).review(!would_fall))
}

fn is_above(load: &Thing, person: &Thing) -> bool {
    let [left, top, width, height] = load.rect;
    let middle = person.rect[0] + person.rect[2] / 2.0;
    let swing = width / 4.0;
    (left - swing..=left + width + swing).contains(&middle)
        && top + height <= person.rect[1] + person.rect[3] / 4.0
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;

    const RULE: &str = "[[rules]]\nid = 'load'\nkind = 'under_load'";

    #[test]
    fn a_load_above_somebody_needs_a_look() {
        let load = |x: f32, y: f32| thing("suspended_load", 5, x, y, 0.1);
        let found = judge(RULE, |_| vec![person(1, 0.5, 0.9), person(2, 0.8, 0.9), load(0.52, 0.4)]);
        assert_eq!((tracks(&found), found[0].outcome), (vec![1], Outcome::NeedsReview));
        assert_eq!(
            judge(RULE, |_| vec![person(1, 0.5, 0.9), load(0.5, 0.95)]),
            [],
            "it stands on the ground"
        );
    }

    #[test]
    fn in_the_fall_zone_it_is_a_violation() {
        let site = format!(
            "[[zones]]\nid = 'fall'\nkind = 'load'\npoints = [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]\n{RULE}\nzones = ['fall']"
        );
        let load = || thing("load", 5, 0.1, 0.2, 0.1);
        let found = judge(&site, |_| vec![person(1, 0.5, 0.9), load()]);
        assert_eq!((tracks(&found), found[0].outcome), (vec![1], Outcome::Violation));
        assert_eq!(judge(&site, |_| vec![person(1, 0.5, 0.9)]), [], "nothing hangs there");
    }

    /// The pit of an excavator, the aisle of a forklift: a load at its other end is above nobody.
    #[test]
    fn in_another_zone_it_has_to_be_above() {
        let site = format!(
            "[[zones]]\nid = 'pit'\nkind = 'excavation'\npoints = [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]\n{RULE}\nzones = ['pit']"
        );
        let load = |x: f32| thing("load", 5, x, 0.2, 0.1);
        assert_eq!(judge(&site, |_| vec![person(1, 0.5, 0.9), load(0.1)]), []);
        assert_eq!(judge(&site, |_| vec![person(1, 0.5, 0.9), load(0.5)])[0].outcome, Outcome::NeedsReview);
    }
}
