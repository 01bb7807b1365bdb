//! Rules in words: `person without vest in "road"`, `count(person in "pit") > 2`, `distance(person, forklift) < 3`.
//!
//! ```text
//! rule      = or [ "for" NUMBER ( "s" | "min" ) ]
//! or        = and { "or" and }            and = not { "and" not }         not = "not" not | "(" or ")" | term
//! term      = selector | number ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) number
//! number    = NUMBER | "hour" | "count" "(" selector ")" | "speed" "(" selector ")"
//!           | "distance" "(" selector "," ( selector | ZONE ) ")"
//! selector  = CLASS { "with" EQUIPMENT | "without" EQUIPMENT | "in" ZONE }
//! ```
//!
//! The class of the first selector outside of `count` is the rule's subject: the rule is judged for each of its things,
//! and wherever a selector outside of `count` names the same class, it means the thing that is judged. Other selectors
//! hold if any thing fits. Without such a selector the rule judges the place as a whole. Distances are in metres, speeds
//! in metres a second, `hour` is the local time of day. What cannot be told (equipment that nobody sees) is neither true
//! nor false, and the rule waits.

use crate::hazard::Hazard;
use crate::scene::{Scene, Thing};
use crate::state::Evidence;
use std::time::Duration;

mod parse;

pub use parse::{ExpressionError, Names};

/// A rule in words, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    node: Node,
    subject: Option<String>,
    lasting: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Compare(Box<(Number, Comparison, Number)>),
    Any(Selector),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Equal,
    Unequal,
}

#[derive(Clone, Debug, PartialEq)]
enum Number {
    Constant(f32),
    Hour,
    Count(Selector),
    Speed(Selector),
    Distance(Selector, Target),
}

#[derive(Clone, Debug, PartialEq)]
enum Target {
    Things(Selector),
    Zone(usize),
}

#[derive(Clone, Debug, PartialEq)]
struct Selector {
    class: String,
    /// Equipment, and whether it has to be worn or missing.
    worn: Vec<(Hazard, bool)>,
    zones: Vec<usize>,
}

impl Expression {
    /// The class of the things that it judges; `None` if it judges the place.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// How long it has to hold, if it says so.
    pub fn lasting(&self) -> Option<Duration> {
        self.lasting
    }

    /// The equipment that it asks about.
    pub(crate) fn hazards(&self) -> Vec<Hazard> {
        let mut selectors = Vec::new();
        self.node.selectors(&mut selectors);
        selectors.iter().flat_map(|selector| selector.worn.iter().map(|(hazard, _)| *hazard)).collect()
    }

    /// Whether it asks for the time of day.
    pub(crate) fn asks_hour(&self) -> bool {
        self.node.asks_hour()
    }

    /// The zone of the first selector that names the subject, or any, and a zone.
    pub(crate) fn zone(&self) -> Option<usize> {
        let mut selectors = Vec::new();
        self.node.selectors(&mut selectors);
        selectors.iter().find_map(|selector| selector.zones.first().copied())
    }

    /// Whether it holds, for one thing of its subject's class; `None` if that cannot be told.
    pub(crate) fn holds(&self, scene: &Scene<'_>, subject: Option<usize>) -> Option<bool> {
        let of = self.subject.as_deref().zip(subject);
        Judge { scene, subject: of }.node(&self.node)
    }
}

impl Node {
    fn asks_hour(&self) -> bool {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().any(Self::asks_hour),
            Self::Not(part) => part.asks_hour(),
            Self::Any(_) => false,
            Self::Compare(sides) => [&sides.0, &sides.2].contains(&&Number::Hour),
        }
    }

    fn selectors<'a>(&'a self, out: &mut Vec<&'a Selector>) {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().for_each(|part| part.selectors(out)),
            Self::Not(part) => part.selectors(out),
            Self::Any(selector) => out.push(selector),
            Self::Compare(sides) => [&sides.0, &sides.2].into_iter().for_each(|side| side.selectors(out)),
        }
    }
}

impl Number {
    fn selectors<'a>(&'a self, out: &mut Vec<&'a Selector>) {
        match self {
            Self::Constant(_) | Self::Hour => {}
            Self::Count(selector) | Self::Speed(selector) | Self::Distance(selector, Target::Zone(_)) => {
                out.push(selector);
            }
            Self::Distance(from, Target::Things(to)) => out.extend([from, to]),
        }
    }
}

impl Comparison {
    fn holds(self, left: f32, right: f32) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::More => left > right,
            Self::MoreOrEqual => left >= right,
            Self::Equal => left == right,
            Self::Unequal => left != right,
        }
    }
}

/// Judges one thing, or the place, in three-valued logic.
struct Judge<'a> {
    scene: &'a Scene<'a>,
    /// The class that the expression judges, and the thing.
    subject: Option<(&'a str, usize)>,
}

impl Judge<'_> {
    fn node(&self, node: &Node) -> Option<bool> {
        match node {
            Node::Or(parts) => any(parts.iter().map(|part| self.node(part))),
            Node::And(parts) => {
                any(parts.iter().map(|part| self.node(part).map(|holds| !holds))).map(|no| !no)
            }
            Node::Not(part) => self.node(part).map(|holds| !holds),
            Node::Compare(sides) => {
                let (left, comparison, right) = &**sides;
                Some(comparison.holds(self.number(left)?, self.number(right)?))
            }
            Node::Any(selector) => any(self.candidates(selector).map(|thing| self.fits(thing, selector))),
        }
    }

    /// The things that a selector can mean.
    fn candidates<'s>(&'s self, selector: &'s Selector) -> Box<dyn Iterator<Item = usize> + 's> {
        match self.subject {
            Some((class, thing)) if class == selector.class => Box::new(std::iter::once(thing)),
            _ => Box::new(self.all(selector)),
        }
    }

    fn all<'s>(&'s self, selector: &'s Selector) -> impl Iterator<Item = usize> + 's {
        let things = self.scene.things.iter().enumerate();
        things.filter(|(_, thing)| thing.class.belongs_to(&selector.class)).map(|(index, _)| index)
    }

    fn fits(&self, index: usize, selector: &Selector) -> Option<bool> {
        let thing = &self.scene.things[index];
        if !selector.zones.is_empty() && !selector.zones.iter().all(|&zone| thing.is_in(zone)) {
            return Some(false);
        }
        let wrong = selector.worn.iter().map(|&(hazard, worn)| match self.scene.evidence(index, hazard) {
            Evidence::Fine(_) => Some(!worn),
            Evidence::Against(_) => Some(worn),
            Evidence::Silent | Evidence::Hidden => None,
        });
        any(wrong).map(|wrong| !wrong)
    }

    fn number(&self, number: &Number) -> Option<f32> {
        match number {
            Number::Constant(value) => Some(*value),
            Number::Hour => self.scene.clock.map(|clock| clock.hour()),
            Number::Count(selector) => {
                let fits = |thing: &usize| self.fits(*thing, selector) == Some(true);
                Some(self.all(selector).filter(fits).count() as f32)
            }
            Number::Speed(selector) => {
                let speeds = self.fitting(selector).filter_map(|thing| self.scene.speed(thing, None));
                Some(speeds.map(|speed| speed.value).fold(0.0, f32::max))
            }
            Number::Distance(from, to) => self.distance(from, to),
        }
    }

    fn fitting<'s>(&'s self, selector: &'s Selector) -> impl Iterator<Item = &'s Thing> + 's {
        let fits = |thing: &usize| self.fits(*thing, selector) == Some(true);
        self.candidates(selector).filter(fits).map(|thing| &self.scene.things[thing])
    }

    /// The least distance; infinite if there is nothing to measure.
    fn distance(&self, from: &Selector, to: &Target) -> Option<f32> {
        let mut least = f32::INFINITY;
        for thing in self.fitting(from) {
            match to {
                Target::Zone(zone) => least = least.min(self.scene.distance_to_zone(thing, *zone)?.value),
                Target::Things(to) => {
                    for other in self.fitting(to).filter(|other| other.object != thing.object) {
                        least = least.min(self.scene.distance(thing, other)?.value);
                    }
                }
            }
        }
        Some(least)
    }
}

/// Whether one is true; `None` if none is, but one is not known.
fn any(values: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(false);
    for value in values {
        match value {
            Some(true) => return Some(true),
            Some(false) => {}
            None => known = None,
        }
    }
    known
}

#[cfg(test)]
mod tests;
