//! What the element counts.

use std::sync::Mutex;

use gstsupport::copies::CopyCounts;
use gstsupport::lock;

/// Counts since the element started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Buffers that the element's pools hold now.
    pub allocated: u64,
    /// Times that memory for a buffer was allocated.
    pub allocations: u64,
    /// Of those allocated, buffers that someone uses.
    pub in_use: u64,
    /// The most that were in use at a time.
    pub high_water: u64,
    /// Times that someone found no free buffer.
    pub waits: u64,
    /// What became of the frames.
    pub frames: CopyCounts,
}

/// Counts that the pools and the element share.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<Counts>);

impl Counters {
    /// Changes the counts.
    pub fn update(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut lock(&self.0));
    }

    /// A buffer leaves its pool.
    pub fn acquired(&self) {
        self.update(|counts| {
            counts.in_use += 1;
            counts.high_water = counts.high_water.max(counts.in_use);
        });
    }

    /// The counts now.
    pub fn get(&self) -> Counts {
        *lock(&self.0)
    }

    /// Starts again. Buffers that are still around stay counted.
    pub fn restart(&self) {
        self.update(|counts| {
            let Counts { allocated, in_use, .. } = *counts;
            *counts = Counts { allocated, in_use, high_water: in_use, ..Counts::default() };
        });
    }
}

impl Counts {
    /// As the property `stats` and the message at the end of a stream show them.
    pub fn structure(&self, memory: &str, unified: bool, reason: &str) -> gst::Structure {
        let structure = gst::Structure::builder("zcbufferpool-stats")
            .field("memory", memory)
            .field("unified-memory", unified)
            .field("reason", reason)
            .field("buffers-allocated", self.allocated)
            .field("allocations", self.allocations)
            .field("buffers-in-use", self.in_use)
            .field("buffers-high-water", self.high_water)
            .field("waits", self.waits)
            .field("bytes-host-to-device", self.frames.to_device);
        self.frames.describe(structure).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_stays() {
        let counters = Counters::default();
        counters.acquired();
        counters.acquired();
        counters.update(|counts| counts.in_use -= 1);
        assert_eq!((counters.get().in_use, counters.get().high_water), (1, 2));
        counters.restart();
        assert_eq!((counters.get().in_use, counters.get().high_water), (1, 1));
    }
}
