//! From a network's output to boxes.

mod boxes;
mod candidates;
mod dense;
mod layout;
mod lists;

use std::collections::BTreeSet;

use crate::detection::Detection;
use crate::geometry::Placement;
use crate::nms;
use crate::tensor::TensorView;

pub use candidates::{Candidate, DenseLayout};
pub use layout::{Hints, LayoutError};

/// The layouts of detector output that are known. In a sidecar file they go by their names in kebab-case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// `[B, 4+C, N]` or `[B, N, 4+C]`: centre and size in input pixels, a score for each class. YOLOv8, v9, v11, v12,
    /// YOLOv5u, YOLO26 without its end-to-end head.
    Yolo,
    /// `[B, N, 5+C]`: centre and size in input pixels, objectness, a score for each class. YOLOv5, YOLOv7.
    Yolov5,
    /// `[B, N, 5+C]`: as [`HeadKind::Yolov5`], but centre and size are still relative to the cells of the grid.
    Yolox,
    /// YOLOX exported with its boxes decoded: centre and size in input pixels.
    YoloxDecoded,
    /// `[B, N, 6]`: corners in input pixels, score, class. YOLOv10, YOLO26, and models exported with NMS.
    EndToEnd,
    /// `[B, N, 4+C]` or `[B, N, 6]`: centre and size from 0 to 1, then a score for each class or one score and class.
    /// RT-DETR as ultralytics exports it.
    RtDetr,
    /// `labels [B, N]`, `boxes [B, N, 4]`, `scores [B, N]`: corners in pixels. RT-DETR as its authors export it.
    Detr,
    /// `boxes [N, 4]`, `labels [N]`, `scores [N]`: corners in input pixels. SSD and Faster R-CNN of torchvision.
    Torchvision,
    /// `detection_boxes [B, N, 4]`, `detection_classes [B, N]`, `detection_scores [B, N]` and perhaps `num_detections
    /// [B]`: top, left, bottom, right from 0 to 1. SSD and EfficientDet of TensorFlow.
    Tensorflow,
    /// `[M, 6]`: class, score, corners in input pixels; and `[B]`, the number of rows of each image. PaddleDetection.
    Paddle,
}

impl HeadKind {
    /// Whether overlapping boxes are still to be removed.
    pub fn needs_nms(self) -> bool {
        matches!(self, Self::Yolo | Self::Yolov5 | Self::Yolox | Self::YoloxDecoded)
    }
}

/// What to keep of a network's output.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Only scores strictly above this are kept, 0 to 1.
    pub confidence: f32,
    /// Of two boxes that overlap by more than this the less sure one is dropped, 0 to 1. Only for heads that leave that
    /// to be done.
    pub iou: f32,
    /// At most this many boxes, the surest ones.
    pub max_detections: usize,
    /// Only these classes; all if `None`.
    pub classes: Option<BTreeSet<usize>>,
    /// Whether boxes of different classes suppress each other.
    pub class_agnostic: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { confidence: 0.25, iou: 0.7, max_detections: 300, classes: None, class_agnostic: false }
    }
}

impl Options {
    /// Whether a sure enough box is wanted: its numbers are finite and its class is one of those asked for.
    fn wants(&self, detection: &Detection) -> bool {
        let rect = detection.rect;
        let finite =
            [rect.x, rect.y, rect.width, rect.height, detection.score].iter().all(|value| value.is_finite());
        let class = self.classes.as_ref().is_none_or(|classes| classes.contains(&detection.class));
        finite && class
    }
}

/// The network returned something else than it declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A tensor has another shape.
    #[error(
        "output `{output}`: expected {expected} for image {image} of the batch, but the shape is {found:?}: \
         export the model again, with shapes that it keeps to"
    )]
    Shape {
        /// Name of the output.
        output: String,
        /// What the head expects.
        expected: String,
        /// Index of the image in the batch.
        image: usize,
        /// What came.
        found: Vec<usize>,
    },
    /// Candidates came for an output that lists boxes.
    #[error("the model's output lists boxes and has no candidates")]
    NotDense,
    /// A detection's class has no name.
    #[error("the model returned class {found}, but only {classes} class names are known: correct the labels")]
    Class {
        /// What came, as it came.
        found: String,
        /// How many class names are known.
        classes: usize,
    },
}

/// Decodes the output of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    kind: HeadKind,
    decoder: Decoder,
}

#[derive(Clone, Debug, PartialEq)]
enum Decoder {
    Dense(dense::Dense),
    Lists(lists::Lists),
    Counted(lists::Counted),
}

impl Head {
    /// The layout.
    pub fn kind(&self) -> HeadKind {
        self.kind
    }

    /// How many classes the output tells apart, where its shape says so.
    pub fn classes(&self) -> Option<usize> {
        match &self.decoder {
            Decoder::Dense(dense) => Some(dense.layout.classes),
            Decoder::Lists(_) | Decoder::Counted(_) => None,
        }
    }

    /// Decodes image `image` of a batch. `outputs` are the model's, in order; `placement` says where the frame lies in
    /// the input. Boxes are in source pixels, cut off at the frame's borders (those outside it dropped), surest first.
    ///
    /// # Errors
    /// When the tensors do not have the shapes that the model declared, or a class index has no name.
    pub fn decode(
        &self,
        outputs: &[TensorView<'_>],
        image: usize,
        placement: &Placement,
        options: &Options,
    ) -> Result<Vec<Detection>, HeadError> {
        let detections = match &self.decoder {
            Decoder::Dense(dense) => dense.decode(outputs, image, placement.input, options),
            Decoder::Lists(lists) => lists.decode(outputs, image, placement.input, options),
            Decoder::Counted(counted) => counted.decode(outputs, image, options),
        }?;
        Ok(self.select(detections, placement, options))
    }

    /// As [`Self::decode`], for one image of a dense output of `positions` whose `candidates` were found elsewhere: in any
    /// case all those above the threshold of `options`, in the order of their positions.
    ///
    /// # Errors
    /// When the head is not dense, or has not one position for each cell of its grid.
    pub fn decode_candidates(
        &self,
        candidates: &[Candidate],
        positions: usize,
        placement: &Placement,
        options: &Options,
    ) -> Result<Vec<Detection>, HeadError> {
        let Decoder::Dense(dense) = &self.decoder else { return Err(HeadError::NotDense) };
        let detections = dense.decode_candidates(candidates, positions, placement.input, options)?;
        Ok(self.select(detections, placement, options))
    }

    /// How the output holds its candidates; `None` where it lists boxes.
    pub fn dense_layout(&self) -> Option<DenseLayout> {
        match &self.decoder {
            Decoder::Dense(dense) => Some(dense.layout),
            Decoder::Lists(_) | Decoder::Counted(_) => None,
        }
    }

    /// The surest ones in source pixels.
    fn select(&self, detections: Vec<Detection>, placement: &Placement, options: &Options) -> Vec<Detection> {
        let kept = if self.kind.needs_nms() {
            nms::suppress(detections, options.iou, options.class_agnostic, options.max_detections)
        } else {
            nms::surest(detections, options.max_detections)
        };
        kept.into_iter().filter_map(|detection| to_source(detection, placement)).collect()
    }
}

fn to_source(detection: Detection, placement: &Placement) -> Option<Detection> {
    let (width, height) = placement.source;
    let rect = placement.to_source(detection.rect).clamp(width as f32, height as f32);
    (rect.area() > 0.0).then_some(Detection { rect, ..detection })
}
