//! What four numbers of an output mean as a box.

use crate::geometry::Rect;
use crate::tensor::TensorView;

use super::HeadError;

/// Order of a box's four numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Corners {
    /// Centre x, centre y, width, height.
    Centre,
    /// Left, top, right, bottom.
    LeftTop,
    /// Top, left, bottom, right.
    TopLeft,
}

/// How a box is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BoxFormat {
    pub corners: Corners,
    /// From 0 to 1 over the input, instead of in input pixels.
    pub normalised: bool,
}

impl BoxFormat {
    pub const CENTRE: Self = Self { corners: Corners::Centre, normalised: false };
    pub const CORNERS: Self = Self { corners: Corners::LeftTop, normalised: false };

    /// The box in pixels of an `input` (width, height).
    pub fn rect(self, [a, b, c, d]: [f32; 4], input: (usize, usize)) -> Rect {
        let rect = match self.corners {
            Corners::Centre => Rect::from_centre(a, b, c, d),
            Corners::LeftTop => Rect::from_corners(a, b, c, d),
            Corners::TopLeft => Rect::from_corners(b, a, d, c),
        };
        if !self.normalised {
            return rect;
        }
        let (width, height) = (input.0 as f32, input.1 as f32);
        Rect {
            x: rect.x * width,
            y: rect.y * height,
            width: rect.width * width,
            height: rect.height * height,
        }
    }
}

/// One of the model's outputs: its position among them and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    pub index: usize,
    pub name: String,
}

impl Output {
    /// An error that says that this output is not `expected`.
    pub fn error(&self, outputs: &[TensorView<'_>], image: usize, expected: impl Into<String>) -> HeadError {
        let found = outputs.get(self.index).map(|view| view.shape.clone()).unwrap_or_default();
        HeadError::Shape { output: self.name.clone(), expected: expected.into(), image, found }
    }
}

/// A class index as a network writes it, counted from `first`.
///
/// # Errors
/// When it is none of `known` classes.
pub(super) fn class_index(value: f32, first: usize, known: Option<usize>) -> Result<usize, HeadError> {
    let index = value - first as f32;
    let limit = known.unwrap_or(u16::MAX as usize);
    if index >= 0.0 && index < limit as f32 && index.fract() == 0.0 {
        return Ok(index as usize);
    }
    Err(HeadError::Class { found: value.to_string(), classes: limit })
}
