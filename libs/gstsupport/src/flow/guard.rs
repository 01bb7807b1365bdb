//! Watches what the elements upstream of a pad do to the frames, for `fail-on-copy`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use gst::prelude::*;

use super::ledger::{CopySeen, Ledger};
use super::link::{Media, identity, real_peer};
use crate::lock;

/// What the probes share.
#[derive(Debug, Default)]
struct Watch {
    ledger: Ledger,
    copy: Option<CopySeen>,
}

/// Probes on every source pad upstream that raw frames leave from. Dropped, they are gone.
#[derive(Debug, Default)]
pub struct Guard {
    watch: Arc<Mutex<Watch>>,
    probes: Vec<(gst::Pad, gst::PadProbeId)>,
}

impl Guard {
    /// Watches what lies upstream of `sink` now. To be called when caps arrive: by then those of every link upstream are known.
    pub fn watch(sink: &gst::Pad) -> Self {
        let mut guard = Self::default();
        let mut known = HashSet::new();
        let mut sinks = vec![sink.clone()];
        while let Some(source) = sinks.pop().and_then(|sink| real_peer(&sink)) {
            if known.insert(identity(&source)) && carries_video(&source) {
                guard.probe(&source);
                sinks.extend(source.parent_element().into_iter().flat_map(|element| element.sink_pads()));
            }
        }
        guard
    }

    fn probe(&mut self, pad: &gst::Pad) {
        let watch = Arc::clone(&self.watch);
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        let id = pad.add_probe(kinds, move |pad, info| {
            let mut watch = lock(&watch);
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => watch.pushed(pad, buffer),
                Some(gst::PadProbeData::BufferList(list)) => {
                    list.iter().for_each(|buffer| watch.pushed(pad, buffer));
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
        self.probes.extend(id.map(|id| (pad.clone(), id)));
    }

    /// The first copy that was seen, as an error message with its remedy.
    pub fn violation(&self) -> Option<String> {
        let watch = lock(&self.watch);
        watch.copy.as_ref().map(|CopySeen { element, link, text, .. }| {
            format!(
                "fail-on-copy=true: '{element}' copied a frame ({text}) on {link}. Take that element out of the pipeline, or \
                 set fail-on-copy=false"
            )
        })
    }
}

impl Watch {
    fn pushed(&mut self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        let seen = self.ledger.pushed(pad, buffer);
        if self.copy.is_none() {
            self.copy = seen;
        }
    }
}

/// The guard of an element: begun anew with every caps, asked for every frame, gone when the element stops. Probes are
/// removed while nothing is locked.
#[derive(Debug, Default)]
pub struct Upstream(Mutex<Option<Guard>>);

impl Upstream {
    /// Watches from now on what lies upstream of `sink`.
    pub fn watch(&self, sink: &gst::Pad) {
        let guard = Guard::watch(sink);
        let previous = lock(&self.0).replace(guard);
        drop(previous);
    }

    /// Watches no longer.
    pub fn forget(&self) {
        let previous = lock(&self.0).take();
        drop(previous);
    }

    /// As [`Guard::violation`]; `None` while nothing is watched.
    pub fn violation(&self) -> Option<String> {
        lock(&self.0).as_ref().and_then(Guard::violation)
    }
}

fn carries_video(pad: &gst::Pad) -> bool {
    pad.current_caps().is_some_and(|caps| Media::of(&caps).is_video())
}

impl Drop for Guard {
    fn drop(&mut self) {
        for (pad, id) in self.probes.drain(..) {
            pad.remove_probe(id);
        }
    }
}
