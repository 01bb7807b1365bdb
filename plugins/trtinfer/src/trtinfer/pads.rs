//! The pads: their functions, and the source pad's task.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::{CAT, TrtInfer};

impl TrtInfer {
    pub(super) fn build_sinkpad(class: &<Self as ObjectSubclass>::Class) -> gst::Pad {
        let template = class.pad_template("sink");
        gst::Pad::builder_from_template(
            &template.unwrap_or_else(|| unreachable!("the class has a sink template")),
        )
        .chain_function(|pad, parent, buffer| {
            Self::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |this| this.chain(pad, buffer),
            )
        })
        .event_full_function(|pad, parent, event| {
            Self::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |this| this.sink_event(pad, event),
            )
        })
        .query_function(|pad, parent, query| {
            Self::catch_panic_pad_function(parent, || false, |this| this.sink_query(pad, query))
        })
        .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION)
        .build()
    }

    pub(super) fn build_srcpad(class: &<Self as ObjectSubclass>::Class) -> gst::Pad {
        let template = class.pad_template("src");
        gst::Pad::builder_from_template(
            &template.unwrap_or_else(|| unreachable!("the class has a src template")),
        )
        .query_function(|pad, parent, query| {
            Self::catch_panic_pad_function(parent, || false, |this| this.src_query(pad, query))
        })
        .activatemode_function(|pad, parent, _mode, active| {
            Self::catch_panic_pad_function(
                parent,
                || Err(gst::loggable_error!(CAT, "panic while activating")),
                |this| this.activate(pad, active),
            )
        })
        .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_SCHEDULING)
        .build()
    }

    fn activate(&self, pad: &gst::Pad, active: bool) -> Result<(), gst::LoggableError> {
        if active {
            self.queue.start();
            return self.start_task();
        }
        self.let_go();
        pad.stop_task().map_err(|error| gst::loggable_error!(CAT, "{error}"))
    }

    pub(super) fn start_task(&self) -> Result<(), gst::LoggableError> {
        let this = self.ref_counted();
        self.srcpad.start_task(move || this.push_one()).map_err(|error| gst::loggable_error!(CAT, "{error}"))
    }
}
