//! Shapes by their signed distance.

use crate::draw::display::Point;
use crate::geometry::Rect;

/// A closed or open outline.
pub(super) trait Shape {
    /// What the outline reaches.
    fn bounds(&self) -> Rect;

    /// Signed distance in pixels from `point` to the outline, negative inside.
    fn distance(&self, point: Point) -> f32;

    /// The box between whose left and right edges the distance depends on y alone, and between whose top and bottom
    /// edges on x alone, as far as it lies between `-depth` and infinity. Empty where there is none.
    fn core(&self, _depth: f32) -> Rect {
        Rect::default()
    }

    /// The columns between which the outline and the inside lie in the rows from `top` to `bottom`; `None` if they lie in
    /// none of them.
    fn reach(&self, _top: f32, _bottom: f32) -> Option<(f32, f32)> {
        let bounds = self.bounds();
        Some((bounds.x, bounds.right()))
    }

    /// The largest share of a pixel that the inside can cover.
    fn thickness(&self) -> f32 {
        1.0
    }
}

/// A box with circular corners.
pub(super) struct RoundedRect {
    rect: Rect,
    radius: f32,
}

impl RoundedRect {
    /// A box as far as it can be seen: what lies more than `margin` and the radius outside of a `size` frame is cut
    /// off, which keeps the arithmetic precise. `None` for boxes that are empty or not finite.
    pub fn new(rect: Rect, radius: f32, margin: f32, size: (usize, usize)) -> Option<Self> {
        let Rect { x, y, width, height } = rect;
        let finite =
            [x, y, width, height, rect.right(), rect.bottom(), radius, margin].iter().all(|v| v.is_finite());
        if !finite || width <= 0.0 || height <= 0.0 {
            return None;
        }
        let radius = radius.clamp(0.0, width.min(height) / 2.0);
        let outside = radius + margin.max(0.0) + 2.0;
        let (right, bottom) = (size.0 as f32 + outside, size.1 as f32 + outside);
        let cut = |value: f32, limit: f32| value.clamp(-outside, limit);
        let rect = Rect::from_corners(
            cut(x, right),
            cut(y, bottom),
            cut(rect.right(), right),
            cut(rect.bottom(), bottom),
        );
        (rect.width > 0.0 && rect.height > 0.0).then_some(Self { rect, radius })
    }
}

impl Shape for RoundedRect {
    fn bounds(&self) -> Rect {
        self.rect
    }

    fn distance(&self, point: Point) -> f32 {
        let (cx, cy) = self.rect.centre();
        let x = (point.x - cx).abs() - self.rect.width / 2.0 + self.radius;
        let y = (point.y - cy).abs() - self.rect.height / 2.0 + self.radius;
        let outside = (x.max(0.0).powi(2) + y.max(0.0).powi(2)).sqrt();
        outside + x.max(y).min(0.0) - self.radius
    }

    fn core(&self, depth: f32) -> Rect {
        let inset = self.radius.max(depth);
        let Rect { x, y, width, height } = self.rect;
        Rect { x: x + inset, y: y + inset, width: width - 2.0 * inset, height: height - 2.0 * inset }
    }

    fn thickness(&self) -> f32 {
        self.rect.width.min(1.0) * self.rect.height.min(1.0)
    }
}

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
    fn segments(&self) -> impl Iterator<Item = (Point, Point)> {
        let start = if self.closed { self.points.last() } else { self.points.first() };
        start.into_iter().chain(self.points).zip(self.points).map(|(from, to)| (*from, *to))
    }
}

impl Shape for Path<'_> {
    fn bounds(&self) -> Rect {
        let mut corners = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for Point { x, y } in self.points {
            corners = [corners[0].min(*x), corners[1].min(*y), corners[2].max(*x), corners[3].max(*y)];
        }
        Rect::from_corners(corners[0], corners[1], corners[2], corners[3])
    }

    fn reach(&self, top: f32, bottom: f32) -> Option<(f32, f32)> {
        let parts = self.segments().filter_map(|(from, to)| clip(from, to, top, bottom));
        parts.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    fn distance(&self, point: Point) -> f32 {
        let (mut nearest, mut inside) = (f32::MAX, false);
        for (from, to) in self.segments() {
            nearest = nearest.min(squared_distance(point, from, to));
            inside ^= self.closed && crosses(point, from, to);
        }
        if inside { -nearest.sqrt() } else { nearest.sqrt() }
    }
}

/// The columns between which the line from `from` to `to` lies in the rows from `top` to `bottom`.
fn clip(from: Point, to: Point, top: f32, bottom: f32) -> Option<(f32, f32)> {
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

/// Squared distance from `point` to the line between `from` and `to`.
fn squared_distance(point: Point, from: Point, to: Point) -> f32 {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let (px, py) = (point.x - from.x, point.y - from.y);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (px - along * dx).powi(2) + (py - along * dy).powi(2)
}

/// Whether the ray from `point` to the right meets the line between `from` and `to`.
fn crosses(point: Point, from: Point, to: Point) -> bool {
    (from.y > point.y) != (to.y > point.y)
        && point.x < from.x + (point.y - from.y) / (to.y - from.y) * (to.x - from.x)
}
