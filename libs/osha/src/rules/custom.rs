//! An expression of the site file holds.

use super::{Finding, Who};
use crate::expression::{Expression, Verdict};
use crate::scene::Scene;
use crate::state::Evidence;

pub(super) fn check(scene: &Scene<'_>, expression: &Expression) -> Vec<Finding> {
    let zone = expression.zone();
    let Some(class) = expression.subject() else {
        return vec![finding(Who::Place, expression.judge(scene, None), 1.0, zone)];
    };
    let things = scene.things.iter().enumerate().filter(|(_, thing)| thing.class.belongs_to(class));
    let judge = |(index, thing): (usize, &crate::scene::Thing)| {
        finding(Who::Thing(index), expression.judge(scene, Some(index)), thing.score, zone)
    };
    things.map(judge).collect()
}

/// What rests on a guessed distance or speed needs a look.
fn finding(who: Who, verdict: Verdict, score: f32, zone: Option<usize>) -> Finding {
    let evidence = match verdict.holds {
        Some(true) => Evidence::Against(score),
        Some(false) => Evidence::Fine(score),
        None => Evidence::Hidden,
    };
    Finding::new(who, evidence, zone).review(verdict.guessed)
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

    /// Nobody knows who wears a vest, nor how fast a truck is that is on nobody's track.
    #[test]
    fn what_rests_on_the_unknown_waits_too() {
        let truck = || Object { track: None, ..thing("truck", 9, 0.3, 0.9, 0.2) };
        for when in [
            "count(person with vest) < 1",
            "count(person with vest) == 0",
            "count(person without vest) != 1",
            "distance(person without vest, truck) < 9",
            "distance(person with vest, truck) > 9",
            "speed(truck) < 1",
            "not speed(truck) >= 1",
            "hour < 25",
        ] {
            let found = judge(&rule(when), |_| vec![person(1, 0.2, 0.9), truck()]);
            assert_eq!(found[0].evidence, Evidence::Hidden, "{when}");
        }
        for when in ["count(person with vest) < 2", "distance(person without vest, truck) >= 0"] {
            let found = judge(&rule(when), |_| vec![person(1, 0.2, 0.9), truck()]);
            assert!(matches!(found[0].evidence, Evidence::Against(_)), "{when}: true in any case");
        }
    }

    #[test]
    fn guessed_metres_need_a_look() {
        let scene = |_| vec![person(1, 0.2, 0.9), thing("truck", 9, 0.3, 0.9, 0.2)];
        let outcome = |when: &str| {
            let found = judge(&rule(when), scene);
            assert!(matches!(found[0].evidence, Evidence::Against(_)), "{when}");
            found[0].outcome
        };
        for when in ["distance(person, truck) < 9", "distance(person, \"pit\") < 9", "speed(truck) < 9"] {
            assert_eq!(outcome(when), Outcome::NeedsReview, "{when}");
        }
        assert_eq!(outcome("count(person) == 1"), Outcome::Violation);
    }
}
