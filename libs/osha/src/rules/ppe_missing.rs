//! Protective equipment is not worn.

use super::{Finding, Rule, Who};
use crate::equipment::Wearer;
use crate::hazard::Hazard;
use crate::scene::Scene;
use crate::state::Evidence;

/// `absence` is the least height of a person, as part of the frame's, on whom unseen equipment counts as missing; `None`
/// if it never does. It counts for nothing with a model that cannot show the equipment in use.
pub(super) fn check(rule: &Rule, scene: &Scene<'_>, hazard: Hazard, absence: Option<f32>) -> Vec<Finding> {
    let absence = absence.filter(|_| !scene.unseen.contains(&hazard));
    let judge = |wearer: &Wearer| {
        let thing = &scene.things[wearer.thing];
        let requiring = || {
            let zones = scene.site.zones.iter().enumerate();
            let zone =
                zones.filter(|(_, zone)| zone.ppe.contains(&hazard)).find(|(zone, _)| thing.is_in(*zone));
            zone.map(|(zone, _)| zone)
        };
        // A rule for everywhere still cites what holds in the zone that requires the equipment.
        let zone = rule.place_of(thing)?.or_else(requiring);
        let said = wearer.evidence.get(&hazard).copied().unwrap_or(Evidence::Silent);
        let evidence = match (said, absence) {
            (Evidence::Silent, Some(least)) if wearer.person => {
                let large = thing.rect[3] >= least * scene.size[1];
                if large { Evidence::Against(thing.score) } else { Evidence::Hidden }
            }
            _ => said,
        };
        Some(Finding::new(Who::Thing(wearer.thing), evidence, zone))
    };
    scene.wearers.iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;
    use crate::state::Evidence;

    const RULE: &str = "[[rules]]\nid = 'hat'\nkind = 'ppe_missing'\nequipment = ['hard_hat']";

    fn absent(scene: &[Object<'static>]) -> Evidence {
        let site = format!("{RULE}\nfrom_absence = true");
        judge(&site, |_| scene.to_vec())[0].evidence
    }

    #[test]
    fn the_detector_says_so() {
        let on =
            |class| judge(RULE, |_| vec![person(1, 0.5, 0.9), item(class, 2, 0.5, 0.64, 0.03)])[0].evidence;
        assert_eq!((on("NO-Hardhat"), on("Hardhat")), (Evidence::Against(0.8), Evidence::Fine(0.8)));
        assert_eq!(judge(RULE, |_| vec![person(1, 0.5, 0.9)])[0].evidence, Evidence::Silent);
    }

    #[test]
    fn absence_counts_only_if_asked_for() {
        assert_eq!(absent(&[person(1, 0.5, 0.9)]), Evidence::Against(0.8));
    }

    #[test]
    fn absence_means_nothing_where_the_head_cannot_be_seen() {
        let cut = person(1, 0.01, 0.9);
        let mut above = person(1, 0.5, 0.9);
        above.rect[1] = 0.0;
        let mut far = person(1, 0.5, 0.9);
        far.rect[3] = 40.0;
        let mut behind = thing("truck", 7, 0.5, 0.95, 0.4);
        behind.rect[1] = 0.55 * HEIGHT;
        behind.rect[3] = 0.4 * HEIGHT;
        for scene in [vec![cut], vec![above], vec![far], vec![person(1, 0.5, 0.9), behind]] {
            assert_eq!(absent(&scene), Evidence::Hidden, "{scene:?}");
        }
    }

    #[test]
    fn a_zone_limits_it() {
        let site = format!(
            "[[zones]]\nid = 'west'\nkind = 'ppe'\npoints = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\n{RULE}\nzones = ['west']"
        );
        let bare = |track, x| [person(track, x, 0.9), item("no_helmet", track + 10, x, 0.64, 0.03)];
        let found = judge(&site, |_| [bare(1, 0.2), bare(2, 0.8)].concat());
        assert_eq!(tracks(&found), [1]);
    }
}
