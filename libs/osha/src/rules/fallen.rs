//! Somebody lies on the ground.

use super::{Finding, Rule, Who};
use crate::hazard::Hazard;
use crate::scene::Scene;
use crate::state::Evidence;

pub(super) fn check(rule: &Rule, scene: &Scene<'_>, aspect: Option<f32>) -> Vec<Finding> {
    let judge = |wearer: &crate::equipment::Wearer| {
        let thing = &scene.things[wearer.thing];
        let zone = rule.place_of(thing)?;
        let [.., width, height] = thing.rect;
        let lies = wearer.person && aspect.is_some_and(|aspect| width > aspect * height);
        let seen = if lies { Evidence::Against(thing.score) } else { Evidence::Silent };
        // Of somebody who is cut off or hidden only the detector can tell: a head above the border is wide, too.
        let said = wearer.evidence.get(&Hazard::Fall).copied();
        Some(Finding::new(Who::Thing(wearer.thing), said.unwrap_or(seen), zone))
    };
    scene.wearers.iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;
    use crate::state::Evidence;

    const RULE: &str = "[[rules]]\nid = 'down'\nkind = 'fallen'";

    #[test]
    fn a_box_wider_than_high_is_somebody_down() {
        let mut lying = person(1, 0.5, 0.9);
        lying.rect = [300.0, 600.0, 200.0, 80.0];
        assert_eq!(judge(RULE, |_| vec![lying])[0].evidence, Evidence::Against(0.8));
        assert_eq!(judge(RULE, |_| vec![person(1, 0.5, 0.9)])[0].evidence, Evidence::Silent);
        let by_detector = format!("{RULE}\naspect = 0");
        assert_eq!(judge(&by_detector, |_| vec![lying])[0].evidence, Evidence::Silent);
    }

    #[test]
    fn who_is_cut_off_at_the_border_need_not_lie() {
        let mut head = person(1, 0.5, 1.0);
        head.rect = [300.0, HEIGHT - 60.0, 120.0, 60.0];
        assert_eq!(judge(RULE, |_| vec![head])[0].evidence, Evidence::Hidden);
        head.rect[1] -= 60.0;
        assert_eq!(judge(RULE, |_| vec![head])[0].evidence, Evidence::Against(0.8));
    }

    #[test]
    fn the_detector_may_say_so() {
        let down = || item("Fall-Detected", 2, 0.5, 0.8, 0.05);
        let found = judge(RULE, |_| vec![person(1, 0.5, 0.9), down()]);
        assert_eq!((found.len(), found[0].evidence), (1, Evidence::Against(0.8)));
        assert_eq!(tracks(&judge(RULE, |_| vec![down()])), [2], "and nobody else is in view");
    }
}
