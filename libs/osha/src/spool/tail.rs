//! How a file of a spool ends: where the next line goes on.

use super::seal::{self, Head};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The end of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The last line that is whole and genuine; `None` if there is none.
    pub head: Option<Head>,
    /// Whether lines come after it that are neither.
    pub damaged: bool,
    /// Bytes after the last line feed.
    pub torn: u64,
    /// Whether these bytes are a whole line that lacks its line feed only. It is the head then.
    pub complete: bool,
    /// Whether these bytes can be the beginning of a line of ours.
    pub ours: bool,
}

/// What every line begins with.
const BEGINNING: &[u8] = br#"{"schema":"gst-osha.event/"#;
/// How much is read at first; a damaged file is read further.
const BLOCK: u64 = 1 << 16;

/// Reads the end of the file `path`.
///
/// # Errors
///
/// When it cannot be read.
pub(super) fn read(path: &Path) -> io::Result<Tail> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let mut size = BLOCK;
    loop {
        let start = length.saturating_sub(size);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&mut file).take(length - start).read_to_end(&mut bytes)?;
        let tail = of(&bytes);
        if tail.head.is_some() || start == 0 {
            return Ok(tail);
        }
        size = size.saturating_mul(8);
    }
}

/// The end of `bytes`.
fn of(bytes: &[u8]) -> Tail {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let (lines, torn) = bytes.split_at(whole);
    let mut tail = Tail { torn: torn.len() as u64, ours: is_ours(torn), ..Tail::default() };
    if let Some(head) = genuine(torn) {
        return Tail { head: Some(head), complete: true, ..tail };
    }
    for line in lines.strip_suffix(b"\n").into_iter().flat_map(|lines| lines.rsplit(|byte| *byte == b'\n')) {
        tail.head = genuine(line);
        if tail.head.is_some() {
            break;
        }
        tail.damaged = true;
    }
    tail
}

fn genuine(line: &[u8]) -> Option<Head> {
    seal::open(line).ok().filter(|sealed| sealed.genuine).map(|sealed| sealed.head())
}

/// Whether `torn` begins as a line does, or is a block that a power cut left empty.
fn is_ours(torn: &[u8]) -> bool {
    let length = torn.len().min(BEGINNING.len());
    torn[..length] == BEGINNING[..length] || torn.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    fn line(sequence: u64) -> (String, Head) {
        let (line, hash) = seal::seal(&format!(r#"{{"sequence":{sequence}}}"#), &Hash::default());
        (line, Head { sequence, hash })
    }

    #[test]
    fn ends() {
        let ((one, first), (two, second)) = (line(1), line(2));
        let altered = two.replace(":2", ":3");
        let cases = [
            (String::new(), Tail { ours: true, ..Tail::default() }),
            (one.clone(), Tail { head: Some(first), ours: true, ..Tail::default() }),
            (format!("{one}{two}"), Tail { head: Some(second), ours: true, ..Tail::default() }),
            (format!("{one}{{\"sch"), Tail { head: Some(first), torn: 5, ours: true, ..Tail::default() }),
            (format!("{one}abc"), Tail { head: Some(first), torn: 3, ..Tail::default() }),
            (format!("{one}\0\0"), Tail { head: Some(first), torn: 2, ours: true, ..Tail::default() }),
            (
                format!("{one}{altered}"),
                Tail { head: Some(first), damaged: true, ours: true, ..Tail::default() },
            ),
            (format!("{one}\n"), Tail { head: Some(first), damaged: true, ours: true, ..Tail::default() }),
            ("a\nb\n".into(), Tail { damaged: true, ours: true, ..Tail::default() }),
        ];
        for (text, expected) in cases {
            assert_eq!(of(text.as_bytes()), expected, "{text:?}");
        }
        let complete = of(two.trim_end().as_bytes());
        assert_eq!((complete.head, complete.complete), (Some(second), true));
    }

    #[test]
    fn a_long_damaged_end_is_read_further() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (one, head) = line(1);
        std::fs::write(file.path(), format!("{one}{}\n", "x".repeat(300_000))).unwrap();
        let tail = read(file.path()).unwrap();
        assert_eq!((tail.head, tail.damaged), (Some(head), true));
    }
}
