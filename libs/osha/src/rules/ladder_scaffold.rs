//! A ladder or a scaffold is misused, as far as boxes tell: somebody stands on its top, or too many are on a ladder. Whether
//! they are on it or behind it, boxes do not tell: a person has to look.

use super::{Finding, Rule, Who};
use crate::scene::{Scene, Thing};
use crate::state::Evidence;

/// Feet in this part of a ladder, from its top, stand on the top step.
const TOP: f32 = 0.12;
/// Feet in this part of a ladder, from its bottom, stand on the ground.
const BOTTOM: f32 = 0.08;

pub(super) fn check(rule: &Rule, scene: &Scene<'_>, max: usize) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (at, frame) in
        scene.things.iter().enumerate().filter(|(_, thing)| thing.is_any(&["ladder", "scaffold"]))
    {
        let climbers: Vec<_> = scene.people().filter(|(_, person)| is_on(frame, person)).collect();
        let crowded = frame.class.belongs_to("ladder") && climbers.len() > max;
        for &(index, person) in &climbers {
            let known = findings.iter().any(|finding| finding.who == Who::Thing(index));
            let (Some(zone), false) = (rule.place_of(person), known) else { continue };
            if crowded || stands_on_top(frame, person) {
                let others =
                    climbers.iter().map(|(other, _)| *other).filter(|&other| other != index && crowded);
                let evidence = Evidence::Against(person.score.min(frame.score));
                let parties = std::iter::once(at).chain(others).collect();
                findings.push(Finding::new(Who::Thing(index), evidence, zone).with(parties).review(true));
            }
        }
    }
    findings
}

/// How far up the frame a person's feet are, in its heights from its top; `None` if the person is beside it.
fn height(frame: &Thing, person: &Thing) -> Option<f32> {
    let [left, top, width, height] = frame.rect;
    let (middle, foot) = (person.rect[0] + person.rect[2] / 2.0, person.rect[1] + person.rect[3]);
    let beside = !(left - 0.2 * width..=left + 1.2 * width).contains(&middle);
    (!beside && height > 0.0).then(|| (foot - top) / height)
}

fn is_on(frame: &Thing, person: &Thing) -> bool {
    height(frame, person).is_some_and(|height| (-TOP..1.0 - BOTTOM).contains(&height))
}

fn stands_on_top(frame: &Thing, person: &Thing) -> bool {
    height(frame, person).is_some_and(|height| (-TOP..TOP).contains(&height))
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;

    const RULE: &str = "[[rules]]\nid = 'ladder'\nkind = 'ladder_scaffold'";

    /// 0.4 of the frame high, from 0.5 to 0.9.
    fn ladder() -> Object<'static> {
        let mut ladder = thing("ladder", 9, 0.5, 0.9, 0.1);
        ladder.rect[1] = 0.5 * HEIGHT;
        ladder.rect[3] = 0.4 * HEIGHT;
        ladder
    }

    #[test]
    fn the_top_is_no_step() {
        let found = judge(RULE, |_| vec![ladder(), person(1, 0.5, 0.52)]);
        assert_eq!((tracks(&found), found[0].outcome), (vec![1], Outcome::NeedsReview));
        for (x, y) in [(0.5, 0.7), (0.5, 0.9), (0.8, 0.52)] {
            assert_eq!(judge(RULE, |_| vec![ladder(), person(1, x, y)]), [], "{x} {y}");
        }
    }

    #[test]
    fn a_ladder_carries_one() {
        let found = judge(RULE, |_| vec![ladder(), person(1, 0.5, 0.6), person(2, 0.5, 0.8)]);
        assert_eq!((tracks(&found), found[0].outcome), (vec![1, 2], Outcome::NeedsReview));
        let site = format!("{RULE}\nmax = 2");
        assert_eq!(judge(&site, |_| vec![ladder(), person(1, 0.5, 0.6), person(2, 0.5, 0.8)]), []);
    }
}
