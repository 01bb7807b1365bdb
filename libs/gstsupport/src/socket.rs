//! Where processes that are watched can be asked: one Unix socket each, in a folder of the user's own.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

const PREFIX: &str = "zcopies-";
const SUFFIX: &str = ".sock";

/// The user's folder for sockets, made if there is none.
///
/// # Errors
/// When it cannot be made, or others could have put something there.
pub fn folder() -> io::Result<PathBuf> {
    let user = std::fs::metadata("/proc/self")?.uid();
    let folder = match std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()) {
        Some(runtime) => PathBuf::from(runtime).join("gst-osha"),
        None => std::env::temp_dir().join(format!("gst-osha-{user}")),
    };
    private(&folder, user).map(|()| folder)
}

/// Makes `folder` if there is none, and checks that it is `user`'s alone.
fn private(folder: &Path, user: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = std::fs::symlink_metadata(folder)?;
    if metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o077 == 0 {
        return Ok(());
    }
    let text = format!("{} is not this user's alone; remove it, or set XDG_RUNTIME_DIR", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

/// The name of the socket of process number `process`.
pub fn name(process: u32) -> String {
    format!("{PREFIX}{process}{SUFFIX}")
}

/// Whether `path` is a socket that nobody listens at.
pub fn is_stale(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The sockets in `folder` that somebody listens at; the others are removed.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut sockets = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if is_ours && is_stale(&path) {
            // Another one may have removed it already.
            let _ = std::fs::remove_file(&path);
        } else if is_ours {
            sockets.push(path);
        }
    }
    sockets.sort();
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let user = std::fs::metadata("/proc/self").unwrap().uid();
        let own = folder.path().join("own");
        private(&own, user).unwrap();
        private(&own, user).unwrap();
        assert!(private(&own, user + 1).is_err());
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(private(&own, user).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn sockets_of_dead_processes_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |process| folder.path().join(name(process));
        let alive = UnixListener::bind(path(1)).unwrap();
        drop(UnixListener::bind(path(2)).unwrap());
        std::fs::write(folder.path().join("other"), "").unwrap();
        assert_eq!(list(folder.path()).unwrap(), [path(1)]);
        assert!(!path(2).exists() && folder.path().join("other").exists());
        drop(alive);
    }
}
