//! A pipeline whose frames are taken one by one.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_osha_tests::objects::{self, Object};
use gst_osha_tests::{BusError, Pipeline};

/// Plays until dropped.
pub struct Player {
    pipeline: Pipeline,
    sink: gst_app::AppSink,
}

impl Player {
    /// Plays `line` into an appsink of its own.
    pub fn new(line: &str) -> Self {
        let pipeline = Pipeline::new(&format!("{line} ! appsink name=out sync=false max-buffers=1")).unwrap();
        let sink = pipeline.element("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
        let _ = pipeline.0.set_state(gst::State::Playing);
        Self { pipeline, sink }
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The next frame; `None` at the end.
    ///
    /// # Panics
    /// When an error ends the stream, or nothing comes for a minute.
    pub fn next(&self) -> Option<gst::Sample> {
        let sample = self.sink.try_pull_sample(gst::ClockTime::from_seconds(60));
        if sample.is_none() {
            let message = self.pipeline.0.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
            if let Some(gst::MessageView::Error(error)) = message.as_ref().map(|message| message.view()) {
                panic!("{:?}", BusError::new(error));
            }
            assert!(self.sink.is_eos(), "no frame for a minute");
        }
        sample
    }

    /// Every frame from here to the end.
    pub fn rest(&self) -> impl Iterator<Item = gst::Sample> {
        std::iter::from_fn(|| self.next())
    }
}

/// What is seen on each frame that passes the pad `pad` of the element `name`.
///
/// # Panics
/// When there is no such pad.
pub fn seen(pipeline: &Pipeline, name: &str, pad: &str) -> Arc<Mutex<Vec<Option<Vec<Object>>>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = seen.clone();
    pipeline.pad(name, pad).unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            record.lock().unwrap().push(objects::of(buffer));
        }
        gst::PadProbeReturn::Ok
    });
    seen
}

/// What was seen on each frame.
///
/// # Panics
/// When the network did not see one of them.
pub fn all_seen(seen: &Mutex<Vec<Option<Vec<Object>>>>) -> Vec<Vec<Object>> {
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.into_iter().map(|objects| objects.expect("every frame was inferred")).collect()
}
