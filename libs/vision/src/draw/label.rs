//! Where labels stand: within the frame, near what they name, and clear of each other.

use crate::draw::theme::Theme;
use crate::geometry::Rect;

/// Half labels' heights by which a label may be moved further up or down.
const STACKED: usize = 8;

/// Where a label of `size` (width, height) for the box `rect` stands best: of the places around the box the one that
/// hides least of the other `boxes` and of the places that are `taken`.
pub(super) fn place(
    size: (f32, f32),
    rect: Rect,
    boxes: &[Rect],
    taken: &[Rect],
    frame: Rect,
    theme: &Theme,
) -> Rect {
    let shown = rect.clamp(frame.width, frame.height);
    let hidden = |place: &Rect| {
        let text: f32 = taken.iter().map(|taken| grown(*taken, theme.space / 2.0).intersection(place)).sum();
        let picture: f32 = boxes.iter().map(|other| other.intersection(place)).sum();
        40.0 * text + 0.25 * picture
    };
    let mut best = None;
    for (index, wanted) in candidates(shown, size, theme).enumerate() {
        let (place, later) = (keep_inside(wanted, frame, theme), index as f32 * 0.05 * size.0 * size.1);
        // No place from here on can be better.
        if best.is_some_and(|(cost, _)| later >= cost) {
            break;
        }
        let moved = (wanted.x - place.x).abs() * size.1 * 0.1 + (wanted.y - place.y).abs() * size.0;
        let cost = hidden(&place) + moved + later;
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, place));
        }
    }
    best.map_or(shown, |(_, place)| place)
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
pub(super) fn keep_inside(place: Rect, frame: Rect, theme: &Theme) -> Rect {
    let margin = (theme.space / 2.0).floor();
    let within = |start: f32, length: f32, limit: f32| start.min(limit - margin - length).max(margin);
    let (x, y) = (within(place.x, place.width, frame.width), within(place.y, place.height, frame.height));
    Rect { x, y, ..place }
}
