//! `oshaannotate`: a GStreamer element that judges, draws and reports safety violations.

// The plugin's entry points are GStreamer's and come from a macro.
#![allow(missing_docs)]

mod oshaannotate;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    oshaannotate::register(plugin)
}

gst::plugin_define!(
    oshaannotate,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    "gst-osha",
    "gst-osha",
    env!("BUILD_REL_DATE")
);
