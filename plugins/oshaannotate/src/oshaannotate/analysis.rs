//! From a frame's detections to a report: tracks, then rules.

use std::sync::Arc;
use std::time::Duration;

use gstsupport::copies::CopyCounts;
use osha::engine::{Analyser, Engine, FrameObservations, FrameReport, Object};
use osha::event::{Body, Event};
use osha::schedule::LocalTime;
use osha::spool::SpoolError;
use osha::zone::Zone;

use super::canvas::Drawn;
use super::journal::Journal;
use super::observation::Observation;
use super::settings::Settings;
use super::site::{self, LoadError};
use super::tracks::{Followed, Tracks};

/// The element cannot start.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Site(#[from] LoadError),
    #[error("events-location: {0}")]
    Spool(#[from] SpoolError),
}

/// Counters since the element started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub frames: u64,
    pub observed: u64,
    pub detections: u64,
    pub violations: u64,
    pub open: u64,
    pub drawn_in_place: u64,
    pub drawn_on_copy: u64,
    /// What became of the frames.
    pub copies: CopyCounts,
}

impl Counters {
    /// Counts a frame of `bytes` bytes in host memory or elsewhere that was drawn on.
    pub fn count(&mut self, drawn: Drawn, bytes: usize, on_host: bool) {
        match drawn {
            Drawn::InPlace => self.drawn_in_place += 1,
            Drawn::OnCopy => self.drawn_on_copy += 1,
        }
        if drawn == Drawn::OnCopy && on_host {
            self.copies.add_host_copy(bytes);
        }
    }
}

/// Everything that remembers earlier frames.
pub(super) struct Analysis {
    tracks: Tracks,
    engine: Box<dyn Analyser>,
    /// The model's class names, once it has told them.
    labels: Vec<String>,
    /// Zones and lines of the site.
    pub zones: Vec<Zone>,
    /// Time of the last frame.
    pub last: Option<Duration>,
    /// Whether any rule asks for the time of day.
    asks_time: bool,
    /// Whether it was said that nobody knows the time.
    told_timeless: bool,
    pub journal: Journal,
    pub counters: Counters,
}

impl Analysis {
    /// For the site and the event spool that `settings` name.
    ///
    /// # Errors
    /// When a file cannot be read, understood or opened.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let load = |path| site::load(path, settings.stream_name.as_deref());
        let (site, rules) = settings.rules.as_deref().map(load).transpose()?.unzip();
        let site = site.unwrap_or_default();
        Ok(Self {
            tracks: Tracks::new(),
            zones: site.zones.clone(),
            asks_time: site.asks_time(),
            told_timeless: false,
            engine: Box::new(Engine::new(site)),
            labels: Vec::new(),
            last: None,
            journal: Journal::open(settings, rules)?,
            counters: Counters::default(),
        })
    }

    /// Learns what network looks at the frames from a sticky event. Returns the rules that are silent with its labels.
    pub fn hear(&mut self, event: &gst::StructureRef) -> Vec<Arc<str>> {
        let Some(labels) = self.journal.hear(event).filter(|labels| *labels != self.labels) else {
            return Vec::new();
        };
        let silent = self.engine.learn(&labels);
        self.labels = labels;
        silent
    }

    /// Whether a frame of time `at` comes before the last one: the stream has been rewound.
    pub fn is_rewound(&self, at: Duration) -> bool {
        self.last.is_some_and(|last| at < last)
    }

    /// Follows and judges what is in one frame of `size` (width, height) pixels.
    pub fn analyse(
        &mut self,
        at: Duration,
        size: (u32, u32),
        observation: &Observation,
    ) -> (Followed, FrameReport) {
        self.last = Some(at);
        let followed = self.tracks.follow(at, observation);
        let objects: Vec<Object<'_>> = observation
            .detections
            .iter()
            .zip(&followed.tracks)
            .enumerate()
            .map(|(index, (detection, track))| {
                let rect = detection.rect;
                Object {
                    class: observation.label(index),
                    score: detection.score,
                    rect: [rect.x, rect.y, rect.width, rect.height],
                    track: track.map(|track| track.id),
                }
            })
            .collect();
        self.counters.observed += 1;
        self.counters.detections += objects.len() as u64;
        let frame = FrameObservations { pts: at, size, objects: &objects, clock: self.clock() };
        (followed, self.engine.analyse(&frame))
    }

    /// The time of day of the last frame, if a rule asks for it and it is known.
    fn clock(&self) -> Option<LocalTime> {
        let (time, _) = self.journal.time().filter(|_| self.asks_time)?;
        site::local_time(time)
    }

    /// True once: if rules ask for the time of day and the last frame does not know it.
    pub fn is_timeless(&mut self) -> bool {
        let timeless = self.asks_time && !self.told_timeless && self.clock().is_none();
        self.told_timeless |= timeless;
        timeless
    }

    /// Closes what is open and forgets everybody. Nothing comes of it if no frame was judged since the last time.
    pub fn finish(&mut self) -> Vec<Event> {
        if self.last.take().is_none() {
            return Vec::new();
        }
        self.tracks.reset();
        self.engine.finish()
    }

    /// Counts `event` and keeps it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&mut self, event: &mut Event) -> Result<(), SpoolError> {
        match event.body {
            Body::Start(_) => {
                self.counters.violations += 1;
                self.counters.open += 1;
            }
            Body::End(_) => self.counters.open = self.counters.open.saturating_sub(1),
            Body::Update(_) | Body::Summary(_) => {}
        }
        self.journal.record(event)
    }
}
