//! The element `oshaannotate`.

mod analysis;
mod canvas;
mod cuda;
mod findings;
mod imp;
mod journal;
mod message;
mod metas;
mod observation;
mod options;
mod picture;
mod settings;
mod site;
mod snapshot;
mod stats;
mod tracks;
mod words;

use gst::glib;
use gst::prelude::*;

/// When recorded events are forced onto the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstOshaAnnotateEventsSync")]
#[repr(u32)]
pub enum EventsSync {
    /// After every event.
    #[enum_value(name = "Always: after every event, survives a power cut", nick = "always")]
    Always,
    /// When a file is closed.
    #[default]
    #[enum_value(name = "On close: when the stream ends or the file is rotated", nick = "on-close")]
    OnClose,
    /// When the system likes.
    #[enum_value(name = "Never: when the system likes", nick = "never")]
    Never,
    /// After `events-sync-interval` at the latest.
    #[enum_value(
        name = "Interval: after events-sync-interval at the latest, and on close; a power cut takes the last events only",
        nick = "interval"
    )]
    Interval,
}

glib::wrapper! {
    /// The element `oshaannotate`.
    pub struct OshaAnnotate(ObjectSubclass<imp::OshaAnnotate>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let enums = [
        EventsSync::static_type(),
        options::Theme::static_type(),
        options::Language::static_type(),
        options::Snapshot::static_type(),
        options::SnapshotPicture::static_type(),
        options::SnapshotBlur::static_type(),
    ];
    for kind in enums {
        kind.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "oshaannotate", gst::Rank::NONE, OshaAnnotate::static_type())
}
