//! `trtinfer`: a GStreamer element that runs an object detector on video and attaches what it saw.

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
    env!("CARGO_PKG_NAME"),
    "https://example.invalid/gst-osha",
    env!("BUILD_REL_DATE")
);
