//! The site file, for the stream that the element sees, and the time of day on its clocks.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use gst::glib;
use osha::hash::Hash;
use osha::schedule::LocalTime;
use osha::site::{Site, SiteError};

/// The site file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("rules: {} is not text in UTF-8: line {line} is the first that is not. Save it as UTF-8", path.display())]
    Text { path: PathBuf, line: usize },
    #[error("rules: {} cannot be read: {error}. Check the path and the permissions", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("rules: {}: {error}. Correct the file", path.display())]
    Site { path: PathBuf, error: SiteError },
    #[error("stream-name: {} names no stream \"{name}\". Set stream-name to one of {names}, or add it as [[streams]]", path.display())]
    Unknown { path: PathBuf, name: String, names: String },
    #[error("stream-name: {} serves several streams. Set stream-name to one of {names}", path.display())]
    Unnamed { path: PathBuf, names: String },
}

/// What the file at `path` says of `stream`, and the hash of the file. A file that names no streams serves every stream.
///
/// # Errors
/// When it cannot be read or understood, or does not know the stream.
pub(super) fn load(path: &Path, stream: Option<&str>) -> Result<(Site, Hash), LoadError> {
    let path = || path.to_owned();
    let bytes = std::fs::read(path()).map_err(|error| LoadError::Read { path: path(), error })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        LoadError::Text { path: path(), line: 1 + valid.iter().filter(|&&byte| byte == b'\n').count() }
    })?;
    let wrong = |error| LoadError::Site { path: path(), error };
    let whole = Site::from_toml(&text).map_err(wrong)?;
    let names = || whole.streams.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let site = match stream {
        _ if whole.streams.is_empty() => whole,
        None => return Err(LoadError::Unnamed { path: path(), names: names() }),
        Some(name) if whole.streams.iter().any(|known| known == name) => {
            Site::for_stream(&text, name).map_err(wrong)?
        }
        Some(name) => return Err(LoadError::Unknown { path: path(), name: name.to_owned(), names: names() }),
    };
    Ok((site, Hash::of(text)))
}

/// `time` in the time zone of this computer (`TZ`, else `/etc/localtime`); `None` before 1970 and in the far future.
pub(super) fn local_time(time: SystemTime) -> Option<LocalTime> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let here = glib::DateTime::from_unix_local(i64::try_from(seconds).ok()?).ok()?;
    let offset = here.utc_offset().as_seconds();
    Some(LocalTime::from_unix(i64::try_from(seconds).ok()?.checked_add(offset)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const TWO: &str = "scope = \"construction\"\n[[streams]]\nname = \"gate\"\n[[streams]]\nname = \"yard\"\n\
        [[zones]]\nid = \"pit\"\nkind = \"area\"\npoints = [[0, 0], [1, 0], [1, 1]]\nstreams = [\"yard\"]\n";

    fn with(text: &str, stream: Option<&str>) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(file.path(), stream).map(|(site, _)| site.zones.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_stream_has_its_own_zones() {
        assert_eq!((with(TWO, Some("gate")), with(TWO, Some("yard"))), (Ok(0), Ok(1)));
        let one = TWO.split("[[streams]]").next().unwrap();
        assert_eq!((with(one, Some("gate")), with(one, None)), (Ok(0), Ok(0)));
    }

    #[test]
    fn an_unknown_stream_is_told_which_there_are() {
        for stream in [Some("Gate"), None] {
            let error = with(TWO, stream).unwrap_err();
            assert!(error.starts_with("stream-name: ") && error.contains("\"gate\", \"yard\""), "{error}");
        }
    }

    #[test]
    fn files_that_are_wrong_say_where() {
        assert!(with("scope = \"mars\"", None).unwrap_err().contains("line 1, column 9"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"scope = 'construction'\n# caf\xe9\n").unwrap();
        let error = load(file.path(), None).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("UTF-8"), "{error}");
        assert!(
            load(Path::new("/nowhere/site.toml"), None).unwrap_err().to_string().contains("cannot be read")
        );
    }

    #[test]
    fn times_are_those_of_the_local_clocks() {
        let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = glib::DateTime::from_unix_local(1_700_000_000).unwrap();
        let local = local_time(time).unwrap();
        assert_eq!(local.minute, (clock.hour() * 60 + clock.minute()) as u16);
        assert_eq!(local.day as i32 + 1, clock.day_of_week());
        assert_eq!(local_time(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(local_time(UNIX_EPOCH + Duration::from_secs(1 << 60)), None);
    }
}
