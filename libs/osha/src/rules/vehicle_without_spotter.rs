//! A vehicle moves and nobody guides it.

use super::{Finding, Rule, Who};
use crate::scene::{Scene, Thing};
use crate::state::Evidence;

pub(super) fn check(
    rule: &Rule,
    scene: &Scene<'_>,
    distance_m: f32,
    speed_m_s: f32,
    spotters: &[String],
) -> Vec<Finding> {
    let guides = |thing: &Thing, vehicle: &Thing| {
        thing.is_any(spotters)
            && !scene.rides(thing, vehicle)
            && scene.distance(thing, vehicle).is_some_and(|distance| distance.value < distance_m)
    };
    let judge = |(index, vehicle, zone): (usize, &Thing, Option<usize>)| {
        let speed = scene.speed(vehicle, None).filter(|speed| speed.value >= speed_m_s)?;
        let guided = scene.things.iter().any(|thing| guides(thing, vehicle));
        let evidence = if guided { Evidence::Fine(1.0) } else { Evidence::Against(vehicle.score) };
        Some(Finding::new(Who::Thing(index), evidence, zone).review(!speed.measured))
    };
    rule.things(scene, &["vehicle"]).filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;
    use crate::state::Evidence;

    const RULE: &str = "[[rules]]\nid = 'spotter'\nkind = 'vehicle_without_spotter'\ndistance_m = 6.0";

    #[test]
    fn a_moving_vehicle_needs_somebody_beside_it() {
        let truck = |time: f32| thing("truck", 9, 0.3 + 0.1 * time, 0.9, 0.3);
        let alone = judge(RULE, |time| vec![truck(time)]);
        assert!(matches!(alone[0].evidence, Evidence::Against(_)));
        assert_eq!(alone[0].outcome, Outcome::NeedsReview);
        let guided = judge(RULE, |time| vec![truck(time), person(1, 0.6, 0.9)]);
        assert_eq!(guided[0].evidence, Evidence::Fine(1.0));
        assert_eq!(judge(RULE, |_| vec![truck(0.0)]), [], "it stands");
    }

    #[test]
    fn a_driver_guides_nobody() {
        let found = judge(RULE, |time| {
            let x = 0.3 + 0.1 * time;
            vec![thing("truck", 9, x, 0.9, 0.3), person(1, x, 0.75)]
        });
        assert!(matches!(found[0].evidence, Evidence::Against(_)));
    }

    #[test]
    fn not_everybody_is_a_spotter() {
        let site = format!("{RULE}\nspotters = ['spotter']");
        let truck = |time: f32| thing("truck", 9, 0.3 + 0.1 * time, 0.9, 0.3);
        let found = judge(&site, |time| vec![truck(time), person(1, 0.6, 0.9)]);
        assert!(matches!(found[0].evidence, Evidence::Against(_)));
    }
}
