//! Events on disk: JSON lines, appended whole or not at all.

use crate::event::{Event, EventError};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// When lines are forced onto the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// After every line: survives a power cut, costs milliseconds a line.
    Always,
    /// When the log is closed.
    #[default]
    OnClose,
    /// When the system likes.
    Never,
}

/// A file that events are appended to.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    path: PathBuf,
    policy: FsyncPolicy,
    /// Devices and pipes can neither be cut back nor synced.
    regular: bool,
    mended: bool,
}

impl EventLog {
    /// Opens `path` for appending and creates it if need be. If its last line was left unfinished, as after a power cut,
    /// that line is closed, so that the next event starts a line of its own: see [`EventLog::mended`].
    ///
    /// # Errors
    ///
    /// [`LogError::Open`] if it cannot be opened, [`LogError::Write`] if an unfinished line cannot be closed.
    pub fn open(path: impl AsRef<Path>, policy: FsyncPolicy) -> Result<Self, LogError> {
        let path = path.as_ref().to_path_buf();
        let failed = |source| LogError::Open { path: path.clone(), source };
        let file = OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
        let regular = file.metadata().map_err(failed)?.is_file();
        let mut log = Self { file, path, policy, regular, mended: false };
        if regular && unfinished(&log.path) {
            log.write(b"\n")?;
            log.mended = true;
        }
        Ok(log)
    }

    /// Whether the file ended in half a line when it was opened. That line is still there and is no event.
    pub fn mended(&self) -> bool {
        self.mended
    }

    /// Appends one event as one line in one write.
    ///
    /// # Errors
    ///
    /// [`LogError::Write`] if the line does not fit or the file is gone; what was written of it is taken back where that is
    /// possible. [`LogError::Sync`] if it is written but may not be on the disk.
    pub fn append(&mut self, event: &Event) -> Result<(), LogError> {
        self.write(event.to_line()?.as_bytes())?;
        if self.policy == FsyncPolicy::Always { self.sync() } else { Ok(()) }
    }

    /// Closes the file. To drop it instead leaves out the final sync.
    ///
    /// # Errors
    ///
    /// [`LogError::Sync`] if lines may not be on the disk.
    pub fn close(self) -> Result<(), LogError> {
        if self.policy == FsyncPolicy::Never { Ok(()) } else { self.sync() }
    }

    fn write(&mut self, line: &[u8]) -> Result<(), LogError> {
        let written = write_once(&mut self.file, line);
        let short = match written {
            Ok(count) if count == line.len() => return Ok(()),
            Ok(count) => count,
            Err(_) => 0,
        };
        let torn = short > 0 && self.take_back(short).is_err();
        let source = written.err().unwrap_or_else(|| ErrorKind::StorageFull.into());
        Err(LogError::Write { path: self.path.clone(), source, torn })
    }

    /// Cuts the last `count` bytes off, unless somebody else has written behind them.
    fn take_back(&mut self, count: usize) -> io::Result<()> {
        let end = self.file.stream_position()?;
        if !self.regular || self.file.metadata()?.len() != end {
            return Err(ErrorKind::Unsupported.into());
        }
        self.file.set_len(end - count as u64)
    }

    fn sync(&self) -> Result<(), LogError> {
        if !self.regular {
            return Ok(());
        }
        self.file.sync_data().map_err(|source| LogError::Sync { path: self.path.clone(), source })
    }
}

/// One write, tried again only if a signal came before any byte was written.
fn write_once(file: &mut impl Write, line: &[u8]) -> io::Result<usize> {
    loop {
        match file.write(line) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Whether a file ends within a line. One that may not be read is taken to be whole.
fn unfinished(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte[0])
    };
    last().is_ok_and(|byte| byte != b'\n')
}

/// Why an event is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened.
    #[error("cannot open the event log {}: {source}; {}", path.display(), remedy(source))]
    Open {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line cannot be written.
    #[error("cannot write to the event log {}: {source}{}; {}", path.display(), half(*torn), remedy(source))]
    Write {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// Whether a part of the line is in the file and could not be taken back.
        torn: bool,
    },
    /// Lines are written but may not be on the disk.
    #[error("cannot sync the event log {}: {source}; {}", path.display(), remedy(source))]
    Sync {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The event has no JSON form.
    #[error(transparent)]
    Event(#[from] EventError),
}

fn half(torn: bool) -> &'static str {
    if torn { ", and half a line is left in it" } else { "" }
}

/// What a user can do about it.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "create its folder first, or choose another path",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "choose a path that this user may write to"
        }
        ErrorKind::IsADirectory => "name a file, not a folder",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space, or choose a path on another volume"
        }
        ErrorKind::FileTooLarge => "move the file away, a new one will be created",
        _ => "check the volume, or choose another path",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Summary};

    fn event(sequence: u64) -> Event {
        Event::new(sequence, Body::Summary(Summary::default()))
    }

    fn read(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| Event::from_line(line).unwrap().sequence).collect()
    }

    #[test]
    fn lines_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        for (sequence, policy) in
            [(1, FsyncPolicy::Always), (2, FsyncPolicy::OnClose), (3, FsyncPolicy::Never)]
        {
            let mut log = EventLog::open(&path, policy).unwrap();
            log.append(&event(sequence)).unwrap();
            assert!(!log.mended());
            log.close().unwrap();
        }
        assert_eq!(read(&path), [1, 2, 3]);
    }

    #[test]
    fn two_logs_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut logs = [0, 1].map(|_| EventLog::open(&path, FsyncPolicy::Never).unwrap());
        for sequence in 0..6 {
            logs[sequence as usize % 2].append(&event(sequence)).unwrap();
        }
        assert_eq!(read(&path), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn half_a_line_from_before_stays_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, r#"{"schema":"gst-"#).unwrap();
        let mut log = EventLog::open(&path, FsyncPolicy::OnClose).unwrap();
        assert!(log.mended());
        log.append(&event(1)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, r#"{"schema":"gst-"#));
        assert_eq!(Event::from_line(lines[1]).unwrap(), event(1));
    }

    #[test]
    fn a_short_write_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path, FsyncPolicy::OnClose).unwrap();
        log.append(&event(1)).unwrap();
        log.file.write_all(b"half").unwrap();
        log.take_back(4).unwrap();
        assert_eq!(read(&path), [1]);
        log.file.write_all(b"half").unwrap();
        EventLog::open(&path, FsyncPolicy::Never).unwrap();
        assert!(log.take_back(4).is_err(), "somebody has written since");
    }

    const LIMITED: &str = "GST_OSHA_TEST_LIMITED_LOG";

    /// Appends until the file may grow no further.
    fn fill(path: &Path) {
        let mut log = EventLog::open(path, FsyncPolicy::Never).unwrap();
        let error = (0..1000).find_map(|sequence| log.append(&event(sequence)).err()).unwrap();
        assert!(matches!(&error, LogError::Write { torn: false, .. }), "{error}");
    }

    /// Runs itself again with a limit on the size of files, where the last write comes out short.
    #[cfg(unix)]
    #[test]
    fn a_line_that_does_not_fit_leaves_no_trace() {
        if let Some(path) = std::env::var_os(LIMITED) {
            return fill(Path::new(&path));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact log::tests::a_line_that_does_not_fit_leaves_no_trace";
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", script]).arg(std::env::current_exe().unwrap()).env(LIMITED, &path);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let length = std::fs::metadata(&path).unwrap().len();
        assert_eq!(read(&path).len() as u64 * event(1).to_line().unwrap().len() as u64, length);
        assert_ne!(length % 512, 0, "the last write was not short");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let mut log = EventLog::open("/dev/full", FsyncPolicy::Always).unwrap();
        let error = log.append(&event(1)).unwrap_err();
        assert!(
            matches!(&error, LogError::Write { source, torn: false, .. } if source.kind() == ErrorKind::StorageFull)
        );
        let text = error.to_string();
        assert!(text.contains("/dev/full") && text.contains("free some space"), "{text}");
        log.close().unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/events.jsonl");
        for (path, advice) in [(missing.as_path(), "create its folder"), (folder.path(), "name a file")] {
            let error = EventLog::open(path, FsyncPolicy::Never).unwrap_err();
            assert!(matches!(error, LogError::Open { .. }));
            let text = error.to_string();
            assert!(text.contains(&*path.to_string_lossy()) && text.contains(advice), "{text}");
        }
    }
}
