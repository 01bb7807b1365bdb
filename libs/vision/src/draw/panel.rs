//! The panel that lists what is wrong at the moment.

use crate::draw::annotation::State;
use crate::draw::card::{Card, Line, Style};
use crate::draw::text::{TextCache, Weight};
use crate::draw::theme::Theme;
use crate::geometry::Rect;

/// How bad a violation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Untidy.
    Low,
    /// Could hurt.
    #[default]
    Medium,
    /// Could maim or kill.
    High,
    /// Kills.
    Critical,
}

/// One violation under way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PanelRow {
    /// Who does what, such as "Person 3 · no hard hat".
    pub what: String,
    /// What is broken, such as "29 CFR 1926.100(a) · high".
    pub detail: String,
    /// How long so far, such as "4.2 s"; stands at the right, so that a running clock moves nothing else.
    pub duration: String,
    /// How bad it is.
    pub severity: Severity,
}

/// Violations under way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// The most important one first. None: no panel.
    pub rows: Vec<PanelRow>,
    /// What stands in the last line where rows are left out; `{}` in it becomes their number.
    pub more: String,
}

impl Panel {
    /// Rows that are shown at most.
    pub const MAX_ROWS: usize = 4;
    /// The share of the frame's height that the panel takes at most.
    const SHARE: f32 = 0.36;
}

/// The panel and its place at the frame's top left; `None` without rows.
pub(super) fn place(panel: &Panel, frame: Rect, theme: &Theme, text: &mut TextCache) -> Option<(Card, Rect)> {
    let mut shown = panel.rows.len().min(Panel::MAX_ROWS);
    while shown > 0 {
        let card = card(panel, shown, frame, theme, text);
        let (width, height) = card.size(theme);
        if shown == 1 || height <= frame.height * Panel::SHARE {
            // A width that grows in steps keeps the panel from jumping when a clock gets another digit.
            let step = 4.0 * theme.space;
            let width = ((width / step).ceil() * step).min(frame.width - 2.0 * theme.space).max(width);
            return Some((card, Rect { x: theme.space, y: theme.space, width, height }));
        }
        shown -= 1;
    }
    None
}

/// The first `shown` rows, and a line that counts the rest.
fn card(panel: &Panel, shown: usize, frame: Rect, theme: &Theme, text: &mut TextCache) -> Card {
    let room = frame.width - 8.0 * theme.space;
    let mut card = Card { lines: Vec::new(), bars: Vec::new() };
    for row in &panel.rows[..shown] {
        let color = theme.palette.of_severity(row.severity);
        let style = Style { sign: State::Violation, ..Style::title(theme) };
        card.lines.push(Line::new(&row.what, Some(&row.duration), style, room, text));
        let style = Style { indented: true, ..Style::detail(theme, color) };
        card.lines.push(Line::new(&row.detail, None, style, room, text));
        card.bars.push((color, 2));
    }
    let hidden = panel.rows.len() - shown;
    if hidden > 0 {
        let more = panel.more.replace("{}", &hidden.to_string());
        let style =
            Style { indented: true, weight: Weight::SemiBold, ..Style::detail(theme, theme.palette.neutral) };
        card.lines.push(Line::new(&more, None, style, room, text));
        card.bars.push((theme.palette.neutral, 1));
    }
    card
}
