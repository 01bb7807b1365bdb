//! `oshaannotate`: a GStreamer element that judges, draws and reports safety violations.

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
    env!("CARGO_PKG_NAME"),
    "https://example.invalid/gst-osha",
    env!("BUILD_REL_DATE")
);
