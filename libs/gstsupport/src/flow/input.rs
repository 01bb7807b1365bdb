//! The frames that an element was handed, to tell later whether one that leaves it is among them.

use std::collections::VecDeque;

/// A frame's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pixels {
    /// Presentation time, if it has one.
    pub pts: Option<gst::ClockTime>,
    /// Which memory: the one that others are parts of.
    pub memory: usize,
    /// Device memory that the host has not read since the device wrote it.
    pub device_only: bool,
}

impl Pixels {
    /// Of the first memory of `buffer`; `None` if it has none.
    pub fn of(buffer: &gst::BufferRef) -> Option<Self> {
        if buffer.n_memory() == 0 {
            return None;
        }
        let mut memory = buffer.peek_memory(0);
        while let Some(parent) = memory.parent() {
            memory = parent;
        }
        let device_only = gpu::gstcuda::is_device_only(memory);
        Some(Self { pts: buffer.pts(), memory: memory.as_ptr() as usize, device_only })
    }
}

/// What became of a frame inside an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It leaves in the memory that it came in.
    Same,
    /// The same, but the element mapped it for the CPU, which brought it to the host.
    ReadByHost,
    /// It leaves in other memory.
    Other,
}

/// The last frames that came in.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    frames: VecDeque<Pixels>,
    /// Time of the first frame that was seen: earlier ones may have been inside the element already.
    first: Option<gst::ClockTime>,
}

impl Inputs {
    /// More frames than any queue holds by default.
    const KEPT: usize = 256;

    /// A frame comes in.
    pub fn push(&mut self, pixels: Pixels) {
        if self.frames.len() == Self::KEPT {
            self.frames.pop_front();
        }
        self.first = self.first.or(pixels.pts);
        self.frames.push_back(pixels);
    }

    /// What became of the frame that leaves as `out`. Memory is reused: a frame of the same time says more than one at the
    /// same address.
    pub fn passage(&self, out: &Pixels) -> Passage {
        let newest = || self.frames.iter().rev();
        let same_time = newest().filter(|input| input.pts.is_some() && input.pts == out.pts);
        let candidates: Vec<&Pixels> = same_time.collect();
        let is_same = |input: &&Pixels| input.memory == out.memory;
        let found = match candidates.is_empty() {
            true => newest().find(is_same),
            false => candidates.into_iter().find(is_same),
        };
        match found {
            None if self.came_unseen(out) => Passage::Same,
            None => Passage::Other,
            Some(input) if input.device_only && !out.device_only => Passage::ReadByHost,
            Some(_) => Passage::Same,
        }
    }

    /// Whether a frame came in before anybody looked.
    fn came_unseen(&self, out: &Pixels) -> bool {
        out.pts.zip(self.first).is_some_and(|(pts, first)| pts < first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(milliseconds: u64, memory: usize) -> Pixels {
        Pixels { pts: Some(gst::ClockTime::from_mseconds(milliseconds)), memory, device_only: false }
    }

    #[test]
    fn memory_used_again_for_another_frame_is_no_passage() {
        let mut inputs = Inputs::default();
        inputs.push(pixels(0, 1));
        inputs.push(pixels(40, 2));
        assert_eq!(inputs.passage(&pixels(40, 2)), Passage::Same);
        assert_eq!(inputs.passage(&pixels(40, 1)), Passage::Other);
    }

    #[test]
    fn a_frame_with_another_time_is_found_by_its_memory() {
        let mut inputs = Inputs::default();
        inputs.push(pixels(0, 1));
        let restamped = pixels(7, 1);
        assert_eq!(inputs.passage(&restamped), Passage::Same);
        assert_eq!(inputs.passage(&Pixels { pts: None, ..restamped }), Passage::Same);
        assert_eq!(inputs.passage(&pixels(7, 3)), Passage::Other);
    }

    #[test]
    fn frames_that_came_in_unseen_are_not_judged() {
        let mut inputs = Inputs::default();
        inputs.push(pixels(80, 1));
        assert_eq!(inputs.passage(&pixels(40, 2)), Passage::Same);
        assert_eq!(inputs.passage(&pixels(80, 2)), Passage::Other);
    }

    #[test]
    fn times_that_come_again_do_not_hide_the_latest_frame() {
        let mut inputs = Inputs::default();
        inputs.push(pixels(0, 1));
        inputs.push(pixels(0, 2));
        assert_eq!(inputs.passage(&pixels(0, 2)), Passage::Same);
    }

    #[test]
    fn device_memory_that_the_host_has_read_is_noticed() {
        let mut inputs = Inputs::default();
        inputs.push(Pixels { device_only: true, ..pixels(0, 1) });
        assert_eq!(inputs.passage(&pixels(0, 1)), Passage::ReadByHost);
        assert_eq!(inputs.passage(&Pixels { device_only: true, ..pixels(0, 1) }), Passage::Same);
    }

    #[test]
    fn only_so_many_frames_are_kept() {
        let mut inputs = Inputs::default();
        (0..1000).for_each(|index| inputs.push(pixels(index, index as usize)));
        assert_eq!(inputs.frames.len(), Inputs::KEPT);
    }
}
