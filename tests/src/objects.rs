//! Detections, read back from buffers and compared.

use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsODMtd, AnalyticsRelationMeta};
use serde::{Deserialize, Serialize};
use vision::geometry::Rect;

/// One detection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Class name.
    pub class: String,
    /// 0 to 1.
    pub score: f32,
    /// Left, top, right, bottom in pixels.
    pub corners: [f32; 4],
}

impl Object {
    /// The largest distance between two edges of the same side.
    pub fn edge_distance(&self, other: &Self) -> f32 {
        self.corners.iter().zip(other.corners).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// Intersection over union.
    pub fn iou(&self, other: &Self) -> f32 {
        let rect = |[left, top, right, bottom]: [f32; 4]| Rect::from_corners(left, top, right, bottom);
        rect(self.corners).iou(&rect(other.corners))
    }
}

/// The detections on `buffer`; `None` if the network did not see it.
pub fn of(buffer: &gst::BufferRef) -> Option<Vec<Object>> {
    let meta = buffer.meta::<AnalyticsRelationMeta>()?;
    Some(meta.iter::<AnalyticsODMtd>().filter_map(|mtd| object(&mtd)).collect())
}

fn object(mtd: &gst_analytics::AnalyticsMtdRef<'_, AnalyticsODMtd>) -> Option<Object> {
    let location = mtd.location().ok()?;
    let (left, top) = (location.x as f32, location.y as f32);
    Some(Object {
        class: mtd.obj_type()?.as_str().to_string(),
        score: location.loc_conf_lvl,
        corners: [left, top, left + location.w as f32, top + location.h as f32],
    })
}

/// How many of `expected` have a partner in `found`: same class, every edge within `pixels`, score within `score`.
/// Each of `found` is a partner once.
pub fn matched(expected: &[Object], found: &[Object], pixels: f32, score: f32) -> usize {
    let mut free: Vec<&Object> = found.iter().collect();
    let close = |a: &Object, b: &Object| {
        a.class == b.class && a.edge_distance(b) <= pixels && (a.score - b.score).abs() <= score
    };
    expected
        .iter()
        .filter(|wanted| {
            let partner = free.iter().position(|candidate| close(wanted, candidate));
            partner.map(|index| free.swap_remove(index)).is_some()
        })
        .count()
}

/// Matched and all detections of two runs over the same frames, as [`matched`] counts them: within one pixel and 0.01.
///
/// # Panics
/// When one run has more frames than the other.
pub fn agreement(expected: &[Vec<Object>], found: &[Vec<Object>]) -> (usize, usize) {
    assert_eq!(expected.len(), found.len(), "frames");
    let pairs = || expected.iter().zip(found);
    let matched = pairs().map(|(a, b)| matched(a, b, 1.0, 0.01)).sum();
    (matched, pairs().map(|(a, b)| a.len().max(b.len())).sum())
}
