//! The reading side.

use super::seal::{self, SealError, Sealed};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// No event is longer; what is, is no event.
const LONGEST: u64 = 1 << 20;

/// A line of a file.
#[derive(Debug)]
pub struct Line {
    /// Where it stands: file, and line from 1.
    pub place: Place,
    /// What stands there.
    pub content: Content,
}

/// A place in a spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// What a line is.
#[derive(Debug)]
pub enum Content {
    /// An event with its seal.
    Event(Sealed),
    /// The last line, without its line feed, and no event: its writer was interrupted, or is at it.
    Torn,
    /// Something else.
    Unreadable(SealError),
}

/// The lines of one file, in order.
pub struct Lines {
    file: BufReader<File>,
    place: Place,
}

/// Reads the file `path` line by line.
///
/// # Errors
///
/// When it cannot be opened.
pub fn lines(path: &Path) -> io::Result<Lines> {
    Ok(Lines { file: BufReader::new(File::open(path)?), place: Place { path: path.to_owned(), line: 0 } })
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<io::Result<Line>> {
        let mut bytes = Vec::new();
        if let Err(error) = (&mut self.file).take(LONGEST).read_until(b'\n', &mut bytes) {
            return Some(Err(error));
        }
        if bytes.is_empty() {
            return None;
        }
        self.place.line += 1;
        let is_whole = bytes.ends_with(b"\n");
        let content = match seal::open(&bytes) {
            Ok(sealed) => Content::Event(sealed),
            Err(_) if !is_whole && (bytes.len() as u64) < LONGEST => Content::Torn,
            Err(error) => {
                if !is_whole && let Err(error) = self.file.skip_until(b'\n') {
                    return Some(Err(error));
                }
                Content::Unreadable(error)
            }
        };
        Some(Ok(Line { place: self.place.clone(), content }))
    }
}
