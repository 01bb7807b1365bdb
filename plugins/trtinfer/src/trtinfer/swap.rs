//! A warm start's end: the engine that was built meanwhile takes over between two batches.

use std::sync::Arc;

use gst::subclass::prelude::*;
use gstsupport::{lock, message};

use super::detector::Detector;
use super::imp::{CAT, State, TrtInfer};
use super::queue::Item;

impl State {
    /// Whether the next frame enters a batch that others are in.
    fn has_open_batch(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| !batch.is_closed())
    }
}

impl TrtInfer {
    /// Lets `buffer` and the frames after it go to the detector that has become ready, if one has and the last batch is
    /// closed. Frames that are under way stay with theirs. Called by the streaming thread.
    ///
    /// # Errors
    /// When the detector cannot take the frames, or everything is being flushed.
    pub(super) fn swap_if_ready(&self, buffer: &gst::Buffer) -> Result<(), gst::FlowError> {
        let Some((next, taken)) = self.next_detector() else { return Ok(()) };
        if let Err(caps) = taken {
            return Err(self.not_negotiated(&caps));
        }
        let last = lock(&self.detector).replace(Arc::clone(&next));
        lock(&self.stats).forget_durations();
        self.tell_of_swap(last.as_deref(), &next, buffer);
        self.queue.push(Item::Event(next.announcement())).map(drop)
    }

    /// The detector that has become ready, once the last batch is closed, and whether it takes frames of the caps that were
    /// negotiated: they go to it from here on.
    fn next_detector(&self) -> Option<(Arc<Detector>, Result<(), gst::Caps>)> {
        let mut state = lock(&self.state);
        let next = (!state.has_open_batch()).then(|| self.startup.take_ready()).flatten()?;
        let Some(source) = &mut state.source else { return Some((next, Ok(()))) };
        let taken = match source.with(&next) {
            Some(moved) => {
                *source = moved;
                Ok(())
            }
            None => Err(source.info.to_caps().unwrap_or_else(|_| gst::Caps::new_empty())),
        };
        Some((next, taken))
    }

    fn tell_of_swap(&self, last: Option<&Detector>, next: &Detector, buffer: &gst::Buffer) {
        let from = last.map_or("", Detector::description);
        let (to, refused) = (next.description(), next.refused());
        gst::info!(CAT, imp = self, "{to} takes over from {from}. {refused}");
        let structure = gst::Structure::builder("trtinfer-engine")
            .field("from", from)
            .field("to", to)
            .field("refused", refused)
            .field("pts", buffer.pts())
            .build();
        message::post(&*self.obj(), structure);
        // How long frames stay here is another time now.
        message::post_latency(&*self.obj());
    }
}
