//! `zcbufferpool`: a GStreamer element that keeps frames in one kind of memory and counts every copy.

// The plugin's entry points are GStreamer's and come from a macro.
#![allow(missing_docs)]

mod zcbufferpool;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    zcbufferpool::register(plugin)
}

gst::plugin_define!(
    zcbufferpool,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    "gst-osha",
    "gst-osha",
    env!("BUILD_REL_DATE")
);
