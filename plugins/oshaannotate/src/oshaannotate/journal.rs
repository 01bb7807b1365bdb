//! From an event to a line of the spool: what it rests on, and when it was.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use osha::corpus::Corpus;
use osha::event::Event;
use osha::hash::Hash;
use osha::provenance::{Clock, Provenance, rfc3339};
use osha::spool::{Options, Recovery, Spool, SpoolError};

use super::settings::Settings;

/// Name of the sticky event by which a detector says what it runs.
pub(super) const MODEL_EVENT: &str = "gst-osha/model";

/// Completes events and keeps them.
pub(super) struct Journal {
    spool: Option<Spool>,
    provenance: Provenance,
    wall_clock: bool,
    /// Stream time of the last frame.
    at: Option<Duration>,
    /// When the last frame was taken, if it says so.
    reference: Option<SystemTime>,
}

impl Journal {
    /// Opens the spool that `settings` name, if they name one. `rules` is the hash of the site file.
    ///
    /// # Errors
    /// When the spool cannot be opened.
    pub fn open(settings: &Settings, rules: Option<Hash>) -> Result<Self, SpoolError> {
        let location = settings.events_location.as_deref();
        Ok(Self {
            spool: location.map(|path| Spool::open(path, settings.spool_options())).transpose()?,
            provenance: Provenance {
                stream: settings.stream_name.clone(),
                rules: rules.map(|hash| hash.to_string()),
                corpus: Some(Corpus::built_in().into()),
                ..Provenance::default()
            },
            wall_clock: settings.events_wall_clock,
            at: None,
            reference: None,
        })
    }

    /// What a crash left in the spool, in words; `None` if it is as it should be.
    pub fn recovered(&self) -> Option<String> {
        match self.spool.as_ref()?.recovery() {
            Recovery::Clean => None,
            Recovery::Cut { bytes } => {
                Some(format!("half a line of {bytes} bytes was cut off; its event was never reported"))
            }
            Recovery::SetAside { path } => Some(format!(
                "the file was damaged and is now {}; gst-osha events --check says where",
                path.display()
            )),
        }
    }

    /// Takes note of the detector upstream, if that is what `event` tells of. Returns its labels, if it says them.
    pub fn hear(&mut self, event: &gst::StructureRef) -> Option<Vec<String>> {
        if event.name() != MODEL_EVENT {
            return None;
        }
        let text = |name| event.get::<Option<String>>(name).ok().flatten();
        self.provenance.model = text("sha256");
        self.provenance.labels = text("labels-sha256");
        let labels = event.get::<gst::ArrayRef<'_>>("labels").ok()?;
        labels.iter().map(|label| label.get().ok()).collect()
    }

    /// Takes note of the frame of stream time `at`.
    pub fn see(&mut self, at: Duration, buffer: &gst::BufferRef) {
        self.at = Some(at);
        self.reference = reference_time(buffer);
    }

    /// When the last frame was taken: by its reference timestamp, else by the system clock if that is wanted.
    pub fn time(&self) -> Option<(SystemTime, Clock)> {
        let reference = self.reference.map(|time| (time, Clock::Reference));
        reference.or_else(|| self.wall_clock.then(|| (SystemTime::now(), Clock::System)))
    }

    /// Completes `event` with where and when, and appends it to the spool if there is one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&mut self, event: &mut Event) -> Result<(), SpoolError> {
        event.pts_ns = self.at.and_then(|at| u64::try_from(at.as_nanos()).ok());
        event.provenance = Some(self.provenance.clone());
        if let Some((time, clock)) = self.time().filter(|_| self.wall_clock) {
            event.time = rfc3339(time);
            event.clock = event.time.is_some().then_some(clock);
        }
        self.spool.as_mut().map_or(Ok(()), |spool| spool.append(event))
    }

    /// Forces events onto the disk that have waited for long enough. To be called for every frame.
    ///
    /// # Errors
    /// When they may not be on the disk.
    pub fn sync_if_due(&mut self) -> Result<(), SpoolError> {
        self.spool.as_mut().map_or(Ok(()), Spool::sync_if_due)
    }

    /// Closes the spool.
    ///
    /// # Errors
    /// When what was written may not be on the disk.
    pub fn close(self) -> Result<(), SpoolError> {
        self.spool.map_or(Ok(()), Spool::close)
    }
}

impl Settings {
    fn spool_options(&self) -> Options {
        let unless_zero = |value: u64| (value > 0).then_some(value);
        Options {
            fsync: self.fsync_policy(),
            max_size: unless_zero(self.events_max_size),
            max_age: unless_zero(self.events_max_age.into()).map(Duration::from_secs),
            max_files: unless_zero(self.events_max_files.into()).map(|files| files as usize),
        }
    }
}

/// When the frame was taken, by a reference timestamp in Unix or NTP time.
fn reference_time(buffer: &gst::BufferRef) -> Option<SystemTime> {
    /// From 1900 to 1970.
    const NTP_TO_UNIX: Duration = Duration::from_secs(2_208_988_800);
    buffer.iter_meta::<gst::ReferenceTimestampMeta>().find_map(|meta| {
        let since = Duration::from(meta.timestamp());
        let since = match meta.reference().structure(0)?.name().as_str() {
            "timestamp/x-unix" => since,
            "timestamp/x-ntp" => since.checked_sub(NTP_TO_UNIX)?,
            _ => return None,
        };
        UNIX_EPOCH.checked_add(since)
    })
}
