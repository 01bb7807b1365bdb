//! Colours and sizes.

use crate::draw::annotation::State;
use crate::draw::display::Color;
use crate::draw::text::crisp_size;

/// Colours that people with any colour vision tell apart, by lightness as well as by hue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Of [`State::Compliant`].
    pub compliant: Color,
    /// Of [`State::Violation`].
    pub violation: Color,
    /// Of [`State::Unknown`].
    pub unknown: Color,
    /// Of [`State::Neutral`].
    pub neutral: Color,
    /// Behind text.
    pub plate: Color,
    /// Around boxes.
    pub contour: Color,
}

impl Default for Palette {
    fn default() -> Self {
        Self {
            compliant: Color::rgb(43, 190, 128),
            violation: Color::rgb(244, 72, 44),
            unknown: Color::rgb(247, 184, 48),
            neutral: Color::rgb(160, 190, 222),
            plate: Color::rgb(15, 19, 25).with_alpha(205),
            contour: Color::rgb(8, 10, 14).with_alpha(150),
        }
    }
}

impl Palette {
    /// The colour of a state.
    pub fn of(&self, state: State) -> Color {
        match state {
            State::Compliant => self.compliant,
            State::Violation => self.violation,
            State::Unknown => self.unknown,
            State::Neutral => self.neutral,
        }
    }
}

/// Colours, and sizes in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Theme {
    /// Colours.
    pub palette: Palette,
    /// Font size of titles and of the banner.
    pub title: f32,
    /// Font size of details.
    pub detail: f32,
    /// Line width of a box.
    pub line: f32,
    /// Line width of a violation's box.
    pub bold_line: f32,
    /// Line width of a box without title.
    pub thin_line: f32,
    /// Width of the dark contour on either side of a line.
    pub contour: f32,
    /// Corner radius of boxes and plates.
    pub radius: f32,
    /// Space around text; the unit of every other distance.
    pub space: f32,
}

impl Theme {
    /// Sizes that are legible in a frame of `width` x `height` pixels, from 320x240 up.
    pub fn for_frame(width: usize, height: usize) -> Self {
        let basis = width.min(height) as f32;
        let scaled = |share: f32, least: f32| (basis * share).round().max(least);
        Self {
            palette: Palette::default(),
            title: crisp_size((basis * 0.022).max(11.0)),
            detail: crisp_size((basis * 0.019).max(11.0)),
            line: scaled(0.0028, 1.0),
            bold_line: scaled(0.0042, 2.0),
            thin_line: scaled(0.0016, 1.0),
            contour: (basis * 0.001).max(0.75),
            radius: scaled(0.0056, 2.0),
            space: scaled(0.0092, 4.0),
        }
    }
}
