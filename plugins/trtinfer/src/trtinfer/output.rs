//! The source pad: its task, its queries.

use std::time::Instant;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gstsupport::{lock, message};

use super::detector::Slot;
use super::imp::{CAT, InFlight, TrtInfer};
use super::queue::{Gathering, Item};
use super::{Output, attach, cuda};

/// The source pad's task: frames and events go out.
impl TrtInfer {
    pub(super) fn push_one(&self) {
        let result = match self.queue.pop(self.gathering()) {
            Some(Item::Event(event)) => {
                gst::trace!(CAT, imp = self, "pushing {event:?}");
                if event.type_() == gst::EventType::Eos {
                    message::post(&*self.obj(), self.stats());
                }
                self.srcpad.push_event(event);
                Ok(gst::FlowSuccess::Ok)
            }
            Some(Item::Frame(frame)) => self.push_frame(frame),
            None => Err(gst::FlowError::Flushing),
        };
        if !self.queue.finish(result) {
            self.end_of_flow(result);
        }
    }

    fn gathering(&self) -> Gathering {
        let detector = lock(&self.detector).clone();
        detector.map_or(Gathering::NONE, |detector| detector.gathering(&lock(&self.settings)))
    }

    fn end_of_flow(&self, result: Result<gst::FlowSuccess, gst::FlowError>) {
        gst::debug!(CAT, imp = self, "pausing: {result:?}");
        if self.queue.is_eos() {
            self.post_unheard(result);
        }
        if let Err(error) = self.srcpad.pause_task() {
            gst::debug!(CAT, imp = self, "{error}: the element stops");
        }
    }

    fn push_frame(&self, frame: InFlight) -> Result<gst::FlowSuccess, gst::FlowError> {
        let InFlight { mut buffer, slot, entered } = frame;
        let attached = match slot {
            Some(slot) => self.attach(&slot, buffer.make_mut()),
            None => {
                attach::nothing(&mut buffer);
                Ok(())
            }
        };
        self.queue.release_frame();
        attached?;
        {
            let mut stats = lock(&self.stats);
            stats.frames_out += 1;
            stats.total.add(entered.elapsed());
        }
        self.srcpad.push(buffer)
    }

    /// Waits for the frame's results and puts them on its buffer.
    fn attach(&self, slot: &Slot, buffer: &mut gst::BufferRef) -> Result<(), gst::FlowError> {
        let detector = &slot.detector;
        let (linger, waiting, output, options) = {
            let settings = lock(&self.settings);
            (settings.linger(), settings.waiting(), settings.output, detector.head_options(&settings))
        };
        let Some(results) = slot.batch.wait(linger, waiting, |inputs| detector.recycle(inputs)) else {
            return Err(gst::FlowError::Flushing);
        };
        let outputs = results.outputs.as_ref().map_err(|error| self.engine_error(error))?;
        let started = Instant::now();
        let detections = match output {
            #[cfg(feature = "v1_26")]
            Output::Tensors => {
                super::tensors::attach(buffer, detector.model(), outputs, slot.index, detector.batch_size())
                    .map_err(|error| self.engine_error(&error))?;
                0
            }
            Output::Detections => {
                let found =
                    detector.decode(outputs, slot, &options).map_err(|error| self.engine_error(&error))?;
                attach::detections(buffer, &found, |class| detector.label(class))
                    .map_err(|error| self.engine_error(&error))?;
                found.len()
            }
        };
        let mut stats = lock(&self.stats);
        stats.inferred += 1;
        stats.detections += detections as u64;
        stats.postprocess.add(started.elapsed());
        if let Some(elapsed) = results.elapsed.filter(|_| slot.index == 0) {
            stats.inference.add(elapsed);
        }
        Ok(())
    }

    pub(super) fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if self.answer_context(query) {
            return true;
        }
        let answered = gst::Pad::query_default(pad, Some(&*self.obj()), query);
        if self.refuses_cuda() {
            cuda::refuse(query);
        }
        if let (true, gst::QueryViewMut::Latency(latency)) = (answered, query.view_mut()) {
            let (live, min, max) = latency.result();
            let own = if live { self.latency() } else { gst::ClockTime::ZERO };
            gst::debug!(CAT, imp = self, "own latency {own}");
            latency.set(live, min + own, max.map(|max| max + own));
        }
        answered
    }

    /// At most this long does a frame of a live stream stay here: the frames in flight at the stream's rate.
    fn latency(&self) -> gst::ClockTime {
        let Ok(detector) = self.detector() else { return gst::ClockTime::ZERO };
        let depth = detector.depth(&lock(&self.settings)) as u64;
        lock(&self.state).source.as_ref().and_then(|source| source.duration(depth)).unwrap_or_default()
    }
}
