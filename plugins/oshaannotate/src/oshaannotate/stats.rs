//! What the element did, in numbers.

use gpu::cuda::copies::{self, Copies, Direction};
use gstsupport::copies::CopyCounts;

use super::analysis::Counters;

/// The property `stats`.
pub(super) fn structure(counters: &Counters) -> gst::Structure {
    let moved: Vec<Copies> = copies::all().into_iter().filter(is_drawing).collect();
    let bytes = |direction| -> u64 {
        moved.iter().filter(|copies| copies.direction == direction).map(|copies| copies.bytes).sum()
    };
    // What is not drawn on a copy leaves as it came.
    let copies = CopyCounts { zero_copy: counters.frames - counters.drawn_on_copy, ..counters.copies };
    let structure = gst::Structure::builder("oshaannotate-stats")
        .field("frames", counters.frames)
        .field("frames-observed", counters.observed)
        .field("detections", counters.detections)
        .field("violations", counters.violations)
        .field("violations-open", counters.open)
        .field("frames-drawn-in-place", counters.drawn_in_place)
        .field("frames-drawn-on-copy", counters.drawn_on_copy)
        .field("bytes-host-to-device", bytes(Direction::HostToDevice))
        .field("bytes-device-to-host", bytes(Direction::DeviceToHost))
        .field("bytes-device-to-device", bytes(Direction::DeviceToDevice));
    copies.describe(structure).build()
}

/// Display lists and text on their way to the device, and frames that somebody else holds too.
fn is_drawing(copies: &Copies) -> bool {
    ["draw:", "oshaannotate:"].iter().any(|user| copies.purpose.starts_with(user))
}
