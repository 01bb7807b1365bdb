//! Boxes by their signed distance.

use crate::draw::display::Point;
use crate::geometry::Rect;

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

    /// What the outline reaches.
    pub fn bounds(&self) -> Rect {
        self.rect
    }

    /// Signed distance in pixels from `point` to the outline, negative inside.
    pub fn distance(&self, point: Point) -> f32 {
        let (cx, cy) = self.rect.centre();
        let x = (point.x - cx).abs() - self.rect.width / 2.0 + self.radius;
        let y = (point.y - cy).abs() - self.rect.height / 2.0 + self.radius;
        let outside = (x.max(0.0).powi(2) + y.max(0.0).powi(2)).sqrt();
        outside + x.max(y).min(0.0) - self.radius
    }

    /// The box between whose left and right edges the distance depends on y alone, and between whose top and bottom
    /// edges on x alone, as far as it lies between `-depth` and infinity. Empty where there is none.
    pub fn core(&self, depth: f32) -> Rect {
        let inset = self.radius.max(depth);
        let Rect { x, y, width, height } = self.rect;
        Rect { x: x + inset, y: y + inset, width: width - 2.0 * inset, height: height - 2.0 * inset }
    }

    /// The largest share of a pixel that the inside can cover.
    pub fn thickness(&self) -> f32 {
        self.rect.width.min(1.0) * self.rect.height.min(1.0)
    }
}
