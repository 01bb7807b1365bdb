//! The page for people and the object for programs.

use std::io::{self, Write};

use anstyle::Style;
use serde::Serialize;

use super::Outcome;
use super::facts::Facts;
use super::findings::{Area, Finding, Status};
use super::platform::{Platform, System};
use crate::style::Tone;

/// Columns of the page on a terminal that has as many. Paths and commands are never broken, so that they can be copied.
pub const WIDTH: usize = 120;
/// Where the findings' text starts.
const INDENT: usize = 26;

/// All of it, for programs.
#[derive(Serialize)]
pub struct Report<'a> {
    /// Name and version of this layout.
    pub schema: &'static str,
    /// Version of gst-osha.
    pub version: &'static str,
    /// The worst status.
    pub verdict: Status,
    /// What the process returns.
    pub exit_code: u8,
    /// Whether the CPU and the first GPU read the same memory.
    pub unified_memory: bool,
    /// How long the examination took.
    pub seconds: f64,
    /// What the facts mean.
    pub findings: &'a [Finding],
    /// What was found.
    pub facts: &'a Facts,
}

fn style(status: Status) -> Style {
    let tone = match status {
        Status::Ok => Tone::Good,
        Status::Info => Tone::Quiet,
        Status::Slower | Status::Unknown => Tone::Doubtful,
        Status::Missing => Tone::Bad,
    };
    tone.style()
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Info => "info",
        Status::Slower => "slower",
        Status::Unknown => "unknown",
        Status::Missing => "missing",
    }
}

fn heading(area: Area) -> &'static str {
    match area {
        Area::Machine => "Machine",
        Area::Gpu => "GPU",
        Area::Memory => "Memory",
        Area::Media => "Media engines",
        Area::Gstreamer => "GStreamer",
        Area::Inference => "Inference and search",
        Area::Folders => "Folders",
    }
}

/// Writes the page, `width` columns wide, with escape codes; the stream removes them where they are not wanted.
pub fn page(
    to: &mut impl Write,
    width: usize,
    findings: &[Finding],
    platform: &Platform,
    outcome: &Outcome,
) -> io::Result<()> {
    let mut area = None;
    for finding in findings {
        if area != Some(finding.area) {
            let bold = Tone::Title.style();
            let gap = if area.is_some() { "\n" } else { "" };
            writeln!(to, "{gap}{bold}{}{bold:#}", heading(finding.area))?;
            area = Some(finding.area);
        }
        line(to, width, finding, platform.system)?;
    }
    let style = style(outcome.verdict);
    writeln!(
        to,
        "\n{style}{}{style:#}   ({:.1} s, exit code {})",
        outcome.sentence(),
        outcome.seconds,
        outcome.code()
    )
}

fn line(to: &mut impl Write, width: usize, finding: &Finding, system: System) -> io::Result<()> {
    let style = style(finding.status);
    let separator =
        if finding.found.starts_with("True:") || finding.found.starts_with("False:") { ":" } else { "" };
    let title = format!("{}{separator}", finding.title);
    write!(to, "  {style}{:<8}{style:#}{title:<15} ", word(finding.status))?;
    paragraph(to, width, &finding.found)?;
    for detail in &finding.details {
        writeln!(to, "{:INDENT$}{detail}", "")?;
    }
    if let Some(cause) = &finding.cause {
        write!(to, "{:INDENT$}", "")?;
        paragraph(to, width, &format!("because {cause}"))?;
    }
    let command = Tone::Title.style();
    for remedy in finding.remedy.iter().flat_map(|remedy| remedy.lines(system)) {
        writeln!(to, "{:INDENT$}{command}$ {remedy}{command:#}", "")?;
    }
    Ok(())
}

/// Words up to the page's edge, the following lines under the first.
fn paragraph(to: &mut impl Write, width: usize, text: &str) -> io::Result<()> {
    let mut column = INDENT;
    for (index, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > width {
            write!(to, "\n{:INDENT$}", "")?;
            column = INDENT;
        } else if index > 0 {
            write!(to, " ")?;
            column += 1;
        }
        write!(to, "{word}")?;
        column += length;
    }
    writeln!(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_break_between_words_and_never_within() {
        let lines = |width| {
            let text = format!("{} {} {}", "a".repeat(60), "b".repeat(30), "c".repeat(200));
            let mut written = Vec::new();
            paragraph(&mut written, width, &text).unwrap();
            String::from_utf8(written).unwrap().lines().map(str::trim_start).map(str::len).collect::<Vec<_>>()
        };
        assert_eq!((lines(WIDTH), lines(80)), (vec![91, 200], vec![60, 30, 200]));
        assert_eq!(lines(0).len(), 3, "a terminal that is narrower than the titles");
    }
}
