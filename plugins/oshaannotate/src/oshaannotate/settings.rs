//! Properties of the element: defaults and blurbs.

use std::path::PathBuf;
use std::time::Duration;

use gst::glib::{self, ParamSpec, Value};
use gst::prelude::*;
use gstsupport::copies;
use gstsupport::property::{path, path_value, take, text};
use osha::spool::FsyncPolicy;

use super::EventsSync;
use super::options::{Language, Snapshot, SnapshotBlur, SnapshotPicture, Theme};

/// What the user asked for. `Settings::default()` is the one source of defaults.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub rules: Option<PathBuf>,
    pub events_location: Option<PathBuf>,
    pub events_sync: EventsSync,
    /// In milliseconds.
    pub events_sync_interval: u32,
    pub events_max_size: u64,
    pub events_max_age: u32,
    pub events_max_files: u32,
    pub events_wall_clock: bool,
    pub stream_name: Option<String>,
    pub draw: bool,
    pub banner: bool,
    pub theme: Theme,
    pub language: Language,
    pub snapshot_location: Option<PathBuf>,
    pub snapshot: Snapshot,
    pub snapshot_picture: SnapshotPicture,
    pub snapshot_blur: SnapshotBlur,
    pub device_id: i32,
    pub fail_on_copy: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: None,
            events_location: None,
            events_sync: EventsSync::default(),
            events_sync_interval: 1000,
            events_max_size: 0,
            events_max_age: 0,
            events_max_files: 0,
            events_wall_clock: true,
            stream_name: None,
            draw: true,
            banner: true,
            theme: Theme::default(),
            language: Language::default(),
            snapshot_location: None,
            snapshot: Snapshot::default(),
            snapshot_picture: SnapshotPicture::default(),
            snapshot_blur: SnapshotBlur::default(),
            device_id: 0,
            fail_on_copy: false,
        }
    }
}

impl Settings {
    /// When events go onto the disk.
    pub fn fsync_policy(&self) -> FsyncPolicy {
        match self.events_sync {
            EventsSync::Always => FsyncPolicy::Always,
            EventsSync::OnClose => FsyncPolicy::OnClose,
            EventsSync::Never => FsyncPolicy::Never,
            EventsSync::Interval => {
                FsyncPolicy::Interval(Duration::from_millis(self.events_sync_interval.into()))
            }
        }
    }

    /// Takes over the value of property `name`.
    pub fn set(&mut self, name: &str, value: &Value) {
        match name {
            "rules" => self.rules = path(value),
            "events-location" => self.events_location = path(value),
            "events-sync" => take(&mut self.events_sync, value),
            "events-sync-interval" => take(&mut self.events_sync_interval, value),
            "events-max-size" => take(&mut self.events_max_size, value),
            "events-max-age" => take(&mut self.events_max_age, value),
            "events-max-files" => take(&mut self.events_max_files, value),
            "events-wall-clock" => take(&mut self.events_wall_clock, value),
            "stream-name" => self.stream_name = text(value),
            "draw" => take(&mut self.draw, value),
            "banner" => take(&mut self.banner, value),
            "theme" => take(&mut self.theme, value),
            "language" => take(&mut self.language, value),
            "snapshot-location" => self.snapshot_location = path(value),
            "snapshot" => take(&mut self.snapshot, value),
            "snapshot-picture" => take(&mut self.snapshot_picture, value),
            "snapshot-blur" => take(&mut self.snapshot_blur, value),
            "device-id" => take(&mut self.device_id, value),
            "fail-on-copy" => take(&mut self.fail_on_copy, value),
            _ => {}
        }
    }

    /// The value of property `name`; `None` for one that is no setting.
    pub fn get(&self, name: &str) -> Option<Value> {
        Some(match name {
            "rules" => path_value(&self.rules),
            "events-location" => path_value(&self.events_location),
            "events-sync" => self.events_sync.to_value(),
            "events-sync-interval" => self.events_sync_interval.to_value(),
            "events-max-size" => self.events_max_size.to_value(),
            "events-max-age" => self.events_max_age.to_value(),
            "events-max-files" => self.events_max_files.to_value(),
            "events-wall-clock" => self.events_wall_clock.to_value(),
            "stream-name" => self.stream_name.to_value(),
            "draw" => self.draw.to_value(),
            "banner" => self.banner.to_value(),
            "theme" => self.theme.to_value(),
            "language" => self.language.to_value(),
            "snapshot-location" => path_value(&self.snapshot_location),
            "snapshot" => self.snapshot.to_value(),
            "snapshot-picture" => self.snapshot_picture.to_value(),
            "snapshot-blur" => self.snapshot_blur.to_value(),
            "device-id" => self.device_id.to_value(),
            "fail-on-copy" => self.fail_on_copy.to_value(),
            _ => return None,
        })
    }
}

/// Every property of the element.
pub(super) fn properties() -> Vec<ParamSpec> {
    let mut all = event_properties();
    all.extend(other_properties());
    all
}

fn other_properties() -> Vec<ParamSpec> {
    let defaults = Settings::default();
    vec![
        glib::ParamSpecString::builder("rules")
            .nick("Rules")
            .blurb(
                "Site file (TOML): scope, contexts, zones, rules, how long a violation must last. Unset: a construction \
                 site where hard hats, high-visibility vests and falls are watched",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("draw")
            .nick("Draw")
            .blurb("Draw people, zones and violations. Off: pixels pass through untouched; metas, messages and events are the same")
            .default_value(defaults.draw)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("banner")
            .nick("Banner")
            .blurb("Draw a panel that lists the violations under way: what, citation, severity, duration")
            .default_value(defaults.banner)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("theme", defaults.theme)
            .nick("Theme")
            .blurb("Colours of what is drawn")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("language", defaults.language)
            .nick("Language")
            .blurb("Language of the words on the frame; names in events and metas do not depend on it")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("snapshot-location")
            .nick("Snapshot location")
            .blurb(
                "Name of picture files of violations, ending in .png or .jpg (unset = none), with {violation}: its number, \
                 {kind}: start or end, {rule}, {time}: milliseconds in the stream, {picture}: drawn or plain",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("snapshot", defaults.snapshot)
            .nick("Snapshot")
            .blurb("When a picture is kept, if snapshot-location is set; an osha-snapshot message tells of each file")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("snapshot-picture", defaults.snapshot_picture)
            .nick("Snapshot picture")
            .blurb("Whether pictures are those before or after the drawing")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("snapshot-blur", defaults.snapshot_blur)
            .nick("Snapshot blur")
            .blurb("What is made unrecognisable in pictures; people who are not detected are not blurred")
            .mutable_ready()
            .build(),
        glib::ParamSpecInt::builder("device-id")
            .nick("Device")
            .blurb("CUDA device whose memory is offered to the pipeline; frames of another one are drawn on where they lie")
            .minimum(0)
            .default_value(defaults.device_id)
            .mutable_ready()
            .build(),
        copies::fail_on_copy(
            "one that is drawn on and that somebody else holds too, one in GPU memory that a picture is kept of, or one that \
             an element upstream copied",
        ),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Frames, frames with results, detections, violations so far, and those under way; frames drawn on in \
                 place, and on a copy since somebody else held them too; frames passed on without a copy, copied; bytes that \
                 all drawing of this process moved to, from and within device memory; pictures written, failed, and \
                 dropped since the disk was too slow",
            )
            .read_only()
            .build(),
    ]
}

fn event_properties() -> Vec<ParamSpec> {
    let defaults = Settings::default();
    vec![
        glib::ParamSpecString::builder("events-location")
            .nick("Events location")
            .blurb("File that violations are appended to as sealed JSON lines, by this element alone (unset = none)")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("events-sync", defaults.events_sync)
            .nick("Events sync")
            .blurb("When recorded events are forced onto the disk")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("events-sync-interval")
            .nick("Events sync interval")
            .blurb("Milliseconds that a recorded event may wait to be forced onto the disk, with events-sync=interval")
            .default_value(defaults.events_sync_interval)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt64::builder("events-max-size")
            .nick("Events maximum size")
            .blurb(
                "Bytes that a file of events may have before the next one is begun: events.jsonl becomes \
                 events.000001.jsonl (0 = no limit)",
            )
            .default_value(defaults.events_max_size)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("events-max-age")
            .nick("Events maximum age")
            .blurb("Seconds after which the next event begins a new file (0 = no limit)")
            .default_value(defaults.events_max_age)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("events-max-files")
            .nick("Events maximum files")
            .blurb("Files of events that are kept, the current one included; older ones are deleted (0 = all)")
            .default_value(defaults.events_max_files)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("events-wall-clock")
            .nick("Events wall clock")
            .blurb(
                "Write the wall clock time into every event: of the frame's reference timestamp (Unix or NTP) if it has \
                 one, else of the system. Schedules go by the same clock, in the time zone of this computer. Off: the same video \
                 gives the same bytes, and schedules are judged by reference timestamps alone",
            )
            .default_value(defaults.events_wall_clock)
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("stream-name")
            .nick("Stream name")
            .blurb("Name of the camera or stream, written into every event; selects what a site file with [[streams]] says of it \
                 (unset = none)")
            .mutable_ready()
            .build(),
    ]
}
