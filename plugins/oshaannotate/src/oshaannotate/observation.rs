//! What upstream detectors and trackers attached to a buffer.

use gst::glib;
use gst::glib::translate::IntoGlib;
use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsMtdRef, AnalyticsODMtd, AnalyticsRelationMeta, AnalyticsTrackingMtd, RelTypes};
use vision::detection::Detection;
use vision::geometry::Rect;

/// The detections of one frame.
#[derive(Debug, Default)]
pub(super) struct Observation {
    /// Boxes in source pixels; `class` is the label's number in this process, the same in every frame.
    pub detections: Vec<Detection>,
    /// The tracks that upstream gave them.
    pub tracks: Vec<Option<u64>>,
    /// Their numbers in the relation meta.
    pub ids: Vec<u32>,
    labels: Vec<glib::Quark>,
}

impl Observation {
    /// Reads `buffer`; `None` if no detector looked at it.
    pub fn of(buffer: &gst::BufferRef) -> Option<Self> {
        let meta = buffer.meta::<AnalyticsRelationMeta>()?;
        let mut observation = Self::with_capacity(meta.iter::<AnalyticsODMtd>().count());
        for mtd in meta.iter::<AnalyticsODMtd>() {
            observation.add(&mtd);
        }
        for track in meta.iter::<AnalyticsTrackingMtd>() {
            observation.name(&track, &meta);
        }
        Some(observation)
    }

    fn with_capacity(detections: usize) -> Self {
        Self {
            detections: Vec::with_capacity(detections),
            tracks: Vec::with_capacity(detections),
            ids: Vec::with_capacity(detections),
            labels: Vec::with_capacity(detections),
        }
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
        self.tracks.push(None);
        self.ids.push(mtd.id());
        self.labels.push(label);
    }

    /// Gives the number of a track that is in view to the detection that it is related to, in either direction.
    fn name(&mut self, track: &AnalyticsMtdRef<'_, AnalyticsTrackingMtd>, meta: &AnalyticsRelationMeta) {
        let (number, _, _, is_lost) = track.info();
        let related = |id: &u32| {
            [(*id, track.id()), (track.id(), *id)]
                .into_iter()
                .any(|(from, to)| meta.relation(from, to) != RelTypes::NONE)
        };
        if let Some(index) = self.ids.iter().position(related).filter(|_| !is_lost) {
            self.tracks[index] = Some(number);
        }
    }

    /// Class name of detection `index`.
    pub fn label(&self, index: usize) -> &'static str {
        self.labels[index].as_str().as_str()
    }

    /// How sure the detector is of each detection, 0 to 1.
    pub fn scores(&self) -> Vec<f32> {
        self.detections.iter().map(|detection| detection.score).collect()
    }
}
