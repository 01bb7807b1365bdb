//! Mistakes in site files.

use std::ops::Range;

/// A mistake in a site file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SiteError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl SiteError {
    pub(super) fn new(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        Self { line, column, message: message.into() }
    }

    /// What the TOML parser found, with a hint where a name is misspelt.
    pub(super) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let message = error.message();
        Self::new(text, error.span().unwrap_or(0..0), format!("{message}{}", hint(message)))
    }
}

/// The parser lists what it expected in backticks, after what it found.
fn hint(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown "), names.next()) {
        (true, Some(found)) => suggestion(found, names),
        _ => String::new(),
    }
}

/// Names less alike than this, 0 to 1, are no misspellings of each other.
const ALIKE: f64 = 0.75;

/// `; did you mean "zone"?` for the name that is most like `found`; empty if none is.
pub(crate) fn suggestion<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let alike = names.into_iter().map(|name| (strsim::jaro_winkler(found, name), name));
    let best = alike.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or_else(String::new, |(_, name)| format!("; did you mean \"{name}\"?"))
}
