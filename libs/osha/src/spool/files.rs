//! The files of a spool: the one that is written, and those that were rotated out of it.
//!
//! `events.jsonl` is rotated to `events.000001.jsonl`, the next time to `events.000002.jsonl` and so on. A rotated file is
//! never renamed or written again.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// The path of rotated file `number` of the spool `path`.
pub(super) fn rotated(path: &Path, number: u64) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number:06}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The folder of the spool `path`.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Numbers and paths of the rotated files of the spool `path`, oldest first.
///
/// # Errors
///
/// When the folder cannot be listed.
pub(super) fn all_rotated(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder(path))? {
        let name = entry?.file_name();
        if let Some(number) = number(path, &name) {
            found.push((number, path.with_file_name(name)));
        }
    }
    found.sort();
    Ok(found)
}

/// The number of the rotated file called `name` of the spool `path`; `None` for other files.
fn number(path: &Path, name: &OsStr) -> Option<u64> {
    let digits = Path::new(name).with_extension("");
    let digits =
        if path.extension().is_some() { digits.extension()? } else { Path::new(name).extension()? };
    let number = digits.to_str()?.parse().ok()?;
    (rotated(path, number).file_name() == Some(name)).then_some(number)
}

/// Every file of the spool `path` in the order of writing: the rotated ones, then `path` itself if it exists.
///
/// # Errors
///
/// When the folder cannot be listed, or there is no file at all.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all: Vec<_> = all_rotated(path)?.into_iter().map(|(_, path)| path).collect();
    if all.is_empty() || path.try_exists()? {
        path.metadata()?;
        all.push(path.to_owned());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (path, expected) in [
            ("/a/events.jsonl", "/a/events.000007.jsonl"),
            ("/a/events", "/a/events.000007"),
            ("events.x.jsonl", "events.x.000007.jsonl"),
            (".hidden", ".hidden.000007"),
        ] {
            assert_eq!(rotated(Path::new(path), 7), Path::new(expected));
            assert_eq!(number(Path::new(path), Path::new(expected).file_name().unwrap()), Some(7));
        }
        assert_eq!(number(Path::new("e.jsonl"), OsStr::new("e.12345678.jsonl")), Some(12_345_678));
        for name in ["e.jsonl", "e.1.jsonl", "f.000001.jsonl", "e.000001.json", "e.+00001.jsonl", "e.x.jsonl"]
        {
            assert_eq!(number(Path::new("e.jsonl"), OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn files_come_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("e.jsonl");
        assert_eq!(files(&spool).unwrap_err().kind(), io::ErrorKind::NotFound);
        for name in ["e.000010.jsonl", "e.000009.jsonl", "e.1000000.jsonl", "other.jsonl", "e.jsonl"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |files: Vec<PathBuf>| -> Vec<String> {
            files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        let expected = ["e.000009.jsonl", "e.000010.jsonl", "e.1000000.jsonl", "e.jsonl"];
        assert_eq!(names(files(&spool).unwrap()), expected);
        std::fs::remove_file(&spool).unwrap();
        assert_eq!(names(files(&spool).unwrap()), expected[..3]);
    }
}
