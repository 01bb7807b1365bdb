//! Boxes with labels, and a banner: from what is known about a frame to what is drawn.

use std::sync::Arc;

use crate::draw::display::{Color, DisplayList, Point, Primitive, Stroke};
use crate::draw::text::{Sprite, TextCache, Weight, cap_height};
use crate::draw::theme::Theme;
use crate::geometry::Rect;

/// Half labels' heights by which a label may be moved further up or down.
const STACKED: usize = 8;

/// What is known about an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Nothing is asked of it.
    #[default]
    Neutral,
    /// It does what is asked.
    Compliant,
    /// It cannot be told.
    Unknown,
    /// It breaks a rule.
    Violation,
}

/// One object to mark.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotation {
    /// Where it is, in pixels.
    pub rect: Rect,
    /// What is known about it.
    pub state: State,
    /// First line of its label, such as "person 0.93". Empty for a thin box without a label.
    pub title: String,
    /// Second line, such as "no hard hat · 29 CFR 1926.100(a)".
    pub detail: Option<String>,
}

/// An edge of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Edge {
    /// The upper one.
    #[default]
    Top,
    /// The lower one.
    Bottom,
}

/// A strip along the frame's edge that tells what is wrong at the moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Banner {
    /// One violation each, such as "Worker 3 · no hard hat · 29 CFR 1926.100(a) · 4.2 s". None: no banner.
    pub lines: Vec<String>,
    /// Where the strip lies.
    pub edge: Edge,
}

impl Banner {
    /// Lines that are shown; the last one counts the rest where there are more.
    pub const MAX_LINES: usize = 3;
}

/// Lays out `annotations` and `banner` for a frame of `size` (width, height) pixels.
///
/// Labels stand above their boxes, or wherever else near by there is room: within the frame and clear of each other and
/// of the banner. Violations choose first and lie on top. Boxes that are not finite or lie off the frame are left out.
pub fn annotate(
    annotations: &[Annotation],
    banner: Option<&Banner>,
    size: (usize, usize),
    theme: &Theme,
    text: &mut TextCache,
) -> DisplayList {
    let frame = Rect { width: size.0 as f32, height: size.1 as f32, ..Rect::default() };
    let mut order: Vec<_> = annotations.iter().filter(|annotation| visible(annotation.rect, frame)).collect();
    order.sort_by(|a, b| a.state.cmp(&b.state).then(a.rect.area().total_cmp(&b.rect.area())));

    let mut labels: Vec<_> =
        banner.and_then(|banner| place_banner(banner, frame, theme, text)).into_iter().collect();
    for annotation in order.iter().rev().filter(|annotation| !annotation.title.is_empty()) {
        let card = Card::label(annotation, frame, theme, text);
        let at = place_label(&card, annotation.rect, &order, &labels, frame, theme);
        labels.push((card, at));
    }

    let mut primitives: Vec<_> = order.iter().flat_map(|annotation| outline(annotation, theme)).collect();
    for (card, at) in labels.iter().rev() {
        card.draw(*at, theme, &mut primitives);
    }
    DisplayList { primitives }
}

/// Whether any part of a finite box lies within the frame.
fn visible(rect: Rect, frame: Rect) -> bool {
    let finite = [rect.x, rect.y, rect.right(), rect.bottom()].iter().all(|edge| edge.is_finite());
    finite && rect.intersection(&frame) > 0.0
}

/// The line around a box, within its edges, on top of a wider dark one.
fn outline(annotation: &Annotation, theme: &Theme) -> [Primitive; 2] {
    let width = match annotation {
        Annotation { title, .. } if title.is_empty() => theme.thin_line,
        Annotation { state: State::Violation, .. } => theme.bold_line,
        _ => theme.line,
    };
    let (left, top) = (annotation.rect.x.round(), annotation.rect.y.round());
    let right = annotation.rect.right().round().max(left + 1.0);
    let bottom = annotation.rect.bottom().round().max(top + 1.0);
    let inset = (width / 2.0).min((right - left - 1.0) / 2.0).min((bottom - top - 1.0) / 2.0);
    let rect = Rect::from_corners(left + inset, top + inset, right - inset, bottom - inset);
    let line = |width, color| {
        let stroke = Some(Stroke { width, color });
        Primitive::RoundedRect { rect, radius: theme.radius, fill: None, stroke }
    };
    [
        line(width + 2.0 * theme.contour, theme.palette.contour),
        line(width, theme.palette.of(annotation.state)),
    ]
}

/// Where a label stands best: of the places around its box the one that hides least.
fn place_label(
    card: &Card,
    rect: Rect,
    boxes: &[&Annotation],
    labels: &[(Card, Rect)],
    frame: Rect,
    theme: &Theme,
) -> Rect {
    let size = card.size(theme);
    let shown = rect.clamp(frame.width, frame.height);
    let hidden = |place: &Rect| {
        let text: f32 =
            labels.iter().map(|(_, taken)| grown(*taken, theme.space / 2.0).intersection(place)).sum();
        let picture: f32 = boxes.iter().map(|other| other.rect.intersection(place)).sum();
        40.0 * text + 0.25 * picture
    };
    let cost = |index: usize, wanted: Rect, place: &Rect| {
        let moved = (wanted.x - place.x).abs() * size.1 * 0.1 + (wanted.y - place.y).abs() * size.0;
        hidden(place) + moved + index as f32 * 0.05 * place.area()
    };
    let places = candidates(shown, size, theme).enumerate().map(|(index, wanted)| {
        let place = keep_inside(wanted, frame, theme);
        (cost(index, wanted, &place), place)
    });
    places.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(shown, |(_, place)| place)
}

/// A box with `margin` pixels more on every side.
fn grown(rect: Rect, margin: f32) -> Rect {
    Rect::from_corners(rect.x - margin, rect.y - margin, rect.right() + margin, rect.bottom() + margin)
}

/// Places for a label of `size` around a box, the most natural one first.
fn candidates(rect: Rect, (width, height): (f32, f32), theme: &Theme) -> impl Iterator<Item = Rect> {
    let gap = (theme.space / 2.0).round();
    let inside = theme.bold_line + gap;
    let (left, right, middle) = (rect.x, rect.right() - width, rect.centre().0 - width / 2.0);
    let (above, below) = (rect.y - gap - height, rect.bottom() + gap);
    let (first, last) = (rect.y + inside, rect.bottom() - inside - height);
    let around = [
        (left, above),
        (right, above),
        (right - gap, above),
        (middle, above),
        (left + inside, first),
        (left, below),
        (right, below),
        (left + inside, last),
        (rect.right() + gap, rect.y),
        (left - gap - width, rect.y),
    ];
    let stacked = (1..=STACKED).flat_map(move |level| {
        let step = level as f32 * (height / 2.0 + gap);
        [(left, above - step), (right, above - step), (left, below + step), (left + inside, first + step)]
    });
    around.into_iter().chain(stacked).map(move |(x, y)| Rect { x: x.round(), y: y.round(), width, height })
}

/// Moves a label into the frame; to its top left where it is too large.
fn keep_inside(place: Rect, frame: Rect, theme: &Theme) -> Rect {
    let margin = (theme.space / 2.0).floor();
    let within = |start: f32, length: f32, limit: f32| start.min(limit - margin - length).max(margin);
    let (x, y) = (within(place.x, place.width, frame.width), within(place.y, place.height, frame.height));
    Rect { x, y, ..place }
}

/// The banner at its edge of the frame; `None` without lines.
fn place_banner(banner: &Banner, frame: Rect, theme: &Theme, text: &mut TextCache) -> Option<(Card, Rect)> {
    let card = Card::banner(banner, frame, theme, text)?;
    let (width, height) = card.size(theme);
    let y = match banner.edge {
        Edge::Top => theme.space,
        Edge::Bottom => frame.height - theme.space - height,
    };
    Some((card, Rect { x: theme.space, y, width, height }))
}

/// A plate with a bar in a state's colour and lines of text.
struct Card {
    state: State,
    lines: Vec<Line>,
}

/// A line of text, with a warning sign in front or without.
struct Line {
    sprite: Arc<Sprite>,
    color: Color,
    cap_height: f32,
    sign: bool,
}

impl Card {
    /// Title and detail of one object.
    fn label(annotation: &Annotation, frame: Rect, theme: &Theme, text: &mut TextCache) -> Self {
        let state = annotation.state;
        let room = (frame.width * 0.5).max(24.0 * theme.title).min(frame.width - 6.0 * theme.space);
        let sign = state == State::Violation;
        let sprite = text.line(&annotation.title, theme.title, Weight::SemiBold, room);
        let mut lines = vec![Line { sprite, color: Color::WHITE, cap_height: cap_height(theme.title), sign }];
        if let Some(detail) = annotation.detail.as_ref().filter(|detail| !detail.is_empty()) {
            let color = theme.palette.of(state).mix(Color::WHITE, 0.45);
            let sprite = text.line(detail, theme.detail, Weight::Medium, room);
            lines.push(Line { sprite, color, cap_height: cap_height(theme.detail), sign: false });
        }
        Self { state, lines }
    }

    /// Current violations.
    fn banner(banner: &Banner, frame: Rect, theme: &Theme, text: &mut TextCache) -> Option<Self> {
        let room = frame.width - 8.0 * theme.space;
        let (mut shown, hidden) =
            (banner.lines.clone(), banner.lines.len().saturating_sub(Banner::MAX_LINES));
        if hidden > 0 {
            shown.truncate(Banner::MAX_LINES - 1);
            shown.push(format!("+ {} more", hidden + 1));
        }
        let mut lines = Vec::new();
        for line in &shown {
            let sprite = text.line(line, theme.title, Weight::Medium, room);
            lines.push(Line { sprite, color: Color::WHITE, cap_height: cap_height(theme.title), sign: true });
        }
        (!lines.is_empty()).then_some(Self { state: State::Violation, lines })
    }

    /// Width and height in whole pixels.
    fn size(&self, theme: &Theme) -> (f32, f32) {
        let width = self.lines.iter().map(|line| line.width()).fold(0.0, f32::max);
        let height: f32 = self.lines.iter().map(|line| line.cap_height.round()).sum();
        let between = (self.lines.len() as f32 - 1.0) * theme.leading;
        ((Self::indent(theme) + width + 1.25 * theme.space).ceil(), height + between + 2.0 * theme.space)
    }

    /// Where text starts.
    fn indent(theme: &Theme) -> f32 {
        (1.5 * theme.space + theme.bold_line).round()
    }

    fn draw(&self, at: Rect, theme: &Theme, into: &mut Vec<Primitive>) {
        let (inset, bar) = ((theme.space / 2.0).round(), theme.bold_line);
        into.push(filled(at, theme.radius + 1.0, theme.palette.plate));
        let rect = Rect { x: at.x + inset, y: at.y + inset, width: bar, height: at.height - 2.0 * inset };
        into.push(filled(rect, bar / 2.0, theme.palette.of(self.state)));
        let mut baseline = at.y + theme.space;
        for line in &self.lines {
            baseline += line.cap_height.round();
            line.draw(at.x + Self::indent(theme), baseline, theme, into);
            baseline += theme.leading;
        }
    }
}

impl Line {
    /// What the warning sign and the space after it take up.
    fn text_start(&self) -> f32 {
        if self.sign { (self.cap_height * 1.75).round() } else { 0.0 }
    }

    fn width(&self) -> f32 {
        self.text_start() + self.sprite.advance()
    }

    fn draw(&self, x: f32, baseline: f32, theme: &Theme, into: &mut Vec<Primitive>) {
        if self.sign {
            into.extend(warning_sign(x, baseline, self.cap_height, theme));
        }
        let (x, y) = ((x + self.text_start()).round() as i32, baseline as i32);
        into.push(Primitive::Sprite { x, y, sprite: self.sprite.clone(), color: self.color });
    }
}

/// A triangle with an exclamation mark, standing on `baseline`.
fn warning_sign(x: f32, baseline: f32, height: f32, theme: &Theme) -> [Primitive; 3] {
    let (color, dark) = (theme.palette.violation, theme.palette.plate.with_alpha(255));
    let round = height * 0.14;
    let (half, top) = (height * 0.64, baseline - height * 1.06 + round);
    let middle = x + half;
    let corner = |x: f32, y: f32| Point { x, y };
    let points = vec![
        corner(middle, top),
        corner(middle + half - round, baseline - round),
        corner(middle - half + round, baseline - round),
    ];
    let stroke = Some(Stroke { width: 2.0 * round, color });
    let mark = |top: f32, bottom: f32| {
        let half = height * 0.075;
        let rect = Rect::from_corners(
            middle - half,
            baseline - height * top,
            middle + half,
            baseline - height * bottom,
        );
        filled(rect, half, dark)
    };
    [Primitive::Path { points, closed: true, fill: Some(color), stroke }, mark(0.74, 0.36), mark(0.27, 0.12)]
}

fn filled(rect: Rect, radius: f32, color: Color) -> Primitive {
    Primitive::RoundedRect { rect, radius, fill: Some(color), stroke: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (1280, 720);

    fn annotation(x: f32, y: f32, state: State) -> Annotation {
        let rect = Rect { x, y, width: 90.0, height: 220.0 };
        Annotation { rect, state, title: "person 0.93".into(), detail: Some("no hard hat".into()) }
    }

    fn lay_out(annotations: &[Annotation], banner: Option<&Banner>) -> Vec<Primitive> {
        let mut text = TextCache::new().unwrap();
        annotate(annotations, banner, SIZE, &Theme::for_frame(SIZE.0, SIZE.1), &mut text).primitives
    }

    fn plates(primitives: &[Primitive]) -> Vec<Rect> {
        let plate = Theme::for_frame(SIZE.0, SIZE.1).palette.plate;
        let plates = primitives.iter().filter_map(|primitive| match primitive {
            Primitive::RoundedRect { rect, fill: Some(color), .. } if *color == plate => Some(*rect),
            _ => None,
        });
        plates.collect()
    }

    fn strokes(primitives: &[Primitive]) -> Vec<Stroke> {
        let strokes = primitives.iter().filter_map(|primitive| match primitive {
            Primitive::RoundedRect { stroke, .. } => *stroke,
            _ => None,
        });
        strokes.collect()
    }

    #[test]
    fn plates_of_a_crowd_do_not_overlap_and_stay_in_the_frame() {
        let states = [State::Violation, State::Compliant, State::Unknown];
        let place = |index: usize| ((index % 6) as f32 * 70.0 + 380.0, (index / 6) as f32 * 150.0 + 60.0);
        let person = |index| annotation(place(index).0, place(index).1, states[index % 3]);
        let crowd: Vec<_> = (0..12).map(person).collect();
        let banner = Banner { lines: vec!["Worker 3 · no hard hat".into()], edge: Edge::Top };
        let plates = plates(&lay_out(&crowd, Some(&banner)));
        assert_eq!(plates.len(), 13);
        for (index, plate) in plates.iter().enumerate() {
            assert!(plate.clamp(1280.0, 720.0) == *plate, "{plate:?}");
            let next = plates[index + 1..].iter().find(|other| plate.intersection(other) > 0.0);
            assert_eq!(next, None, "overlaps {plate:?}");
        }
    }

    #[test]
    fn a_label_stands_above_its_box_or_flips() {
        let gap = |rect: &Rect, box_top: f32| box_top - rect.bottom();
        let above = plates(&lay_out(&[annotation(300.0, 300.0, State::Compliant)], None))[0];
        assert!(above.x == 300.0 && (0.0..8.0).contains(&gap(&above, 300.0)), "{above:?}");
        let flipped = plates(&lay_out(&[annotation(300.0, 0.0, State::Compliant)], None))[0];
        assert!(flipped.y >= 0.0, "{flipped:?}");
        let aside = plates(&lay_out(&[annotation(1200.0, 300.0, State::Compliant)], None))[0];
        assert!(aside.right() <= 1280.0, "{aside:?}");
    }

    #[test]
    fn a_violation_is_told_by_more_than_colour() {
        let (calm, alarm) = (
            lay_out(&[annotation(300.0, 300.0, State::Compliant)], None),
            lay_out(&[annotation(300.0, 300.0, State::Violation)], None),
        );
        assert!(strokes(&alarm)[1].width > strokes(&calm)[1].width);
        let signs =
            |list: &[Primitive]| list.iter().filter(|item| matches!(item, Primitive::Path { .. })).count();
        assert_eq!((signs(&calm), signs(&alarm)), (0, 1));
    }

    #[test]
    fn without_a_title_there_is_a_thin_box_only() {
        let hat = Annotation { title: String::new(), ..annotation(300.0, 300.0, State::Violation) };
        let list = lay_out(&[hat], None);
        assert_eq!(list.len(), 2);
        let theme = Theme::for_frame(SIZE.0, SIZE.1);
        assert_eq!(strokes(&list)[1], Stroke { width: theme.thin_line, color: theme.palette.violation });
    }

    #[test]
    fn a_box_is_drawn_within_its_edges() {
        let list = lay_out(&[annotation(300.0, 300.0, State::Compliant)], None);
        let Primitive::RoundedRect { rect, stroke: Some(Stroke { width, .. }), .. } = &list[1] else {
            panic!("{list:?}")
        };
        assert_eq!((rect.x - width / 2.0, rect.bottom() + width / 2.0), (300.0, 520.0));
    }

    #[test]
    fn a_banner_shows_three_lines_at_most() {
        let shown = |count: usize| {
            let lines = (0..count).map(|index| format!("Worker {index}")).collect();
            lay_out(&[], Some(&Banner { lines, edge: Edge::Bottom }))
        };
        let texts =
            |list: &[Primitive]| list.iter().filter(|item| matches!(item, Primitive::Sprite { .. })).count();
        assert_eq!([0, 1, 3, 9].map(|count| texts(&shown(count))), [0, 1, 3, 3]);
        assert_eq!(shown(0), []);
        assert!(plates(&shown(9))[0].bottom() < 720.0 && plates(&shown(9))[0].y > 600.0);
    }

    #[test]
    fn boxes_that_cannot_be_seen_are_left_out() {
        let places = [(f32::NAN, 5.0), (1e30, 5.0), (-90.0, 5.0), (5.0, 720.0), (f32::INFINITY, 1.0)];
        assert_eq!(lay_out(&places.map(|(x, y)| annotation(x, y, State::Violation)), None), []);
        let inside_out = Rect { x: 50.0, y: 50.0, width: -20.0, height: 10.0 };
        assert_eq!(lay_out(&[Annotation { rect: inside_out, ..Annotation::default() }], None), []);
    }

    #[test]
    fn the_smallest_frame_is_laid_out() {
        let mut text = TextCache::new().unwrap();
        let annotations = [annotation(0.0, 0.0, State::Violation), annotation(-20.0, -20.0, State::Neutral)];
        let banner = Banner { lines: vec!["Worker".into()], edge: Edge::Bottom };
        let list = annotate(&annotations, Some(&banner), (1, 1), &Theme::for_frame(1, 1), &mut text);
        assert_eq!(plates(&list.primitives).len(), 3);
    }

    #[test]
    fn the_same_input_gives_the_same_layout() {
        let crowd: Vec<_> =
            (0..9).map(|index| annotation(index as f32 * 40.0, 200.0, State::Unknown)).collect();
        assert_eq!(lay_out(&crowd, None), lay_out(&crowd, None));
    }
}
