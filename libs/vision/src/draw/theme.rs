//! Colours and sizes.

use crate::draw::annotation::State;
use crate::draw::display::Color;
use crate::draw::panel::Severity;
use crate::draw::text::crisp_size;

/// A choice of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Look {
    /// Light text on dark plates.
    #[default]
    Dark,
    /// Dark text on light plates.
    Light,
    /// White text on black, strong colours, larger type and wider lines.
    HighContrast,
}

impl Look {
    /// Every look.
    pub const ALL: [Self; 3] = [Self::Dark, Self::Light, Self::HighContrast];
}

/// Colours that people with any colour vision tell apart; a test simulates each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Of [`State::Compliant`].
    pub compliant: Color,
    /// Of [`State::Violation`].
    pub violation: Color,
    /// Of [`State::Suspected`].
    pub suspected: Color,
    /// Of [`State::Unknown`].
    pub unknown: Color,
    /// Of [`State::Neutral`].
    pub neutral: Color,
    /// Of zones in which nothing is wrong.
    pub zone: Color,
    /// Behind text.
    pub plate: Color,
    /// Of text.
    pub text: Color,
    /// Around boxes.
    pub contour: Color,
}

impl Palette {
    /// The colours of a look.
    pub const fn new(look: Look) -> Self {
        let dark = Self {
            compliant: Color::rgb(43, 190, 128),
            violation: Color::rgb(244, 72, 44),
            suspected: Color::rgb(250, 192, 52),
            unknown: Color::rgb(168, 148, 236),
            neutral: Color::rgb(214, 224, 236),
            zone: Color::rgb(82, 176, 236),
            plate: Color::rgb(15, 19, 25).with_alpha(205),
            text: Color::WHITE,
            contour: Color::rgb(8, 10, 14).with_alpha(150),
        };
        match look {
            Look::Dark => dark,
            Look::Light => Self {
                plate: Color::rgb(250, 251, 252).with_alpha(224),
                text: Color::rgb(18, 22, 30),
                ..dark
            },
            Look::HighContrast => Self {
                compliant: Color::rgb(0, 216, 140),
                violation: Color::rgb(255, 64, 24),
                suspected: Color::rgb(255, 214, 0),
                unknown: Color::rgb(176, 150, 255),
                neutral: Color::WHITE,
                zone: Color::rgb(64, 184, 255),
                plate: Color::rgb(0, 0, 0).with_alpha(240),
                text: Color::WHITE,
                contour: Color::rgb(0, 0, 0).with_alpha(230),
            },
        }
    }

    /// The colour of a state.
    pub const fn of(&self, state: State) -> Color {
        match state {
            State::Compliant => self.compliant,
            State::Violation => self.violation,
            State::Suspected => self.suspected,
            State::Unknown => self.unknown,
            State::Neutral => self.neutral,
        }
    }

    /// The colour of a severity.
    pub const fn of_severity(&self, severity: Severity) -> Color {
        match severity {
            Severity::Low => self.neutral,
            Severity::Medium => self.suspected,
            Severity::High | Severity::Critical => self.violation,
        }
    }

    /// The colour of secondary text in the colour `color`: near enough to that of other text to be read.
    pub fn tinted(&self, color: Color) -> Color {
        let is_dark = u16::from(self.text.r) + u16::from(self.text.g) < 256;
        color.mix(self.text, if is_dark { 0.72 } else { 0.45 }).with_alpha(255)
    }
}

/// Colours, and sizes in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Theme {
    /// Colours.
    pub palette: Palette,
    /// Font size of titles.
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
    pub fn for_frame(look: Look, width: usize, height: usize) -> Self {
        let emphasis = if look == Look::HighContrast { 1.2 } else { 1.0 };
        let basis = width.min(height) as f32 * emphasis;
        let scaled = |share: f32, least: f32| (basis * share).round().max(least);
        let title = crisp_size((basis * 0.022).max(11.0 * emphasis));
        Self {
            palette: Palette::new(look),
            title,
            detail: crisp_size((basis * 0.019).max(11.0 * emphasis)),
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
        let titles = sizes.map(|(width, height)| Theme::for_frame(Look::Dark, width, height).title);
        for (title, expected) in titles.into_iter().zip([11.0, 11.0, 15.84, 23.76, 47.52, 23.76]) {
            assert!((title - expected).abs() < 1.0, "{title} for {expected}");
        }
        assert!(Theme::for_frame(Look::HighContrast, 320, 240).title > titles[0]);
    }

    type Rgb = [f64; 3];

    /// Linear light of a colour.
    fn linear(color: Color) -> Rgb {
        [color.r, color.g, color.b].map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn times(matrix: [Rgb; 3], [r, g, b]: Rgb) -> Rgb {
        matrix.map(|row| row[0] * r + row[1] * g + row[2] * b)
    }

    /// CIE L*a*b* of linear light.
    fn lab(rgb: Rgb) -> Rgb {
        let xyz = times(
            [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]],
            rgb.map(|value| value.clamp(0.0, 1.0)),
        );
        let [x, y, z] = [xyz[0] / 0.9505, xyz[1], xyz[2] / 1.089]
            .map(|value| if value > 0.008_856 { value.cbrt() } else { 7.787 * value + 16.0 / 116.0 });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// How far apart two colours look through `vision`.
    fn apart(vision: [Rgb; 3], a: Color, b: Color) -> f64 {
        let [a, b] = [a, b].map(|color| lab(times(vision, linear(color))));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    /// Full, and without the long, the middle and the short cones: Machado, Oliveira and Fernandes, 2009.
    const VISIONS: [(&str, [Rgb; 3]); 4] = [
        ("full", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
        ),
        (
            "deuteranopia",
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
        ),
        (
            "tritanopia",
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ),
    ];

    #[test]
    fn states_differ_for_every_colour_vision() {
        for look in Look::ALL {
            let states =
                [State::Neutral, State::Compliant, State::Unknown, State::Suspected, State::Violation];
            for (name, vision) in VISIONS {
                for (index, a) in states.iter().enumerate() {
                    for b in &states[index + 1..] {
                        let palette = Palette::new(look);
                        let apart = apart(vision, palette.of(*a), palette.of(*b));
                        assert!(apart > 18.0, "{look:?}, {name}: {a:?} and {b:?} are {apart:.0} apart");
                    }
                }
            }
        }
    }

    fn luminance(color: Color) -> f64 {
        let [r, g, b] = linear(color);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Contrast of `text` on `plate` over the backgrounds black and white, the lower one, as WCAG 2 defines it.
    fn contrast(text: Color, plate: Color) -> f64 {
        let over = |background: u8| {
            let share = f32::from(plate.a) / 255.0;
            plate.mix(Color::rgb(background, background, background), 1.0 - share)
        };
        let ratio = |background| {
            let (a, b) = (luminance(text), luminance(over(background)));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        ratio(0).min(ratio(255))
    }

    #[test]
    fn text_can_be_read_on_every_background() {
        for look in Look::ALL {
            let palette = Palette::new(look);
            let least = if look == Look::HighContrast { 12.0 } else { 7.0 };
            let title = contrast(palette.text, palette.plate);
            assert!(title >= least, "{look:?}: {title:.1}");
            for state in [State::Compliant, State::Suspected, State::Unknown, State::Violation] {
                let detail = contrast(palette.tinted(palette.of(state)), palette.plate);
                assert!(detail >= 4.5, "{look:?}: {state:?} {detail:.1}");
            }
        }
    }
}
