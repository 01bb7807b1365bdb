//! The cache's folder: whose it is, and how a file in it is replaced.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{CacheError, DEFAULT};

/// Extension of a file that is being written.
pub(super) const UNFINISHED: &str = "unfinished";

/// [`super::DEFAULT`] in the user's cache folder, as the XDG base directory specification has it.
pub(super) fn default() -> Result<PathBuf, CacheError> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Ok(caches.ok_or(CacheError::NoHome)?.join(DEFAULT))
}

/// Makes the folder for the user alone, if it is not there, and sees to it that nobody else can write it.
pub(super) fn prepare(folder: &Path) -> Result<(), CacheError> {
    let failed = |error| CacheError::Folder { folder: folder.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let metadata = fs::metadata(folder).map_err(failed)?;
    match distrust(metadata.uid(), metadata.mode(), own_user().map_err(failed)?) {
        Some(reason) => Err(CacheError::Untrusted { folder: folder.to_owned(), reason }),
        None => Ok(()),
    }
}

/// The user that this process runs as.
fn own_user() -> io::Result<u32> {
    fs::metadata("/proc/self").map(|metadata| metadata.uid())
}

/// Why what belongs to user `owner` and has permissions `mode` is not to be trusted by user `own`.
fn distrust(owner: u32, mode: u32, own: u32) -> Option<String> {
    if owner != own && owner != 0 {
        return Some(format!("it belongs to user {owner}"));
    }
    (mode & 0o022 != 0).then(|| format!("others can write it (mode {:o})", mode & 0o777))
}

/// What lies in `folder` and has this `extension`, but for folders.
pub(super) fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
        if !entry?.is_dir() && path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// The first `limit` bytes of the file `path`. What others may have put there while the folder was open to them, and what is
/// no file, is not read.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if let Some(reason) = distrust(metadata.uid(), metadata.mode(), own_user()?) {
        return Err(io::Error::other(reason));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or_default());
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes `parts` to `path` so that at every moment there is the old file, the new one or none. Only one may do so at a time.
pub(super) fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let unfinished = path.with_extension(UNFINISHED);
    let written = write(&unfinished, parts).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Notes that a file was used. That it cannot be noted harms nothing.
pub(super) fn touch(path: &Path) {
    let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

/// A file that is there already may be somebody else's: it is not written over.
fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ones_own_folder_is_trusted() {
        assert_eq!(distrust(1000, 0o40700, 1000), None);
        assert_eq!(distrust(0, 0o40755, 1000), None);
        assert!(distrust(1001, 0o40700, 1000).unwrap().contains("1001"));
        assert!(distrust(1000, 0o40770, 1000).unwrap().contains("770"));
        assert!(distrust(1000, 0o40777, 1000).is_some());
    }
}
