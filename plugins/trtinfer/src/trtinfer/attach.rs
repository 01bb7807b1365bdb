//! Puts results on buffers.

use gst::glib;
use gst_analytics::AnalyticsRelationMeta;
use gst_analytics::prelude::*;
use vision::detection::Detection;

/// Attaches one object detection for each of `detections`, labelled by `label`. A relation meta that the buffer has
/// already is added to; an empty one says that the network looked and saw nothing.
///
/// # Errors
/// When GStreamer refuses a detection.
pub(super) fn detections(
    buffer: &mut gst::BufferRef,
    detections: &[Detection],
    label: impl Fn(usize) -> glib::Quark,
) -> Result<(), glib::BoolError> {
    if buffer.meta::<AnalyticsRelationMeta>().is_none() {
        AnalyticsRelationMeta::add(buffer);
    }
    let mut meta = buffer
        .meta_mut::<AnalyticsRelationMeta>()
        .ok_or_else(|| glib::bool_error!("no relation meta could be added"))?;
    for detection in detections {
        let [x, y, width, height] = whole_pixels(detection);
        meta.add_od_mtd(label(detection.class), x, y, width, height, detection.score)?;
    }
    Ok(())
}

/// Makes `buffer` one that no network has seen, unless it has detections. A buffer that comes from a pool keeps its
/// relation meta and loses what was in it, which would say that a network saw nothing.
pub(super) fn nothing(buffer: &mut gst::Buffer) {
    if buffer.meta::<AnalyticsRelationMeta>().is_some_and(|meta| meta.is_empty())
        && let Some(meta) = buffer.make_mut().meta_mut::<AnalyticsRelationMeta>()
    {
        // Only a locked meta stays, and this one is not.
        let _ = meta.remove();
    }
}

/// Left, top, width and height of the box with every edge rounded to the nearest pixel.
fn whole_pixels(detection: &Detection) -> [i32; 4] {
    let rect = detection.rect;
    let (left, top) = (rect.x.round() as i32, rect.y.round() as i32);
    [left, top, rect.right().round() as i32 - left, rect.bottom().round() as i32 - top]
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision::geometry::Rect;

    #[test]
    fn edges_are_rounded_not_sizes() {
        let rect = Rect::from_corners(1.4, 1.6, 3.6, 3.4);
        let pixels = whole_pixels(&Detection { rect, score: 0.5, class: 0 });
        assert_eq!(pixels, [1, 2, 3, 1]);
    }
}
