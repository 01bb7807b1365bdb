//! How well people are tracked and violations found, against the ground truth of rendered clips.

pub mod tracking;
pub mod truth;
pub mod violations;

/// A share of a whole; of nothing, all.
pub fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Left, top, width and height in pixels.
pub type Rect = [f32; 4];

/// Intersection over union, 0 to 1.
pub fn iou(a: &Rect, b: &Rect) -> f32 {
    let rect = |&[x, y, width, height]: &Rect| vision::geometry::Rect { x, y, width, height };
    rect(a).iou(&rect(b))
}
