//! Plates with lines of text.

use std::sync::Arc;

use crate::draw::annotation::State;
use crate::draw::display::{Color, Primitive};
use crate::draw::sign::{self, filled};
use crate::draw::text::{Sprite, TextCache, Weight, cap_height};
use crate::draw::theme::Theme;
use crate::geometry::Rect;

/// A plate with lines of text, and bars in colour at its left edge.
pub(super) struct Card {
    pub lines: Vec<Line>,
    /// The colour of the bar beside each group of lines, and how many lines the group has.
    pub bars: Vec<(Color, usize)>,
}

/// A line of text, with a sign in front or without.
pub(super) struct Line {
    sprite: Arc<Sprite>,
    /// At the right edge of the card.
    right: Option<Arc<Sprite>>,
    color: Color,
    cap_height: f32,
    sign: State,
    /// Whether the text starts where text after a sign does.
    indented: bool,
}

/// How a line is set.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub size: f32,
    pub weight: Weight,
    pub color: Color,
    pub sign: State,
    pub indented: bool,
}

impl Style {
    /// Of a title.
    pub fn title(theme: &Theme) -> Self {
        let (size, color) = (theme.title, theme.palette.text);
        Self { size, weight: Weight::SemiBold, color, sign: State::Neutral, indented: false }
    }

    /// Of what is said in addition, in the colour `color`.
    pub fn detail(theme: &Theme, color: Color) -> Self {
        let color = theme.palette.tinted(color);
        Self { size: theme.detail, weight: Weight::Medium, color, sign: State::Neutral, indented: false }
    }
}

impl Line {
    /// `text`, and `right` at the right edge, in `room` pixels at most.
    pub fn new(text: &str, right: Option<&str>, style: Style, room: f32, cache: &mut TextCache) -> Self {
        let cap_height = cap_height(style.size);
        let start = if style.indented || style.sign != State::Neutral { start(cap_height) } else { 0.0 };
        let right = right.map(|right| cache.line(right, style.size, style.weight, room));
        let taken = right.as_ref().map_or(0.0, |right| right.advance() + gap(style.size));
        let sprite = cache.line(text, style.size, style.weight, (room - start - taken).max(0.0));
        Self { sprite, right, color: style.color, cap_height, sign: style.sign, indented: style.indented }
    }

    /// What the sign and the space after it take up.
    fn start(&self) -> f32 {
        if self.indented || self.sign != State::Neutral { start(self.cap_height) } else { 0.0 }
    }

    fn width(&self) -> f32 {
        let right = self.right.as_ref().map_or(0.0, |right| right.advance() + gap(self.cap_height));
        self.start() + self.sprite.advance() + right
    }

    /// Draws the line between `left` and `right`.
    fn draw(&self, left: f32, right: f32, baseline: f32, theme: &Theme, into: &mut Vec<Primitive>) {
        into.extend(sign::in_text(self.sign, left, baseline, self.cap_height, &theme.palette));
        let mut text = |x: f32, sprite: &Arc<Sprite>| {
            let (x, y, sprite) = (x.round() as i32, baseline as i32, sprite.clone());
            into.push(Primitive::Sprite { x, y, sprite, color: self.color });
        };
        text(left + self.start(), &self.sprite);
        if let Some(sprite) = &self.right {
            text(right - sprite.advance(), sprite);
        }
    }
}

fn start(cap_height: f32) -> f32 {
    (cap_height * sign::ADVANCE).round()
}

/// Between the text at the left and that at the right.
fn gap(size: f32) -> f32 {
    size * 1.2
}

impl Card {
    /// Width and height in whole pixels.
    pub fn size(&self, theme: &Theme) -> (f32, f32) {
        let width = self.lines.iter().map(Line::width).fold(0.0, f32::max);
        let lines: f32 = self.lines.iter().map(|line| line.cap_height.round()).sum();
        let between = (self.lines.len() as f32 - 1.0).max(0.0) * theme.leading;
        let groups = self.bars.len().saturating_sub(1) as f32 * group_gap(theme);
        let height = lines + between + groups + 2.0 * theme.space;
        ((self.indent(theme) + width + 1.25 * theme.space).ceil(), height)
    }

    /// Where text starts.
    fn indent(&self, theme: &Theme) -> f32 {
        if self.bars.is_empty() { theme.space } else { (1.5 * theme.space + theme.bold_line).round() }
    }

    pub fn draw(&self, at: Rect, theme: &Theme, into: &mut Vec<Primitive>) {
        into.push(filled(at, theme.radius + 1.0, theme.palette.plate));
        let (left, right) = (at.x + self.indent(theme), at.right() - 1.25 * theme.space);
        let mut baseline = at.y + theme.space;
        let mut lines = self.lines.iter();
        let groups = if self.bars.is_empty() { &[(Color::WHITE, usize::MAX)] } else { &self.bars[..] };
        for (color, count) in groups {
            let top = baseline;
            for line in lines.by_ref().take(*count) {
                baseline += line.cap_height.round();
                line.draw(left, right, baseline, theme, into);
                baseline += theme.leading;
            }
            if !self.bars.is_empty() {
                into.push(bar(at.x, top, baseline - theme.leading, *color, theme));
            }
            baseline += group_gap(theme);
        }
    }
}

/// Between two groups of lines, besides the space between lines.
fn group_gap(theme: &Theme) -> f32 {
    (theme.space * 0.9).round()
}

/// The bar beside the lines between `top` and `bottom`.
fn bar(x: f32, top: f32, bottom: f32, color: Color, theme: &Theme) -> Primitive {
    let (inset, width) = ((theme.space / 2.0).round(), theme.bold_line);
    let rect = Rect::from_corners(x + inset, top - inset, x + inset + width, bottom + inset);
    filled(rect, width / 2.0, color)
}
