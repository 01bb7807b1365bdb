//! From shapes to coverage, one row of 2x2 pixel blocks at a time: a block is what one chroma sample stands for.

use std::ops::Range;

use crate::draw::display::Point;
use crate::draw::shape::Shape;
use crate::draw::text::Sprite;
use crate::geometry::Rect;

/// Coverage of a whole pixel.
pub(super) const FULL: u16 = 256;

/// How far a block's pixel centres are from its own centre, rounded up.
const BLOCK_RADIUS: f32 = 0.7072;

/// Something that covers pixels.
pub(super) trait Mask {
    /// What lies outside is not covered.
    fn bounds(&self) -> Rect;

    /// The columns of block row `row` outside of which no pixel is covered.
    fn reach(&self, _row: usize) -> Option<(f32, f32)> {
        let bounds = self.bounds();
        Some((bounds.x, bounds.right()))
    }

    /// Covers the blocks `columns` of block row `row`.
    fn cover(&self, row: usize, columns: Range<usize>, into: &mut BlockRow);

    /// Whether block row `row` is covered as the one above it.
    fn repeats(&self, _row: usize) -> bool {
        false
    }
}

/// The covered parts of one row of blocks. Coverage goes from 0 to [`FULL`].
#[derive(Debug, Default)]
pub(super) struct BlockRow {
    runs: Vec<Run>,
    top: Vec<u16>,
    bottom: Vec<u16>,
    chroma: Vec<u16>,
}

/// Blocks side by side.
#[derive(Debug)]
struct Run {
    /// Column of the first block.
    column: usize,
    /// Which blocks of a [`BlockRow`] they are.
    blocks: Range<usize>,
}

/// What one run covers: its first pixel column, and weights for its pixels and chroma samples.
pub(super) struct Weights<'a> {
    /// First pixel column.
    pub x: usize,
    /// Of the upper pixels.
    pub top: &'a [u16],
    /// Of the lower pixels.
    pub bottom: &'a [u16],
    /// Of the chroma samples.
    pub chroma: &'a [u16],
}

impl BlockRow {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.top.clear();
        self.bottom.clear();
    }

    /// Appends `count` blocks from block `column` on: coverage of the left and right pixels, above and below.
    fn push(&mut self, column: usize, count: usize, top: [u16; 2], bottom: [u16; 2]) {
        self.extend_run(column, count);
        for _ in 0..count {
            self.top.extend_from_slice(&top);
            self.bottom.extend_from_slice(&bottom);
        }
    }

    /// Makes `count` blocks from block `column` on part of the last run, or of a new one where they do not touch it.
    fn extend_run(&mut self, column: usize, count: usize) {
        let start = self.top.len() / 2;
        match self.runs.last_mut() {
            Some(Run { column: first, blocks }) if *first + blocks.len() == column => blocks.end += count,
            _ => self.runs.push(Run { column, blocks: start..start + count }),
        }
    }

    /// Turns coverage into weights of a colour with opacity `alpha`.
    pub fn weigh(&mut self, alpha: u8) {
        let alpha = u32::from(alpha) + u32::from(alpha >> 7);
        for weights in [&mut self.top, &mut self.bottom] {
            let weigh = |weight: &mut u16| *weight = ((u32::from(*weight) * alpha + 128) >> 8) as u16;
            weights.iter_mut().for_each(weigh);
        }
        let (top, bottom) = (self.top.as_chunks::<2>().0, self.bottom.as_chunks::<2>().0);
        let mean =
            |(index, [a, b]): (usize, &[u16; 2])| (a + b + bottom[index][0] + bottom[index][1] + 2) >> 2;
        self.chroma.clear();
        self.chroma.extend(top.iter().enumerate().map(mean));
    }

    /// Gives the pixels that blocks have to the right of column `width`, and those below a last row without a
    /// counterpart, their neighbours' coverage.
    pub fn pad(&mut self, width: usize, last_row: bool) {
        if let Some(Run { column, blocks }) = self.runs.last()
            && 2 * (column + blocks.len()) > width
        {
            let last = 2 * blocks.end - 1;
            self.top[last] = self.top[last - 1];
            self.bottom[last] = self.bottom[last - 1];
        }
        if last_row {
            self.bottom.copy_from_slice(&self.top);
        }
    }

    /// The runs, once they are weighed.
    #[inline]
    pub fn runs(&self) -> impl Iterator<Item = Weights<'_>> {
        self.runs.iter().map(|Run { column, blocks }| {
            let pixels = 2 * blocks.start..2 * blocks.end;
            let (top, bottom) = (&self.top[pixels.clone()], &self.bottom[pixels]);
            Weights { x: 2 * column, top, bottom, chroma: &self.chroma[blocks.clone()] }
        })
    }
}

/// The inside of a shape, or a line along its outline.
pub(super) struct Region<'a, S> {
    shape: &'a S,
    half_width: Option<f32>,
    limit: f32,
    core: Rect,
}

impl<'a, S: Shape> Region<'a, S> {
    /// The inside of `shape`.
    pub fn fill(shape: &'a S) -> Self {
        Self { shape, half_width: None, limit: shape.thickness(), core: shape.core(0.5) }
    }

    /// A line `width` pixels wide along the outline of `shape`.
    pub fn stroke(shape: &'a S, width: f32) -> Self {
        let width = width.max(0.0);
        let half_width = width / 2.0;
        Self {
            shape,
            half_width: Some(half_width),
            limit: width.min(1.0),
            core: shape.core(half_width + 0.5),
        }
    }

    /// Signed distance to the region's own edge.
    fn edge(&self, x: f32, y: f32) -> f32 {
        let distance = self.shape.distance(Point { x, y });
        self.half_width.map_or(distance, |half| distance.abs() - half)
    }

    fn coverage(&self, edge: f32) -> u16 {
        ((0.5 - edge).clamp(0.0, self.limit) * f32::from(FULL) + 0.5) as u16
    }

    /// Coverage of the pixel in column `x`, row `y`.
    fn pixel(&self, x: usize, y: usize) -> u16 {
        self.coverage(self.edge(x as f32 + 0.5, y as f32 + 0.5))
    }

    /// How many blocks from block (`column`, `row`) on are covered alike, and the coverage of their upper and lower
    /// pixels.
    fn alike(&self, column: usize, row: usize) -> (usize, [u16; 2], [u16; 2]) {
        let (x, y) = (2 * column, 2 * row);
        let straight = self.straight_blocks(column);
        if straight > 1 {
            return (straight, [self.pixel(x, y); 2], [self.pixel(x, y + 1); 2]);
        }
        let edge = self.edge(x as f32 + 1.0, y as f32 + 1.0);
        let slack = edge.abs() - 0.5 - BLOCK_RADIUS;
        if slack >= 0.0 {
            // The edge cannot come near any sooner than this.
            return (
                ((slack / 2.0) as usize).saturating_add(1),
                [self.coverage(edge); 2],
                [self.coverage(edge); 2],
            );
        }
        let pair = |y| [self.pixel(x, y), self.pixel(x + 1, y)];
        (1, pair(y), pair(y + 1))
    }

    /// How many blocks from block `column` on differ in nothing, since they lie between the core's sides.
    fn straight_blocks(&self, column: usize) -> usize {
        if pixel_centre(column) < self.core.x {
            return 0;
        }
        ((self.core.right() + 0.5) / 2.0 - column as f32).max(0.0) as usize
    }
}

/// Centre of the first pixel of block `index`.
fn pixel_centre(index: usize) -> f32 {
    2.0 * index as f32 + 0.5
}

impl<S: Shape> Mask for Region<'_, S> {
    fn bounds(&self) -> Rect {
        let margin = self.half_width.unwrap_or(0.0) + 0.5;
        let Rect { x, y, width, height } = self.shape.bounds();
        Rect { x: x - margin, y: y - margin, width: width + 2.0 * margin, height: height + 2.0 * margin }
    }

    fn reach(&self, row: usize) -> Option<(f32, f32)> {
        // A pixel more than need be, for what rounding does to where an outline lies.
        let margin = self.half_width.unwrap_or(0.0) + 1.5;
        let top = 2.0 * row as f32;
        let (left, right) = self.shape.reach(top - margin, top + 2.0 + margin)?;
        Some((left - margin, right + margin))
    }

    fn cover(&self, row: usize, columns: Range<usize>, into: &mut BlockRow) {
        let mut column = columns.start;
        while column < columns.end {
            let (count, top, bottom) = self.alike(column, row);
            let count = count.min(columns.end - column);
            if top != [0, 0] || bottom != [0, 0] {
                into.push(column, count, top, bottom);
            }
            column += count;
        }
    }

    fn repeats(&self, row: usize) -> bool {
        row > 0 && pixel_centre(row - 1) >= self.core.y && pixel_centre(row) + 1.0 <= self.core.bottom()
    }
}

/// A sprite at its place.
pub(super) struct PlacedSprite<'a> {
    pub sprite: &'a Sprite,
    pub x: i32,
    pub y: i32,
}

impl PlacedSprite<'_> {
    /// Appends the coverage of the pixels `columns` of row `y` of the frame.
    fn append_row(&self, y: usize, columns: Range<usize>, into: &mut Vec<u16>) {
        let end = into.len() + columns.len();
        let row = y as i64 - i64::from(self.y) - i64::from(self.sprite.top());
        if (0..self.sprite.height() as i64).contains(&row) {
            let width = self.sprite.width();
            let bytes = &self.sprite.coverage()[row as usize * width..][..width];
            let first = columns.start as i64 - i64::from(self.x) - i64::from(self.sprite.left());
            let (before, skipped) = ((-first).max(0) as usize, first.max(0) as usize);
            into.resize(end.min(into.len() + before), 0);
            let visible = &bytes[skipped.min(width)..];
            let visible = &visible[..visible.len().min(end - into.len())];
            into.extend(visible.iter().map(|byte| u16::from(*byte) + u16::from(*byte >> 7)));
        }
        into.resize(end, 0);
    }
}

impl Mask for PlacedSprite<'_> {
    fn bounds(&self) -> Rect {
        Rect {
            x: self.x as f32 + self.sprite.left() as f32,
            y: self.y as f32 + self.sprite.top() as f32,
            width: self.sprite.width() as f32,
            height: self.sprite.height() as f32,
        }
    }

    fn cover(&self, row: usize, columns: Range<usize>, into: &mut BlockRow) {
        let pixels = 2 * columns.start..2 * columns.end;
        into.extend_run(columns.start, columns.len());
        self.append_row(2 * row, pixels.clone(), &mut into.top);
        self.append_row(2 * row + 1, pixels, &mut into.bottom);
    }
}
