//! The seal of a line: the hash of the line before it, and its own.

use crate::hash::Hash;
use serde_json::Value;

/// The last line of a spool, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Sequence number; 0 before the first line.
    pub sequence: u64,
    /// Hash of the line; all zeros before the first line.
    pub hash: Hash,
}

const HASH: &str = r#","hash":""#;
/// Length of what follows the hashed part of a line: `,"hash":"…"}`.
const SEAL: usize = HASH.len() + 64 + 2;

/// `object`, the text of a JSON object with at least one key, as a line that follows a line of hash `previous`; and its hash.
pub fn seal(object: &str, previous: &Hash) -> (String, Hash) {
    let open = object.trim_end().strip_suffix('}').unwrap_or(object);
    let content = format!(r#"{open},"previous":"{previous}""#);
    let hash = Hash::of(&content);
    (format!("{content}{HASH}{hash}\"}}\n"), hash)
}

/// A line as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    /// Position that it claims.
    pub sequence: u64,
    /// Hash that it claims for the line before.
    pub previous: Hash,
    /// Hash that it claims for itself.
    pub hash: Hash,
    /// Whether that is its hash.
    pub genuine: bool,
    /// The event, with its seal.
    pub event: Value,
}

impl Sealed {
    /// What the next line has to follow.
    pub fn head(&self) -> Head {
        Head { sequence: self.sequence, hash: self.hash }
    }
}

/// A line is no line of a spool.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A key is missing or is not what it should be.
    #[error("no valid \"{0}\"")]
    Key(&'static str),
}

/// Reads a line, with or without its line feed.
///
/// # Errors
///
/// [`SealError`] if it is not an event with a seal. One that was altered is no error: see [`Sealed::genuine`].
pub fn open(line: &[u8]) -> Result<Sealed, SealError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let event: Value = serde_json::from_slice(line)?;
    let hash_of = |key| {
        let text = event.get(key).and_then(Value::as_str);
        text.and_then(|text| text.parse::<Hash>().ok()).ok_or(SealError::Key(key))
    };
    let sequence = event.get("sequence").and_then(Value::as_u64).ok_or(SealError::Key("sequence"))?;
    let (previous, hash) = (hash_of("previous")?, hash_of("hash")?);
    let genuine = content(line, &hash).is_some_and(|content| Hash::of(content) == hash);
    Ok(Sealed { sequence, previous, hash, genuine, event })
}

/// The part of `line` that is hashed, if the rest is the seal of `hash`.
fn content<'l>(line: &'l [u8], hash: &Hash) -> Option<&'l [u8]> {
    let (content, seal) = line.split_at_checked(line.len().checked_sub(SEAL)?)?;
    (seal == format!("{HASH}{hash}\"}}").as_bytes()).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_opens() {
        let (line, hash) = seal("{\"sequence\":1}\n", &Hash::default());
        let sealed = open(line.as_bytes()).unwrap();
        assert!(sealed.genuine);
        assert_eq!((sealed.head(), sealed.previous), (Head { sequence: 1, hash }, Hash::default()));
        let next = seal(r#"{"sequence":2}"#, &hash).0;
        assert_eq!(open(next.trim_end().as_bytes()).unwrap().previous, hash);
    }

    #[test]
    fn every_byte_counts() {
        let (line, _) = seal(r#"{"sequence":1,"title":"Hüte"}"#, &Hash::default());
        let line = line.trim_end().as_bytes();
        for index in 0..line.len() {
            for bit in 0..8 {
                let mut altered = line.to_vec();
                altered[index] ^= 1 << bit;
                assert!(!open(&altered).is_ok_and(|sealed| sealed.genuine), "byte {index} bit {bit}");
            }
            assert!(!open(&line[..index]).is_ok_and(|sealed| sealed.genuine), "cut at {index}");
        }
    }

    #[test]
    fn whitespace_counts_too() {
        let line = seal(r#"{"sequence":1}"#, &Hash::default()).0;
        for altered in
            [line.replace("},", "} ,"), line.replace(",\"hash", ", \"hash"), format!("{} ", line.trim_end())]
        {
            assert!(altered == line || !open(altered.as_bytes()).unwrap().genuine, "{altered}");
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in
            ["", "{", "[]", "null", "{}", r#"{"sequence":-1}"#, r#"{"sequence":1,"previous":"0"}"#, "\u{0}"]
        {
            assert!(open(line.as_bytes()).is_err(), "{line}");
        }
    }
}
