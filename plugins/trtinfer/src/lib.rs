//! `trtinfer`: a GStreamer element that runs an object detector on video and attaches what it saw.

// The plugin's entry points are GStreamer's and come from a macro.
#![allow(missing_docs)]

mod trtinfer;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    trtinfer::register(plugin)
}

gst::plugin_define!(
    trtinfer,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    "gst-osha",
    "gst-osha",
    env!("BUILD_REL_DATE")
);
