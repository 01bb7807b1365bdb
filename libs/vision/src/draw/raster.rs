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
    runs: Vec<(usize, Range<usize>)>,
    top: Vec<u16>,
    bottom: Vec<u16>,
    next: usize,
}

impl BlockRow {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.top.clear();
        self.bottom.clear();
    }

    /// Appends `count` blocks from block `column` on: coverage of the left and right pixels, above and below.
    pub fn push(&mut self, column: usize, count: usize, top: [u16; 2], bottom: [u16; 2]) {
        let start = self.top.len();
        let end = start + 2 * count;
        self.top.extend(std::iter::repeat_n(top, count).flatten());
        self.bottom.extend(std::iter::repeat_n(bottom, count).flatten());
        match self.runs.last_mut() {
            Some((_, run)) if self.next == column => run.end = end,
            _ => self.runs.push((2 * column, start..end)),
        }
        self.next = column + count;
    }

    /// Each run's first pixel column, and the coverage of its upper and lower pixels.
    pub fn runs(&self) -> impl Iterator<Item = (usize, &[u16], &[u16])> {
        self.runs
            .iter()
            .map(|(x, run)| (*x, &self.top[run.clone()], &self.bottom[run.clone()]))
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
        Self {
            shape,
            half_width: None,
            limit: shape.thickness(),
            core: shape.core(0.5),
        }
    }

    /// A line `width` pixels wide along the outline of `shape`.
    pub fn stroke(shape: &'a S, width: f32) -> Self {
        let half_width = width.max(0.0) / 2.0;
        Self {
            shape,
            half_width: Some(half_width),
            limit: width.clamp(0.0, 1.0),
            core: shape.core(half_width + 0.5),
        }
    }

    /// Signed distance to the region's own edge.
    fn edge(&self, x: f32, y: f32) -> f32 {
        let distance = self.shape.distance(Point { x, y });
        self.half_width.map_or(distance, |half| distance.abs() - half)
    }

    fn coverage(&self, edge: f32) -> u16 {
        ((0.5 - edge).clamp(0.0, self.limit) * f32::from(FULL)).round() as u16
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
                (slack / 2.0) as usize + 1,
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
        Rect {
            x: x - margin,
            y: y - margin,
            width: width + 2.0 * margin,
            height: height + 2.0 * margin,
        }
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
    /// Row `y` of the frame as far as the sprite has one.
    fn row(&self, y: usize) -> &[u8] {
        let row = y as i64 - i64::from(self.y) - i64::from(self.sprite.top());
        match usize::try_from(row) {
            Ok(row) if row < self.sprite.height() => {
                &self.sprite.coverage()[row * self.sprite.width()..][..self.sprite.width()]
            }
            _ => &[],
        }
    }

    /// Coverage of the pixel in column `x` of the frame, given its row of the sprite.
    fn pixel(&self, row: &[u8], x: usize) -> u16 {
        let column = x as i64 - i64::from(self.x) - i64::from(self.sprite.left());
        let coverage = usize::try_from(column)
            .ok()
            .and_then(|column| row.get(column))
            .copied()
            .unwrap_or(0);
        u16::from(coverage) + u16::from(coverage >> 7)
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
        let (upper, lower) = (self.row(2 * row), self.row(2 * row + 1));
        for column in columns {
            let pair = |row| [2 * column, 2 * column + 1].map(|x| self.pixel(row, x));
            into.push(column, 1, pair(upper), pair(lower));
        }
    }
}
