//! Outputs that list boxes, each with one score and one class.

use std::borrow::Cow;
use std::ops::Range;

use super::boxes::{BoxFormat, Output, class_index};
use super::{HeadError, Options};
use crate::detection::Detection;
use crate::tensor::TensorView;

/// Where one property of a listed box lies: `count` numbers from `first` of each `width` in a row of `output`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub output: Output,
    pub first: usize,
    pub width: usize,
}

impl Column {
    /// The rows of one image. A tensor without batch dimension holds image 0.
    fn rows<'a>(
        &self,
        outputs: &[TensorView<'a>],
        image: usize,
        batched: bool,
    ) -> Result<Rows<'a>, HeadError> {
        let rows = outputs.get(self.output.index).and_then(|view| {
            let skipped = usize::from(batched);
            let batch = if batched { *view.shape.first()? } else { 1 };
            let (count, rest) = view.shape.get(skipped..)?.split_first()?;
            let length = count * self.width;
            (image < batch && rest.iter().product::<usize>() == self.width).then_some(())?;
            let values = view.floats(image * length..(image + 1) * length)?;
            Some(Rows { values, first: self.first, width: self.width, count: *count })
        });
        let (batch, width) = (if batched { "B, " } else { "" }, self.width);
        rows.ok_or_else(|| self.output.error(outputs, image, format!("[{batch}N] rows of {width} numbers")))
    }
}

/// The rows of one image.
struct Rows<'a> {
    values: Cow<'a, [f32]>,
    first: usize,
    width: usize,
    count: usize,
}

impl Rows<'_> {
    fn get(&self, row: usize, index: usize) -> f32 {
        self.values[row * self.width + self.first + index]
    }
}

/// Boxes, scores and classes side by side, in one tensor or in three.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lists {
    pub boxes: Column,
    pub scores: Column,
    pub classes: Column,
    /// How many rows of each image count; all if `None`.
    pub count: Option<Output>,
    /// Whether the tensors have a batch dimension.
    pub batched: bool,
    pub format: BoxFormat,
    /// The index that means the first class name.
    pub first_class: usize,
    pub known_classes: Option<usize>,
}

impl Lists {
    /// Candidates in input pixels, in the order of the rows.
    pub fn decode(
        &self,
        outputs: &[TensorView<'_>],
        image: usize,
        input: (usize, usize),
        options: &Options,
    ) -> Result<Vec<Detection>, HeadError> {
        let boxes = self.boxes.rows(outputs, image, self.batched)?;
        let scores = self.scores.rows(outputs, image, self.batched)?;
        let classes = self.classes.rows(outputs, image, self.batched)?;
        let rows = [&boxes, &scores, &classes].map(|rows| rows.count).into_iter().min().unwrap_or_default();
        let rows = self.counted(outputs, image)?.map_or(rows, |count| count.min(rows));
        let detection = |row: usize| {
            let rect = self.format.rect([0, 1, 2, 3].map(|index| boxes.get(row, index)), input);
            let class = class_index(classes.get(row, 0), self.first_class, self.known_classes)?;
            Ok(Detection { rect, score: scores.get(row, 0), class })
        };
        collect((0..rows).filter(|&row| scores.get(row, 0) > options.confidence).map(detection), options)
    }

    fn counted(&self, outputs: &[TensorView<'_>], image: usize) -> Result<Option<usize>, HeadError> {
        let Some(output) = &self.count else {
            return Ok(None);
        };
        let found =
            outputs.get(output.index).and_then(|view| Some(view.floats(image..image + 1)?[0] as usize));
        found.map(Some).ok_or_else(|| output.error(outputs, image, "[B] counts"))
    }
}

/// Rows of class, score and corners, those of all images one after the other, and how many each image has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counted {
    pub rows: Output,
    pub counts: Output,
    pub known_classes: Option<usize>,
}

impl Counted {
    /// Candidates in input pixels, in the order of the rows.
    pub fn decode(
        &self,
        outputs: &[TensorView<'_>],
        image: usize,
        options: &Options,
    ) -> Result<Vec<Detection>, HeadError> {
        const WIDTH: usize = 6;
        let range =
            self.range(outputs, image).ok_or_else(|| self.counts.error(outputs, image, "[B] counts"))?;
        let rows =
            outputs.get(self.rows.index).and_then(|view| view.floats(range.start * WIDTH..range.end * WIDTH));
        let rows =
            rows.ok_or_else(|| self.rows.error(outputs, image, format!("[{} or more, 6]", range.end)))?;
        let detection = |row: &[f32]| {
            let rect = BoxFormat::CORNERS.rect([row[2], row[3], row[4], row[5]], (0, 0));
            Ok(Detection { rect, score: row[1], class: class_index(row[0], 0, self.known_classes)? })
        };
        collect(rows.chunks_exact(WIDTH).filter(|row| row[1] > options.confidence).map(detection), options)
    }

    /// The rows of one image.
    fn range(&self, outputs: &[TensorView<'_>], image: usize) -> Option<Range<usize>> {
        let counts = outputs.get(self.counts.index)?.floats(0..image + 1)?;
        let start = counts[..image].iter().map(|&count| count as usize).fold(0, usize::saturating_add);
        let end = start.checked_add(counts[image] as usize)?;
        (end <= usize::MAX / 8).then_some(start..end)
    }
}

fn collect(
    detections: impl Iterator<Item = Result<Detection, HeadError>>,
    options: &Options,
) -> Result<Vec<Detection>, HeadError> {
    detections.filter(|found| found.as_ref().map_or(true, |detection| options.wants(detection))).collect()
}
