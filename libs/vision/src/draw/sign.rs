//! Small signs that tell a state by shape, so that colour alone does not have to.

use crate::draw::annotation::State;
use crate::draw::display::{Color, Point, Primitive, Stroke};
use crate::draw::theme::Palette;
use crate::geometry::Rect;

/// Width of a sign in text, and the space after it, in heights of a capital letter.
pub(super) const ADVANCE: f32 = 1.75;

/// A sign for `state`, `height` pixels high, standing on `baseline` from `x` on; nothing for states without one.
pub(super) fn in_text(state: State, x: f32, baseline: f32, height: f32, palette: &Palette) -> Vec<Primitive> {
    match state {
        State::Neutral => Vec::new(),
        State::Violation | State::Suspected => warning(x, baseline, height, state, palette).into(),
        State::Compliant | State::Unknown => {
            let radius = height * 0.62;
            badge(state, Point { x: x + radius, y: baseline - height / 2.0 }, radius, palette)
        }
    }
}

/// A disc with a tick, a cross, a question or a dash in it; nothing for objects of which nothing is asked.
pub(super) fn badge(state: State, centre: Point, radius: f32, palette: &Palette) -> Vec<Primitive> {
    let (dark, mut sign) = (ink(palette), Vec::new());
    if state == State::Neutral {
        return sign;
    }
    sign.push(disc(centre, radius, palette.of(state)));
    let at = |x: f32, y: f32| Point { x: centre.x + x * radius, y: centre.y + y * radius };
    let width = (radius * 0.34).max(1.0);
    let line = |points: Vec<Point>| Primitive::Path {
        points,
        closed: false,
        fill: None,
        stroke: Some(Stroke { width, color: dark }),
    };
    match state {
        State::Compliant => sign.push(line(vec![at(-0.45, 0.02), at(-0.12, 0.38), at(0.48, -0.34)])),
        State::Violation => {
            sign.push(line(vec![at(-0.38, -0.38), at(0.38, 0.38)]));
            sign.push(line(vec![at(-0.38, 0.38), at(0.38, -0.38)]));
        }
        State::Suspected => {
            sign.push(line(vec![at(0.0, -0.5), at(0.0, 0.08)]));
            sign.push(disc(at(0.0, 0.5), width * 0.6, dark));
        }
        _ => sign.push(line(vec![at(-0.42, 0.0), at(0.42, 0.0)])),
    }
    sign
}

/// A triangle with an exclamation mark: filled for violations, an outline for suspicions.
fn warning(x: f32, baseline: f32, height: f32, state: State, palette: &Palette) -> [Primitive; 3] {
    let color = palette.of(state);
    let (fill, mark) = if state == State::Violation { (Some(color), ink(palette)) } else { (None, color) };
    let round = height * 0.14;
    let (half, top) = (height * 0.64, baseline - height * 1.06 + round);
    let middle = x + half;
    let points = vec![
        Point { x: middle, y: top },
        Point { x: middle + half - round, y: baseline - round },
        Point { x: middle - half + round, y: baseline - round },
    ];
    let bar = |top: f32, bottom: f32| {
        let half = height * 0.075;
        let (top, bottom) = (baseline - height * top, baseline - height * bottom);
        filled(Rect::from_corners(middle - half, top, middle + half, bottom), half, mark)
    };
    let width = if fill.is_some() { 2.0 * round } else { (1.3 * round).max(1.0) };
    let stroke = Some(Stroke { width, color });
    [Primitive::Path { points, closed: true, fill, stroke }, bar(0.74, 0.36), bar(0.27, 0.12)]
}

/// What is drawn onto a state's colour.
fn ink(palette: &Palette) -> Color {
    palette.contour.with_alpha(255)
}

fn disc(centre: Point, radius: f32, color: Color) -> Primitive {
    let rect = Rect::from_centre(centre.x, centre.y, 2.0 * radius, 2.0 * radius);
    filled(rect, radius, color)
}

/// A box with circular corners in one colour.
pub(super) fn filled(rect: Rect, radius: f32, color: Color) -> Primitive {
    Primitive::RoundedRect { rect, radius, fill: Some(color), stroke: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::theme::Look;

    #[test]
    fn every_state_has_a_shape_of_its_own() {
        let palette = Palette::new(Look::Dark);
        let shapes = |state| {
            let colourless = Palette { compliant: Color::WHITE, violation: Color::WHITE, ..palette };
            let colourless = Palette {
                suspected: Color::WHITE,
                unknown: Color::WHITE,
                neutral: Color::WHITE,
                ..colourless
            };
            badge(state, Point { x: 20.0, y: 20.0 }, 8.0, &colourless)
        };
        let all = [State::Neutral, State::Compliant, State::Unknown, State::Suspected, State::Violation];
        for (index, a) in all.iter().enumerate() {
            for b in &all[index + 1..] {
                assert_ne!(shapes(*a), shapes(*b), "{a:?} looks like {b:?}");
            }
        }
        assert!(shapes(State::Neutral).is_empty());
    }
}
