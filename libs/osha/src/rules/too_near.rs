//! Somebody is too near to a moving machine, other than its driver.

use super::{Finding, Rule, Who};
use crate::scene::{Scene, Thing};
use crate::state::Evidence;

pub(super) fn check(rule: &Rule, scene: &Scene<'_>, distance_m: f32, speed_m_s: f32) -> Vec<Finding> {
    scene.people().filter_map(|person| near(rule, scene, person, distance_m, speed_m_s)).collect()
}

fn near(
    rule: &Rule,
    scene: &Scene<'_>,
    (index, person): (usize, &Thing),
    distance_m: f32,
    speed_m_s: f32,
) -> Option<Finding> {
    let zone = rule.place_of(person)?;
    let others = scene.things.iter().enumerate().filter(|(at, _)| *at != index);
    let machines = others.filter(|(_, thing)| {
        if rule.classes.is_empty() { thing.class.belongs_to("machine") } else { thing.is_any(&rule.classes) }
    });
    let moving = machines.filter(|(_, machine)| {
        scene.speed(machine, Some(person)).is_some_and(|speed| speed.value >= speed_m_s)
            && !scene.rides(person, machine)
    });
    let distances = moving.filter_map(|(at, machine)| Some((at, machine, scene.distance(person, machine)?)));
    let (at, machine, distance) = distances.min_by(|a, b| a.2.value.total_cmp(&b.2.value))?;
    let evidence = Evidence::Against(person.score.min(machine.score));
    let finding = Finding::new(Who::Thing(index), evidence, zone).with(vec![at]).review(!distance.measured);
    (distance.value < distance_m).then_some(finding)
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;

    const RULE: &str = "[[rules]]\nid = 'near'\nkind = 'too_near'\ndistance_m = 3.0\nspeed_m_s = 0.5";

    /// Ten metres of ground across the frame, and twenty from its lower edge to its middle.
    const GROUND: &str = "[ground]
        points = [
            { image = [0.0, 1.0], metres = [0.0, 0.0] },
            { image = [1.0, 1.0], metres = [10.0, 0.0] },
            { image = [1.0, 0.5], metres = [10.0, 20.0] },
            { image = [0.0, 0.5], metres = [0.0, 20.0] },
        ]
";

    #[test]
    fn a_moving_machine_is_too_near_and_a_standing_one_is_not() {
        let truck = |x: f32| thing("truck", 9, x, 0.9, 0.3);
        let found = judge(RULE, |time| vec![person(1, 0.2, 0.9), truck(0.3 + 0.1 * time)]);
        assert_eq!((tracks(&found), found[0].outcome), (vec![1], Outcome::NeedsReview));
        assert_eq!(found[0].others.len(), 1);
        assert_eq!(judge(RULE, |_| vec![person(1, 0.2, 0.9), truck(0.35)]), []);
        assert_eq!(judge(RULE, |time| vec![person(1, 0.05, 0.9), truck(0.7 + 0.1 * time)]), []);
    }

    #[test]
    fn on_measured_ground_it_is_a_violation() {
        let site = format!("{GROUND}{RULE}");
        let forklift = |x: f32, y: f32| thing("forklift", 9, x, y, 0.1);
        let found = judge(&site, |time| vec![person(1, 0.2, 0.99), forklift(0.3 + 0.1 * time, 0.99)]);
        assert_eq!((tracks(&found), found[0].outcome), (vec![1], Outcome::Violation));
        let behind = judge(&site, |time| vec![person(1, 0.4, 0.99), forklift(0.3 + 0.1 * time, 0.7)]);
        assert_eq!(behind, [], "the picture shows them close together, the ground does not");
    }

    #[test]
    fn whose_feet_are_beyond_the_border_stands_nobody_knows_where() {
        let site = format!("{GROUND}{RULE}");
        let truck = |time: f32| thing("truck", 9, 0.3 + 0.1 * time, 0.99, 0.1);
        let found = judge(&site, |time| vec![person(1, 0.2, 1.0), truck(time)]);
        assert_eq!((tracks(&found), found[0].outcome), (vec![1], Outcome::NeedsReview));
    }

    /// Who drives it is in its box, off the ground, and comes along; who stands before it or walks behind it is not.
    #[test]
    fn a_driver_is_not_too_near() {
        let truck = |time: f32| thing("truck", 9, 0.3 + 0.1 * time, 0.9, 0.3);
        let near = |place: fn(f32) -> (f32, f32)| {
            let found = judge(RULE, |time| {
                let (x, y) = place(time);
                vec![person(1, x, y), truck(time)]
            });
            !found.is_empty()
        };
        assert!(!near(|time| (0.3 + 0.1 * time, 0.75)), "in the cab");
        assert!(near(|_| (0.38, 0.75)), "it passes behind");
        assert!(near(|time| (0.3 + 0.1 * time, 0.9)), "on the ground before it");
    }

    #[test]
    fn nobody_is_too_near_to_themselves() {
        let site = format!("{RULE}\nclasses = ['person']");
        assert_eq!(judge(&site, |time| vec![person(1, 0.2 + 0.3 * time, 0.9)]), []);
    }

    #[test]
    fn people_are_no_machines() {
        assert_eq!(judge(RULE, |time| vec![person(1, 0.2, 0.9), person(2, 0.2 + 0.1 * time, 0.9)]), []);
    }
}
