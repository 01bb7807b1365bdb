//! Which person a piece of equipment belongs to.

use crate::hazard::Hazard;
use std::collections::BTreeMap;

/// Left, top, width and height in source pixels.
pub type Rect = [f32; 4];

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
/// The best fit is settled first, and a person takes no more items of a kind than the body has places for them, so that
/// of two hats over two people who overlap each gets one. Ties go to the first item and the first person. All numbers
/// have to be finite.
pub fn associate(people: &[Rect], items: &[Item]) -> Vec<Option<usize>> {
    let mut taken = BTreeMap::new();
    let mut owners = vec![None; items.len()];
    for (item, person) in pairs(people, items) {
        let hazard = items[item].hazard;
        let places: &mut usize = taken.entry((person, hazard)).or_default();
        if owners[item].is_none() && *places < hazard.region().places {
            *places += 1;
            owners[item] = Some(person);
        }
    }
    owners
}

/// Pairs of item and person that are possible, the best first.
fn pairs(people: &[Rect], items: &[Item]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (index, item) in items.iter().enumerate() {
        for (person, rect) in people.iter().enumerate() {
            let fit = fit(rect, item) * item.score;
            if fit > 0.0 {
                pairs.push((fit, index, person));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    pairs.into_iter().map(|(_, index, person)| (index, person)).collect()
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
    let aside = (centre_x(&item.rect) - centre_x(person)).abs() / width.max(f32::MIN_POSITIVE);
    inside * (1.0 - aside.min(0.9))
}

fn centre_x(rect: &Rect) -> f32 {
    rect[0] + rect[2] / 2.0
}

fn area(rect: &Rect) -> f32 {
    rect[2].max(0.0) * rect[3].max(0.0)
}

fn overlap(a: &Rect, b: &Rect) -> f32 {
    let along = |axis: usize| (a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]) - a[axis].max(b[axis]);
    along(0).max(0.0) * along(1).max(0.0)
}

/// Intersection over union, 0 to 1.
pub(crate) fn iou(a: &Rect, b: &Rect) -> f32 {
    let both = overlap(a, b);
    let union = area(a) + area(b) - both;
    if union > 0.0 { both / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
