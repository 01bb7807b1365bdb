//! What a detector says about a frame.

use crate::geometry::Rect;

/// One object that a network saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Where, in source pixels.
    pub rect: Rect,
    /// How sure the network is, 0 to 1.
    pub score: f32,
    /// Index into the model's class names.
    pub class: usize,
}
