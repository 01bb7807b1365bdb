//! From tracked objects, frame by frame, to states and events.

use crate::association::{self, Item, Rect};
use crate::classes::{Class, Vocabulary};
use crate::event::{self, Body, EndReason, Event, Summary, Violation};
use crate::hazard::Hazard;
use crate::site::Site;
use crate::standards::Standard;
use crate::state::{Breach, Compliance, Condition, Evidence, Transition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What turns observations into findings. Every implementation gives the same report for the same frames.
pub trait Analyser: Send {
    /// Judges one frame. Time does not go back: a frame from before the last one is judged as if it were of the same time,
    /// so [`Analyser::finish`] comes between two streams, and before a seek.
    fn analyse(&mut self, frame: &FrameObservations<'_>) -> FrameReport;

    /// Ends the stream: closes what is open, adds the summary, and forgets everyone. Numbering goes on.
    fn finish(&mut self) -> Vec<Event>;
}

/// One frame as a detector and a tracker saw it.
#[derive(Clone, Copy, Debug)]
pub struct FrameObservations<'a> {
    /// Presentation time.
    pub pts: Duration,
    /// Width and height of the frame in pixels.
    pub size: (u32, u32),
    /// What is in it.
    pub objects: &'a [Object<'a>],
    /// The time on the site's clocks, which schedules and `hour` go by. Without it a rule with a schedule always holds.
    pub clock: Option<LocalTime>,
}

/// One detection.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// The model's label.
    pub class: &'a str,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// Left, top, width and height in source pixels. An object with a number that is not finite is ignored.
    pub rect: Rect,
    /// The same for the same object in other frames; unique among all classes. Without it an object is judged by this
    /// frame alone, is at most suspected, and gives no event.
    pub track: Option<u64>,
}

/// What a frame comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameReport {
    /// Everybody in view, every other thing that a rule judges, and every lack of equipment that belongs to nobody in view.
    pub subjects: Vec<Subject>,
    /// The other objects that bear on watched equipment.
    pub marks: Vec<Mark>,
    /// Every zone and line of the site, in the site's order.
    pub zones: Vec<ZoneState>,
    /// Rules that judge the place as a whole, with something seen or suspected.
    pub place: Vec<RuleState>,
    /// What began, went on or ended.
    pub events: Vec<Event>,
}

/// One that can break a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Index into the frame's objects.
    pub object: usize,
    /// The track whose story this is. Of a lack of equipment on a person out of view, that person's.
    pub track: Option<u64>,
    /// All rules together. The worst counts; compliant is who wears everything that is watched for and that the model
    /// can see.
    pub state: Compliance,
    /// Rules on which anything was seen, in the site's order.
    pub rules: Vec<RuleState>,
}

/// How one rule stands with a subject, a zone or the place.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleState {
    /// The rule's name, e.g. `no_hard_hat`.
    pub rule: Arc<str>,
    /// Its kind.
    pub kind: RuleKind,
    /// How it stands.
    pub state: Compliance,
    /// Whether a person has to look before a violation counts.
    pub outcome: Outcome,
    /// What a violation breaks, and how bad it is.
    pub citation: Arc<Citation>,
    /// The zone or line that matters, as an index into the site's zones.
    pub zone: Option<usize>,
    /// Time of the first frame that showed it; of suspicions and violations only.
    pub since: Option<Duration>,
    /// The violation's number in events, while it is under way.
    pub violation: Option<u64>,
}

/// How a zone or a line stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneState {
    /// Index into the site's zones.
    pub zone: usize,
    /// People in it now.
    pub people: usize,
    /// The worst of its rules and of the rules of those in it; unknown if there are none.
    pub state: Compliance,
    /// Rules that judge the zone as a whole.
    pub rules: Vec<RuleState>,
}

/// Equipment, or the lack of it, on a subject or on nobody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Index into the frame's objects.
    pub object: usize,
    /// What it bears on.
    pub hazard: Hazard,
    /// Worn equipment is compliant, missing equipment as bad as its owner's state and at least suspected, equipment on
    /// nobody unknown.
    pub state: Compliance,
    /// The owner's index into the frame's objects.
    pub owner: Option<usize>,
}

/// The overlap, as intersection over union, from which a new track may continue one that was lost.
const SAME_PLACE: f32 = 0.3;

/// Rules on protective equipment, with hysteresis in time.
#[derive(Debug)]
pub struct Engine {
    site: Site,
    vocabulary: Vocabulary,
    /// Hazards that the model can show, as far as known.
    visible: BTreeSet<Hazard>,
    records: BTreeMap<u64, Record>,
    /// By an item's track: the track of who wore it last, and when.
    wearers: BTreeMap<u64, (u64, Duration)>,
    began: Option<Duration>,
    now: Duration,
    sequence: u64,
    violations: u64,
    summary: Summary,
}

/// One track's story.
#[derive(Debug)]
struct Record {
    seen: Duration,
    rect: Rect,
    person: bool,
    watches: BTreeMap<Hazard, Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    condition: Condition,
    /// Number of the violation under way.
    violation: u64,
}

/// A subject as one frame shows it.
struct Sighting {
    object: usize,
    track: Option<u64>,
    rect: Rect,
    person: bool,
    evidence: BTreeMap<Hazard, Evidence>,
}

impl Sighting {
    fn new(object: usize, track: Option<u64>, rect: Rect, person: bool) -> Self {
        Self { object, track, rect, person, evidence: BTreeMap::new() }
    }

    fn add(&mut self, hazard: Hazard, evidence: Evidence) {
        let known = self.evidence.entry(hazard).or_insert(Evidence::Nothing);
        *known = known.or(evidence);
    }
}

/// An item, the object that it is, and whether it says that equipment is missing.
struct Clue {
    object: usize,
    item: Item,
    missing: bool,
}

impl Clue {
    fn evidence(&self) -> Evidence {
        if self.missing { Evidence::Missing(self.item.score) } else { Evidence::Worn(self.item.score) }
    }
}

impl Engine {
    /// For a site, and a model whose labels mean what they mean in every public data set.
    pub fn new(site: Site) -> Self {
        Self::build(site, Vocabulary::default(), BTreeSet::new())
    }

    /// For a model whose whole label set is known: labels such as `head` are then taken as its data set means them, and
    /// equipment that the model knows but has not seen yet counts from the first frame on.
    pub fn with_labels<S: AsRef<str>>(site: Site, labels: &[S]) -> Self {
        let vocabulary = Vocabulary::for_labels(labels);
        let classes = labels.iter().filter_map(|label| vocabulary.resolve(label.as_ref()));
        let visible = classes.flat_map(|class| class.evidence().map(|(hazard, _)| hazard)).collect();
        Self::build(site, vocabulary, visible)
    }

    fn build(site: Site, mut vocabulary: Vocabulary, visible: BTreeSet<Hazard>) -> Self {
        for (label, class) in &site.classes {
            vocabulary.define(label, class);
        }
        Self {
            site,
            vocabulary,
            visible,
            records: BTreeMap::new(),
            wearers: BTreeMap::new(),
            began: None,
            now: Duration::ZERO,
            sequence: 0,
            violations: 0,
            summary: Summary::default(),
        }
    }

    fn advance(&mut self, frame: &FrameObservations<'_>) {
        let began = *self.began.get_or_insert(frame.pts);
        self.now = self.now.max(frame.pts);
        self.summary.frames += 1;
        self.summary.detections += frame.objects.len() as u64;
        self.summary.duration_s = event::seconds(self.now.saturating_sub(began));
    }

    /// What the objects mean; `None` for those that mean nothing.
    fn classes(&self, objects: &[Object<'_>]) -> Vec<Option<&'static Class>> {
        let sane = |object: &Object<'_>| {
            object.score.is_finite() && object.rect.iter().all(|value| value.is_finite())
        };
        let class =
            |object: &Object<'_>| sane(object).then(|| self.vocabulary.resolve(object.class)).flatten();
        objects.iter().map(class).collect()
    }

    fn clues(&self, objects: &[Object<'_>], classes: &[Option<&'static Class>]) -> Vec<Clue> {
        let mut clues = Vec::new();
        for (object, class) in classes.iter().enumerate() {
            let Object { rect, score, .. } = objects[object];
            let evidence = class.iter().flat_map(|class| class.evidence());
            for (hazard, missing) in evidence.filter(|(hazard, _)| self.site.watch.contains(hazard)) {
                clues.push(Clue { object, item: Item { hazard, rect, score }, missing });
            }
        }
        clues
    }

    /// The subjects of a frame, and for each clue the subject that it belongs to.
    fn sightings(&mut self, objects: &[Object<'_>]) -> (Vec<Sighting>, Vec<(Clue, Option<usize>)>) {
        let classes = self.classes(objects);
        let is_person = |object: &usize| classes[*object].is_some_and(|class| class.person);
        let people: Vec<_> = (0..objects.len()).filter(is_person).collect();
        let (own, worn): (Vec<_>, Vec<_>) =
            self.clues(objects, &classes).into_iter().partition(|clue| is_person(&clue.object));
        let boxes: Vec<_> = people.iter().map(|&person| objects[person].rect).collect();
        let owners = association::associate(&boxes, &worn.iter().map(|clue| clue.item).collect::<Vec<_>>());
        let sighting =
            |&object: &usize| Sighting::new(object, objects[object].track, objects[object].rect, true);
        let mut sightings: Vec<_> = people.iter().map(sighting).collect();
        for clue in own {
            if let Some(sighting) = sightings.iter_mut().find(|sighting| sighting.object == clue.object) {
                sighting.add(clue.item.hazard, clue.evidence());
            }
        }
        let mut settled = Vec::new();
        for (clue, owner) in worn.into_iter().zip(owners) {
            let owner = owner.or_else(|| self.stand_in(&clue, objects[clue.object].track, &mut sightings));
            if let Some(sighting) = owner.and_then(|owner| sightings.get_mut(owner)) {
                sighting.add(clue.item.hazard, clue.evidence());
                self.remember_wearer(objects[clue.object].track, sighting);
            }
            settled.push((clue, owner));
        }
        (sightings, settled)
    }

    /// The subject for a lack of equipment that is on nobody in view: who it was on a moment ago, or else itself.
    fn stand_in(&self, clue: &Clue, track: Option<u64>, sightings: &mut Vec<Sighting>) -> Option<usize> {
        if !clue.missing {
            return None;
        }
        let wearer = track.and_then(|track| self.wearers.get(&track)).map(|(wearer, _)| *wearer);
        let track = wearer.filter(|wearer| self.records.contains_key(wearer)).or(track);
        if let Some(known) = sightings.iter().position(|sighting| track.is_some() && sighting.track == track)
        {
            return Some(known);
        }
        sightings.push(Sighting::new(clue.object, track, clue.item.rect, false));
        Some(sightings.len() - 1)
    }

    fn remember_wearer(&mut self, item: Option<u64>, wearer: &Sighting) {
        if let (Some(item), Some(wearer)) = (item, wearer.track)
            && item != wearer
        {
            self.wearers.insert(item, (wearer, self.now));
        }
    }

    /// Adds what a frame shows of a subject to its story.
    fn observe(&mut self, track: u64, sighting: &Sighting, events: &mut Vec<Event>) {
        let Some(mut record) = self.records.remove(&track) else {
            return;
        };
        record.seen = self.now;
        // A part of a body says little on where the person is.
        if sighting.person || !record.person {
            record.rect = sighting.rect;
        }
        for &hazard in sighting.evidence.keys() {
            record.watches.entry(hazard).or_default();
        }
        for (&hazard, watch) in &mut record.watches {
            let evidence = sighting.evidence.get(&hazard).copied().unwrap_or(Evidence::Nothing);
            let change = watch.condition.observe(self.now, evidence, &self.site.timing);
            let at = (track, record.rect);
            events.extend(change.map(|change| self.report(hazard, watch, at, change, EndReason::Cleared)));
        }
        self.records.insert(track, record);
    }

    fn report(
        &mut self,
        hazard: Hazard,
        watch: &mut Watch,
        at: (u64, Rect),
        change: Transition,
        reason: EndReason,
    ) -> Event {
        if matches!(change, Transition::Started(_)) {
            self.violations += 1;
            self.summary.violations += 1;
            *self.summary.by_hazard.entry(hazard).or_default() += 1;
            watch.violation = self.violations;
        }
        let describe = |breach: &Breach| {
            Violation::new(watch.violation, hazard, self.site.cite(hazard), self.site.scope, at, breach)
        };
        let body = match change {
            Transition::Started(breach) => Body::Start(describe(&breach)),
            Transition::Ended(breach) => Body::End(describe(&breach).ended(breach.last, reason)),
        };
        self.number(body)
    }

    fn number(&mut self, body: Body) -> Event {
        self.sequence += 1;
        Event::new(self.sequence, body)
    }

    /// Makes sure that every subject has a record: its own, that of a track that was lost where it appears, or a new one.
    fn admit(&mut self, present: &BTreeMap<u64, &Sighting>) {
        for (&track, sighting) in present {
            if !self.records.contains_key(&track) {
                let lost = self.lost(sighting, present).and_then(|lost| self.records.remove(&lost));
                let Sighting { rect, person, .. } = **sighting;
                let new = || Record { seen: self.now, rect, person, watches: BTreeMap::new() };
                let record = lost.unwrap_or_else(new);
                self.records.insert(track, record);
            }
        }
    }

    /// The track, out of view since a moment ago, that a new one continues.
    fn lost(&self, new: &Sighting, present: &BTreeMap<u64, &Sighting>) -> Option<u64> {
        let absent = self.records.iter().filter(|(track, _)| !present.contains_key(track));
        let near = absent.filter_map(|(track, record)| {
            let overlap = association::iou(&record.rect, &new.rect);
            (overlap >= SAME_PLACE).then_some((overlap, *track))
        });
        near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, track)| track)
    }

    /// Gives a person the story of a lack of equipment that was on nobody until now.
    fn absorb(&mut self, sightings: &[Sighting], clues: &[(Clue, Option<usize>)], objects: &[Object<'_>]) {
        for (clue, owner) in clues {
            let person = owner.map(|owner| &sightings[owner]).filter(|sighting| sighting.person);
            let (Some(item), Some(person)) =
                (objects[clue.object].track, person.and_then(|person| person.track))
            else {
                continue;
            };
            let Some(story) = self.records.get(&item).filter(|story| !story.person) else {
                continue;
            };
            let known = self.records.get(&person).and_then(|record| record.watches.get(&clue.item.hazard));
            if known.is_some_and(|watch| watch.condition.violating())
                || !story.watches.contains_key(&clue.item.hazard)
            {
                continue;
            }
            let story = self.records.remove(&item).map(|story| story.watches).unwrap_or_default();
            self.records.entry(person).and_modify(|record| record.watches.extend(story));
        }
    }

    /// Ends the stories of those who have been out of view for too long.
    fn expire(&mut self, events: &mut Vec<Event>) {
        let oldest = self.now.saturating_sub(self.site.timing.gap);
        self.wearers.retain(|_, (_, seen)| *seen >= oldest);
        let gone: Vec<_> =
            self.records.iter().filter(|(_, record)| record.seen < oldest).map(|(track, _)| *track).collect();
        for track in gone {
            self.close(track, EndReason::Left, events);
        }
    }

    fn close(&mut self, track: u64, reason: EndReason, events: &mut Vec<Event>) {
        let Some(record) = self.records.remove(&track) else {
            return;
        };
        for (hazard, mut watch) in record.watches {
            if let Some(breach) = watch.condition.close() {
                let change = Transition::Ended(breach);
                events.push(self.report(hazard, &mut watch, (track, record.rect), change, reason));
            }
        }
    }

    fn subject(&self, sighting: &Sighting) -> Subject {
        let hazards = match sighting.track.and_then(|track| self.records.get(&track)) {
            Some(record) => self.tracked(record),
            None => self.untracked(sighting),
        };
        Subject { object: sighting.object, track: sighting.track, state: self.overall(&hazards), hazards }
    }

    fn tracked(&self, record: &Record) -> Vec<HazardState> {
        let state = |(&hazard, watch): (&Hazard, &Watch)| {
            let (state, since) = watch.condition.state();
            HazardState { hazard, state, standard: self.site.cite(hazard), since }
        };
        record.watches.iter().map(state).collect()
    }

    fn untracked(&self, sighting: &Sighting) -> Vec<HazardState> {
        let state = |(&hazard, evidence): (&Hazard, &Evidence)| {
            let (state, since) = match evidence {
                Evidence::Nothing => (Compliance::Unknown, None),
                Evidence::Worn(_) => (Compliance::Compliant, None),
                Evidence::Missing(_) => (Compliance::Suspected, Some(self.now)),
            };
            HazardState { hazard, state, standard: self.site.cite(hazard), since }
        };
        sighting.evidence.iter().map(state).collect()
    }

    fn overall(&self, hazards: &[HazardState]) -> Compliance {
        let worst = hazards.iter().map(|hazard| hazard.state).max().unwrap_or_default();
        if worst != Compliance::Compliant {
            return worst;
        }
        let worn = |hazard: &Hazard| {
            hazards.iter().any(|known| known.hazard == *hazard && known.state == Compliance::Compliant)
        };
        // Nothing can be worn against a fall.
        let mut needed =
            self.visible.intersection(&self.site.watch).filter(|&&hazard| hazard != Hazard::Fall);
        if needed.all(worn) { Compliance::Compliant } else { Compliance::Unknown }
    }
}

fn mark(clue: &Clue, owner: Option<&Subject>) -> Mark {
    let of_owner = |owner: &Subject| {
        let known = owner.hazards.iter().find(|known| known.hazard == clue.item.hazard);
        known.map_or(Compliance::Suspected, |known| known.state.max(Compliance::Suspected))
    };
    let state = match (owner, clue.missing) {
        (None, _) => Compliance::Unknown,
        (Some(_), false) => Compliance::Compliant,
        (Some(owner), true) => of_owner(owner),
    };
    Mark { object: clue.object, hazard: clue.item.hazard, state, owner: owner.map(|owner| owner.object) }
}

impl Analyser for Engine {
    fn analyse(&mut self, frame: &FrameObservations<'_>) -> FrameReport {
        self.advance(frame);
        let mut events = Vec::new();
        self.expire(&mut events);
        let (sightings, clues) = self.sightings(frame.objects);
        self.visible.extend(clues.iter().map(|(clue, _)| clue.item.hazard));
        let tracked: BTreeMap<_, _> = sightings.iter().filter_map(|one| Some((one.track?, one))).collect();
        self.admit(&tracked);
        self.absorb(&sightings, &clues, frame.objects);
        for (track, sighting) in tracked {
            self.observe(track, sighting, &mut events);
        }
        let subjects: Vec<_> = sightings.iter().map(|sighting| self.subject(sighting)).collect();
        let others = clues.iter().map(|(clue, owner)| mark(clue, owner.map(|owner| &subjects[owner])));
        let marks = others.filter(|mark| mark.owner != Some(mark.object)).collect();
        FrameReport { subjects, marks, events }
    }

    fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for track in self.records.keys().copied().collect::<Vec<_>>() {
            self.close(track, EndReason::EndOfStream, &mut events);
        }
        let summary = std::mem::take(&mut self.summary);
        events.push(self.number(Body::Summary(summary)));
        self.wearers.clear();
        self.began = None;
        self.now = Duration::ZERO;
        events
    }
}

#[cfg(test)]
mod tests;
