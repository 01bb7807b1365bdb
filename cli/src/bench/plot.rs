//! The picture of a benchmark: what each part takes alone and in the pipeline.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::plot::{Draw, FONT, save};

/// Width and height in pixels.
const SIZE: (u32, u32) = (1200, 640);
const INK: RGBColor = RGBColor(0x22, 0x2b, 0x36);
const FAINT: RGBColor = RGBColor(0xd9, 0xde, 0xe4);
/// Told apart by people who see no colours, too: one is much darker.
const FIRST: RGBColor = RGBColor(0x1f, 0x4e, 0x79);
const SECOND: RGBColor = RGBColor(0xf2, 0xa1, 0x3c);

/// Two values beside each other: median and 95th percentile each.
pub struct Bar {
    /// Below the two.
    pub name: &'static str,
    /// Alone.
    pub first: Option<(f64, f64)>,
    /// In the pipeline.
    pub second: Option<(f64, f64)>,
}

/// Draws `bars`, which are milliseconds, into `path`.
///
/// # Errors
/// When the file cannot be written.
pub fn parts(path: &Path, bars: &[Bar], title: &str) -> Result<()> {
    save(&Figure { bars, title }, SIZE, path).with_context(|| format!("--plot {}", path.display()))
}

struct Figure<'f> {
    bars: &'f [Bar],
    title: &'f str,
}

impl Draw for Figure<'_> {
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        draw(area, self.bars, self.title).map_err(|error| anyhow!(error))
    }
}

/// From the least to the most that is drawn, both powers of ten.
fn range(bars: &[Bar]) -> (f64, f64) {
    let values = || bars.iter().flat_map(|bar| [bar.first, bar.second]).flatten().flat_map(|(a, b)| [a, b]);
    let positive = || values().filter(|value| value.is_finite() && *value > 0.0);
    let least = positive().fold(f64::INFINITY, f64::min);
    let most = positive().fold(0.0, f64::max);
    if most == 0.0 {
        (0.01, 1.0)
    } else {
        (10_f64.powf((least * 0.5).log10().floor()), 10_f64.powf((most * 1.3).log10().ceil()))
    }
}

fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, bars: &[Bar], title: &str) -> Result<(), String> {
    let text = |error: DrawingAreaErrorKind<B::ErrorType>| error.to_string();
    let (least, most) = range(bars);
    let columns = bars.len().max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(24)
        .caption(title, (FONT, 26, &INK))
        .x_label_area_size(48)
        .y_label_area_size(84)
        .build_cartesian_2d(0.0..columns, (least..most).log_scale())
        .map_err(text)?;
    let names = |x: &f64| {
        let name = bars.get(x.floor() as usize).filter(|_| (x.fract() - 0.5).abs() < 0.01);
        name.map(|bar| bar.name.to_owned()).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(FAINT)
        .x_labels(bars.len() * 2 + 1)
        .x_label_formatter(&names)
        .x_label_style((FONT, 18, &INK))
        .y_desc("milliseconds, logarithmic; lines reach to p95")
        .y_label_formatter(&|value| format!("{value}"))
        .y_label_style((FONT, 18, &INK))
        .axis_desc_style((FONT, 18, &INK))
        .draw()
        .map_err(text)?;
    for (second, colour, label) in [(false, FIRST, "alone, p50"), (true, SECOND, "in the pipeline, p50")] {
        let values = bars.iter().zip(0..).filter_map(|(bar, index)| {
            Some((
                f64::from(index) + if second { 0.52 } else { 0.16 },
                if second { bar.second? } else { bar.first? },
            ))
        });
        let values: Vec<(f64, (f64, f64))> = values.filter(|(_, (p50, _))| *p50 > 0.0).collect();
        let rectangles = values
            .iter()
            .map(|&(x, (p50, _))| Rectangle::new([(x, least), (x + 0.32, p50)], colour.filled()));
        chart
            .draw_series(rectangles)
            .map_err(text)?
            .label(label)
            .legend(move |(x, y)| Rectangle::new([(x, y - 7), (x + 18, y + 7)], colour.filled()));
        let whiskers = values.iter().map(|&(x, (p50, p95))| {
            PathElement::new(vec![(x + 0.16, p50), (x + 0.16, p95.max(p50))], INK.stroke_width(2))
        });
        chart.draw_series(whiskers).map_err(text)?;
        let numbers = values.iter().map(|&(x, (p50, p95))| {
            let style = (FONT, 16, &INK).into_text_style(area).pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Center,
                plotters::style::text_anchor::VPos::Bottom,
            ));
            Text::new(number(p50), (x + 0.16, p95.max(p50) * 1.06), style)
        });
        chart.draw_series(numbers).map_err(text)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .border_style(FAINT)
        .background_style(WHITE)
        .label_font((FONT, 18, &INK))
        .draw()
        .map_err(text)
}

/// Three digits that count.
fn number(value: f64) -> String {
    let digits = (2 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 4) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(
            [0.01234, 0.5, 1.234, 12.34, 1234.4].map(number),
            ["0.0123", "0.500", "1.23", "12.3", "1234"]
        );
        assert_eq!(number(0.0), "0.0000");
    }

    #[test]
    fn ranges_are_powers_of_ten() {
        let bar = |value| Bar { name: "x", first: Some((value, value)), second: None };
        assert_eq!(range(&[bar(0.03), bar(5.0)]), (0.01, 10.0));
        assert_eq!(range(&[bar(0.011)]), (0.001, 0.1), "no bar lies on the floor");
        assert_eq!(range(&[bar(0.0), bar(f64::NAN)]), (0.01, 1.0));
        assert_eq!(range(&[]), (0.01, 1.0));
    }

    #[test]
    fn both_kinds_of_file_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let bars = [Bar { name: "decode", first: Some((1.0, 2.0)), second: Some((0.5, 4.0)) }];
        for (name, start) in [("a.png", &b"\x89PNG"[..]), ("a.svg", &b"<svg"[..])] {
            let path = folder.path().join(name);
            parts(&path, &bars, "A title").unwrap();
            assert!(std::fs::read(&path).unwrap().starts_with(start), "{name}");
            parts(&path, &[], "").unwrap();
        }
        assert!(parts(&folder.path().join("none/a.png"), &bars, "").is_err());
    }
}
