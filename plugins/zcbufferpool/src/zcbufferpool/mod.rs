//! The element `zcbufferpool`.

mod convert;
mod counters;
mod gate;
mod imp;
mod layout;
mod negotiation;
mod plan;
mod pool;
mod settings;

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("zcbufferpool", gst::DebugColorFlags::empty(), Some("Zero-copy frame memory"))
});

/// Where frames lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstZcBufferPoolMemory")]
#[repr(u32)]
pub enum Memory {
    /// As the device's attributes say.
    #[default]
    #[enum_value(
        name = "Auto: mapped where CPU and GPU share memory, else device; system without a GPU",
        nick = "auto"
    )]
    Auto,
    /// Device memory; host frames are uploaded from pinned memory.
    #[enum_value(
        name = "Device: device memory, host frames are uploaded from pinned memory",
        nick = "device"
    )]
    Device,
    /// Pinned host memory, as host frames.
    #[enum_value(name = "Pinned: pinned host memory, for whoever uploads further down", nick = "pinned")]
    Pinned,
    /// Pinned host memory that the GPU reads in place.
    #[enum_value(name = "Mapped: pinned host memory that the GPU reads in place", nick = "mapped")]
    Mapped,
    /// Managed memory that the GPU reads in place.
    #[enum_value(name = "Managed: managed memory that the driver moves to whoever uses it", nick = "managed")]
    Managed,
    /// Plain host memory.
    #[enum_value(name = "System: plain host memory", nick = "system")]
    System,
}

/// What happens when every buffer of a pool is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstZcBufferPoolExhaustion")]
#[repr(u32)]
pub enum Exhaustion {
    /// Upstream waits until a buffer comes back.
    #[default]
    #[enum_value(name = "Block: upstream waits until a buffer comes back", nick = "block")]
    Block,
    /// The stream ends with an error.
    #[enum_value(name = "Error: the stream ends with an error", nick = "error")]
    Error,
}

glib::wrapper! {
    /// The element `zcbufferpool`.
    pub struct ZcBufferPool(ObjectSubclass<imp::ZcBufferPool>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Memory::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    Exhaustion::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "zcbufferpool", gst::Rank::NONE, ZcBufferPool::static_type())
}
