//! Which person a piece of equipment belongs to.

use crate::geometry::{Rect, area, centre, overlap};
use crate::hazard::Hazard;
use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;
use std::collections::{BTreeMap, BTreeSet};

/// Equipment, or the lack of it, on some part of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// What it bears on; decides where on a person it is looked for.
    pub hazard: Hazard,
    /// Where.
    pub rect: Rect,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
}

/// Smallest part of an item that has to lie within a person's reach.
const LEAST_FIT: f32 = 0.5;

/// For each item the index of its person, `None` where nobody is near enough.
///
/// The sum of the fits is the largest possible, where a person takes no more items of a kind than the body has places for
/// them, so that of two hats over two people who overlap each gets one. All numbers have to be finite.
pub fn associate(people: &[Rect], items: &[Item]) -> Vec<Option<usize>> {
    let mut owners = vec![None; items.len()];
    for group in groups(people, items) {
        for (item, person) in settle(&group) {
            owners[item] = Some(person);
        }
    }
    owners
}

/// A possible pair.
#[derive(Clone, Copy, Debug)]
struct Pair {
    item: usize,
    person: usize,
    /// In millionths, so that sums are exact.
    fit: i64,
    /// How many such items the person can have.
    places: usize,
}

/// The possible pairs, in groups that share neither items nor people. Kinds of items do not compete.
fn groups(people: &[Rect], items: &[Item]) -> Vec<Vec<Pair>> {
    let mut groups: Vec<(Hazard, Vec<Pair>)> = Vec::new();
    for (item, what) in items.iter().enumerate() {
        let mut group = candidates(people, item, what);
        if group.is_empty() {
            continue;
        }
        let rivals = |other: &Vec<Pair>| other.iter().any(|a| group.iter().any(|b| a.person == b.person));
        let touching: Vec<_> = (0..groups.len())
            .rev()
            .filter(|&index| groups[index].0 == what.hazard && rivals(&groups[index].1))
            .collect();
        for index in touching {
            group.extend(groups.swap_remove(index).1);
        }
        groups.push((what.hazard, group));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn candidates(people: &[Rect], item: usize, what: &Item) -> Vec<Pair> {
    let places = what.hazard.region().places;
    let pair = |(person, rect)| {
        let fit = (f64::from(fit(rect, what) * what.score) * 1e6) as i64;
        (fit > 0).then_some(Pair { item, person, fit, places })
    };
    people.iter().enumerate().filter_map(pair).collect()
}

/// The best pairs of a group.
fn settle(group: &[Pair]) -> Vec<(usize, usize)> {
    if let [only] = group {
        return vec![(only.item, only.person)];
    }
    let items: Vec<_> = group.iter().map(|pair| pair.item).collect::<BTreeSet<_>>().into_iter().collect();
    let people: BTreeSet<_> = group.iter().map(|pair| pair.person).collect();
    let places = group.first().map_or(0, |pair| pair.places);
    let seats: Vec<_> = people.into_iter().flat_map(|person| std::iter::repeat_n(person, places)).collect();
    let fits: BTreeMap<_, _> = group.iter().map(|pair| ((pair.item, pair.person), pair.fit)).collect();
    let fit = |item: usize, person: usize| fits.get(&(item, person)).copied().unwrap_or(0);
    // Items that get nothing sit on empty seats, of which there is one for each.
    let weights = Matrix::from_fn(items.len(), seats.len() + items.len(), |(row, column)| {
        seats.get(column).map_or(0, |&person| fit(items[row], person))
    });
    let (_, columns) = kuhn_munkres(&weights);
    let pairs = items.iter().zip(columns).filter_map(|(&item, column)| Some((item, *seats.get(column)?)));
    pairs.filter(|&(item, person)| fit(item, person) > 0).collect()
}

/// How well an item sits on a person, 0 (not at all) to 1: the part of it that lies within the band of the body where
/// such items are worn, less its distance from the body's axis.
fn fit(person: &Rect, item: &Item) -> f32 {
    let [x, y, width, height] = *person;
    let region = item.hazard.region();
    let band = [x, y + region.top * height, width, (region.bottom - region.top) * height];
    let inside = overlap(&band, &item.rect) / area(&item.rect).max(f32::MIN_POSITIVE);
    if inside < LEAST_FIT {
        return 0.0;
    }
    let aside = (centre(&item.rect)[0] - centre(person)[0]).abs() / width.max(f32::MIN_POSITIVE);
    inside * (1.0 - aside.min(0.9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(hazard: Hazard, rect: Rect) -> Item {
        Item { hazard, rect, score: 0.9 }
    }

    const PERSON: Rect = [100.0, 100.0, 60.0, 180.0];

    #[test]
    fn items_belong_where_they_are_worn() {
        let owner = |hazard, rect| associate(&[PERSON], &[item(hazard, rect)])[0];
        let (head, chest, feet) =
            ([115.0, 95.0, 30.0, 30.0], [105.0, 140.0, 50.0, 60.0], [110.0, 262.0, 40.0, 20.0]);
        assert_eq!(owner(Hazard::NoHardHat, head), Some(0));
        assert_eq!(owner(Hazard::NoSafetyVest, chest), Some(0));
        assert_eq!(owner(Hazard::NoBoots, feet), Some(0));
        assert_eq!(owner(Hazard::NoHardHat, feet), None);
        assert_eq!(owner(Hazard::NoBoots, head), None);
        assert_eq!(owner(Hazard::NoHardHat, [300.0, 95.0, 30.0, 30.0]), None);
        assert_eq!(owner(Hazard::Fall, PERSON), Some(0));
    }

    #[test]
    fn each_of_two_who_overlap_gets_one_hat() {
        let people = [PERSON, [130.0, 100.0, 60.0, 180.0]];
        let hats = [[118.0, 95.0, 24.0, 30.0], [148.0, 95.0, 24.0, 30.0]];
        let items = hats.map(|rect| item(Hazard::NoHardHat, rect));
        assert_eq!(associate(&people, &items), [Some(0), Some(1)]);
        assert_eq!(associate(&[people[1], people[0]], &items), [Some(1), Some(0)]);
        assert_eq!(associate(&[PERSON], &[items[0], items[0]]), [Some(0), None]);
    }

    #[test]
    fn a_hat_within_two_people_goes_to_the_nearer_axis() {
        let people = [PERSON, [130.0, 100.0, 60.0, 180.0]];
        assert_eq!(associate(&people, &[item(Hazard::NoHardHat, [135.0, 95.0, 24.0, 30.0])]), [Some(1)]);
        assert_eq!(associate(&people, &[item(Hazard::NoHardHat, [131.0, 95.0, 24.0, 30.0])]), [Some(0)]);
    }

    #[test]
    fn hands_come_in_twos() {
        let hands = [[100.0, 190.0, 10.0, 10.0], [150.0, 190.0, 10.0, 10.0], [125.0, 190.0, 10.0, 10.0]];
        let owners = associate(&[PERSON], &hands.map(|rect| item(Hazard::NoGloves, rect)));
        assert_eq!(owners.iter().flatten().count(), 2);
    }

    #[test]
    fn degenerate_boxes_belong_to_nobody() {
        let items = [[115.0, 110.0, 0.0, 0.0], [115.0, 110.0, 5.0, 0.0], [115.0, 110.0, -5.0, -5.0]]
            .map(|rect| item(Hazard::NoHardHat, rect));
        assert_eq!(associate(&[PERSON, [0.0; 4]], &items), [None, None, None]);
    }

    /// The largest sum of fits that any assignment of one item to a person reaches.
    fn best(people: &[Rect], items: &[Item], taken: &mut Vec<bool>) -> f32 {
        let Some((first, rest)) = items.split_first() else { return 0.0 };
        let mut most = best(people, rest, taken);
        for (index, person) in people.iter().enumerate() {
            let gain = fit(person, first) * first.score;
            if gain > 0.0 && !taken[index] {
                taken[index] = true;
                most = most.max(gain + best(people, rest, taken));
                taken[index] = false;
            }
        }
        most
    }

    proptest! {
        #[test]
        fn no_other_assignment_is_better(
            people in prop::collection::vec((0.0f32..150.0, 60.0f32..120.0), 1..5),
            hats in prop::collection::vec((0.0f32..200.0, 80.0f32..140.0, 0.2f32..1.0), 0..5),
        ) {
            let people: Vec<_> = people.into_iter().map(|(x, y)| [x, y, 60.0, 180.0]).collect();
            let hat = |(x, y, score)| Item { hazard: Hazard::NoHardHat, rect: [x, y, 24.0, 24.0], score };
            let items: Vec<_> = hats.into_iter().map(hat).collect();
            let owners = associate(&people, &items);
            let total: f32 = owners.iter().zip(&items)
                .filter_map(|(owner, item)| Some(fit(&people[(*owner)?], item) * item.score))
                .sum();
            let best = best(&people, &items, &mut vec![false; people.len()]);
            prop_assert!((total - best).abs() < 1e-4, "{} of {}", total, best);
            let given: Vec<_> = owners.iter().flatten().collect();
            prop_assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len());
        }
    }
}
