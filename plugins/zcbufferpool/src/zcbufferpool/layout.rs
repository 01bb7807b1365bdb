//! How a frame lies in a buffer of ours.

use gst::glib;
use gst_video::{VideoAlignment, VideoInfo};

/// Bytes that rows are aligned to: what vector units and the copy engine like.
const ALIGNMENT: usize = 64;

/// A frame of `info` with the padding that `alignment` asks for. Every plane has the same stride and the same padding to
/// the left, so that the whole is one rectangle: GStreamer's CUDA memory knows nothing else.
pub(super) fn padded(info: &VideoInfo, alignment: &VideoAlignment) -> Result<VideoInfo, glib::BoolError> {
    let image = gpu::format::image_info(info).ok_or_else(|| glib::bool_error!("format of {info:?}"))?;
    let (left, right) = (alignment.padding_left() as usize, alignment.padding_right() as usize);
    let (top, bottom) = (alignment.padding_top() as usize, alignment.padding_bottom() as usize);
    let asked = alignment.stride_align().iter().map(|mask| *mask as usize + 1).max().unwrap_or(1);
    let step = asked.max(ALIGNMENT).next_power_of_two();
    let planes = image.format.planes();
    let indent = (0..planes).map(|plane| image.format.row_bytes(plane, left)).max().unwrap_or(0);
    let indent = indent.next_multiple_of(step);
    let row = |plane| image.format.row_bytes(plane, image.width + right);
    let stride = (indent + (0..planes).map(row).max().unwrap_or(0)).next_multiple_of(step);
    let mut offsets = Vec::new();
    let mut size = 0;
    for plane in 0..planes {
        offsets.push(size + image.format.rows(plane, top) * stride + indent);
        let rows = image.format.rows(plane, top) + image.format.rows(plane, image.height + bottom);
        size += rows * stride;
    }
    let strides = vec![i32::try_from(stride).map_err(|_| glib::bool_error!("too wide"))?; planes];
    VideoInfo::builder_from_info(info).offset(&offsets).stride(&strides).size(size).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(format: gst_video::VideoFormat, width: u32, height: u32) -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(format, width, height).build().unwrap()
    }

    #[test]
    fn every_plane_is_part_of_one_rectangle() {
        let i420 = info(gst_video::VideoFormat::I420, 321, 241);
        let masks = [31, 31, 31, 31];
        let padded = padded(&i420, &VideoAlignment::new(16, 17, 16, 18, &masks)).unwrap();
        assert_eq!(padded.stride(), [448, 448, 448]);
        assert_eq!(padded.offset(), [16 * 448 + 64, (16 + 258 + 8) * 448 + 64, (274 + 137 + 8) * 448 + 64]);
        assert!(padded.offset().iter().all(|offset| offset % 64 == 0));
        assert_eq!(padded.size(), (274 + 2 * 137) * 448);
    }

    #[test]
    fn without_padding_a_frame_starts_at_once() {
        let rgb = info(gst_video::VideoFormat::Rgb, 5, 3);
        let padded = padded(&rgb, &VideoAlignment::new(0, 0, 0, 0, &[0; 4])).unwrap();
        assert_eq!((padded.offset(), padded.stride(), padded.size()), (&[0][..], &[64][..], 192));
    }
}
