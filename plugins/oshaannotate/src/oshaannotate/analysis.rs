//! From a frame's detections to a report: tracks, then rules.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gstsupport::copies::CopyCounts;
use osha::engine::{Analyser, Engine, FrameObservations, FrameReport, Object};
use osha::event::{Body, Event};
use osha::hash::Hash;
use osha::site::{Site, SiteError};
use osha::spool::SpoolError;
use vision::track::{Tracker, TrackerConfig};

use super::canvas::Drawn;
use super::journal::Journal;
use super::observation::Observation;
use super::settings::Settings;

/// The element cannot start.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("rules: {} cannot be read: {error}. Check the path and the permissions", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("rules: {}: {error}. Correct the file", path.display())]
    Site { path: PathBuf, error: SiteError },
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
    tracker: Tracker,
    engine: Box<dyn Analyser>,
    last: Option<Duration>,
    pub journal: Journal,
    pub counters: Counters,
}

impl Analysis {
    /// For the site and the event spool that `settings` name.
    ///
    /// # Errors
    /// When a file cannot be read, understood or opened.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let (site, rules) = settings.rules.as_deref().map(site).transpose()?.unzip();
        Ok(Self {
            tracker: Tracker::new(TrackerConfig::default()),
            engine: Box::new(Engine::new(site.unwrap_or_default())),
            last: None,
            journal: Journal::open(settings, rules)?,
            counters: Counters::default(),
        })
    }

    /// Whether a frame of time `at` comes before the last one: the stream has been rewound.
    pub fn is_rewound(&self, at: Duration) -> bool {
        self.last.is_some_and(|last| at < last)
    }

    /// Judges one frame of `size` (width, height) pixels.
    pub fn analyse(&mut self, at: Duration, size: (u32, u32), observation: &Observation) -> FrameReport {
        self.last = Some(at);
        let tracks = self.tracker.update(at, &observation.detections);
        let objects: Vec<Object<'_>> = observation
            .detections
            .iter()
            .zip(tracks)
            .enumerate()
            .map(|(index, (detection, track))| {
                let rect = detection.rect;
                Object {
                    class: observation.label(index),
                    score: detection.score,
                    rect: [rect.x, rect.y, rect.width, rect.height],
                    track: track.map(|track| track.0),
                }
            })
            .collect();
        self.counters.observed += 1;
        self.counters.detections += objects.len() as u64;
        self.engine.analyse(&FrameObservations { pts: at, size, objects: &objects })
    }

    /// Closes what is open and forgets everybody. Nothing comes of it if no frame was judged since the last time.
    pub fn finish(&mut self) -> Vec<Event> {
        if self.last.take().is_none() {
            return Vec::new();
        }
        self.tracker.reset();
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
            Body::Summary(_) => {}
        }
        self.journal.record(event)
    }
}

/// The site that a file describes, and the hash of the file.
fn site(path: &Path) -> Result<(Site, Hash), OpenError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| OpenError::Read { path: path.to_owned(), error })?;
    let site = Site::from_toml(&text).map_err(|error| OpenError::Site { path: path.to_owned(), error })?;
    Ok((site, Hash::of(text)))
}
