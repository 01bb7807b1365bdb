//! The stories of tracks, zones and the place: for each rule a condition in time, and what of it was reported.

use crate::event::{self, Body, EndReason, Event, Party, Summary, Violation};
use crate::geometry::{self, Rect};
use crate::related::{Finder, Related};
use crate::rules::{Outcome, Rule};
use crate::site::Site;
use crate::standards::Citation;
use crate::state::{Breach, Compliance, Condition, Evidence, Transition};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Whose story it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Track(u64),
    /// Index into the site's zones.
    Zone(usize),
    Place,
}

/// One story.
#[derive(Debug)]
pub(crate) struct Record {
    pub seen: Duration,
    /// In source pixels.
    pub rect: Rect,
    /// Whether it is of a person, and not of a lack of equipment or of a thing.
    pub person: bool,
    /// The canonical class.
    pub class: String,
    /// By the rule's index.
    pub watches: BTreeMap<usize, Watch>,
}

impl Record {
    pub fn new(seen: Duration, rect: Rect, person: bool, class: &str) -> Self {
        Self { seen, rect, person, class: class.to_owned(), watches: BTreeMap::new() }
    }
}

/// One rule in a story.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub condition: Condition,
    pub now: Aspect,
    /// The others that took part when it was last seen.
    others: Vec<Party>,
    /// Number of the violation under way.
    pub violation: u64,
    /// What was last reported, and when.
    reported: Aspect,
    reported_at: Duration,
}

/// Where something was last seen, and what it comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aspect {
    pub zone: Option<usize>,
    pub outcome: Outcome,
}

/// What a frame shows, as the ledger takes it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub evidence: Evidence,
    pub aspect: Aspect,
    pub others: Vec<Party>,
}

/// What a breach comes to.
#[derive(Debug)]
struct Cited {
    citation: Arc<Citation>,
    outcome: Outcome,
    related: Arc<[Related]>,
}

/// All stories of a stream, and the numbers of its events.
#[derive(Debug)]
pub(crate) struct Ledger {
    site: Arc<Site>,
    /// What a breach of a rule cites, by rule and zone.
    citations: BTreeMap<(usize, Option<usize>), Cited>,
    pub records: BTreeMap<Key, Record>,
    pub now: Duration,
    sequence: u64,
    violations: u64,
    pub summary: Summary,
}

impl Ledger {
    pub fn new(site: Arc<Site>) -> Self {
        let mut finder = Finder::new(&site);
        let mut citations = BTreeMap::new();
        for (index, rule) in site.rules.iter().enumerate() {
            for zone in std::iter::once(None).chain((0..site.zones.len()).map(Some)) {
                let (citation, outcome) = site.cite(rule, zone);
                let related = finder.find(&citation);
                citations.insert((index, zone), Cited { citation: Arc::new(citation), outcome, related });
            }
        }
        let (records, summary) = Default::default();
        Self { site, citations, records, now: Duration::ZERO, sequence: 0, violations: 0, summary }
    }

    pub fn rule(&self, rule: usize) -> &Rule {
        &self.site.rules[rule]
    }

    pub fn citation(&self, rule: usize, zone: Option<usize>) -> Arc<Citation> {
        let known = self.citations.get(&(rule, zone));
        known.map_or_else(
            || Arc::new(self.site.cite(self.rule(rule), zone).0),
            |cited| Arc::clone(&cited.citation),
        )
    }

    /// What a finding comes to, the standard's limits included.
    pub fn outcome(&self, rule: usize, aspect: Aspect) -> Outcome {
        let of_standard = self.citations.get(&(rule, aspect.zone)).map(|cited| cited.outcome);
        aspect.outcome.max(of_standard.unwrap_or_default())
    }

    /// Adds what a frame shows on the rules of one story. Rules of which nothing is shown take what `otherwise` says.
    pub fn observe(
        &mut self,
        key: Key,
        entries: BTreeMap<usize, Entry>,
        otherwise: impl Fn(&Rule) -> Evidence,
        events: &mut Vec<Event>,
    ) {
        let Some(record) = self.records.get_mut(&key) else { return };
        let (rect, mut watches) = (record.rect, std::mem::take(&mut record.watches));
        for (&rule, watch) in watches.iter_mut().filter(|(rule, _)| !entries.contains_key(rule)) {
            let nothing =
                Entry { evidence: otherwise(self.rule(rule)), aspect: watch.now, others: Vec::new() };
            events.extend(self.advance(key, rect, rule, watch, nothing));
        }
        for (rule, entry) in entries {
            // A rule on which nothing was ever said has no story.
            if entry.evidence.is_statement() || watches.contains_key(&rule) {
                let watch = watches.entry(rule).or_default();
                events.extend(self.advance(key, rect, rule, watch, entry));
            }
        }
        if let Some(record) = self.records.get_mut(&key) {
            record.watches = watches;
        }
    }

    fn advance(
        &mut self,
        key: Key,
        rect: Rect,
        rule: usize,
        watch: &mut Watch,
        entry: Entry,
    ) -> Option<Event> {
        if matches!(entry.evidence, Evidence::Against(_)) {
            watch.now = entry.aspect;
            watch.others = entry.others;
        }
        let timing = self.site.rules[rule].timing;
        match watch.condition.observe(self.now, entry.evidence, &timing) {
            Some(Transition::Started(breach)) => {
                self.violations += 1;
                self.summary.violations += 1;
                *self.summary.by_rule.entry(self.rule(rule).id.to_string()).or_default() += 1;
                watch.violation = self.violations;
                let related = self.related(rule, watch.now.zone);
                let start = |violation: Violation| Body::Start(Violation { related, ..violation });
                Some(self.report(start, key, rect, rule, watch, &breach))
            }
            Some(Transition::Ended(breach)) => {
                let end = |violation: Violation| Body::End(violation.ended(breach.last, EndReason::Cleared));
                Some(self.report(end, key, rect, rule, watch, &breach))
            }
            None => {
                let breach = watch.condition.violation()?.clone();
                self.is_news(watch, timing.update, timing.cooldown)
                    .then(|| self.report(Body::Update, key, rect, rule, watch, &breach))
            }
        }
    }

    /// Whether a violation under way is to be reported again. What changes to and fro is reported no more often than a
    /// violation can begin anew.
    fn is_news(&self, watch: &Watch, update: Duration, rest: Duration) -> bool {
        let since = self.now.saturating_sub(watch.reported_at);
        (!update.is_zero() && since >= update) || (watch.now != watch.reported && since >= rest)
    }

    fn report(
        &mut self,
        body: impl FnOnce(Violation) -> Body,
        key: Key,
        rect: Rect,
        rule: usize,
        watch: &mut Watch,
        breach: &Breach,
    ) -> Event {
        (watch.reported, watch.reported_at) = (watch.now, self.now);
        let violation = self.violation(key, rect, rule, watch, breach);
        self.number(body(violation))
    }

    fn violation(&self, key: Key, rect: Rect, rule: usize, watch: &Watch, breach: &Breach) -> Violation {
        let Citation { citation, title, severity, basis, .. } =
            Citation::clone(&self.citation(rule, watch.now.zone));
        let zone = watch.now.zone.and_then(|zone| self.site.zones.get(zone));
        let (id, kind) = (self.rule(rule).id.to_string(), self.rule(rule).check.kind());
        let track = if let Key::Track(track) = key { Some(track) } else { None };
        Violation {
            violation: watch.violation,
            rule: id,
            rule_kind: kind,
            outcome: self.outcome(rule, watch.now),
            citation,
            title,
            basis,
            severity,
            scope: self.site.scope,
            zone: zone.map(|zone| zone.id.to_string()),
            track,
            start_pts_ns: event::nanoseconds(breach.start),
            start_s: event::seconds(breach.start),
            end_pts_ns: None,
            end_s: None,
            duration_s: event::seconds(breach.last - breach.start),
            reason: None,
            rect: if track.is_some() { rect } else { around(&watch.others).unwrap_or(rect) },
            score_max: breach.score_max,
            score_mean: breach.score_mean(),
            frames: breach.frames,
            others: watch.others.clone(),
            related: Vec::new(),
        }
    }

    fn related(&self, rule: usize, zone: Option<usize>) -> Vec<Related> {
        self.citations.get(&(rule, zone)).map(|cited| cited.related.to_vec()).unwrap_or_default()
    }

    pub fn number(&mut self, body: Body) -> Event {
        self.sequence += 1;
        Event::new(self.sequence, body)
    }

    /// Ends one story.
    pub fn close(&mut self, key: Key, reason: EndReason, events: &mut Vec<Event>) {
        let Some(record) = self.records.remove(&key) else { return };
        for (rule, mut watch) in record.watches {
            events.extend(self.end(key, record.rect, rule, &mut watch, reason));
        }
    }

    /// Ends one rule in all stories.
    pub fn close_rule(&mut self, rule: usize, reason: EndReason, events: &mut Vec<Event>) {
        let keys: Vec<_> = self.records.keys().copied().collect();
        for key in keys {
            let found = self
                .records
                .get_mut(&key)
                .and_then(|record| Some((record.rect, record.watches.remove(&rule)?)));
            if let Some((rect, mut watch)) = found {
                events.extend(self.end(key, rect, rule, &mut watch, reason));
            }
        }
    }

    fn end(
        &mut self,
        key: Key,
        rect: Rect,
        rule: usize,
        watch: &mut Watch,
        reason: EndReason,
    ) -> Option<Event> {
        let breach = watch.condition.close()?;
        let end = |violation: Violation| Body::End(violation.ended(breach.last, reason));
        Some(self.report(end, key, rect, rule, watch, &breach))
    }

    /// Ends the stories of tracks that were last seen before `oldest`.
    pub fn expire(&mut self, oldest: Duration, events: &mut Vec<Event>) {
        let gone = |(key, record): (&Key, &Record)| {
            (matches!(key, Key::Track(_)) && record.seen < oldest).then_some(*key)
        };
        let gone: Vec<_> = self.records.iter().filter_map(gone).collect();
        for key in gone {
            self.close(key, EndReason::Left, events);
        }
    }

    /// Ends all stories.
    pub fn close_all(&mut self, events: &mut Vec<Event>) {
        for key in self.records.keys().copied().collect::<Vec<_>>() {
            self.close(key, EndReason::EndOfStream, events);
        }
    }

    /// How a rule stands in a story.
    pub fn state(&self, rule: usize, watch: &Watch) -> (Compliance, Option<Duration>) {
        watch.condition.state(&self.rule(rule).timing)
    }
}

/// The box around all of them.
fn around(parties: &[Party]) -> Option<Rect> {
    let corners = parties.iter().flat_map(|party| {
        let [left, top, width, height] = party.rect;
        [[left, top], [left + width, top + height]]
    });
    let corners: Vec<_> = corners.collect();
    (!corners.is_empty()).then(|| geometry::bounds(&corners))
}
