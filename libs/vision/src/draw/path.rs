//! Paths: what they cover is looked for near their lines only; what lies between two lines is inside or outside as a whole.

use std::ops::Range;

use crate::draw::display::Point;
use crate::draw::raster::{BlockRow, FULL, Mask, blocks_between, coverage};
use crate::geometry::Rect;

/// Straight lines from point to point.
pub(super) struct Path<'a> {
    points: &'a [Point],
    closed: bool,
}

impl<'a> Path<'a> {
    /// A path; `None` where there are no points or one is not finite.
    pub fn new(points: &'a [Point], closed: bool) -> Option<Self> {
        let finite = points.iter().all(|point| point.x.is_finite() && point.y.is_finite());
        (finite && !points.is_empty()).then_some(Self { points, closed })
    }

    /// Every line, the closing one first (for an open path: a line from its first point to itself).
    fn segments(&self) -> impl Iterator<Item = Segment> {
        let start = if self.closed { self.points.last() } else { self.points.first() };
        start
            .into_iter()
            .chain(self.points)
            .zip(self.points)
            .map(|(from, to)| Segment { from: *from, to: *to })
    }

    fn bounds(&self) -> Rect {
        let mut corners = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for Point { x, y } in self.points {
            corners = [corners[0].min(*x), corners[1].min(*y), corners[2].max(*x), corners[3].max(*y)];
        }
        Rect::from_corners(corners[0], corners[1], corners[2], corners[3])
    }
}

/// A straight line.
#[derive(Clone, Copy)]
struct Segment {
    from: Point,
    to: Point,
}

impl Segment {
    /// The columns between which the line lies in the rows from `top` to `bottom`.
    fn clip(&self, top: f32, bottom: f32) -> Option<(f32, f32)> {
        let Self { from, to } = *self;
        let (upper, lower) = if from.y <= to.y { (from, to) } else { (to, from) };
        if upper.y > bottom || lower.y < top {
            return None;
        }
        let at = |y: f32| {
            let along = (y - upper.y) / (lower.y - upper.y);
            if along.is_finite() { upper.x + (lower.x - upper.x) * along } else { upper.x }
        };
        let start = if upper.y < top { at(top) } else { upper.x };
        let end = if lower.y > bottom { at(bottom) } else { lower.x };
        Some((start.min(end), start.max(end)))
    }

    /// Column in which the line crosses the middle of the pixel row at `y`.
    fn crossing(&self, y: f32) -> Option<f32> {
        let Self { from, to } = *self;
        let crosses = (from.y > y) != (to.y > y);
        crosses.then(|| from.x + (y - from.y) / (to.y - from.y) * (to.x - from.x)).filter(|x| !x.is_nan())
    }

    /// Lowers `squares`, the squared distances of the pixels from column `x` on in the row at `y`, to those from the
    /// line where they are lower.
    fn approach(&self, squares: &mut [f32], x: usize, y: f32) {
        let Self { from, to } = *self;
        let (dx, dy, py) = (to.x - from.x, to.y - from.y, y - from.y);
        let (length, first) = (dx * dx + dy * dy, x as i32);
        for (index, nearest) in squares.iter_mut().enumerate() {
            let px = (first + index as i32) as f32 + 0.5 - from.x;
            let along = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
            let (x, y) = (px - along * dx, py - along * dy);
            let square = x * x + y * y;
            *nearest = if square < *nearest { square } else { *nearest };
        }
    }
}

/// The inside of a path, or a line along it.
pub(super) struct PathMask<'a> {
    path: &'a Path<'a>,
    half_width: Option<f32>,
    limit: f32,
    /// Lines near a row of blocks, and the blocks that each may cover.
    near: Vec<(Range<usize>, Segment)>,
    /// Where lines cross a row of pixels, from left to right.
    crossings: Vec<f32>,
    /// Squared distances of pixels from the nearest line.
    squares: Vec<f32>,
}

impl<'a> PathMask<'a> {
    /// The inside of `path`, by the even-odd rule.
    pub fn fill(path: &'a Path<'a>) -> Self {
        let (near, crossings, squares) = Default::default();
        Self { path, half_width: None, limit: 1.0, near, crossings, squares }
    }

    /// A line `width` pixels wide along `path`.
    pub fn stroke(path: &'a Path<'a>, width: f32) -> Self {
        let width = width.max(0.0);
        Self { half_width: Some(width / 2.0), limit: width.min(1.0), ..Self::fill(path) }
    }

    /// How far from a line pixels are looked at: a pixel more than need be, for what rounding does to where lines lie.
    fn margin(&self) -> f32 {
        self.half_width.unwrap_or(0.0) + 1.5
    }

    /// Finds the lines near block row `row`, from left to right.
    fn find_near(&mut self, row: usize, columns: &Range<usize>) {
        let (margin, top) = (self.margin(), 2.0 * row as f32);
        self.near.clear();
        self.near.extend(self.path.segments().filter_map(|segment| {
            let (left, right) = segment.clip(top - margin, top + 2.0 + margin)?;
            let blocks = blocks_between(left - margin, right + margin, columns.clone());
            (!blocks.is_empty()).then_some((blocks, segment))
        }));
        self.near.sort_unstable_by_key(|(blocks, _)| blocks.start);
    }

    /// Finds where the row of pixels with its middle at `y` is crossed.
    fn find_crossings(&mut self, y: f32) {
        self.crossings.clear();
        if self.half_width.is_none() {
            self.crossings.extend(self.path.segments().filter_map(|segment| segment.crossing(y)));
            self.crossings.sort_unstable_by(f32::total_cmp);
        }
    }

    /// Whether the pixel whose middle is at `x` lies inside, as far as its row's crossings tell.
    fn is_inside(&self, x: f32) -> bool {
        self.crossings.iter().filter(|crossing| x < **crossing).count() % 2 == 1
    }

    /// Covers the blocks between two lines: from `from` to `to` in block row `row`.
    fn cover_between(&mut self, row: usize, from: usize, to: usize, into: &mut BlockRow) {
        if self.half_width.is_none() && from < to {
            self.find_crossings(middle(2 * row));
            if self.is_inside(middle(2 * from)) {
                into.push_even(from, to - from, FULL);
            }
        }
    }

    /// Covers `pixels`, from column `x` of row `y` on, that lie near the lines `near`.
    fn cover_near(&mut self, pixels: &mut [u16], x: usize, y: usize, near: Range<usize>) {
        self.find_crossings(middle(y));
        self.squares.clear();
        self.squares.resize(pixels.len(), f32::MAX);
        for (blocks, segment) in &self.near[near] {
            let squares = &mut self.squares[2 * blocks.start - x..2 * blocks.end - x];
            segment.approach(squares, 2 * blocks.start, middle(y));
        }
        let pixels = pixels.iter_mut().zip(&self.squares);
        if let Some(half_width) = self.half_width {
            let limit = self.limit;
            pixels.for_each(|(pixel, square)| *pixel = coverage(square.sqrt() - half_width, limit));
        } else {
            for (index, (pixel, square)) in pixels.enumerate() {
                let sign = if self.is_inside(middle(x + index)) { -1.0 } else { 1.0 };
                *pixel = coverage(sign * square.sqrt(), 1.0);
            }
        }
    }
}

/// Middle of pixel `index` of a row or column.
fn middle(index: usize) -> f32 {
    index as f32 + 0.5
}

impl Mask for PathMask<'_> {
    fn bounds(&self) -> Rect {
        let margin = self.half_width.unwrap_or(0.0) + 0.5;
        let Rect { x, y, width, height } = self.path.bounds();
        Rect { x: x - margin, y: y - margin, width: width + 2.0 * margin, height: height + 2.0 * margin }
    }

    fn cover(&mut self, row: usize, columns: Range<usize>, into: &mut BlockRow) {
        self.find_near(row, &columns);
        let (mut column, mut first) = (columns.start, 0);
        while let Some((Range { start, mut end }, _)) = self.near.get(first).cloned() {
            let mut last = first + 1;
            while let Some((blocks, _)) = self.near.get(last).filter(|(blocks, _)| blocks.start <= end) {
                (end, last) = (end.max(blocks.end), last + 1);
            }
            self.cover_between(row, column, start, into);
            let (top, bottom) = into.push_each(start, end - start);
            self.cover_near(top, 2 * start, 2 * row, first..last);
            self.cover_near(bottom, 2 * start, 2 * row + 1, first..last);
            (column, first) = (end, last);
        }
        self.cover_between(row, column, columns.end, into);
    }
}
