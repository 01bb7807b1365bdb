//! Where an event comes from: enough to find the video, the model and the rules again.

use crate::hash::Hash;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Name and version of this software.
pub const SOFTWARE: &str = concat!("gst-osha ", env!("CARGO_PKG_VERSION"));

/// What an event rests on. Hashes are SHA-256 in hexadecimal; what is not known is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Sequence number of the first event of the same run: with it, `violation` is unique within a spool.
    pub run: u64,
    /// Name of the camera or stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The detector's model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The detector's class names, one a line, each with a line feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// The site file, byte for byte; absent where the built-in rules hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// The standards that titles, severities and related standards are from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<Corpus>,
    /// [`SOFTWARE`].
    pub software: Cow<'static, str>,
}

impl Default for Provenance {
    fn default() -> Self {
        Self {
            run: 1,
            stream: None,
            model: None,
            labels: None,
            rules: None,
            corpus: None,
            software: Cow::Borrowed(SOFTWARE),
        }
    }
}

/// A collection of standards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corpus {
    /// Its version.
    pub version: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl From<&crate::corpus::Corpus> for Corpus {
    fn from(corpus: &crate::corpus::Corpus) -> Self {
        Self { version: corpus.version().to_owned(), sha256: corpus.hash().to_owned() }
    }
}

/// The hash of a detector's class names.
pub fn hash_of_labels<S: AsRef<str>>(labels: &[S]) -> Hash {
    Hash::of(labels.iter().flat_map(|label| [label.as_ref(), "\n"]).collect::<String>())
}

/// What a wall clock time was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The frame's reference timestamp: when it was taken, as the camera says.
    Reference,
    /// The system clock when the event was reported.
    System,
}

/// A wall clock time as RFC 3339 in UTC, to the millisecond; `None` outside the years 1970 to 9999.
pub fn rfc3339(time: SystemTime) -> Option<String> {
    const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    (since < YEAR_10000).then(|| humantime::format_rfc3339_millis(time).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        let at = |milliseconds| UNIX_EPOCH + Duration::from_millis(milliseconds);
        assert_eq!(rfc3339(at(0)).unwrap(), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(at(1_700_000_000_123)).unwrap(), "2023-11-14T22:13:20.123Z");
        assert_eq!(rfc3339(at(253_402_300_799_999)).unwrap(), "9999-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(at(253_402_300_800_000)), None);
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), None);
    }

    #[test]
    fn the_order_of_labels_matters() {
        assert_eq!(hash_of_labels(&["a", "b"]), Hash::of("a\nb\n"));
        assert_ne!(hash_of_labels(&["a", "b"]), hash_of_labels(&["b", "a"]));
        assert_ne!(hash_of_labels(&["ab"]), hash_of_labels(&["a", "b"]));
    }
}
