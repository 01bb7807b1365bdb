//! Names of picture files.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How a picture is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::oshaannotate) enum Encoding {
    Png,
    Jpeg,
}

/// What the placeholders of a name stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::oshaannotate) struct Moment {
    /// Number of the violation.
    pub violation: u64,
    /// `start` or `end`.
    pub kind: &'static str,
    /// The rule that is broken.
    pub rule: String,
    /// Stream time.
    pub at: Duration,
}

/// A file name with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::oshaannotate) struct Pattern {
    text: String,
    pub encoding: Encoding,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::oshaannotate) enum PatternError {
    #[error("{0:?} ends neither in .png nor in .jpg: let it end in one of them")]
    Encoding(String),
    #[error("{0:?} has an unknown {{{1}}}: use {{violation}}, {{kind}}, {{rule}}, {{time}} and {{picture}}")]
    Placeholder(String, String),
    #[error("{0:?} would give every picture the same name: put {{violation}} into it")]
    NotUnique(String),
    #[error("the folder {0:?} does not exist: create it")]
    Folder(String),
}

impl Pattern {
    /// Reads a pattern and looks whether its folder is there.
    ///
    /// # Errors
    /// When pictures could not be stored under such a name.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let lower = text.to_lowercase();
        let encoding = match () {
            () if lower.ends_with(".png") => Encoding::Png,
            () if lower.ends_with(".jpg") || lower.ends_with(".jpeg") => Encoding::Jpeg,
            () => return Err(PatternError::Encoding(text.to_owned())),
        };
        let pattern = Self { text: text.to_owned(), encoding };
        let names = text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or(rest));
        if let Some(name) = names.clone().find(|name| !PLACEHOLDERS.contains(name)) {
            return Err(PatternError::Placeholder(text.to_owned(), name.to_owned()));
        }
        if !names.clone().any(|name| name == "violation") {
            return Err(PatternError::NotUnique(text.to_owned()));
        }
        let folder = PathBuf::from(text).parent().map(PathBuf::from).unwrap_or_default();
        if !folder.as_os_str().is_empty() && !folder.is_dir() {
            return Err(PatternError::Folder(folder.display().to_string()));
        }
        Ok(pattern)
    }

    /// The name of the picture `picture` (`drawn` or `plain`) of `moment`. If it is the only one of the moment the pattern
    /// need not tell which one it is; of several each gets its name before the suffix.
    pub fn name(&self, moment: &Moment, picture: &str, is_only: bool) -> PathBuf {
        let safe = |character: char| {
            if character.is_alphanumeric() || "-_".contains(character) { character } else { '_' }
        };
        let rule: String = moment.rule.chars().map(safe).collect();
        let name = self
            .text
            .replace("{violation}", &format!("{:05}", moment.violation))
            .replace("{kind}", moment.kind)
            .replace("{rule}", &rule)
            .replace("{time}", &moment.at.as_millis().to_string())
            .replace("{picture}", picture);
        if is_only || self.text.contains("{picture}") {
            return name.into();
        }
        insert(&name, picture).into()
    }
}

const PLACEHOLDERS: [&str; 5] = ["violation", "kind", "rule", "time", "picture"];

/// `name` with `-part` before its suffix.
pub(super) fn insert(name: &str, part: &str) -> String {
    let (stem, suffix) = name.rsplit_once('.').unwrap_or((name, ""));
    let mut name = stem.to_owned();
    // Writing to a string cannot fail.
    let _ = write!(name, "-{part}.{suffix}");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        let at = Duration::from_millis(4240);
        Moment { violation: 7, kind: "start", rule: "no hat/../x".into(), at }
    }

    #[test]
    fn placeholders_are_filled_in() {
        let pattern = Pattern::new("v{violation}-{kind}-{rule}-{time}.JPG").unwrap();
        assert_eq!(pattern.encoding, Encoding::Jpeg);
        let name = pattern.name(&moment(), "drawn", true);
        assert_eq!(name.to_str().unwrap(), "v00007-start-no_hat____x-4240.JPG");
        let both = pattern.name(&moment(), "plain", false);
        assert!(both.to_str().unwrap().ends_with("-4240-plain.JPG"));
        let told = Pattern::new("{picture}-{violation}.png").unwrap();
        assert_eq!(told.name(&moment(), "plain", false).to_str().unwrap(), "plain-00007.png");
    }

    #[test]
    fn unusable_patterns_are_refused() {
        let cases = [
            ("", "neither"),
            ("{violation}.gif", "neither"),
            ("{violation}-{hour}.png", "{hour}"),
            ("{violation}-{", "neither"),
            ("{violation.png", "unknown"),
            ("same.png", "same name"),
            ("/no/such/folder/{violation}.png", "create it"),
        ];
        for (text, expected) in cases {
            let error = Pattern::new(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
