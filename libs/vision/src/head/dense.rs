//! Outputs that hold a box and a score for every class at every position.

use std::borrow::Cow;

use super::boxes::{BoxFormat, Output};
use super::{HeadError, Options};
use crate::detection::Detection;
use crate::tensor::TensorView;

/// A tensor of `values` numbers (box, perhaps objectness, class scores) for each of N positions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dense {
    pub output: Output,
    /// `[B, values, N]` instead of `[B, N, values]`.
    pub planes: bool,
    pub objectness: bool,
    pub grid: bool,
    pub format: BoxFormat,
    pub classes: usize,
}

/// The best class of every position, and its score; 0 where no score exceeds the threshold.
struct Best {
    scores: Vec<f32>,
    classes: Vec<u32>,
}

impl Dense {
    /// Candidates in input pixels, in the order of their positions.
    pub fn decode(
        &self,
        outputs: &[TensorView<'_>],
        image: usize,
        input: (usize, usize),
        options: &Options,
    ) -> Result<Vec<Detection>, HeadError> {
        let (values, positions) = self.image(outputs, image)?;
        let cells = if self.grid { grid(input, positions) } else { Some(Vec::new()) };
        let cells = cells.ok_or_else(|| self.error(outputs, image, input))?;
        let best = self.best(&values, positions, options.confidence);
        let sure = (0..positions).filter(|&at| best.scores[at] > options.confidence);
        let detection = |at: usize| {
            let numbers = [0, 1, 2, 3].map(|index| values[self.at(positions, at, index)]);
            let numbers = cells.get(at).map_or(numbers, |cell| cell.decode(numbers));
            let rect = self.format.rect(numbers, input);
            Detection { rect, score: best.scores[at], class: best.classes[at] as usize }
        };
        Ok(sure.map(detection).filter(|detection| options.wants(detection)).collect())
    }

    /// Numbers for each position.
    fn width(&self) -> usize {
        4 + usize::from(self.objectness) + self.classes
    }

    /// The numbers of one image, and how many positions they describe.
    fn image<'a>(
        &self,
        outputs: &[TensorView<'a>],
        image: usize,
    ) -> Result<(Cow<'a, [f32]>, usize), HeadError> {
        let width = self.width();
        let found = outputs.get(self.output.index).and_then(|view| {
            let positions = match view.shape[..] {
                [batch, values, positions] if self.planes && values == width && image < batch => positions,
                [batch, positions, values] if !self.planes && values == width && image < batch => positions,
                _ => return None,
            };
            let length = width * positions;
            Some((view.floats(image * length..(image + 1) * length)?, positions))
        });
        let expected = if self.planes { format!("[B, {width}, N]") } else { format!("[B, N, {width}]") };
        found.ok_or_else(|| self.output.error(outputs, image, expected))
    }

    fn error(&self, outputs: &[TensorView<'_>], image: usize, (width, height): (usize, usize)) -> HeadError {
        let expected = format!("one position for each grid cell of a {width}x{height} input");
        self.output.error(outputs, image, expected)
    }

    /// Where number `index` of a position lies.
    fn at(&self, positions: usize, position: usize, index: usize) -> usize {
        if self.planes { index * positions + position } else { position * self.width() + index }
    }

    fn best(&self, values: &[f32], positions: usize, confidence: f32) -> Best {
        let mut best = Best { scores: vec![0.0; positions], classes: vec![0; positions] };
        if self.planes {
            best_of_planes(&values[4 * positions..], positions, &mut best);
        } else {
            self.best_of_rows(values, confidence, &mut best);
        }
        best
    }

    fn best_of_rows(&self, values: &[f32], confidence: f32, best: &mut Best) {
        let slots = best.scores.iter_mut().zip(&mut best.classes);
        for (row, (score, class)) in values.chunks_exact(self.width()).zip(slots) {
            let (objectness, scores) = if self.objectness { (row[4], &row[5..]) } else { (1.0, &row[4..]) };
            // A class score is 1 at most, so what this skips cannot reach the threshold.
            if objectness > confidence {
                let (index, highest) = highest(scores);
                (*score, *class) = (objectness * highest, index);
            }
        }
    }
}

/// Works through planes of scores in blocks that fit the first-level cache.
fn best_of_planes(planes: &[f32], positions: usize, best: &mut Best) {
    const BLOCK: usize = 1024;
    let blocks = best.scores.chunks_mut(BLOCK).zip(best.classes.chunks_mut(BLOCK));
    for (block, (scores, classes)) in blocks.enumerate() {
        for (class, plane) in planes.chunks_exact(positions).enumerate() {
            raise(&plane[block * BLOCK..][..scores.len()], class as u32, scores, classes);
        }
    }
}

/// Replaces each best score that `plane` exceeds.
fn raise(plane: &[f32], class: u32, scores: &mut [f32], classes: &mut [u32]) {
    for ((&value, score), best) in plane.iter().zip(scores).zip(classes) {
        let better = value > *score;
        *score = if better { value } else { *score };
        *best = if better { class } else { *best };
    }
}

/// The first of the highest scores above 0 and its index.
fn highest(scores: &[f32]) -> (u32, f32) {
    let first = |best: (u32, f32), (index, &score): (usize, &f32)| {
        if score > best.1 { (index as u32, score) } else { best }
    };
    scores.iter().enumerate().fold((0, 0.0), first)
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
