//! Buffers and bytes per link, and copies per element.

use std::collections::HashMap;

use gst::prelude::*;

use super::input::{Inputs, Passage, Pixels};
use super::link::{Link, Media, identity};
use super::report::{Change, CopyReport, LinkReport, PipelineReport};

/// An element that takes raw frames.
#[derive(Debug, Default)]
struct Consumer {
    inputs: Inputs,
    /// Where the latest frame came from, and what it was.
    link: String,
    media: Media,
}

/// The copies of one element.
#[derive(Debug)]
struct Copies {
    pipeline: usize,
    report: CopyReport,
}

/// A frame that an element copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySeen {
    /// Name of the element.
    pub element: String,
    /// What changed.
    pub change: Change,
    /// The link that the frame left on: `element:pad -> element:pad`.
    pub link: String,
    /// Memory and format before and after.
    pub text: String,
}

/// What went over every link. Told of buffers by [`Ledger::pushed`].
#[derive(Debug, Default)]
pub struct Ledger {
    links: HashMap<usize, Link>,
    consumers: HashMap<usize, Consumer>,
    copies: HashMap<(usize, Change), Copies>,
}

impl Ledger {
    /// `buffer` leaves `pad`. Tells of a copy that the pad's element made.
    pub fn pushed(&mut self, pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<CopySeen> {
        if pad.is::<gst::ProxyPad>() {
            return None;
        }
        let link = current(&mut self.links, pad)?;
        link.update_caps(pad);
        link.carried.buffers += 1;
        link.carried.bytes += buffer.size() as u64;
        if !link.media.is_video() {
            return None;
        }
        let pixels = Pixels::of(buffer)?;
        let seen = self.consumers.get(&link.source).and_then(|consumer| change(consumer, link, &pixels));
        if let Some(consumer) = self.consumers.get(&link.source) {
            count(&mut self.copies, consumer, link, seen, buffer.size());
        }
        let seen = seen.map(|change| copy_seen(&self.consumers[&link.source], link, change));
        if let Some(target) = link.target {
            self.consumers.entry(target).or_default().take(link, pixels);
        }
        seen
    }

    /// What is known of the pipeline `top`, which runs for `seconds`.
    pub fn report(&self, top: &gst::Object, seconds: f64) -> PipelineReport {
        let pipeline = identity(top);
        let mut links: Vec<&Link> = self.links.values().filter(|link| link.pipeline == pipeline).collect();
        links.sort_by(|a, b| a.from.cmp(&b.from));
        let copies = self.copies.values().filter(|copies| copies.pipeline == pipeline);
        let mut copies: Vec<CopyReport> = copies.map(|copies| copies.report.clone()).collect();
        copies.sort_by(|a, b| a.element.cmp(&b.element));
        let links = in_order(links);
        PipelineReport { name: top.name().to_string(), seconds, links, copies, ..PipelineReport::default() }
    }

    /// Forgets the pipeline `top`.
    pub fn forget(&mut self, top: &gst::Object) {
        let pipeline = identity(top);
        let ours = self.links.values().filter(|link| link.pipeline == pipeline);
        let elements: Vec<usize> = ours.flat_map(|link| [Some(link.source), link.target]).flatten().collect();
        self.links.retain(|_, link| link.pipeline != pipeline);
        self.copies.retain(|_, copies| copies.pipeline != pipeline);
        self.consumers.retain(|element, _| !elements.contains(element));
    }
}

/// The link that starts at `pad`, looked up again if the pad was linked anew.
fn current<'l>(links: &'l mut HashMap<usize, Link>, pad: &gst::Pad) -> Option<&'l mut Link> {
    let key = identity(pad);
    if !links.get(&key).is_some_and(|link| link.is_current(pad)) {
        let mut link = Link::new(pad)?;
        if let Some(before) = links.remove(&key) {
            (link.media, link.carried, link.earlier) = (before.media, before.carried, before.earlier);
        }
        links.insert(key, link);
    }
    links.get_mut(&key)
}

impl Consumer {
    fn take(&mut self, link: &Link, pixels: Pixels) {
        self.inputs.push(pixels);
        if self.link != link.from || self.media != link.media {
            self.link.clone_from(&link.from);
            self.media.clone_from(&link.media);
        }
    }
}

/// How the frame changed that came to `consumer` and leaves it over `link`; `None` if it did not.
fn change(consumer: &Consumer, link: &Link, out: &Pixels) -> Option<Change> {
    match consumer.inputs.passage(out) {
        Passage::Same => None,
        Passage::ReadByHost => Some(Change::HostRead),
        Passage::Other => Some(Change::between(&consumer.media.memory, &link.media.memory)),
    }
}

fn count(
    table: &mut HashMap<(usize, Change), Copies>,
    consumer: &Consumer,
    link: &Link,
    seen: Option<Change>,
    size: usize,
) {
    let Some(change) = seen else { return };
    let copies = table.entry((link.source, change)).or_insert_with(|| Copies {
        pipeline: link.pipeline,
        report: CopyReport {
            element: link.element.0.clone(),
            factory: link.element.1.clone(),
            change,
            before: consumer.media.text(),
            after: link.media.text(),
            link: link.text(),
            frames: 0,
            bytes: 0,
        },
    });
    copies.report.frames += 1;
    copies.report.bytes += size as u64;
}

fn copy_seen(consumer: &Consumer, link: &Link, change: Change) -> CopySeen {
    let text = format!("{}: {} to {}", change.text(), consumer.media.text(), link.media.text());
    CopySeen { element: link.element.0.clone(), change, link: link.text(), text }
}

impl Media {
    /// Memory and format in one.
    fn text(&self) -> String {
        format!("{} {}", self.memory, self.format)
    }
}

impl Link {
    fn text(&self) -> String {
        format!("{} -> {}", self.from, self.to)
    }

    /// One for each memory and format that it carried, the latest last.
    fn reports(&self) -> impl Iterator<Item = LinkReport> {
        self.earlier
            .iter()
            .map(|(media, carried)| (media, carried))
            .chain([(&self.media, &self.carried)])
            .map(|(media, carried)| LinkReport {
                from: self.from.clone(),
                to: self.to.clone(),
                media: media.kind.clone(),
                format: media.format.clone(),
                memory: media.memory.clone(),
                buffers: carried.buffers,
                bytes: carried.bytes,
            })
    }
}

/// From sources to sinks.
fn in_order(mut left: Vec<&Link>) -> Vec<LinkReport> {
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        // In a loop of links there is no first one: then any is taken.
        let is_first = |link: &&Link| !left.iter().any(|other| other.target == Some(link.source));
        let mut next = left.iter().position(is_first).unwrap_or(0);
        loop {
            let link = left.remove(next);
            ordered.extend(link.reports());
            let target = link.target;
            let is_ready = !left.iter().any(|other| other.target == target);
            match left.iter().position(|other| is_ready && Some(other.source) == target) {
                Some(index) => next = index,
                None => break,
            }
        }
    }
    ordered
}
