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
    let along = |axis: usize| (a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]) - a[axis].max(b[axis]);
    let both = along(0).max(0.0) * along(1).max(0.0);
    let union = a[2] * a[3] + b[2] * b[3] - both;
    if union > 0.0 { both / union } else { 0.0 }
}
