//! Too many people are in a place.

use super::{Finding, Rule};
use crate::scene::Scene;
use crate::state::Evidence;

pub(super) fn check(rule: &Rule, scene: &Scene<'_>, max: usize) -> Vec<Finding> {
    let judge = |(who, zone): (_, Option<usize>)| {
        let inside = |thing: &crate::scene::Thing| zone.is_none_or(|zone| thing.is_in(zone));
        let people: Vec<_> = scene.people().filter(|(_, person)| inside(person)).collect();
        // The claim "more than max" is as sure as the least sure of the max + 1 surest people.
        let mut scores: Vec<_> = people.iter().map(|(_, person)| person.score).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        match scores.get(max) {
            Some(&score) => Finding::new(who, Evidence::Against(score), zone)
                .with(people.iter().map(|(index, _)| *index).collect()),
            None => Finding::new(who, Evidence::Fine(1.0), zone),
        }
    };
    rule.places().into_iter().map(judge).collect()
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::*;
    use crate::state::Evidence;

    const RULE: &str = "[[rules]]\nid = 'crowd'\nkind = 'crowding'\nmax = 2";

    #[test]
    fn more_than_allowed_is_too_many() {
        let people = |count: u64| (0..count).map(|i| person(i, 0.1 + 0.2 * i as f32, 0.9)).collect();
        assert_eq!(judge(RULE, |_| people(2))[0].evidence, Evidence::Fine(1.0));
        let found = judge(RULE, |_| people(3));
        assert_eq!((found[0].who, found[0].others.len()), (Who::Place, 3));
        assert!(matches!(found[0].evidence, Evidence::Against(_)));
    }

    #[test]
    fn only_those_in_the_zone_count() {
        let site = format!(
            "[[zones]]\nid = 'lift'\nkind = 'area'\npoints = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\n{RULE}\nzones = ['lift']"
        );
        let at = |xs: [f32; 3]| xs.into_iter().enumerate().map(|(i, x)| person(i as u64, x, 0.9)).collect();
        assert_eq!(judge(&site, |_| at([0.1, 0.3, 0.8]))[0].evidence, Evidence::Fine(1.0));
        let found = judge(&site, |_| at([0.1, 0.3, 0.4]));
        assert_eq!(found[0].who, Who::Zone(0));
        assert!(matches!(found[0].evidence, Evidence::Against(_)));
    }
}
