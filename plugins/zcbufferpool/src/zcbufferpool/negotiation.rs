//! Which caps go in where which go out.

use gpu::MemoryKind;
use gst_video::{VideoCapsBuilder, VideoFormat};

use super::plan::{Plan, Target};

const CUDA: &str = "memory:CUDAMemory";

/// Formats that GStreamer's CUDA memory does not know.
const HOST_ONLY: [VideoFormat; 3] = [VideoFormat::Xrgb, VideoFormat::Xbgr, VideoFormat::Gray8];

/// Templates of both pads: CUDA memory first.
pub(super) fn pad_templates() -> Result<Vec<gst::PadTemplate>, gst::glib::BoolError> {
    let formats = gpu::format::video_formats;
    let in_cuda = formats().filter(|format| !HOST_ONLY.contains(format));
    let mut caps = VideoCapsBuilder::new().features([CUDA]).format_list(in_cuda).build();
    caps.merge(VideoCapsBuilder::new().format_list(formats()).build());
    let pads = [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)];
    let template =
        |(name, direction)| gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps);
    pads.into_iter().map(template).collect()
}

/// `caps` in the memory that `features` name.
fn in_memory(caps: &gst::Caps, features: &gst::CapsFeatures) -> gst::Caps {
    caps.iter().map(|structure| (structure.to_owned(), features.clone())).collect()
}

/// What the structures of `caps` in memory of `kind` are.
fn of_kind(caps: &gst::Caps, kind: MemoryKind) -> gst::Caps {
    let fits = |(_, features): &(_, &gst::CapsFeaturesRef)| MemoryKind::of(Some(features)) == Some(kind);
    caps.iter_with_features()
        .filter(fits)
        .map(|(structure, features)| (structure.to_owned(), features.to_owned()))
        .collect()
}

/// The caps of the other pad, best first, given `caps` of the pad of `direction`.
pub(super) fn transformed(direction: gst::PadDirection, caps: &gst::Caps, plan: &Plan) -> gst::Caps {
    let (cuda, host) = (of_kind(caps, MemoryKind::Cuda), of_kind(caps, MemoryKind::Host));
    let on_device = plan.target.on_device();
    let mut result = gst::Caps::new_empty();
    if on_device {
        result.merge(cuda.clone());
        let converted = match direction {
            gst::PadDirection::Sink => in_memory(&host, &gst::CapsFeatures::new([CUDA])),
            _ => in_memory(&cuda, &gst::CapsFeatures::new_empty()),
        };
        result.merge(converted);
    }
    if plan.host_too {
        result.merge(host);
    }
    result
}

/// Of what downstream takes, the structures to choose from: CUDA memory wherever that is possible.
pub(super) fn preferred(caps: gst::Caps) -> gst::Caps {
    let cuda = of_kind(&caps, MemoryKind::Cuda);
    if cuda.is_empty() { caps } else { cuda }
}

/// What is done with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Host memory in and out.
    Host,
    /// CUDA memory in and out.
    Cuda,
    /// Host memory in, CUDA memory out.
    ToDevice,
}

impl Route {
    /// The route between two negotiated caps; `None` if there is none.
    pub fn new(from: &gst::Caps, to: &gst::Caps) -> Option<Self> {
        match (MemoryKind::of(from.features(0))?, MemoryKind::of(to.features(0))?) {
            (MemoryKind::Host, MemoryKind::Host) => Some(Self::Host),
            (MemoryKind::Cuda, MemoryKind::Cuda) => Some(Self::Cuda),
            (MemoryKind::Host, MemoryKind::Cuda) => Some(Self::ToDevice),
            _ => None,
        }
    }

    /// The memory that upstream is asked to write into; `None` for CUDA memory of GStreamer's own pool.
    pub fn upstream(self, target: Target) -> Option<Target> {
        match (self, target) {
            (Self::Cuda, _) => None,
            (Self::Host, Target::Pinned) | (Self::ToDevice, Target::Device) => Some(Target::Pinned),
            (Self::Host, _) => Some(Target::System),
            (Self::ToDevice, target) => Some(target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::PadDirection::{Sink, Src};

    const HOST_CAPS: &str = "video/x-raw,format=NV12";
    const CUDA_CAPS: &str = "video/x-raw(memory:CUDAMemory),format=NV12";

    fn plan(target: Target, host_too: bool) -> Plan {
        gst::init().unwrap();
        Plan { target, host_too, unified: false, reason: String::new(), fallback: false }
    }

    fn check(plan: &Plan, direction: gst::PadDirection, from: &str, to: &str) {
        let to: gst::Caps = if to.is_empty() { gst::Caps::new_empty() } else { to.parse().unwrap() };
        let found = transformed(direction, &from.parse().unwrap(), plan);
        assert!(found.is_strictly_equal(&to), "{plan:?} {from}: {found}");
    }

    #[test]
    fn host_frames_become_cuda_frames_where_that_is_possible() {
        let auto = plan(Target::Device, true);
        check(&auto, Sink, HOST_CAPS, &format!("{CUDA_CAPS}; {HOST_CAPS}"));
        check(&auto, Src, CUDA_CAPS, &format!("{CUDA_CAPS}; {HOST_CAPS}"));
        check(&auto, Src, HOST_CAPS, HOST_CAPS);
        check(&auto, Sink, CUDA_CAPS, CUDA_CAPS);
    }

    #[test]
    fn what_is_asked_for_by_name_is_kept_to() {
        check(&plan(Target::Device, false), Sink, HOST_CAPS, CUDA_CAPS);
        check(&plan(Target::Device, false), Src, HOST_CAPS, "");
        check(&plan(Target::Pinned, true), Sink, HOST_CAPS, HOST_CAPS);
        check(&plan(Target::Pinned, true), Sink, CUDA_CAPS, "");
    }

    #[test]
    fn cuda_memory_is_preferred_whatever_the_order() {
        let _ = plan(Target::System, true);
        let caps: gst::Caps = format!("{HOST_CAPS}; {CUDA_CAPS}").parse().unwrap();
        assert_eq!(preferred(caps).to_string(), CUDA_CAPS.parse::<gst::Caps>().unwrap().to_string());
    }
}
