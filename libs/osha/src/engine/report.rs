//! What a frame comes to, for those who draw it or hand it on.

use super::{Engine, FrameReport, Mark, RuleState, Subject, ZoneState, track_of};
use crate::equipment::Clue;
use crate::event::Event;
use crate::ledger::{Aspect, Key};
use crate::rules::{Check, Finding, Rule, Who};
use crate::scene::Scene;
use crate::state::{Compliance, Evidence};
use std::collections::BTreeMap;
use std::time::Duration;

impl Engine {
    pub(super) fn report(
        &self,
        scene: &Scene<'_>,
        clues: &[Clue],
        findings: &[(usize, Finding)],
        events: Vec<Event>,
    ) -> FrameReport {
        let mut subjects: Vec<_> =
            scene.wearers.iter().map(|wearer| self.subject(scene, wearer.thing, findings)).collect();
        let marks = marks(scene, clues, &subjects);
        let is_other = |thing: &usize| scene.wearers.iter().all(|wearer| wearer.thing != *thing);
        let others = (0..scene.things.len()).filter(is_other);
        let others = others.filter(|&thing| !scene.things[thing].class.is_equipment());
        let others = others.map(|thing| self.subject(scene, thing, findings));
        subjects.extend(others.filter(|subject| !subject.rules.is_empty()));
        let zones = self.zones(scene, &subjects);
        FrameReport { subjects, marks, zones, place: self.of(Key::Place), events }
    }

    fn subject(&self, scene: &Scene<'_>, thing: usize, findings: &[(usize, Finding)]) -> Subject {
        let track = track_of(scene, thing);
        let rules = match track {
            Some(track) => self.of(Key::Track(track)),
            None => self.untracked(thing, findings),
        };
        let state = self.overall(scene, thing, &rules);
        Subject { object: scene.things[thing].object, track, state, rules }
    }

    /// The rules of one story, as they stand.
    fn of(&self, key: Key) -> Vec<RuleState> {
        let watches = self.ledger.records.get(&key).into_iter().flat_map(|record| &record.watches);
        let state = |(&rule, watch): (&usize, &crate::ledger::Watch)| {
            let (state, since) = self.ledger.state(rule, watch);
            let violation = watch.condition.violation().map(|_| watch.violation);
            self.rule_state(rule, watch.now, state, since, violation)
        };
        watches.map(state).collect()
    }

    /// One frame alone can make nobody more than suspected.
    fn untracked(&self, thing: usize, findings: &[(usize, Finding)]) -> Vec<RuleState> {
        let own = findings.iter().filter(|(_, finding)| finding.who == Who::Thing(thing));
        let state = |(rule, finding): &(usize, Finding)| {
            let aspect = Aspect { zone: finding.zone, outcome: finding.outcome };
            let (state, since) = match finding.evidence {
                Evidence::Hidden | Evidence::Silent => return None,
                Evidence::Fine(_) => (Compliance::Compliant, None),
                Evidence::Against(_) => (Compliance::Suspected, Some(self.ledger.now)),
            };
            Some(self.rule_state(*rule, aspect, state, since, None))
        };
        own.filter_map(state).collect()
    }

    fn rule_state(
        &self,
        rule: usize,
        aspect: Aspect,
        state: Compliance,
        since: Option<Duration>,
        violation: Option<u64>,
    ) -> RuleState {
        let Rule { id, check, .. } = self.ledger.rule(rule);
        let citation = self.ledger.citation(rule, aspect.zone);
        let outcome = self.ledger.outcome(rule, aspect);
        let (rule, kind, hazard, zone) = (id.clone(), check.kind(), check.hazard(), aspect.zone);
        RuleState { rule, kind, hazard, state, outcome, citation, zone, since, violation }
    }

    fn overall(&self, scene: &Scene<'_>, thing: usize, rules: &[RuleState]) -> Compliance {
        let worst = rules.iter().map(|rule| rule.state).max().unwrap_or_default();
        if worst != Compliance::Compliant {
            return worst;
        }
        let is_needed = |rule: &&Rule| match rule.check {
            Check::PpeMissing { hazard, .. } => {
                self.visible.contains(&hazard) && rule.place_of(&scene.things[thing]).is_some()
            }
            _ => false,
        };
        let is_worn = |rule: &Rule| {
            rules.iter().any(|known| known.rule == rule.id && known.state == Compliance::Compliant)
        };
        if self.site.rules.iter().filter(is_needed).all(is_worn) {
            Compliance::Compliant
        } else {
            Compliance::Unknown
        }
    }

    fn zones(&self, scene: &Scene<'_>, subjects: &[Subject]) -> Vec<ZoneState> {
        let mut worst: BTreeMap<usize, Compliance> = BTreeMap::new();
        for rule in subjects.iter().flat_map(|subject| &subject.rules) {
            if let Some(zone) = rule.zone {
                let known = worst.entry(zone).or_default();
                *known = rule.state.max(*known);
            }
        }
        let state = |zone: usize| {
            let rules = self.of(Key::Zone(zone));
            let own = rules.iter().map(|rule| rule.state).max().unwrap_or_default();
            let people = scene.people().filter(|(_, person)| person.is_in(zone)).count();
            let state = own.max(worst.get(&zone).copied().unwrap_or_default());
            ZoneState { zone, people, state, rules }
        };
        (0..self.site.zones.len()).map(state).collect()
    }
}

/// The items that are no subjects themselves. The first subjects are the scene's wearers, in their order.
fn marks(scene: &Scene<'_>, clues: &[Clue], subjects: &[Subject]) -> Vec<Mark> {
    let mark = |clue: &Clue| {
        let owner = clue.owner.map(|owner| &subjects[owner]);
        let state = match (owner, clue.missing) {
            (None, _) => Compliance::Unknown,
            (Some(_), false) => Compliance::Compliant,
            (Some(owner), true) => {
                let known = owner.rules.iter().filter(|rule| rule.hazard == Some(clue.hazard));
                known.map(|rule| rule.state).fold(Compliance::Suspected, Compliance::max)
            }
        };
        let object = scene.things[clue.thing].object;
        Mark { object, hazard: clue.hazard, state, owner: owner.map(|owner| owner.object) }
    };
    clues.iter().map(mark).filter(|mark| mark.owner != Some(mark.object)).collect()
}
