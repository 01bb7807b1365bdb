//! From what is known about a frame to what is drawn.

use crate::draw::card::{Card, Line, Style};
use crate::draw::display::{DisplayList, Point, Primitive, Stroke};
use crate::draw::label;
use crate::draw::panel::{self, Panel};
use crate::draw::sign;
use crate::draw::text::TextCache;
use crate::draw::theme::Theme;
use crate::draw::zone::Zone;
use crate::geometry::Rect;

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
    /// It seems to break a rule.
    Suspected,
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
    /// First line of its label, such as "person 3". Empty for a thin box with a sign in place of a label.
    pub title: String,
    /// How sure the detector is, such as "0.93": at the right of the title, as text of its own, since it changes from frame to
    /// frame and few of its kind are enough for all.
    pub score: Option<String>,
    /// Second line, such as "no hard hat · 29 CFR 1926.100(a)".
    pub detail: Option<String>,
}

/// What is known about a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    /// Zones and lines of the site; they lie below everything else.
    pub zones: Vec<Zone>,
    /// What was detected.
    pub annotations: Vec<Annotation>,
    /// What is wrong at the moment.
    pub panel: Panel,
}

/// Lays out `scene` for a frame of `size` (width, height) pixels.
///
/// Labels stand above their boxes, or wherever else near by there is room: within the frame and clear of each other and
/// of the panel. Violations choose first and lie on top. Boxes and zones that are not finite or lie off the frame are
/// left out.
pub fn annotate(scene: &Scene, size: (usize, usize), theme: &Theme, text: &mut TextCache) -> DisplayList {
    let frame = Rect { width: size.0 as f32, height: size.1 as f32, ..Rect::default() };
    let zones: Vec<_> = scene.zones.iter().filter(|zone| zone.is_visible(frame)).collect();
    let mut order: Vec<_> =
        scene.annotations.iter().filter(|annotation| visible(annotation.rect, frame)).collect();
    order.sort_by(|a, b| a.state.cmp(&b.state).then(a.rect.area().total_cmp(&b.rect.area())));

    let mut cards: Vec<_> = panel::place(&scene.panel, frame, theme, text).into_iter().collect();
    cards.extend(zones.iter().filter_map(|zone| zone.label(frame, theme, text)));
    let boxes: Vec<_> = order.iter().map(|annotation| annotation.rect).collect();
    let mut taken: Vec<_> = cards.iter().map(|(_, at)| *at).collect();
    for annotation in order.iter().rev().filter(|annotation| !annotation.title.is_empty()) {
        let card = card(annotation, frame, theme, text);
        let at = label::place(card.size(theme), annotation.rect, &boxes, &taken, frame, theme);
        taken.push(at);
        cards.push((card, at));
    }

    // Corners are sixteen pieces, and few labels have more than eight.
    let mut primitives = Vec::with_capacity(16 * order.len() + 8 * cards.len());
    zones.iter().for_each(|zone| zone.draw(theme, &mut primitives));
    order.iter().for_each(|annotation| outline(annotation, theme, &mut primitives));
    cards.iter().rev().for_each(|(card, at)| card.draw(*at, theme, &mut primitives));
    DisplayList { primitives }
}

/// Whether any part of a finite box lies within the frame.
fn visible(rect: Rect, frame: Rect) -> bool {
    let finite = [rect.x, rect.y, rect.right(), rect.bottom()].iter().all(|edge| edge.is_finite());
    finite && rect.intersection(&frame) > 0.0
}

/// The label of an object.
fn card(annotation: &Annotation, frame: Rect, theme: &Theme, text: &mut TextCache) -> Card {
    let state = annotation.state;
    let room = (frame.width * 0.5).max(24.0 * theme.title).min(frame.width - 6.0 * theme.space);
    let color = theme.palette.of(state);
    let title = Style { sign: state, ..Style::title(theme) };
    let mut lines = vec![Line::new(&annotation.title, annotation.score.as_deref(), title, room, text)];
    if let Some(detail) = annotation.detail.as_ref().filter(|detail| !detail.is_empty()) {
        lines.push(Line::new(detail, None, Style::detail(theme, color), room, text));
    }
    Card { bars: vec![(color, lines.len())], lines }
}

/// The line around a box, within its edges, on top of a wider dark one: whole, or at the corners only where nothing is
/// known. A thin box gets a sign.
fn outline(annotation: &Annotation, theme: &Theme, into: &mut Vec<Primitive>) {
    let (state, is_thin) = (annotation.state, annotation.title.is_empty());
    let width = match state {
        _ if is_thin => theme.thin_line,
        State::Violation => theme.bold_line,
        _ => theme.line,
    };
    let (left, top) = (annotation.rect.x.round(), annotation.rect.y.round());
    let right = annotation.rect.right().round().max(left + 1.0);
    let bottom = annotation.rect.bottom().round().max(top + 1.0);
    let inset = (width / 2.0).min((right - left - 1.0) / 2.0).min((bottom - top - 1.0) / 2.0);
    let rect = Rect::from_corners(left + inset, top + inset, right - inset, bottom - inset);
    let color = theme.palette.of(state);
    for (width, color) in [(width + 2.0 * theme.contour, theme.palette.contour), (width, color)] {
        line_around(rect, state, Stroke { width, color }, theme, into);
    }
    let radius = theme.space * 0.75;
    if is_thin && rect.width.min(rect.height) > 2.5 * radius {
        into.extend(sign::badge(state, Point { x: rect.right(), y: rect.bottom() }, radius, &theme.palette));
    }
}

fn line_around(rect: Rect, state: State, stroke: Stroke, theme: &Theme, into: &mut Vec<Primitive>) {
    let length = (rect.width.min(rect.height) * 0.28).max(3.0 * theme.space);
    if state != State::Unknown || rect.width < 2.0 * length || rect.height < 2.0 * length {
        let stroke = Some(stroke);
        return into.push(Primitive::RoundedRect { rect, radius: theme.radius, fill: None, stroke });
    }
    // Thin boxes are drawn faster than paths.
    let (half, Stroke { width, color }) = (stroke.width / 2.0, stroke);
    for (x, towards) in [(rect.x, 1.0), (rect.right(), -1.0)] {
        for (y, down) in [(rect.y, 1.0), (rect.bottom(), -1.0)] {
            let (left, top) = (x.min(x + towards * length) - half, y.min(y + down * length) - half);
            let across = Rect { x: left, y: y - half, width: length + width, height: width };
            let along = Rect { x: x - half, y: top, width, height: length + width };
            into.extend([across, along].map(|rect| sign::filled(rect, half, color)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::panel::PanelRow;
    use crate::draw::theme::Look;

    const SIZE: (usize, usize) = (1280, 720);

    fn annotation(x: f32, y: f32, state: State) -> Annotation {
        let rect = Rect { x, y, width: 90.0, height: 220.0 };
        Annotation {
            rect,
            state,
            title: "person 3".into(),
            score: Some("0.93".into()),
            detail: Some("no hard hat".into()),
        }
    }

    fn theme() -> Theme {
        Theme::for_frame(Look::Dark, SIZE.0, SIZE.1)
    }

    fn lay_out(annotations: &[Annotation], panel: Panel) -> Vec<Primitive> {
        let mut text = TextCache::new().unwrap();
        let scene = Scene { annotations: annotations.to_vec(), panel, ..Scene::default() };
        annotate(&scene, SIZE, &theme(), &mut text).primitives
    }

    fn panel(rows: usize) -> Panel {
        let row = |index: usize| PanelRow {
            what: format!("Worker {index} · no hard hat"),
            detail: "29 CFR 1926.100(a)".into(),
            duration: "4.2 s".into(),
            ..PanelRow::default()
        };
        Panel { rows: (0..rows).map(row).collect(), more: "+ {} more".into() }
    }

    fn plates(primitives: &[Primitive]) -> Vec<Rect> {
        let plate = theme().palette.plate;
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
        let plates = plates(&lay_out(&crowd, panel(1)));
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
        let above = plates(&lay_out(&[annotation(300.0, 300.0, State::Compliant)], Panel::default()))[0];
        assert!(above.x == 300.0 && (0.0..8.0).contains(&gap(&above, 300.0)), "{above:?}");
        let flipped = plates(&lay_out(&[annotation(300.0, 0.0, State::Compliant)], Panel::default()))[0];
        assert!(flipped.y >= 0.0, "{flipped:?}");
        let aside = plates(&lay_out(&[annotation(1200.0, 300.0, State::Compliant)], Panel::default()))[0];
        assert!(aside.right() <= 1280.0, "{aside:?}");
    }

    #[test]
    fn a_violation_is_told_by_more_than_colour() {
        let (calm, alarm) = (
            lay_out(&[annotation(300.0, 300.0, State::Compliant)], Panel::default()),
            lay_out(&[annotation(300.0, 300.0, State::Violation)], Panel::default()),
        );
        assert!(strokes(&alarm)[1].width > strokes(&calm)[1].width);
        let is_triangle = |item: &&Primitive| matches!(item, Primitive::Path { closed: true, .. });
        let signs = |list: &[Primitive]| list.iter().filter(is_triangle).count();
        assert_eq!((signs(&calm), signs(&alarm)), (0, 1));
    }

    #[test]
    fn without_a_title_there_is_a_thin_box_with_a_sign() {
        let hat = Annotation { title: String::new(), ..annotation(300.0, 300.0, State::Violation) };
        let list = lay_out(&[hat], Panel::default());
        assert_eq!(list.len(), 2 + 3, "a line and its contour, and a cross on a disc");
        let theme = theme();
        assert_eq!(strokes(&list)[1], Stroke { width: theme.thin_line, color: theme.palette.violation });
    }

    #[test]
    fn a_box_is_drawn_within_its_edges() {
        let list = lay_out(&[annotation(300.0, 300.0, State::Compliant)], Panel::default());
        let Primitive::RoundedRect { rect, stroke: Some(Stroke { width, .. }), .. } = &list[1] else {
            panic!("{list:?}")
        };
        assert_eq!((rect.x - width / 2.0, rect.bottom() + width / 2.0), (300.0, 520.0));
    }

    #[test]
    fn a_panel_shows_what_fits() {
        let shown = |count: usize| lay_out(&[], panel(count));
        let texts =
            |list: &[Primitive]| list.iter().filter(|item| matches!(item, Primitive::Sprite { .. })).count();
        // Three texts a row, and one for the rest.
        assert_eq!([0, 1, 3, 4, 9].map(|count| texts(&shown(count))), [0, 3, 9, 12, 13]);
        assert_eq!(shown(0), []);
        let plate = plates(&shown(9))[0];
        assert!(plate.y > 0.0 && plate.bottom() < 0.4 * SIZE.1 as f32, "{plate:?}");
    }

    #[test]
    fn a_running_clock_moves_nothing() {
        let at = |duration: &str| {
            let mut panel = panel(1);
            panel.rows[0].duration = duration.into();
            plates(&lay_out(&[], panel))[0]
        };
        assert_eq!(at("4.2 s"), at("9.9 s"));
    }

    #[test]
    fn what_is_not_known_has_corners_only() {
        let states = [State::Compliant, State::Unknown];
        let rects =
            states.map(|state| strokes(&lay_out(&[annotation(300.0, 300.0, state)], Panel::default())));
        assert_eq!(rects.map(|rects| rects.len()), [2, 0]);
    }

    #[test]
    fn zones_lie_below_people() {
        let corner = |x, y| Point { x, y };
        let points =
            vec![corner(100.0, 100.0), corner(900.0, 100.0), corner(900.0, 700.0), corner(100.0, 700.0)];
        let zone = Zone { points, closed: true, state: State::Violation, title: "Pit".into() };
        let annotations = vec![annotation(300.0, 300.0, State::Violation)];
        let scene = Scene { zones: vec![zone], annotations, ..Scene::default() };
        let list = annotate(&scene, SIZE, &theme(), &mut TextCache::new().unwrap()).primitives;
        let is_fill = |item: &Primitive| matches!(item, Primitive::Path { fill: Some(_), closed: true, .. });
        assert!(is_fill(&list[0]), "{:?}", list[0]);
        let plates = plates(&list);
        assert_eq!(plates.len(), 2);
        assert_eq!(plates[0].intersection(&plates[1]), 0.0);
    }

    #[test]
    fn boxes_that_cannot_be_seen_are_left_out() {
        let places = [(f32::NAN, 5.0), (1e30, 5.0), (-90.0, 5.0), (5.0, 720.0), (f32::INFINITY, 1.0)];
        assert_eq!(lay_out(&places.map(|(x, y)| annotation(x, y, State::Violation)), Panel::default()), []);
        let inside_out = Rect { x: 50.0, y: 50.0, width: -20.0, height: 10.0 };
        assert_eq!(
            lay_out(&[Annotation { rect: inside_out, ..Annotation::default() }], Panel::default()),
            []
        );
    }

    #[test]
    fn the_smallest_frame_is_laid_out() {
        let mut text = TextCache::new().unwrap();
        let annotations = [annotation(0.0, 0.0, State::Violation), annotation(-20.0, -20.0, State::Neutral)];
        let scene = Scene { annotations: annotations.into(), panel: panel(2), ..Scene::default() };
        let list = annotate(&scene, (1, 1), &Theme::for_frame(Look::Dark, 1, 1), &mut text);
        assert_eq!(plates(&list.primitives).len(), 3);
    }

    #[test]
    fn the_same_input_gives_the_same_layout() {
        let crowd: Vec<_> =
            (0..9).map(|index| annotation(index as f32 * 40.0, 200.0, State::Unknown)).collect();
        assert_eq!(lay_out(&crowd, Panel::default()), lay_out(&crowd, Panel::default()));
    }
}
