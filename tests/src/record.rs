//! What passes a pad, written down.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;

use crate::objects::{self, Object};

/// A frame as it passed: everything but the detections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Print {
    /// Presentation time.
    pub pts: Option<gst::ClockTime>,
    dts: Option<gst::ClockTime>,
    duration: Option<gst::ClockTime>,
    offsets: (u64, u64),
    flags: gst::BufferFlags,
    pixels: u64,
}

impl Print {
    /// Of `buffer`.
    pub fn of(buffer: &gst::BufferRef) -> Self {
        Self {
            pts: buffer.pts(),
            dts: buffer.dts(),
            duration: buffer.duration(),
            offsets: (buffer.offset(), buffer.offset_end()),
            // Says who allocated the memory, nothing about the frame.
            flags: buffer.flags() - gst::BufferFlags::TAG_MEMORY,
            pixels: checksum(buffer),
        }
    }
}

/// A number that differs where the bytes of two buffers differ.
pub fn checksum(buffer: &gst::BufferRef) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Ok(map) = buffer.map_readable() {
        map.as_slice().hash(&mut hasher);
    }
    hasher.finish()
}

/// One thing that passed.
#[derive(Clone, Debug)]
pub enum Item {
    /// A frame, and its detections if a network saw it.
    Frame(Print, Option<Vec<Object>>),
    /// An event.
    Event(gst::Event),
}

/// Everything that passes a pad, in order.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<Vec<Item>>>);

impl Record {
    /// From now on, of `pad`.
    pub fn of(pad: &gst::Pad) -> Self {
        let record = Self::default();
        let kinds = gst::PadProbeType::DATA_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(kinds, {
            let record = record.clone();
            move |_, info| {
                record.take(info);
                gst::PadProbeReturn::Ok
            }
        });
        record
    }

    fn take(&self, info: &gst::PadProbeInfo<'_>) {
        let item = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => Item::Frame(Print::of(buffer), objects::of(buffer)),
            Some(gst::PadProbeData::Event(event)) => Item::Event(event.clone()),
            _ => return,
        };
        self.lock().push(item);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Item>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What passed so far.
    pub fn items(&self) -> Vec<Item> {
        self.lock().clone()
    }

    /// The frames among it, without their detections.
    pub fn prints(&self) -> Vec<Print> {
        self.frames().into_iter().map(|(print, _)| print).collect()
    }

    /// The frames among it, with their detections.
    pub fn frames(&self) -> Vec<(Print, Option<Vec<Object>>)> {
        let frame = |item| match item {
            Item::Frame(print, objects) => Some((print, objects)),
            Item::Event(_) => None,
        };
        self.items().into_iter().filter_map(frame).collect()
    }

    /// What passed, in words: `0.120` for a frame of that time in seconds, the type's name for an event, a custom
    /// event's own name.
    pub fn words(&self) -> Vec<String> {
        self.items().iter().map(word).collect()
    }

    /// Waits until `enough` is true of what passed; false if it does not become true within ten seconds.
    pub fn wait_until(&self, enough: impl Fn(&[Item]) -> bool) -> bool {
        crate::eventually(|| enough(&self.lock()))
    }
}

fn word(item: &Item) -> String {
    match item {
        Item::Frame(print, _) => {
            format!("{:.3}", print.pts.unwrap_or_default().nseconds() as f64 / 1e9)
        }
        Item::Event(event) => match event.structure().filter(|_| is_custom(event)) {
            Some(structure) => structure.name().to_string(),
            None => event.type_().name().to_string(),
        },
    }
}

fn is_custom(event: &gst::Event) -> bool {
    matches!(event.view(), gst::EventView::CustomDownstream(_) | gst::EventView::CustomDownstreamSticky(_))
}
