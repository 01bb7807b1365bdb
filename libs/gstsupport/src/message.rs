//! Messages on the bus that nobody has to listen to.

use gst::prelude::*;

/// Posts `structure` as an element message of `element`.
pub fn post(element: &impl IsA<gst::Element>, structure: gst::Structure) {
    let element = element.upcast_ref();
    send(element, gst::message::Element::builder(structure).src(element).build());
}

/// Tells the pipeline that frames stay in `element` for another time than before.
pub fn post_latency(element: &impl IsA<gst::Element>) {
    let element = element.upcast_ref();
    send(element, gst::message::Latency::builder().src(element).build());
}

/// Tells how far `task` is, in words.
pub fn post_progress(element: &impl IsA<gst::Element>, kind: gst::ProgressType, task: &str, text: &str) {
    let element = element.upcast_ref();
    send(element, gst::message::Progress::builder(kind, task, text).src(element).build());
}

fn send(element: &gst::Element, message: gst::Message) {
    if element.post_message(message).is_err() {
        gst::debug!(gst::CAT_DEFAULT, obj = element, "no bus takes the message");
    }
}
