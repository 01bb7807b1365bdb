//! Outputs that hold a box and a score for every class at every position.

use std::borrow::Cow;

use super::boxes::{BoxFormat, Output};
use super::candidates::{Candidate, DenseLayout};
use super::{HeadError, Options};
use crate::detection::Detection;
use crate::tensor::TensorView;

/// A tensor of boxes and scores.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dense {
    pub name: String,
    pub layout: DenseLayout,
    pub grid: bool,
    pub format: BoxFormat,
}

impl Dense {
    /// Detections in input pixels, in the order of their positions.
    pub fn decode(
        &self,
        outputs: &[TensorView<'_>],
        image: usize,
        input: (usize, usize),
        options: &Options,
    ) -> Result<Vec<Detection>, HeadError> {
        let (values, positions) = self.image(outputs, image)?;
        let candidates = self.layout.candidates(&values, image, options.confidence);
        self.decode_candidates(&candidates, positions, input, options)
    }

    /// As [`Self::decode`], for an output of `positions` whose candidates were found elsewhere.
    pub fn decode_candidates(
        &self,
        candidates: &[Candidate],
        positions: usize,
        input: (usize, usize),
        options: &Options,
    ) -> Result<Vec<Detection>, HeadError> {
        let cells = if self.grid { grid(input, positions) } else { Some(Vec::new()) };
        let cells = cells.ok_or_else(|| self.not_a_grid(candidates, positions, input))?;
        let detection = |found: &Candidate| {
            let cell = cells.get(found.position as usize);
            let rect = self.format.rect(cell.map_or(found.numbers, |cell| cell.decode(found.numbers)), input);
            Detection { rect, score: found.score, class: found.class as usize }
        };
        let sure = candidates.iter().filter(|found| found.score > options.confidence);
        let mut detections = Vec::with_capacity(candidates.len());
        detections.extend(sure.map(detection).filter(|detection| options.wants(detection)));
        Ok(detections)
    }

    /// The numbers of one image, and how many positions they describe.
    fn image<'a>(
        &self,
        outputs: &[TensorView<'a>],
        image: usize,
    ) -> Result<(Cow<'a, [f32]>, usize), HeadError> {
        let found = outputs.get(self.layout.output).and_then(|view| {
            let positions = self.layout.positions(&view.shape).filter(|_| image < view.shape[0])?;
            let length = self.layout.width() * positions;
            Some((view.floats(image * length..(image + 1) * length)?, positions))
        });
        found.ok_or_else(|| {
            let width = self.layout.width();
            let expected =
                if self.layout.planes { format!("[B, {width}, N]") } else { format!("[B, N, {width}]") };
            self.output().error(outputs, image, expected)
        })
    }

    fn output(&self) -> Output {
        Output { index: self.layout.output, name: self.name.clone() }
    }

    fn not_a_grid(
        &self,
        candidates: &[Candidate],
        positions: usize,
        (width, height): (usize, usize),
    ) -> HeadError {
        HeadError::Shape {
            output: self.name.clone(),
            expected: format!("one position for each grid cell of a {width}x{height} input"),
            image: candidates.first().map_or(0, |candidate| candidate.image as usize),
            found: vec![positions],
        }
    }
}

/// A cell of an output grid.
#[derive(Clone, Copy)]
struct Cell {
    x: f32,
    y: f32,
    stride: f32,
}

impl Cell {
    /// Centre and size in input pixels from an offset in cells and the logarithm of a size in cells.
    fn decode(&self, [x, y, width, height]: [f32; 4]) -> [f32; 4] {
        let stride = self.stride;
        [(x + self.x) * stride, (y + self.y) * stride, width.exp() * stride, height.exp() * stride]
    }
}

/// Strides of the grids of an output with one position for each cell, or `anchors` for each cell; finest first.
pub(super) fn strides(input: (usize, usize), positions: usize, anchors: usize) -> Option<&'static [usize]> {
    const LEVELS: [&[usize]; 2] = [&[8, 16, 32], &[8, 16, 32, 64]];
    let cells = |strides: &&&[usize]| {
        strides.iter().map(|stride| (input.0 / stride) * (input.1 / stride)).sum::<usize>()
    };
    LEVELS.iter().find(|strides| cells(strides) * anchors == positions).copied()
}

/// The cells of all grids over an `input` (width, height), if they are `positions` many.
fn grid(input: (usize, usize), positions: usize) -> Option<Vec<Cell>> {
    let level = |&stride: &usize| {
        let (columns, rows) = (input.0 / stride, input.1 / stride);
        (0..rows * columns).map(move |index| Cell {
            x: (index % columns) as f32,
            y: (index / columns) as f32,
            stride: stride as f32,
        })
    };
    Some(strides(input, positions, 1)?.iter().flat_map(level).collect())
}
