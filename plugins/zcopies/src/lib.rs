//! `zcopies`: a GStreamer tracer that reports the memory on every link and names the elements that copy frames.

// The plugin's entry points are GStreamer's and come from a macro.
#![allow(missing_docs)]

mod zcopies;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    zcopies::register(plugin)
}

gst::plugin_define!(
    zcopies,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    "gst-osha",
    "gst-osha",
    env!("BUILD_REL_DATE")
);
