//! What an element says of the frames that it copied itself.

use gst::glib::{self, ParamSpec};
use gst::prelude::*;

/// Whole frames since an element started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyCounts {
    /// Frames passed on, read or written where they lay.
    pub zero_copy: u64,
    /// Frames copied to the device from pinned memory, without the CPU.
    pub uploaded: u64,
    /// Frames that the CPU had to copy.
    pub copied: u64,
    /// Bytes of frames copied from host to device memory.
    pub to_device: u64,
    /// Bytes of frames copied within host memory.
    pub within_host: u64,
}

impl CopyCounts {
    /// Counts a frame of `bytes` bytes that the CPU copied within host memory.
    pub fn add_host_copy(&mut self, bytes: usize) {
        self.copied += 1;
        self.within_host += bytes as u64;
    }

    /// Adds the frame counts to `structure`, as every element's `stats` names them.
    pub fn describe(&self, structure: gst::structure::Builder) -> gst::structure::Builder {
        structure
            .field("frames-zero-copy", self.zero_copy)
            .field("frames-uploaded", self.uploaded)
            .field("frames-copied", self.copied)
            .field("bytes-host-to-host", self.within_host)
    }
}

/// The property `fail-on-copy`. `own` tells which copies the element itself makes.
pub fn fail_on_copy(own: &str) -> ParamSpec {
    let blurb = format!("End with an error at the first frame that the CPU has to copy: {own}");
    glib::ParamSpecBoolean::builder("fail-on-copy")
        .nick("Fail on copy")
        .blurb(&blurb)
        .default_value(false)
        .mutable_ready()
        .build()
}
