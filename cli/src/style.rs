//! Colour on a terminal, plain text elsewhere.

use std::io::IsTerminal;
use std::sync::LazyLock;

static COLOUR: LazyLock<bool> = LazyLock::new(|| {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stdout().is_terminal()
});

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A heading.
    Title,
    /// As it should be.
    Good,
    /// Could be better, or was left out.
    Doubtful,
    /// As it should not be.
    Bad,
}

/// `text` in the colour of `tone`, if standard output is a terminal and `NO_COLOR` is not set.
pub fn paint(text: &str, tone: Tone) -> String {
    let code = match tone {
        Tone::Title => 1,
        Tone::Good => 32,
        Tone::Doubtful => 33,
        Tone::Bad => 31,
    };
    if *COLOUR { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// A line on standard error about work under way; replaced by the next one. Nothing if that is no terminal.
pub fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}
