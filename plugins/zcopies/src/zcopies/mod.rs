//! The tracer `zcopies`.

mod elements;
mod imp;
mod recorder;
mod server;
mod settings;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    /// The tracer `zcopies`.
    pub struct ZCopies(ObjectSubclass<imp::ZCopies>) @extends gst::Tracer, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Tracer::register(Some(plugin), "zcopies", ZCopies::static_type())
}
