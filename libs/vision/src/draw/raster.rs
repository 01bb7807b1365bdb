//! From shapes to coverage, one row of 2x2 pixel blocks at a time: a block is what one chroma sample stands for.

use std::ops::Range;

use crate::draw::display::Point;
use crate::draw::shape::RoundedRect;
use crate::draw::text::Sprite;
use crate::geometry::Rect;

/// Coverage of a whole pixel.
pub(super) const FULL: u16 = 256;

/// How far a block's pixel centres are from its own centre, rounded up.
const BLOCK_RADIUS: f32 = 0.7072;

/// Blocks that are covered alike and are fewer than these are listed one by one.
const FEW: usize = 4;

/// Those of the `blocks` of two pixels that lie between `from` and `to`.
pub(super) fn blocks_between(from: f32, to: f32, blocks: Range<usize>) -> Range<usize> {
    let end = ((to / 2.0).ceil().max(0.0) as usize).clamp(blocks.start, blocks.end);
    ((from / 2.0).floor().max(0.0) as usize).clamp(blocks.start, end)..end
}

/// Something that covers pixels.
pub(super) trait Mask {
    /// What lies outside is not covered.
    fn bounds(&self) -> Rect;

    /// Covers those of the blocks `columns` of block row `row` that are not empty, from left to right.
    fn cover(&mut self, row: usize, columns: Range<usize>, into: &mut BlockRow);

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
    count: usize,
    cover: Cover,
}

/// How the pixels of a run are covered.
#[derive(Debug)]
enum Cover {
    /// All alike.
    Even(u16),
    /// Each in its own way: the first block's index in a [`BlockRow`].
    Each(usize),
}

/// Weights of pixels or samples side by side.
#[derive(Clone, Copy)]
pub(super) enum Weights<'a> {
    /// All have the same one.
    Even {
        /// The weight.
        weight: u16,
        /// How many there are.
        count: usize,
    },
    /// Each has its own.
    Each(&'a [u16]),
}

/// What one run covers: its first pixel column, and weights for its pixels and chroma samples.
pub(super) struct Weighted<'a> {
    /// First pixel column.
    pub x: usize,
    /// Of the upper pixels.
    pub top: Weights<'a>,
    /// Of the lower pixels.
    pub bottom: Weights<'a>,
    /// Of the chroma samples.
    pub chroma: Weights<'a>,
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
        if count >= FEW && top == bottom && top[0] == top[1] {
            return self.push_even(column, count, top[0]);
        }
        self.extend_run(column, count);
        for _ in 0..count {
            self.top.extend_from_slice(&top);
            self.bottom.extend_from_slice(&bottom);
        }
    }

    /// Appends `count` blocks from block `column` on that are covered alike.
    pub fn push_even(&mut self, column: usize, count: usize, coverage: u16) {
        if count > 0 {
            self.runs.push(Run { column, count, cover: Cover::Even(coverage) });
        }
    }

    /// Appends `count` blocks from block `column` on, not yet covered, and returns their upper and lower pixels.
    pub fn push_each(&mut self, column: usize, count: usize) -> (&mut [u16], &mut [u16]) {
        let start = self.top.len();
        self.extend_run(column, count);
        self.top.resize(start + 2 * count, 0);
        self.bottom.resize(start + 2 * count, 0);
        (&mut self.top[start..], &mut self.bottom[start..])
    }

    /// Makes `count` blocks from block `column` on part of the last run, or of a new one where they do not touch it.
    fn extend_run(&mut self, column: usize, count: usize) {
        let first = self.top.len() / 2;
        match self.runs.last_mut() {
            Some(Run { column: start, count: before, cover: Cover::Each(_) })
                if *start + *before == column =>
            {
                *before += count;
            }
            _ => self.runs.push(Run { column, count, cover: Cover::Each(first) }),
        }
    }

    /// Turns coverage into weights of a colour with opacity `alpha`.
    pub fn weigh(&mut self, alpha: u8) {
        let alpha = u32::from(alpha) + u32::from(alpha >> 7);
        let weigh = |weight: &mut u16| *weight = ((u32::from(*weight) * alpha + 128) >> 8) as u16;
        // Opaque colours leave coverage as it is.
        if alpha < u32::from(FULL) {
            self.top.iter_mut().chain(&mut self.bottom).for_each(weigh);
            self.runs.iter_mut().for_each(|run| {
                if let Cover::Even(coverage) = &mut run.cover {
                    weigh(coverage);
                }
            });
        }
        let (top, bottom) = (self.top.as_chunks::<2>().0, self.bottom.as_chunks::<2>().0);
        let mean = |([a, b], [c, d]): (&[u16; 2], &[u16; 2])| (a + b + c + d + 2) >> 2;
        self.chroma.clear();
        self.chroma.extend(top.iter().zip(bottom).map(mean));
    }

    /// Gives the pixels that blocks have to the right of column `width`, and those below a last row without a
    /// counterpart, their neighbours' coverage.
    pub fn pad(&mut self, width: usize, last_row: bool) {
        if let Some(Run { column, count, cover: Cover::Each(first) }) = self.runs.last()
            && 2 * (column + count) > width
        {
            let last = 2 * (first + count) - 1;
            self.top[last] = self.top[last - 1];
            self.bottom[last] = self.bottom[last - 1];
        }
        if last_row {
            self.bottom.copy_from_slice(&self.top);
        }
    }

    /// The runs, once they are weighed.
    #[inline]
    pub fn runs(&self) -> impl Iterator<Item = Weighted<'_>> {
        self.runs.iter().map(|Run { column, count, cover }| {
            let (x, count) = (2 * column, *count);
            match cover {
                Cover::Even(weight) => {
                    let weights = |count| Weights::Even { weight: *weight, count };
                    Weighted {
                        x,
                        top: weights(2 * count),
                        bottom: weights(2 * count),
                        chroma: weights(count),
                    }
                }
                Cover::Each(first) => {
                    let pixels = 2 * first..2 * (first + count);
                    let (top, bottom) = (&self.top[pixels.clone()], &self.bottom[pixels]);
                    let chroma = &self.chroma[*first..first + count];
                    let [top, bottom, chroma] = [top, bottom, chroma].map(Weights::Each);
                    Weighted { x, top, bottom, chroma }
                }
            }
        })
    }
}

/// The inside of a box, or a line along its outline.
pub(super) struct BoxMask<'a> {
    shape: &'a RoundedRect,
    half_width: Option<f32>,
    limit: f32,
    core: Rect,
}

impl<'a> BoxMask<'a> {
    /// The inside of `shape`.
    pub fn fill(shape: &'a RoundedRect) -> Self {
        Self { shape, half_width: None, limit: shape.thickness(), core: shape.core(0.5) }
    }

    /// A line `width` pixels wide along the outline of `shape`.
    pub fn stroke(shape: &'a RoundedRect, width: f32) -> Self {
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
        coverage(edge, self.limit)
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

/// Coverage, at most `limit`, of a pixel whose centre lies `edge` pixels from the edge, negative inside.
pub(super) fn coverage(edge: f32, limit: f32) -> u16 {
    // Through i32, for which vector instructions exist everywhere.
    ((0.5 - edge).clamp(0.0, limit) * f32::from(FULL) + 0.5) as i32 as u16
}

/// Centre of the first pixel of block `index`.
fn pixel_centre(index: usize) -> f32 {
    2.0 * index as f32 + 0.5
}

impl Mask for BoxMask<'_> {
    fn bounds(&self) -> Rect {
        let margin = self.half_width.unwrap_or(0.0) + 0.5;
        let Rect { x, y, width, height } = self.shape.bounds();
        Rect { x: x - margin, y: y - margin, width: width + 2.0 * margin, height: height + 2.0 * margin }
    }

    fn cover(&mut self, row: usize, columns: Range<usize>, into: &mut BlockRow) {
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

    fn cover(&mut self, row: usize, columns: Range<usize>, into: &mut BlockRow) {
        let pixels = 2 * columns.start..2 * columns.end;
        into.extend_run(columns.start, columns.len());
        self.append_row(2 * row, pixels.clone(), &mut into.top);
        self.append_row(2 * row + 1, pixels, &mut into.bottom);
    }
}
