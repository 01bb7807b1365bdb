//! GStreamer's names of pixel formats and colorimetry, and ours.

use gst_video::{VideoCapsBuilder, VideoColorMatrix, VideoColorRange, VideoCropMeta, VideoFormat, VideoInfo};
use vision::image::{Colorimetry, ImageInfo, Matrix, PixelFormat, Range};

use crate::frame::MemoryKind;

/// The GStreamer format that lies in memory like `format`.
pub fn to_video_format(format: PixelFormat) -> VideoFormat {
    match format {
        PixelFormat::Nv12 => VideoFormat::Nv12,
        PixelFormat::I420 => VideoFormat::I420,
        PixelFormat::Yv12 => VideoFormat::Yv12,
        PixelFormat::P010 => VideoFormat::P01010le,
        PixelFormat::Rgb => VideoFormat::Rgb,
        PixelFormat::Bgr => VideoFormat::Bgr,
        PixelFormat::Rgba => VideoFormat::Rgba,
        PixelFormat::Bgra => VideoFormat::Bgra,
        PixelFormat::Argb => VideoFormat::Argb,
        PixelFormat::Abgr => VideoFormat::Abgr,
        PixelFormat::Rgbx => VideoFormat::Rgbx,
        PixelFormat::Bgrx => VideoFormat::Bgrx,
        PixelFormat::Xrgb => VideoFormat::Xrgb,
        PixelFormat::Xbgr => VideoFormat::Xbgr,
        PixelFormat::Gray8 => VideoFormat::Gray8,
    }
}

/// Our name of a GStreamer format, if it is one that every element here takes.
pub fn from_video_format(format: VideoFormat) -> Option<PixelFormat> {
    PixelFormat::ALL.into_iter().find(|&ours| to_video_format(ours) == format)
}

/// Every format that the elements take, in order of preference.
pub fn video_formats() -> impl Iterator<Item = VideoFormat> {
    PixelFormat::ALL.into_iter().map(to_video_format)
}

/// Every format, in CUDA memory first, then in host memory.
fn every_caps() -> gst::Caps {
    let caps = |kind: MemoryKind| {
        VideoCapsBuilder::new().features([kind.feature()]).format_list(video_formats()).build()
    };
    let mut every = caps(MemoryKind::Cuda);
    every.merge(caps(MemoryKind::Host));
    every
}

/// The templates of a `sink` and a `src` pad that are always there and take every format, in CUDA memory or in host
/// memory.
///
/// # Errors
/// When GStreamer refuses a template.
pub fn pad_templates() -> Result<Vec<gst::PadTemplate>, gst::glib::BoolError> {
    let caps = every_caps();
    let pads = [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)];
    let template =
        |(name, direction)| gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps);
    pads.into_iter().map(template).collect()
}

/// `caps` without those for frames in memory of `kind`.
pub fn without(caps: &gst::Caps, kind: MemoryKind) -> gst::Caps {
    let others =
        caps.iter_with_features().filter(|(_, features)| MemoryKind::of(Some(features)) != Some(kind));
    others.map(|(structure, features)| (structure.to_owned(), features.to_owned())).collect()
}

/// Takes back that downstream crops frames by itself: the elements here look at whole frames, and know no other size than that
/// of the caps. To be called with every answered allocation query.
pub fn refuse_crop(query: &mut gst::query::Allocation) {
    while let Some(index) = query.find_allocation_meta::<VideoCropMeta>() {
        query.remove_nth_allocation_meta(index);
    }
}

/// Colorimetry of negotiated caps. What the caps leave open is taken as video players take it: BT.601 up to 576 lines,
/// BT.709 above, limited range.
pub fn colorimetry(info: &VideoInfo) -> Colorimetry {
    let colorimetry = info.colorimetry();
    let matrix = match colorimetry.matrix() {
        VideoColorMatrix::Bt601 | VideoColorMatrix::Fcc => Matrix::Bt601,
        VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        VideoColorMatrix::Bt709 | VideoColorMatrix::Smpte240m => Matrix::Bt709,
        _ if info.height() <= 576 => Matrix::Bt601,
        _ => Matrix::Bt709,
    };
    let range = match colorimetry.range() {
        VideoColorRange::Range0_255 => Range::Full,
        _ => Range::Limited,
    };
    Colorimetry { matrix, range }
}

/// What an image of these caps is, if its format is one that every element here takes.
pub fn image_info(info: &VideoInfo) -> Option<ImageInfo> {
    Some(ImageInfo {
        format: from_video_format(info.format())?,
        width: info.width() as usize,
        height: info.height() as usize,
        colorimetry: colorimetry(info),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(caps: &str) -> ImageInfo {
        gst::init().unwrap();
        let caps: gst::Caps = caps.parse().unwrap();
        image_info(&VideoInfo::from_caps(&caps).unwrap()).unwrap()
    }

    #[test]
    fn every_format_has_one_name_on_each_side() {
        for format in PixelFormat::ALL {
            assert_eq!(from_video_format(to_video_format(format)), Some(format));
        }
        assert_eq!(from_video_format(VideoFormat::Yuy2), None);
    }

    #[test]
    fn the_templates_take_every_format_in_device_and_host_memory() {
        gst::init().unwrap();
        let templates = pad_templates().unwrap();
        assert_eq!(templates.len(), 2);
        let kinds = |caps: &gst::Caps| {
            caps.iter_with_features().map(|(_, features)| MemoryKind::of(Some(features))).collect::<Vec<_>>()
        };
        assert_eq!(kinds(templates[0].caps()), [Some(MemoryKind::Cuda), Some(MemoryKind::Host)]);
        let without = without(templates[0].caps(), MemoryKind::Cuda);
        assert_eq!(kinds(&without), [Some(MemoryKind::Host)]);
        for caps in ["video/x-raw,format=P010_10LE", "video/x-raw(memory:CUDAMemory),format=GRAY8"] {
            assert!(templates[1].caps().can_intersect(&caps.parse::<gst::Caps>().unwrap()), "{caps}");
        }
    }

    #[test]
    fn colorimetry_follows_the_caps() {
        let full = parsed("video/x-raw,format=NV12,width=64,height=64,framerate=1/1,colorimetry=1:3:5:1");
        assert_eq!(full.colorimetry, Colorimetry { matrix: Matrix::Bt709, range: Range::Full });
        let uhd = parsed("video/x-raw,format=P010_10LE,width=64,height=64,framerate=1/1,colorimetry=bt2020");
        assert_eq!(uhd.colorimetry, Colorimetry { matrix: Matrix::Bt2020, range: Range::Limited });
    }

    #[test]
    fn colorimetry_left_open_follows_the_height() {
        let sd = parsed("video/x-raw,format=I420,width=720,height=576,framerate=25/1");
        assert_eq!(sd.colorimetry.matrix, Matrix::Bt601);
        let hd = parsed("video/x-raw,format=I420,width=1280,height=720,framerate=25/1");
        assert_eq!(hd.colorimetry.matrix, Matrix::Bt709);
    }
}
