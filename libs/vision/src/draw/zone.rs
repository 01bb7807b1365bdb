//! Zones and lines of the site.

use crate::draw::annotation::State;
use crate::draw::card::{Card, Line, Style};
use crate::draw::display::{Point, Primitive, Stroke};
use crate::draw::label;
use crate::draw::text::{TextCache, Weight};
use crate::draw::theme::Theme;
use crate::geometry::Rect;

/// Corners of a zone that count.
const MOST_CORNERS: usize = 256;

/// Opacity of a zone's inside, and of the stripes across one in which something is wrong.
const FILL: u8 = 34;
const STRIPES: u8 = 110;

/// An area of the site, or a line across it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zone {
    /// Corners in pixels. A zone with a corner that is not finite is left out.
    pub points: Vec<Point>,
    /// Whether it is an area.
    pub closed: bool,
    /// What is known about it: an area in which something is wrong is striped.
    pub state: State,
    /// Its name; empty for none.
    pub title: String,
}

impl Zone {
    /// Whether there is anything to draw.
    pub(super) fn is_visible(&self, frame: Rect) -> bool {
        let finite = self.points.iter().all(|point| point.x.is_finite() && point.y.is_finite());
        let enough = (2..=MOST_CORNERS).contains(&self.points.len());
        finite && enough && overlaps(self.bounds(), frame)
    }

    fn bounds(&self) -> Rect {
        let mut corners = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for Point { x, y } in &self.points {
            corners = [corners[0].min(*x), corners[1].min(*y), corners[2].max(*x), corners[3].max(*y)];
        }
        Rect::from_corners(corners[0], corners[1], corners[2], corners[3])
    }

    /// Its inside, stripes where something is wrong, and its outline.
    pub(super) fn draw(&self, theme: &Theme, into: &mut Vec<Primitive>) {
        let color = match self.state {
            State::Neutral | State::Compliant => theme.palette.zone,
            state => theme.palette.of(state),
        };
        let path = |fill, stroke| {
            let (points, closed) = (self.points.clone(), self.closed);
            Primitive::Path { points, closed, fill, stroke }
        };
        let fill = Some(color.with_alpha(FILL)).filter(|_| self.closed);
        let width = if self.state == State::Violation { theme.bold_line } else { theme.line };
        let contour = Stroke { width: width + 2.0 * theme.contour, color: theme.palette.contour };
        into.push(path(fill, Some(contour)));
        if self.closed && self.state == State::Violation {
            let stroke = Stroke { width: theme.line, color: color.with_alpha(STRIPES) };
            into.extend(stripes(&self.points, 5.0 * theme.space, stroke));
        }
        into.push(path(None, Some(Stroke { width, color })));
    }

    /// Its name, and where it stands: within an area where there is room, above a line's middle.
    pub(super) fn label(&self, frame: Rect, theme: &Theme, text: &mut TextCache) -> Option<(Card, Rect)> {
        if self.title.is_empty() {
            return None;
        }
        let sign = Some(self.state).filter(|state| *state != State::Compliant).unwrap_or_default();
        let style = Style {
            sign,
            weight: Weight::SemiBold,
            color: theme.palette.text,
            ..Style::detail(theme, theme.palette.zone)
        };
        let line = Line::new(&self.title, None, style, frame.width * 0.4, text);
        let card = Card { lines: vec![line], bars: Vec::new() };
        let size = card.size(theme);
        let place = if self.closed { self.within(size, frame, theme) } else { self.above(size, theme) };
        Some((card, label::keep_inside(place, frame, theme)))
    }

    /// The highest place at the left of the area that holds a label of `size`; its middle if there is none.
    fn within(&self, size: (f32, f32), frame: Rect, theme: &Theme) -> Rect {
        let bounds = self.bounds().clamp(frame.width, frame.height);
        let margin = theme.space;
        let rows = ((bounds.height - size.1) / (size.1 / 2.0)).max(0.0) as usize;
        let fits = (0..=rows.min(64)).find_map(|row| {
            let y = bounds.y + margin + row as f32 * size.1 / 2.0;
            let (upper, lower) = (self.widest(y, bounds)?, self.widest(y + size.1, bounds)?);
            let (left, right) = (upper.0.max(lower.0) + margin, upper.1.min(lower.1) - margin);
            (right - left >= size.0).then_some((left, y))
        });
        let (x, y) = bounds.centre();
        let (x, y) = fits.unwrap_or((x - size.0 / 2.0, y - size.1 / 2.0));
        Rect { x: x.round(), y: y.round(), width: size.0, height: size.1 }
    }

    /// The widest part of row `y` that lies within the area and within `bounds`.
    fn widest(&self, y: f32, bounds: Rect) -> Option<(f32, f32)> {
        let crossings = crossings(&self.points, |point| point.y - y, |point| point.x);
        let pairs = crossings.as_chunks::<2>().0.iter();
        let parts = pairs.map(|[left, right]| (left.max(bounds.x), right.min(bounds.right())));
        parts.max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))
    }

    fn above(&self, (width, height): (f32, f32), theme: &Theme) -> Rect {
        let middle = self.points.len() / 2;
        let (a, b) = (self.points[middle - 1], self.points[middle]);
        let (x, y) = ((a.x + b.x) / 2.0 - width / 2.0, (a.y + b.y) / 2.0 - height - theme.space);
        Rect { x: x.round(), y: y.round(), width, height }
    }
}

/// Whether two boxes have a point in common; unlike an intersection's area this is true for lines, too.
fn overlaps(a: Rect, b: Rect) -> bool {
    a.x <= b.right() && b.x <= a.right() && a.y <= b.bottom() && b.y <= a.bottom()
}

/// Where the outline of an area crosses the line on which `side` is 0, in order, measured by `along`.
fn crossings(points: &[Point], side: impl Fn(&Point) -> f32, along: impl Fn(&Point) -> f32) -> Vec<f32> {
    let edges = points.iter().zip(points.iter().cycle().skip(1));
    let cut = |(a, b): (&Point, &Point)| {
        let (from, to) = (side(a), side(b));
        ((from > 0.0) != (to > 0.0)).then(|| along(a) + (along(b) - along(a)) * (from / (from - to)))
    };
    let mut crossings: Vec<f32> = edges.filter_map(cut).collect();
    crossings.sort_by(f32::total_cmp);
    crossings
}

/// Diagonal lines `distance` pixels apart across the inside of an area, 60 at most.
fn stripes(points: &[Point], distance: f32, stroke: Stroke) -> Vec<Primitive> {
    let sums = || points.iter().map(|point| point.x + point.y);
    let (first, last) = (sums().fold(f32::MAX, f32::min), sums().fold(f32::MIN, f32::max));
    let step = (distance * std::f32::consts::SQRT_2).max((last - first) / 60.0).max(1.0);
    let count = ((last - first) / step) as usize;
    // Along the line on which x + y is `sum`, a point is known by x - y.
    let stripe = |sum: f32, [from, to]: &[f32; 2]| {
        let point = |difference: &f32| Point { x: (sum + difference) / 2.0, y: (sum - difference) / 2.0 };
        Primitive::Path {
            points: vec![point(from), point(to)],
            closed: false,
            fill: None,
            stroke: Some(stroke),
        }
    };
    let lines = (0..count).map(|index| first + (index as f32 + 0.5) * step);
    lines
        .flat_map(|sum| {
            let ends = crossings(points, |point| point.x + point.y - sum, |point| point.x - point.y);
            ends.as_chunks::<2>().0.iter().map(|pair| stripe(sum, pair)).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::display::Color;
    use crate::draw::theme::Look;

    const FRAME: Rect = Rect { x: 0.0, y: 0.0, width: 640.0, height: 360.0 };

    fn zone(corners: &[(f32, f32)]) -> Zone {
        let points = corners.iter().map(|&(x, y)| Point { x, y }).collect();
        Zone { points, closed: true, title: "Pit".into(), ..Zone::default() }
    }

    fn label_of(zone: &Zone) -> Rect {
        let theme = Theme::for_frame(Look::Dark, 640, 360);
        zone.label(FRAME, &theme, &mut TextCache::new().unwrap()).unwrap().1
    }

    #[test]
    fn a_name_stands_within_its_area() {
        let triangle = zone(&[(300.0, 40.0), (500.0, 340.0), (100.0, 340.0)]);
        let place = label_of(&triangle);
        for (x, y) in [(place.x, place.y), (place.right(), place.y), (place.right(), place.bottom())] {
            let row = triangle.widest(y, FRAME).unwrap();
            assert!(row.0 <= x && x <= row.1, "{place:?} is not within {row:?}");
        }
        assert!(place.y < 150.0, "{place:?}");
    }

    #[test]
    fn a_name_stays_in_the_frame() {
        for corners in [
            [(-500.0, -500.0), (900.0, -500.0), (900.0, 900.0)],
            [(600.0, 340.0), (640.0, 350.0), (630.0, 360.0)],
            [(-1e30, -1e30), (1e30, 1e30), (0.0, 1e30)],
        ] {
            let place = label_of(&zone(&corners));
            assert_eq!(place.clamp(640.0, 360.0), place, "{corners:?}");
        }
    }

    #[test]
    fn stripes_stay_inside() {
        let area = zone(&[(100.0, 100.0), (300.0, 100.0), (300.0, 200.0), (200.0, 130.0), (100.0, 200.0)]);
        let stroke = Stroke { width: 2.0, color: Color::WHITE };
        let lines = stripes(&area.points, 15.0, stroke);
        assert!(lines.len() > 5, "{}", lines.len());
        for line in lines {
            let Primitive::Path { points, .. } = line else { panic!("{line:?}") };
            let middle = Point { x: (points[0].x + points[1].x) / 2.0, y: (points[0].y + points[1].y) / 2.0 };
            let inside = crossings(&area.points, |point| point.y - middle.y, |point| point.x);
            let before = inside.iter().filter(|x| **x < middle.x).count();
            assert_eq!(before % 2, 1, "{middle:?} lies outside");
        }
    }

    #[test]
    fn strange_areas_draw_nothing() {
        let nan = zone(&[(f32::NAN, 0.0), (10.0, 10.0), (0.0, 10.0)]);
        let far = zone(&[(-90.0, -90.0), (-10.0, -90.0), (-10.0, -10.0)]);
        let crowd = zone(&vec![(5.0, 5.0); 100_000]);
        for strange in [nan, far, crowd, zone(&[]), zone(&[(5.0, 5.0)])] {
            assert!(!strange.is_visible(FRAME));
        }
        let level = Zone { closed: false, ..zone(&[(0.0, 100.0), (640.0, 100.0)]) };
        assert!(level.is_visible(FRAME), "a level line has no height");
    }
}
