//! From tracked objects, frame by frame, to states and events.

use crate::classes::Vocabulary;
use crate::equipment::{self, Clue};
use crate::event::{self, Body, EndReason, Event, Party};
use crate::geometry::{self, Rect};
use crate::hazard::Hazard;
use crate::ledger::{Aspect, Entry, Key, Ledger, Record};
use crate::motion::Motion;
use crate::rules::{self, Check, Finding, Outcome, Rule, RuleKind, Who};
use crate::scene::{Scene, Thing};
use crate::schedule::LocalTime;
use crate::site::Site;
use crate::standards::Citation;
use crate::state::{Compliance, Evidence};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

mod report;

/// What turns observations into findings. Every implementation gives the same report for the same frames.
pub trait Analyser: Send {
    /// Judges one frame. Time does not go back: a frame from before the last one is judged as if it were of the same time,
    /// so [`Analyser::finish`] comes between two streams, and before a seek.
    fn analyse(&mut self, frame: &FrameObservations<'_>) -> FrameReport;

    /// Ends the stream: closes what is open, adds the summary, and forgets everyone. Numbering goes on.
    fn finish(&mut self) -> Vec<Event>;

    /// Learns the whole label set of the model, see [`Engine::with_labels`]. Returns the rules that count equipment as missing
    /// which nobody sees, and that are silent since no label shows that equipment.
    fn learn(&mut self, labels: &[String]) -> Vec<Arc<str>>;

    /// The site whose rules are judged.
    fn site(&self) -> &Site;
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
    /// What [`Mark`]s bear on it, if it is about equipment or falls.
    pub hazard: Option<Hazard>,
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

/// The rules of a site, with hysteresis in time.
#[derive(Debug)]
pub struct Engine {
    site: Arc<Site>,
    vocabulary: Vocabulary,
    /// Hazards that any rule asks about.
    watched: BTreeSet<Hazard>,
    /// Hazards that the model can show, as far as known.
    visible: BTreeSet<Hazard>,
    /// By an item's track: the track of who wore it last, and when.
    wearers: BTreeMap<u64, (u64, Duration)>,
    motion: Motion,
    ledger: Ledger,
    began: Option<Duration>,
}

/// What a frame shows, by story and by rule.
type Entries = BTreeMap<Key, BTreeMap<usize, Entry>>;

/// One whose story goes on in a frame: the index of its thing, and whether that is a person.
#[derive(Clone, Copy, Debug)]
struct Seen {
    thing: usize,
    person: bool,
}

impl Engine {
    /// For a site, and a model whose labels mean what they mean in every public data set.
    pub fn new(site: Site) -> Self {
        Self::with_labels::<&str>(site, &[])
    }

    /// For a model whose whole label set is known: labels such as `head` are then taken as its data set means them, and
    /// equipment that the model knows but has not seen yet counts from the first frame on.
    pub fn with_labels<S: AsRef<str>>(site: Site, labels: &[S]) -> Self {
        let site = Arc::new(site);
        let mut engine = Self {
            vocabulary: Vocabulary::default(),
            watched: site.hazards(),
            visible: BTreeSet::new(),
            wearers: BTreeMap::new(),
            motion: Motion::default(),
            ledger: Ledger::new(Arc::clone(&site)),
            began: None,
            site,
        };
        engine.understand(labels);
        engine
    }

    fn understand<S: AsRef<str>>(&mut self, labels: &[S]) {
        self.vocabulary = self.site.vocabulary(labels);
        let classes = labels.iter().filter_map(|label| self.vocabulary.resolve(label.as_ref()));
        self.visible.extend(classes.flat_map(|class| class.evidence().map(|(hazard, _)| hazard)));
    }

    fn advance(&mut self, frame: &FrameObservations<'_>) {
        let began = *self.began.get_or_insert(frame.pts);
        let now = self.ledger.now.max(frame.pts);
        self.ledger.now = now;
        self.ledger.summary.frames += 1;
        self.ledger.summary.detections += frame.objects.len() as u64;
        self.ledger.summary.duration_s = event::seconds(now.saturating_sub(began));
    }

    /// Forgets those who have been out of view for too long.
    fn expire(&mut self, events: &mut Vec<Event>) {
        let oldest = self.ledger.now.saturating_sub(self.site.timing.gap);
        self.wearers.retain(|_, (_, seen)| *seen >= oldest);
        self.motion.forget(oldest);
        self.ledger.expire(oldest, events);
    }

    /// Hands equipment to people, and remembers whose it is.
    fn dress(&mut self, scene: &mut Scene<'_>) -> Vec<Clue> {
        let (wearers, records) = (&self.wearers, &self.ledger.records);
        let wearer_of = |item: u64| {
            let wearer = wearers.get(&item).map(|(wearer, _)| *wearer);
            wearer.filter(|wearer| records.contains_key(&Key::Track(*wearer)))
        };
        let clues = equipment::dress(scene, &self.watched, wearer_of);
        self.visible.extend(clues.iter().map(|clue| clue.hazard));
        for clue in &clues {
            let wearer = clue.owner.and_then(|owner| scene.wearers[owner].track);
            if let (Some(item), Some(wearer)) = (scene.things[clue.thing].track, wearer)
                && item != wearer
            {
                self.wearers.insert(item, (wearer, self.ledger.now));
            }
        }
        clues
    }

    /// Makes sure that everyone in view has a story: their own, that of a track that was lost where they appear, or a new
    /// one.
    fn admit(&mut self, seen: &BTreeMap<u64, Seen>, scene: &Scene<'_>) {
        let now = self.ledger.now;
        for (&track, &Seen { thing, person }) in seen {
            let Thing { rect, class, .. } = &scene.things[thing];
            let key = Key::Track(track);
            if !self.ledger.records.contains_key(&key) {
                let lost = self.lost(rect, person, &class.name, seen);
                let lost = lost.and_then(|lost| self.ledger.records.remove(&lost));
                let record = lost.unwrap_or_else(|| Record::new(now, *rect, person, &class.name));
                self.ledger.records.insert(key, record);
            }
            if let Some(record) = self.ledger.records.get_mut(&key) {
                record.seen = now;
                // A part of a body says little on where the person is.
                if person || !record.person {
                    record.rect = *rect;
                }
                record.person |= person;
            }
        }
    }

    /// The track, out of view since a moment ago, that a new one continues.
    fn lost(&self, rect: &Rect, person: bool, class: &str, seen: &BTreeMap<u64, Seen>) -> Option<Key> {
        let near = self.ledger.records.iter().filter_map(|(&key, record)| {
            let Key::Track(track) = key else { return None };
            let same = record.class == class || (record.person && person);
            let overlap = geometry::iou(&record.rect, rect);
            (same && !seen.contains_key(&track) && overlap >= SAME_PLACE).then_some((overlap, key))
        });
        near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, key)| key)
    }

    /// Gives a person the story of a lack of equipment that was on nobody until now.
    fn absorb(&mut self, clues: &[Clue], scene: &Scene<'_>) {
        let records = &mut self.ledger.records;
        for clue in clues {
            let owner = clue.owner.map(|owner| &scene.wearers[owner]).filter(|wearer| wearer.person);
            let (Some(item), Some(person)) =
                (scene.things[clue.thing].track, owner.and_then(|person| person.track))
            else {
                continue;
            };
            let is_story = |record: &Record| !record.person && !record.watches.is_empty();
            if item == person || !records.get(&Key::Track(item)).is_some_and(is_story) {
                continue;
            }
            let story = records.remove(&Key::Track(item)).map(|record| record.watches).unwrap_or_default();
            if let Some(record) = records.get_mut(&Key::Track(person)) {
                for (rule, watch) in story {
                    let known = record.watches.get(&rule);
                    if known.is_none_or(|known| known.condition.violation().is_none()) {
                        record.watches.insert(rule, watch);
                    }
                }
            }
        }
    }

    /// What all rules that hold now find. Those that do not hold are over.
    fn judge(&mut self, scene: &Scene<'_>, events: &mut Vec<Event>) -> Vec<(usize, Finding)> {
        let site = Arc::clone(&self.site);
        let mut findings = Vec::new();
        for (index, rule) in site.rules.iter().enumerate() {
            if holds(rule, scene.clock) {
                findings.extend(rules::check(rule, scene).into_iter().map(|finding| (index, finding)));
            } else {
                self.ledger.close_rule(index, EndReason::Schedule, events);
            }
        }
        findings
    }

    /// Adds what was found to the stories.
    fn observe(
        &mut self,
        seen: &BTreeMap<u64, Seen>,
        scene: &Scene<'_>,
        mut entries: Entries,
        events: &mut Vec<Event>,
    ) {
        for (&track, &Seen { thing, person }) in seen {
            let is_part = !person && scene.things[thing].class.is_equipment();
            let otherwise = |rule: &Rule| if is_part { Evidence::Hidden } else { otherwise(&rule.check) };
            let entries = entries.remove(&Key::Track(track)).unwrap_or_default();
            self.ledger.observe(Key::Track(track), entries, otherwise, events);
        }
        for key in self.missed_parts(seen) {
            self.ledger.observe(key, BTreeMap::new(), |_| Evidence::Silent, events);
        }
        for (key, entries) in entries {
            let rect = self.frame_of(key, scene.size);
            let now = self.ledger.now;
            let record = self.ledger.records.entry(key).or_insert_with(|| Record::new(now, rect, false, ""));
            record.rect = rect;
            self.ledger.observe(key, entries, |rule| otherwise(&rule.check), events);
        }
    }

    /// Lacks of equipment on nobody that are not seen now. Unlike a person, who is out of view then, they would be told of if
    /// there were any: what shows up now and then does not count for the time between.
    fn missed_parts(&self, seen: &BTreeMap<u64, Seen>) -> Vec<Key> {
        let is_lack = |rule: &usize| matches!(self.ledger.rule(*rule).check, Check::PpeMissing { .. });
        let is_missed = |(key, record): &(&Key, &Record)| {
            matches!(key, Key::Track(track) if !seen.contains_key(track))
                && !record.person
                && record.watches.keys().all(is_lack)
        };
        self.ledger.records.iter().filter(is_missed).map(|(key, _)| *key).collect()
    }

    /// The box of a zone, or of the whole frame, in pixels.
    fn frame_of(&self, key: Key, [width, height]: [f32; 2]) -> Rect {
        let Key::Zone(zone) = key else { return [0.0, 0.0, width, height] };
        let [x, y, w, h] = geometry::bounds(&self.site.zones[zone].points);
        [x * width, y * height, w * width, h * height]
    }
}

/// Whether a rule holds at this time. Where nobody knows the time it does.
fn holds(rule: &Rule, clock: Option<LocalTime>) -> bool {
    rule.schedule.as_ref().zip(clock).is_none_or(|(schedule, clock)| schedule.holds(clock))
}

/// What it means if a rule finds nothing on one in view. Where somebody stands is certain; a machine, a load or a fall
/// may have been missed by the detector.
fn otherwise(check: &Check) -> Evidence {
    match check {
        Check::PpeMissing { .. } | Check::InZone | Check::UnprotectedEdge { .. } => Evidence::Fine(1.0),
        _ => Evidence::Silent,
    }
}

/// Everyone and everything in view that can have a story.
fn seen(scene: &Scene<'_>) -> BTreeMap<u64, Seen> {
    let wearers = scene
        .wearers
        .iter()
        .filter_map(|wearer| Some((wearer.track?, Seen { thing: wearer.thing, person: wearer.person })));
    let things = scene.things.iter().enumerate().filter_map(|(index, thing)| {
        let is_other = !thing.is_person() && !thing.class.is_equipment();
        is_other.then_some((thing.track?, Seen { thing: index, person: false }))
    });
    let mut seen = BTreeMap::new();
    for (track, one) in wearers.chain(things) {
        seen.entry(track).or_insert(one);
    }
    seen
}

/// Findings by story and rule. Of things without a track there is no story.
fn entries(findings: &[(usize, Finding)], scene: &Scene<'_>) -> Entries {
    let mut entries = Entries::new();
    for (rule, finding) in findings {
        let key = match finding.who {
            Who::Thing(thing) => track_of(scene, thing).map(Key::Track),
            Who::Zone(zone) => Some(Key::Zone(zone)),
            Who::Place => Some(Key::Place),
        };
        let Some(key) = key else { continue };
        let others = finding.others.iter().map(|&other| party(&scene.things[other])).collect();
        let aspect = Aspect { zone: finding.zone, outcome: finding.outcome };
        let entry = Entry { evidence: finding.evidence, aspect, others };
        let known = entries.entry(key).or_default().entry(*rule).or_insert_with(|| entry.clone());
        if known.evidence.or(entry.evidence) != known.evidence {
            *known = entry;
        }
    }
    entries
}

/// The track whose story a thing belongs to.
fn track_of(scene: &Scene<'_>, thing: usize) -> Option<u64> {
    let wearer = scene.wearers.iter().find(|wearer| wearer.thing == thing);
    wearer.map_or(scene.things[thing].track, |wearer| wearer.track)
}

fn party(thing: &Thing) -> Party {
    Party { track: thing.track, class: thing.class.name.clone(), rect: thing.rect }
}

impl Analyser for Engine {
    fn analyse(&mut self, frame: &FrameObservations<'_>) -> FrameReport {
        self.advance(frame);
        let mut events = Vec::new();
        self.expire(&mut events);
        let site = Arc::clone(&self.site);
        let mut scene = Scene::new(&site, &self.vocabulary, &mut self.motion, self.ledger.now, frame);
        let clues = self.dress(&mut scene);
        let seen = seen(&scene);
        self.admit(&seen, &scene);
        self.absorb(&clues, &scene);
        let findings = self.judge(&scene, &mut events);
        self.observe(&seen, &scene, entries(&findings, &scene), &mut events);
        self.report(&scene, &clues, &findings, events)
    }

    fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.ledger.close_all(&mut events);
        let summary = std::mem::take(&mut self.ledger.summary);
        events.push(self.ledger.number(Body::Summary(summary)));
        self.wearers.clear();
        self.motion = Motion::default();
        self.began = None;
        self.ledger.now = Duration::ZERO;
        events
    }

    fn learn(&mut self, labels: &[String]) -> Vec<Arc<str>> {
        self.understand(labels);
        let is_silent = |rule: &&Rule| match rule.check {
            Check::PpeMissing { hazard, from_absence, .. } => {
                from_absence && self.vocabulary.unseen().contains(&hazard)
            }
            _ => false,
        };
        self.site.rules.iter().filter(is_silent).map(|rule| Arc::clone(&rule.id)).collect()
    }

    fn site(&self) -> &Site {
        &self.site
    }
}

#[cfg(test)]
mod tests;
