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
//! in metres a second, `hour` is the local time of day. What cannot be told (equipment that nobody sees, the speed of what
//! has just come, a count that hangs on either) is neither true nor false, and the rule waits.

use crate::hazard::Hazard;
use crate::scene::{Measure, Scene, Thing};
use crate::state::Evidence;
use std::cell::Cell;
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

    /// Whether it holds, for one thing of its subject's class.
    pub(crate) fn judge(&self, scene: &Scene<'_>, subject: Option<usize>) -> Verdict {
        let of = self.subject.as_deref().zip(subject);
        let judge = Judge { scene, subject: of, guessed: Cell::new(false) };
        let holds = judge.node(&self.node);
        Verdict { holds, guessed: judge.guessed.get() }
    }
}

/// What an expression comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Whether it holds; `None` if that cannot be told.
    pub holds: Option<bool>,
    /// Whether it rests on a distance or a speed that was not measured on the ground.
    pub guessed: bool,
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

/// The least and the most that a number can be, as far as is known.
type Bounds = [f32; 2];

/// What is not known at all.
const ANYTHING: Bounds = [0.0, f32::INFINITY];

impl Comparison {
    /// `None` if it holds for some of what the numbers can be only.
    fn holds(self, left: Bounds, right: Bounds) -> Option<bool> {
        match self {
            Self::Less => is_less(left, right),
            Self::LessOrEqual => is_less(right, left).map(|more| !more),
            Self::More => is_less(right, left),
            Self::MoreOrEqual => is_less(left, right).map(|less| !less),
            Self::Equal => is_equal(left, right),
            Self::Unequal => is_equal(left, right).map(|equal| !equal),
        }
    }
}

fn is_less(left: Bounds, right: Bounds) -> Option<bool> {
    match (left[1] < right[0], left[0] >= right[1]) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

fn is_equal(left: Bounds, right: Bounds) -> Option<bool> {
    let known = left[0] == left[1] && left == right;
    let apart = left[1] < right[0] || right[1] < left[0];
    (known || apart).then_some(known)
}

/// Judges one thing, or the place, in three-valued logic.
struct Judge<'a> {
    scene: &'a Scene<'a>,
    /// The class that the expression judges, and the thing.
    subject: Option<(&'a str, usize)>,
    /// Whether a distance or a speed was asked for that the ground does not tell.
    guessed: Cell<bool>,
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
                comparison.holds(self.number(left), self.number(right))
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

    fn number(&self, number: &Number) -> Bounds {
        match number {
            Number::Constant(value) => [*value; 2],
            Number::Hour => self.scene.clock.map_or(ANYTHING, |clock| [clock.hour(); 2]),
            Number::Count(selector) => {
                let fits: Vec<_> = self.all(selector).map(|thing| self.fits(thing, selector)).collect();
                let [no, yes] =
                    [Some(false), Some(true)].map(|way| fits.iter().filter(|&&fit| fit == way).count());
                [yes as f32, (fits.len() - no) as f32]
            }
            Number::Speed(selector) => self.speed(selector),
            Number::Distance(from, to) => self.distance(from, to),
        }
    }

    /// The things that a selector can mean and that may fit it, each with whether it does for sure.
    fn fitting<'s>(&'s self, selector: &'s Selector) -> impl Iterator<Item = (&'s Thing, bool)> + 's {
        let fitting = self.candidates(selector).map(|thing| (thing, self.fits(thing, selector)));
        let possible = fitting.filter(|(_, fits)| *fits != Some(false));
        possible.map(|(thing, fits)| (&self.scene.things[thing], fits.is_some()))
    }

    fn bounds(&self, measure: Option<Measure>) -> Bounds {
        let Some(measure) = measure else { return ANYTHING };
        self.guessed.set(self.guessed.get() || !measure.measured);
        [measure.value; 2]
    }

    /// The highest speed; zero if nothing is there.
    fn speed(&self, selector: &Selector) -> Bounds {
        self.fitting(selector).fold([0.0; 2], |[low, high], (thing, sure)| {
            let [least, most] = self.bounds(self.scene.speed(thing, None));
            [if sure { least.max(low) } else { low }, most.max(high)]
        })
    }

    /// The least distance; infinite if there is nothing to measure.
    fn distance(&self, from: &Selector, to: &Target) -> Bounds {
        let nearer = |[low, high]: Bounds, measure: Option<Measure>, sure: bool| {
            let [least, most] = self.bounds(measure);
            [least.min(low), if sure { most.min(high) } else { high }]
        };
        self.fitting(from).fold([f32::INFINITY; 2], |known, (thing, sure)| match to {
            Target::Zone(zone) => nearer(known, self.scene.distance_to_zone(thing, *zone), sure),
            Target::Things(to) => {
                let others = self.fitting(to).filter(|(other, _)| other.object != thing.object);
                others.fold(known, |known, (other, there)| {
                    nearer(known, self.scene.distance(thing, other), sure && there)
                })
            }
        })
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
