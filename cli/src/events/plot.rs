//! The picture of an overview: columns by hour on top, bars by rule and by zone below.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::overview::{Overview, Row};
use crate::plot::{self, Draw, FONT, SERIES};

const WIDTH: i32 = 1200;
const MARGIN: i32 = 48;
const CHART: i32 = 300;
const BAR: i32 = 34;
const INK: RGBColor = RGBColor(33, 37, 41);
const FAINT: RGBColor = RGBColor(108, 117, 125);
const GRID: RGBColor = RGBColor(226, 230, 234);
/// As many hours fit; of a longer spool the last ones are shown.
const HOURS: usize = 72;

/// Draws `overview` into the file `path`.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn draw(overview: &Overview, path: &Path) -> Result<()> {
    let bars = overview.rules.len().max(overview.zones.len()).max(1) as i32;
    let height = MARGIN * 4 + CHART + 70 + 40 + bars * BAR;
    plot::save(&Figure(overview), (WIDTH as u32, height as u32), path)
}

struct Figure<'o>(&'o Overview);

impl Draw for Figure<'_> {
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let sheet = Sheet(area);
        let Overview { violations, first, last, rules, zones, .. } = self.0;
        let title = if *violations == 1 { "1 violation".into() } else { format!("{violations} violations") };
        sheet.text(&title, (MARGIN, 40), 30, FontStyle::Bold, INK, HPos::Left)?;
        if let (Some(first), Some(last)) = (first, last) {
            let span = format!("{} to {} UTC", minutes(first), minutes(last));
            sheet.text(&span, (WIDTH - MARGIN, 40), 18, FontStyle::Normal, FAINT, HPos::Right)?;
        }
        self.legend(&sheet)?;
        self.hours(&sheet)?;
        let top = MARGIN * 3 + CHART + 70;
        let middle = WIDTH / 2 + 12;
        let right = if zones.is_empty() { WIDTH - MARGIN } else { middle - 36 };
        sheet.bars("By rule", rules, (MARGIN, right), top, |row| self.colour(&row.name))?;
        if !zones.is_empty() {
            sheet.bars("By zone", zones, (middle, WIDTH - MARGIN), top, |_| FAINT)?;
        }
        Ok(())
    }
}

impl Figure<'_> {
    fn colour(&self, rule: &str) -> RGBColor {
        let index = self.0.rules.iter().position(|row| row.name == rule).unwrap_or(0);
        SERIES[index % SERIES.len()]
    }

    fn legend<B: DrawingBackend>(&self, sheet: &Sheet<'_, B>) -> Result<()> {
        let mut x = MARGIN;
        for row in &self.0.rules {
            let name = words(&row.name);
            let width = 28 + sheet.width(&name, 16)? + 26;
            if x + width > WIDTH - MARGIN {
                break;
            }
            sheet.rectangle((x, 76), (x + 16, 92), self.colour(&row.name))?;
            sheet.text(&name, (x + 26, 84), 16, FontStyle::Normal, INK, HPos::Left)?;
            x += width;
        }
        Ok(())
    }

    /// Stacked columns, one an hour.
    fn hours<B: DrawingBackend>(&self, sheet: &Sheet<'_, B>) -> Result<()> {
        let all = without_gaps(&self.0.hours);
        let hours = &all[all.len().saturating_sub(HOURS)..];
        let (left, bottom) = (MARGIN + 36, 120 + CHART);
        let most = hours.iter().map(|row| row.violations).max().unwrap_or(0);
        let step = step(most);
        let ceiling = most.div_ceil(step).max(1) * step;
        let y = |count: u64| bottom - (count as f64 / ceiling as f64 * f64::from(CHART)).round() as i32;
        for count in (0..=ceiling).step_by(step as usize) {
            sheet.line((left, y(count)), (WIDTH - MARGIN, y(count)), GRID)?;
            sheet.text(
                &count.to_string(),
                (left - 10, y(count)),
                15,
                FontStyle::Normal,
                FAINT,
                HPos::Right,
            )?;
        }
        let pitch = (f64::from(WIDTH - MARGIN - left) / hours.len().max(1) as f64).min(120.0);
        let width = (pitch * 0.7).max(2.0) as i32;
        let every = (56.0 / pitch).ceil().max(1.0) as usize;
        let mut date = "";
        for (index, row) in hours.iter().enumerate() {
            let centre = left + ((index as f64 + 0.5) * pitch) as i32;
            self.column(sheet, row, (centre - width / 2, width), y)?;
            if index % every == 0 {
                let (day, hour) = row.name.split_once(' ').unwrap_or(("", &row.name));
                sheet.text(hour, (centre, bottom + 18), 15, FontStyle::Normal, FAINT, HPos::Center)?;
                if day != date {
                    sheet.text(day, (centre, bottom + 38), 15, FontStyle::Bold, INK, HPos::Center)?;
                    date = day;
                }
            }
        }
        Ok(())
    }

    /// One hour: the rules on top of each other.
    fn column<B: DrawingBackend>(
        &self,
        sheet: &Sheet<'_, B>,
        row: &Row,
        (left, width): (i32, i32),
        y: impl Fn(u64) -> i32,
    ) -> Result<()> {
        let mut sum = 0;
        for rule in &self.0.rules {
            let count = row.by_rule.get(&rule.name).copied().unwrap_or(0);
            if count > 0 {
                sheet.rectangle((left, y(sum + count)), (left + width, y(sum)), self.colour(&rule.name))?;
            }
            sum += count;
        }
        Ok(())
    }
}

/// A drawing area in pixels.
struct Sheet<'a, B: DrawingBackend>(&'a DrawingArea<B, Shift>);

impl<B: DrawingBackend> Sheet<'_, B> {
    fn text(
        &self,
        text: &str,
        at: (i32, i32),
        size: i32,
        style: FontStyle,
        colour: RGBColor,
        side: HPos,
    ) -> Result<()> {
        let style =
            TextStyle::from((FONT, size, style).into_font()).color(&colour).pos(Pos::new(side, VPos::Center));
        self.0.draw_text(text, &style, at).map_err(|error| anyhow!("{error}"))
    }

    fn width(&self, text: &str, size: i32) -> Result<i32> {
        let (width, _) = (FONT, size).into_font().box_size(text).map_err(|error| anyhow!("{error}"))?;
        Ok(width as i32)
    }

    fn line(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Result<()> {
        self.0.draw(&PathElement::new([from, to], colour)).map_err(|error| anyhow!("{error}"))
    }

    fn rectangle(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Result<()> {
        // One pixel less, which sets stacked ones apart.
        let to = (to.0 - 1, to.1 - 1);
        self.0.draw(&Rectangle::new([from, to], colour.filled())).map_err(|error| anyhow!("{error}"))
    }

    /// Horizontal bars between two columns of pixels, with number and length beside each.
    fn bars(
        &self,
        title: &str,
        rows: &[Row],
        (left, right): (i32, i32),
        top: i32,
        colour: impl Fn(&Row) -> RGBColor,
    ) -> Result<()> {
        self.text(title, (left, top), 20, FontStyle::Bold, INK, HPos::Left)?;
        let widths = rows.iter().map(|row| self.width(&words(&row.name), 16)).collect::<Result<Vec<_>>>()?;
        let start = left + widths.into_iter().max().unwrap_or(0) + 14;
        let most = rows.iter().map(|row| row.violations).max().unwrap_or(1).max(1);
        let room = f64::from((right - 130 - start).max(20));
        for (row, y) in rows.iter().zip((top + 40..).step_by(BAR as usize)) {
            let end = start + (row.violations as f64 / most as f64 * room).round() as i32;
            self.text(&words(&row.name), (start - 14, y), 16, FontStyle::Normal, INK, HPos::Right)?;
            self.rectangle((start, y - 10), (end.max(start + 2), y + 10), colour(row))?;
            let figures = format!("{}  ·  {}", row.violations, duration(row.seconds));
            self.text(&figures, (end + 10, y), 16, FontStyle::Normal, FAINT, HPos::Left)?;
        }
        Ok(())
    }
}

/// `hours` with empty rows for those within a day that have no violations.
fn without_gaps(hours: &[Row]) -> Vec<Row> {
    let mut filled: Vec<Row> = Vec::new();
    for row in hours {
        let (day, hour) = day_and_hour(&row.name);
        let last = filled.last().map(|last| day_and_hour(&last.name)).filter(|(before, _)| *before == day);
        let missing = last.map_or(0..0, |(_, last)| last + 1..hour);
        let empty = |hour| Row { name: format!("{day} {hour:02}:00"), ..Row::default() };
        let gap: Vec<Row> = missing.rev().take(HOURS).map(empty).collect();
        filled.extend(gap.into_iter().rev());
        filled.push(row.clone());
    }
    filled
}

/// Day and hour of `2026-11-22 08:00`.
fn day_and_hour(name: &str) -> (&str, u64) {
    let (day, time) = name.split_once(' ').unwrap_or(("", name));
    let hour = time.split_once(':').and_then(|(hour, _)| hour.parse().ok());
    (day, hour.unwrap_or(0))
}

/// A round distance between grid lines, for at most six of them.
fn step(most: u64) -> u64 {
    let mut scale = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            if most.div_ceil(factor * scale) <= 5 {
                return factor * scale;
            }
        }
        scale = scale.saturating_mul(10);
    }
}

/// "no_hard_hat" in words.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// `2026-11-22 08:15` of an RFC 3339 time.
fn minutes(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// Seconds in words that fit beside a bar.
fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_without_violations_are_columns_too_within_a_day() {
        let row = |name: &str| Row { name: name.to_owned(), ..Row::default() };
        let rows = ["a 22:00", "b 07:00", "b 09:00", "stream 00:00", "x"].map(row);
        let names: Vec<_> = without_gaps(&rows).into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["a 22:00", "b 07:00", "b 08:00", "b 09:00", "stream 00:00", "x"]);
        let far = without_gaps(&["s 00:00", "s 9000000000:00"].map(row));
        assert!(far.len() <= HOURS + 2);
    }

    #[test]
    fn steps_are_round_and_few() {
        for (most, expected) in [(0, 1), (1, 1), (5, 1), (6, 2), (26, 10), (40, 10), (1001, 500)] {
            assert_eq!(step(most), expected, "{most}");
        }
        step(u64::MAX);
    }
}
