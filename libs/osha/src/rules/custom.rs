//! An expression of the site file holds.

use super::{Finding, Who};
use crate::expression::Expression;
use crate::scene::Scene;
use crate::state::Evidence;

pub(super) fn check(scene: &Scene<'_>, expression: &Expression) -> Vec<Finding> {
    let zone = expression.zone();
    let Some(class) = expression.subject() else {
        return vec![Finding::new(Who::Place, evidence(expression.holds(scene, None), 1.0), zone)];
    };
    let things = scene.things.iter().enumerate().filter(|(_, thing)| thing.class.belongs_to(class));
    let judge = |(index, thing): (usize, &crate::scene::Thing)| {
        let evidence = evidence(expression.holds(scene, Some(index)), thing.score);
        Finding::new(Who::Thing(index), evidence, zone)
    };
    things.map(judge).collect()
}

fn evidence(holds: Option<bool>, score: f32) -> Evidence {
    match holds {
        Some(true) => Evidence::Against(score),
        Some(false) => Evidence::Fine(score),
        None => Evidence::Hidden,
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;
    use crate::state::Evidence;

    fn rule(expression: &str) -> String {
        format!(
            "[[zones]]\nid = 'pit'\nkind = 'excavation'\npoints = [[0, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]]\n\
             [[rules]]\nid = 'own'\nkind = 'custom'\nwhen = '{expression}'"
        )
    }

    #[test]
    fn each_thing_of_the_subject_is_judged() {
        let people = || vec![person(1, 0.2, 0.9), person(2, 0.8, 0.9)];
        let found = judge(&rule(r#"person in "pit""#), |_| people());
        let against = |index: usize| matches!(found[index].evidence, Evidence::Against(_));
        assert_eq!((tracks(&found), against(0), against(1)), (vec![1, 2], true, false));
        assert_eq!(found[0].zone, Some(0));
    }

    #[test]
    fn counts_judge_the_place() {
        let people = |count: u64| (0..count).map(|i| person(i, 0.1 * (i + 1) as f32, 0.9)).collect();
        let found = |count| judge(&rule(r#"count(person in "pit") > 2"#), move |_| people(count));
        assert_eq!((found(3)[0].who, found(3)[0].evidence), (Who::Place, Evidence::Against(1.0)));
        assert_eq!(found(2)[0].evidence, Evidence::Fine(1.0));
    }

    #[test]
    fn what_cannot_be_told_waits() {
        let found = judge(&rule("person without vest"), |_| vec![person(1, 0.2, 0.9)]);
        assert_eq!(found[0].evidence, Evidence::Hidden);
    }
}
