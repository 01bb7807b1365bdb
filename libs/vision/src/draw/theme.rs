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
            neutral: Color::rgb(206, 220, 236),
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
    /// Space around text; the unit of other distances.
    pub space: f32,
    /// Space between a line of text and the tops of the next one's capitals.
    pub leading: f32,
}

impl Theme {
    /// Sizes that are legible in a frame of `width` x `height` pixels, from 320x240 up.
    pub fn for_frame(width: usize, height: usize) -> Self {
        let basis = width.min(height) as f32;
        let scaled = |share: f32, least: f32| (basis * share).round().max(least);
        let title = crisp_size((basis * 0.022).max(11.0));
        Self {
            palette: Palette::default(),
            title,
            detail: crisp_size((basis * 0.019).max(11.0)),
            line: scaled(0.003, 2.0),
            bold_line: scaled(0.005, 3.0),
            thin_line: scaled(0.0016, 1.0),
            contour: (basis * 0.001).max(0.75),
            radius: scaled(0.0056, 2.0),
            space: scaled(0.0092, 4.0),
            leading: (title * 0.55).round(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_legible_at_every_size() {
        let sizes = [(320, 240), (640, 360), (1280, 720), (1920, 1080), (3840, 2160), (1080, 1920)];
        let titles = sizes.map(|(width, height)| Theme::for_frame(width, height).title);
        for (title, expected) in titles.into_iter().zip([11.0, 11.0, 15.84, 23.76, 47.52, 23.76]) {
            assert!((title - expected).abs() < 1.0, "{title} for {expected}");
        }
    }

    #[test]
    fn colours_differ_in_lightness() {
        let Palette { compliant, violation, unknown, neutral, .. } = Palette::default();
        let lightness = |color: Color| {
            0.2126 * f32::from(color.r) + 0.7152 * f32::from(color.g) + 0.0722 * f32::from(color.b)
        };
        let mut found = [violation, compliant, unknown, neutral].map(lightness);
        found.sort_by(f32::total_cmp);
        assert!(found.windows(2).all(|pair| pair[1] - pair[0] > 20.0), "{found:?}");
    }
}
