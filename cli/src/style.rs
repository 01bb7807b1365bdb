//! Colour on a terminal, plain text elsewhere.

use std::io::IsTerminal;
use std::sync::LazyLock;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

static COLOUR: LazyLock<bool> =
    LazyLock::new(|| AutoStream::choice(&std::io::stdout()) != ColorChoice::Never);

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A heading, or a command to copy.
    Title,
    /// Of little weight.
    Quiet,
    /// As it should be.
    Good,
    /// Could be better, or was left out.
    Doubtful,
    /// As it should not be.
    Bad,
}

impl Tone {
    /// What it looks like.
    pub fn style(self) -> Style {
        match self {
            Self::Title => Style::new().bold(),
            Self::Quiet => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Doubtful => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// `text` in the style of `tone`, if standard output is a terminal and the user has not refused colour (`NO_COLOR`).
pub fn paint(text: &str, tone: Tone) -> String {
    let style = if *COLOUR { tone.style() } else { Style::new() };
    format!("{style}{text}{style:#}")
}

/// Columns of the terminal, `most` at most; as many where standard output is none.
pub fn columns(most: usize) -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    columns.map_or(most, |columns| columns.min(most))
}

/// A line on standard error about work under way; replaced by the next one. Nothing if that is no terminal.
pub fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}
