//! One link: from the source pad of an element to the sink pad of another one, bins left out.

use gst::prelude::*;

/// Bins within bins that are followed.
const DEPTH: usize = 32;

/// The pad that `pad` is linked to: of an element, not of a bin around it.
pub fn real_peer(pad: &gst::Pad) -> Option<gst::Pad> {
    let mut peer = pad.peer()?;
    for _ in 0..DEPTH {
        let Some(proxy) = peer.downcast_ref::<gst::ProxyPad>() else { return Some(peer) };
        peer = proxy.internal()?.peer()?;
    }
    None
}

/// The outermost object around `pad`.
fn top_level(pad: &gst::Pad) -> gst::Object {
    let mut object: gst::Object = pad.clone().upcast();
    while let Some(parent) = object.parent() {
        object = parent;
    }
    object
}

/// What the caps of a link say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Media {
    /// Media type, such as video/x-raw.
    pub kind: String,
    /// Pixel format and size; empty if there are none.
    pub format: String,
    /// Kind of memory, such as SystemMemory or CUDAMemory.
    pub memory: String,
}

impl Media {
    pub fn of(caps: &gst::CapsRef) -> Self {
        let Some(structure) = caps.structure(0) else { return Self::default() };
        let text = |name| structure.get::<String>(name).ok();
        let number = |name| structure.get::<i32>(name).ok();
        let size = number("width").zip(number("height")).map(|(width, height)| format!("{width}x{height}"));
        let format: Vec<String> = text("format").into_iter().chain(size).collect();
        let feature = caps.features(0).and_then(|features| features.iter().next().map(ToString::to_string));
        let memory = feature.as_deref().and_then(|feature| feature.strip_prefix("memory:"));
        Self {
            kind: structure.name().to_string(),
            format: format.join(" "),
            memory: memory.unwrap_or("SystemMemory").to_owned(),
        }
    }

    /// Whether buffers hold raw frames.
    pub fn is_video(&self) -> bool {
        self.kind == "video/x-raw"
    }
}

/// A link and what went over it.
#[derive(Debug)]
pub(super) struct Link {
    /// The element that pushes, as an identity.
    pub source: usize,
    /// The element that receives, as an identity; `None` while the link is being made.
    pub target: Option<usize>,
    /// The pipeline, as an identity.
    pub pipeline: usize,
    /// The element that pushes: its name and its factory's.
    pub element: (String, String),
    pub from: String,
    pub to: String,
    pub peer: usize,
    pub caps: Option<gst::Caps>,
    pub media: Media,
    pub carried: Carried,
    /// What it carried before its caps changed.
    pub earlier: Vec<(Media, Carried)>,
}

/// What went over a link in one memory and format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub buffers: u64,
    pub bytes: u64,
}

/// An object as a number that is its own while it lives.
pub(super) fn identity(object: &impl IsA<gst::Object>) -> usize {
    object.upcast_ref::<gst::Object>().as_ptr() as usize
}

fn full_name(element: &gst::Element, pad: &gst::Pad) -> String {
    format!("{}:{}", element.name(), pad.name())
}

impl Link {
    /// The link that starts at `pad`; `None` if that is no element's.
    pub fn new(pad: &gst::Pad) -> Option<Self> {
        let source = pad.parent_element()?;
        let peer = real_peer(pad);
        let target = peer.as_ref().and_then(|peer| peer.parent_element());
        let to = target.as_ref().zip(peer.as_ref()).map(|(target, peer)| full_name(target, peer));
        let pipeline = top_level(pad);
        let factory = source.factory().map(|factory| factory.name().to_string()).unwrap_or_default();
        Some(Self {
            source: identity(&source),
            target: target.as_ref().map(identity),
            pipeline: identity(&pipeline),
            element: (source.name().to_string(), factory),
            from: full_name(&source, pad),
            to: to.unwrap_or_default(),
            peer: pad.peer().map(|peer| identity(&peer)).unwrap_or_default(),
            caps: None,
            media: Media::default(),
            carried: Carried::default(),
            earlier: Vec::new(),
        })
    }

    /// Whether `pad` is still linked as it was.
    pub fn is_current(&self, pad: &gst::Pad) -> bool {
        self.target.is_some() && pad.peer().is_some_and(|peer| identity(&peer) == self.peer)
    }

    /// Takes new caps of `pad` over.
    pub fn update_caps(&mut self, pad: &gst::Pad) {
        let caps = pad.current_caps();
        let unchanged = match (&caps, &self.caps) {
            (Some(new), Some(old)) => new.as_ptr() == old.as_ptr(),
            (None, None) => true,
            _ => false,
        };
        if !unchanged {
            self.update_media(caps.as_deref().map(Media::of).unwrap_or_default());
            self.caps = caps;
        }
    }

    /// Counts from here on for `media`, and goes on where it was carried before.
    fn update_media(&mut self, media: Media) {
        if media == self.media {
            return;
        }
        let before = self.earlier.iter().position(|(earlier, _)| *earlier == media);
        let carried = before.map(|index| self.earlier.remove(index).1).unwrap_or_default();
        let (media, carried) =
            (std::mem::replace(&mut self.media, media), std::mem::replace(&mut self.carried, carried));
        if carried.buffers > 0 {
            self.earlier.push((media, carried));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(caps: &str) -> Media {
        gst::init().unwrap();
        Media::of(&caps.parse::<gst::Caps>().unwrap())
    }

    #[test]
    fn caps_tell_format_and_memory() {
        let cuda = media("video/x-raw(memory:CUDAMemory),format=NV12,width=64,height=48");
        assert_eq!((cuda.format.as_str(), cuda.memory.as_str()), ("NV12 64x48", "CUDAMemory"));
        assert!(cuda.is_video());
        let coded = media("video/x-h264,width=64,height=48");
        assert_eq!((coded.format.as_str(), coded.memory.as_str()), ("64x48", "SystemMemory"));
        assert!(!coded.is_video());
        assert_eq!(Media::of(gst::Caps::new_empty().as_ref()), Media::default());
    }

    #[test]
    fn what_was_carried_before_the_caps_changed_is_kept() {
        gst::init().unwrap();
        let identity = gst::ElementFactory::make("identity").build().unwrap();
        let mut link = Link::new(&identity.static_pad("src").unwrap()).unwrap();
        let [host, device] = ["", "(memory:CUDAMemory)"]
            .map(|memory| media(&format!("video/x-raw{memory},format=NV12,width=64,height=48")));
        for (media, buffers) in [(&host, 3), (&device, 1), (&device, 1), (&host, 2)] {
            link.update_media(media.clone());
            link.carried.buffers += buffers;
        }
        assert_eq!((&link.media, link.carried.buffers), (&host, 5));
        assert_eq!(link.earlier, [(device, Carried { buffers: 2, bytes: 0 })]);
    }

    #[test]
    fn a_feature_that_is_no_memory_leaves_it_in_the_host() {
        let overlay = "video/x-raw(meta:GstVideoOverlayComposition),format=RGB,width=1,height=1";
        assert_eq!(media(overlay).memory, "SystemMemory");
    }
}
