//! What upstream detectors attached to a buffer.

use gst::glib;
use gst::glib::translate::IntoGlib;
use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsMtdRef, AnalyticsODMtd, AnalyticsRelationMeta};
use vision::detection::Detection;
use vision::geometry::Rect;

/// The detections of one frame.
#[derive(Debug, Default)]
pub(super) struct Observation {
    /// Boxes in source pixels; `class` is the label's number in this process, the same in every frame.
    pub detections: Vec<Detection>,
    labels: Vec<glib::Quark>,
}

impl Observation {
    /// Reads `buffer`; `None` if no detector looked at it.
    pub fn of(buffer: &gst::BufferRef) -> Option<Self> {
        let meta = buffer.meta::<AnalyticsRelationMeta>()?;
        let mut observation = Self::default();
        for mtd in meta.iter::<AnalyticsODMtd>() {
            observation.add(&mtd);
        }
        Some(observation)
    }

    fn add(&mut self, mtd: &AnalyticsMtdRef<'_, AnalyticsODMtd>) {
        let (Some(label), Ok(location)) = (mtd.obj_type(), mtd.location()) else { return };
        let rect = Rect {
            x: location.x as f32,
            y: location.y as f32,
            width: location.w as f32,
            height: location.h as f32,
        };
        let class = label.into_glib() as usize;
        self.detections.push(Detection { rect, score: location.loc_conf_lvl, class });
        self.labels.push(label);
    }

    /// Class name of detection `index`.
    pub fn label(&self, index: usize) -> &'static str {
        self.labels[index].as_str().as_str()
    }
}
