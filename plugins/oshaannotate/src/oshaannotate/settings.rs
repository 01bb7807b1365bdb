//! Properties of the element: defaults and blurbs.

use std::path::PathBuf;

use gst::glib::{self, ParamSpec, Value};
use gst::prelude::*;
use gstsupport::copies;
use gstsupport::property::{path, path_value, take};
use osha::log::FsyncPolicy;

use super::EventsSync;

/// What the user asked for. `Settings::default()` is the one source of defaults.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub rules: Option<PathBuf>,
    pub events_location: Option<PathBuf>,
    pub events_sync: EventsSync,
    pub draw: bool,
    pub banner: bool,
    pub device_id: i32,
    pub fail_on_copy: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: None,
            events_location: None,
            events_sync: EventsSync::default(),
            draw: true,
            banner: true,
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
        }
    }

    /// Takes over the value of property `name`.
    pub fn set(&mut self, name: &str, value: &Value) {
        match name {
            "rules" => self.rules = path(value),
            "events-location" => self.events_location = path(value),
            "events-sync" => self.events_sync = value.get().unwrap_or_default(),
            "draw" => self.draw = value.get().unwrap_or(self.draw),
            "banner" => self.banner = value.get().unwrap_or(self.banner),
            "device-id" => self.device_id = value.get().unwrap_or(self.device_id),
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
            "draw" => self.draw.to_value(),
            "banner" => self.banner.to_value(),
            "device-id" => self.device_id.to_value(),
            "fail-on-copy" => self.fail_on_copy.to_value(),
            _ => return None,
        })
    }
}

/// Every property of the element.
pub(super) fn properties() -> Vec<ParamSpec> {
    let defaults = Settings::default();
    vec![
        glib::ParamSpecString::builder("rules")
            .nick("Rules")
            .blurb(
                "Site file (TOML): scope, contexts, what is watched, how long a violation must last. Unset: a \
                 construction site where hard hats and high-visibility vests are watched",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("events-location")
            .nick("Events location")
            .blurb("File that violations are appended to as JSON lines (unset = none)")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("events-sync", defaults.events_sync)
            .nick("Events sync")
            .blurb("When logged events are forced onto the disk")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("draw")
            .nick("Draw")
            .blurb("Draw boxes, labels and citations. Off: frames pass through untouched, events are reported all the same")
            .default_value(defaults.draw)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("banner")
            .nick("Banner")
            .blurb("Draw a strip that lists the violations under way")
            .default_value(defaults.banner)
            .mutable_playing()
            .build(),
        glib::ParamSpecInt::builder("device-id")
            .nick("Device")
            .blurb("CUDA device whose memory is offered to the pipeline; frames of another one are drawn on where they lie")
            .minimum(0)
            .default_value(defaults.device_id)
            .mutable_ready()
            .build(),
        copies::fail_on_copy("one that is drawn on and that somebody else holds too, or that an element upstream copied"),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Frames, frames with results, detections, violations so far, and those under way; frames drawn on in \
                 place, and on a copy since somebody else held them too; frames passed on without a copy, copied; bytes that all drawing of this process moved \
                 to, from and within device memory",
            )
            .read_only()
            .build(),
    ]
}
