//! Points, boxes, polygons and the ground plane.

/// Left, top, width and height.
pub type Rect = [f32; 4];

/// A place: right and down.
pub type Point = [f32; 2];

/// Whether `point` lies within the polygon (even-odd rule).
pub fn contains(polygon: &[Point], point: Point) -> bool {
    edges(polygon, true).fold(false, |inside, (a, b)| inside != crosses(a, b, point))
}

/// Whether a ray from `point` to the right crosses the edge from `a` to `b`.
fn crosses(a: Point, b: Point, point: Point) -> bool {
    (a[1] > point[1]) != (b[1] > point[1])
        && point[0] < (b[0] - a[0]) * (point[1] - a[1]) / (b[1] - a[1]) + a[0]
}

/// The edges of a line, or of a polygon if `closed`.
fn edges(points: &[Point], closed: bool) -> impl Iterator<Item = (Point, Point)> + '_ {
    let next = |index: usize| points[(index + 1) % points.len()];
    let count = if closed { points.len() } else { points.len().saturating_sub(1) };
    (0..count).map(move |index| (points[index], next(index)))
}

/// From `point` to the nearest point of a line; infinite for a line without points.
pub fn distance_to_line(line: &[Point], point: Point) -> f32 {
    if let [only] = line {
        return distance(*only, point);
    }
    edges(line, false).map(|(a, b)| distance_to_edge(a, b, point)).fold(f32::INFINITY, f32::min)
}

/// From `point` to a polygon, zero inside.
pub fn distance_to_polygon(polygon: &[Point], point: Point) -> f32 {
    if contains(polygon, point) {
        return 0.0;
    }
    edges(polygon, true).map(|(a, b)| distance_to_edge(a, b, point)).fold(f32::INFINITY, f32::min)
}

fn distance_to_edge(a: Point, b: Point, point: Point) -> f32 {
    let along = [b[0] - a[0], b[1] - a[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let dot = (point[0] - a[0]) * along[0] + (point[1] - a[1]) * along[1];
    let at = if length > 0.0 { (dot / length).clamp(0.0, 1.0) } else { 0.0 };
    distance([a[0] + at * along[0], a[1] + at * along[1]], point)
}

/// Euclid's.
pub fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The smallest box around points; empty at the origin for none.
pub fn bounds(points: &[Point]) -> Rect {
    let start = [f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
    let grow = |[l, t, r, b]: Rect, p: &Point| [l.min(p[0]), t.min(p[1]), r.max(p[0]), b.max(p[1])];
    let [left, top, right, bottom] = points.iter().fold(start, grow);
    if left > right { [0.0; 4] } else { [left, top, right - left, bottom - top] }
}

/// Whether points enclose nothing, since all of them lie on one line.
pub(crate) fn on_one_line(points: &[Point]) -> bool {
    let Some((a, rest)) = points.split_first() else { return true };
    let twice = |b: &Point, c: &Point| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    rest.iter().all(|b| rest.iter().all(|c| twice(b, c).abs() < 1e-6))
}

/// The middle of a box.
pub(crate) fn centre(rect: &Rect) -> Point {
    [rect[0] + rect[2] / 2.0, rect[1] + rect[3] / 2.0]
}

pub(crate) fn area(rect: &Rect) -> f32 {
    rect[2].max(0.0) * rect[3].max(0.0)
}

/// The area that two boxes share.
pub(crate) fn overlap(a: &Rect, b: &Rect) -> f32 {
    let along = |axis: usize| (a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]) - a[axis].max(b[axis]);
    along(0).max(0.0) * along(1).max(0.0)
}

/// Intersection over union, 0 to 1.
pub(crate) fn iou(a: &Rect, b: &Rect) -> f32 {
    let both = overlap(a, b);
    let union = area(a) + area(b) - both;
    if union > 0.0 { both / union } else { 0.0 }
}

/// A plane seen by a camera: turns places in the picture (relative, 0 to 1) into metres on the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ground {
    /// The homography, row by row; its last element is 1.
    matrix: [f64; 9],
}

/// One measured point: its place in the picture (relative) and on the ground (metres).
pub type GroundPoint = ([f64; 2], [f64; 2]);

impl Ground {
    /// The plane that fits the points best (least squares); `None` for fewer than four points, or for points on one line.
    pub fn fit(points: &[GroundPoint]) -> Option<Self> {
        if points.len() < 4 {
            return None;
        }
        let mut system = [[0.0; 9]; 8];
        for row in points.iter().flat_map(rows) {
            for i in 0..8 {
                for j in 0..9 {
                    system[i][j] += row[i] * row[j];
                }
            }
        }
        let [a, b, c, d, e, f, g, h] = solve(system)?;
        Some(Self { matrix: [a, b, c, d, e, f, g, h, 1.0] })
    }

    /// The place on the ground, in metres; `None` at and beyond the horizon.
    pub fn map(&self, point: Point) -> Option<Point> {
        let [a, b, c, d, e, f, g, h, i] = self.matrix;
        let [x, y] = point.map(f64::from);
        let depth = g * x + h * y + i;
        let place = [(a * x + b * y + c) / depth, (d * x + e * y + f) / depth];
        (depth > 1e-6 && place.iter().all(|value| value.is_finite())).then(|| place.map(|value| value as f32))
    }

    /// The largest distance, in metres, between a measured point and where the plane puts it.
    pub fn error(&self, points: &[GroundPoint]) -> f64 {
        let miss = |(image, ground): &GroundPoint| {
            self.map(image.map(|value| value as f32))
                .map_or(f64::INFINITY, |[x, y]| (f64::from(x) - ground[0]).hypot(f64::from(y) - ground[1]))
        };
        points.iter().map(miss).fold(0.0, f64::max)
    }
}

/// The two equations of a point: eight coefficients and the right side.
fn rows(&([x, y], [u, v]): &GroundPoint) -> [[f64; 9]; 2] {
    [[x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u], [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v]]
}

/// Gauss' elimination with pivots; `None` if there is not exactly one solution.
fn solve(mut system: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot =
            (column..8).max_by(|&a, &b| system[a][column].abs().total_cmp(&system[b][column].abs()))?;
        if !system[pivot][column].is_finite() || system[pivot][column].abs() < 1e-12 {
            return None;
        }
        system.swap(column, pivot);
        let lead = system[column].map(|value| value / system[column][column]);
        for (index, row) in system.iter_mut().enumerate() {
            let factor = row[column];
            for (value, lead) in row.iter_mut().zip(lead) {
                *value = if index == column { lead } else { *value - factor * lead };
            }
        }
    }
    let solution = system.map(|row| row[8]);
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [Point; 4] = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]];

    #[test]
    fn polygons_contain_what_is_inside() {
        for (point, inside) in
            [([0.5, 0.5], true), ([0.1, 0.5], false), ([0.9, 0.5], false), ([0.5, 0.1], false)]
        {
            assert_eq!(contains(&SQUARE, point), inside, "{point:?}");
        }
        let arrow = [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0], [0.0, 1.0]];
        assert!(contains(&arrow, [0.3, 0.5]) && !contains(&arrow, [0.8, 0.5]));
        assert!(!contains(&[], [0.5, 0.5]) && !contains(&SQUARE, [f32::NAN, 0.5]));
    }

    #[test]
    fn distances_go_to_the_nearest_point() {
        assert_eq!(distance_to_line(&[[0.0, 0.0], [1.0, 0.0]], [0.5, 2.0]), 2.0);
        assert_eq!(distance_to_line(&[[0.0, 0.0], [1.0, 0.0]], [4.0, 4.0]), 5.0);
        assert_eq!(distance_to_line(&[[1.0, 1.0]], [1.0, 2.0]), 1.0);
        assert_eq!(distance_to_line(&[], [0.0, 0.0]), f32::INFINITY);
        assert_eq!(distance_to_polygon(&SQUARE, [0.5, 0.5]), 0.0);
        assert!((distance_to_polygon(&SQUARE, [0.5, 0.9]) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn bounds_hold_all_points() {
        assert_eq!(bounds(&[[1.0, 2.0], [0.0, 5.0]]), [0.0, 2.0, 1.0, 3.0]);
        assert_eq!(bounds(&[]), [0.0; 4]);
    }

    #[test]
    fn a_plane_in_perspective_is_found() {
        let points = [
            ([0.1, 0.9], [0.0, 0.0]),
            ([0.9, 0.9], [10.0, 0.0]),
            ([0.7, 0.3], [10.0, 30.0]),
            ([0.3, 0.3], [0.0, 30.0]),
        ];
        let ground = Ground::fit(&points).unwrap();
        assert!(ground.error(&points) < 1e-3, "{}", ground.error(&points));
        let [x, y] = ground.map([0.5, 0.9]).unwrap();
        assert!((x - 5.0).abs() < 1e-3 && y.abs() < 1e-3);
        assert_eq!(ground.map([0.5, -0.4]), None, "the sky");
    }

    #[test]
    fn points_that_define_no_plane_are_refused() {
        let on_a_line: Vec<_> = (0..6).map(|i| ([0.1 * f64::from(i); 2], [f64::from(i); 2])).collect();
        assert_eq!(Ground::fit(&on_a_line), None);
        assert_eq!(Ground::fit(&on_a_line[..3]), None);
        assert_eq!(Ground::fit(&[([f64::NAN; 2], [0.0; 2]); 4]), None);
    }
}
