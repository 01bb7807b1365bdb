//! The writing side.

use super::error::SpoolError;
use super::files;
use super::seal::{Head, seal};
use super::tail::{self, Tail};
use crate::event::Event;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// When lines are forced onto the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// After every line: survives a power cut, costs milliseconds a line.
    Always,
    /// Once the oldest of them has waited so long, and when a file is closed: a power cut takes the last ones only. While no
    /// events come, somebody has to call [`Spool::sync_if_due`].
    Interval(Duration),
    /// When a file is closed.
    #[default]
    OnClose,
    /// When the system likes.
    Never,
}

impl FsyncPolicy {
    /// How long a line may wait; `None` if it is up to the end of the file, or to the system.
    fn longest_wait(self) -> Option<Duration> {
        match self {
            Self::Always => Some(Duration::ZERO),
            Self::Interval(longest) => Some(longest),
            Self::OnClose | Self::Never => None,
        }
    }
}

/// How a spool is kept. By default it is one file that grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// When lines are forced onto the disk.
    pub fsync: FsyncPolicy,
    /// A new file is begun rather than let one grow beyond this many bytes. One line always fits.
    pub max_size: Option<u64>,
    /// A new file is begun with the first event after this time.
    pub max_age: Option<Duration>,
    /// Files that are kept, the current one included; older ones are deleted.
    pub max_files: Option<usize>,
}

/// What the last writer left behind, and what was done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing.
    #[default]
    Clean,
    /// Half a line, which nobody was told of. It is cut off.
    Cut {
        /// Its length in bytes.
        bytes: u64,
    },
    /// Lines that are damaged. The file was rotated as it is.
    SetAside {
        /// Where it is now.
        path: PathBuf,
    },
}

/// A file that events are appended to, whole or not at all, by one writer.
///
/// Once [`Spool::append`] has returned, the event survives the end of the process, however that comes; with
/// [`FsyncPolicy::Always`], or once [`FsyncPolicy::Interval`] has passed, it also survives a power cut, as far as the disk
/// keeps its word.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    options: Options,
    file: File,
    /// Devices and pipes can neither be locked, cut back, rotated nor synced.
    regular: bool,
    length: u64,
    born: SystemTime,
    head: Head,
    run: u64,
    /// Half a line is behind `length`.
    torn: bool,
    /// Since when a line waits to be forced onto the disk.
    waiting: Option<Instant>,
    recovery: Recovery,
}

impl Spool {
    /// Opens `path` for appending and creates it if need be. Sequence numbers and the chain of hashes go on from the last
    /// line, be it in a rotated file. See [`Spool::recovery`] for what a crash has left.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Busy`] if it has another writer, [`SpoolError::Foreign`] if it holds something else than events, and
    /// what the system refuses.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, SpoolError> {
        let path = path.as_ref().to_path_buf();
        let file = lock(&path)?;
        let failed = |source| SpoolError::Open { path: path.clone(), source };
        let metadata = file.metadata().map_err(failed)?;
        let mut spool = Self {
            options,
            file,
            regular: metadata.is_file(),
            length: metadata.len(),
            born: metadata.created().or_else(|_| metadata.modified()).map_err(failed)?,
            head: Head::default(),
            run: 1,
            torn: false,
            waiting: None,
            recovery: Recovery::Clean,
            path,
        };
        if spool.regular {
            spool.recover()?;
        }
        spool.run = spool.head.sequence + 1;
        Ok(spool)
    }

    /// What was found and done when it was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The last line.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Numbers `event` and appends it as one line in one write. Where the file was moved away or deleted, a new one is
    /// begun.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Write`] if the line does not fit or the file is gone; what was written of it is taken back where that
    /// is possible. [`SpoolError::Sync`] if it is written but may not be on the disk. [`SpoolError::Rotate`] if a new file
    /// is due and cannot be begun.
    pub fn append(&mut self, event: &mut Event) -> Result<(), SpoolError> {
        if self.regular && !is_at(&self.file, &self.path) {
            self.sync_at_close()?;
            self.begin_anew().map_err(|source| self.rotation_error(source))?;
        }
        let sequence = self.head.sequence + 1;
        event.sequence = sequence;
        if let Some(provenance) = &mut event.provenance {
            provenance.run = self.run;
        }
        let (line, hash) = seal(&event.to_line()?, &self.head.hash);
        if self.is_due(line.len() as u64) {
            self.rotate()?;
        }
        self.write(line.as_bytes())?;
        self.head = Head { sequence, hash };
        self.waiting.get_or_insert_with(Instant::now);
        self.sync_if_due()
    }

    /// Forces lines onto the disk if one has waited for as long as the policy allows. [`Spool::append`] does so by itself.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Sync`] if lines may not be on the disk.
    pub fn sync_if_due(&mut self) -> Result<(), SpoolError> {
        let Some((since, longest)) = self.waiting.zip(self.options.fsync.longest_wait()) else {
            return Ok(());
        };
        if since.elapsed() >= longest { self.sync() } else { Ok(()) }
    }

    /// Closes the file. To drop it instead leaves out the final sync.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Sync`] if lines may not be on the disk.
    pub fn close(mut self) -> Result<(), SpoolError> {
        self.sync_at_close()
    }

    /// Goes on from the last line, and makes the file end there.
    fn recover(&mut self) -> Result<(), SpoolError> {
        let failed = |source| SpoolError::Open { path: self.path.clone(), source };
        let tail = tail::read(&self.path).map_err(failed)?;
        let before = || newest_rotated(&self.path).map_err(failed);
        self.head = match tail.head {
            Some(head) => head,
            None if tail.damaged || !tail.ours => {
                return Err(SpoolError::Foreign { path: self.path.clone() });
            }
            None => before()?,
        };
        if tail.damaged {
            let path = self.rotate()?;
            self.recovery = Recovery::SetAside { path };
            return Ok(());
        }
        if self.length == 0 && self.options.fsync.longest_wait().is_some() {
            self.sync_folder().map_err(failed)?;
        }
        self.mend(&tail)
    }

    fn mend(&mut self, tail: &Tail) -> Result<(), SpoolError> {
        if tail.complete {
            return self.write(b"\n");
        }
        if tail.torn > 0 {
            self.length -= tail.torn;
            self.cut().map_err(|source| SpoolError::Write { path: self.path.clone(), source, torn: true })?;
            self.recovery = Recovery::Cut { bytes: tail.torn };
        }
        Ok(())
    }

    /// Whether a line of `more` bytes belongs into a new file.
    fn is_due(&self, more: u64) -> bool {
        let is_full = self.options.max_size.is_some_and(|most| self.length + more > most);
        let age = || self.born.elapsed().unwrap_or_default();
        let is_old = self.options.max_age.is_some_and(|most| age() >= most);
        self.regular && self.length > 0 && (is_full || is_old)
    }

    /// Begins a new file and returns where the old one is now.
    fn rotate(&mut self) -> Result<PathBuf, SpoolError> {
        self.sync_at_close()?;
        self.next_file().map_err(|source| self.rotation_error(source))
    }

    fn rotation_error(&self, source: io::Error) -> SpoolError {
        let path = self.path.clone();
        match source.kind() {
            ErrorKind::AlreadyExists => SpoolError::Busy { path },
            _ => SpoolError::Rotate { path, source },
        }
    }

    fn next_file(&mut self) -> io::Result<PathBuf> {
        let number = files::all_rotated(&self.path)?.last().map_or(1, |(number, _)| number + 1);
        let rotated = files::rotated(&self.path, number);
        std::fs::rename(&self.path, &rotated)?;
        self.begin()?;
        self.delete_oldest()?;
        Ok(rotated)
    }

    /// Goes on in a new file after ours was moved away. Another writer may have written and rotated since then: the chain
    /// goes on behind its last line.
    fn begin_anew(&mut self) -> io::Result<()> {
        self.begin()?;
        let newest = newest_rotated(&self.path)?;
        if newest.sequence > self.head.sequence {
            self.head = newest;
        }
        Ok(())
    }

    /// Goes on in a new file. The old one stays locked until the new one is.
    fn begin(&mut self) -> io::Result<()> {
        let file = options().create_new(true).open(&self.path)?;
        file.try_lock().or_else(unless_unsupported)?;
        self.file = file;
        self.length = 0;
        self.torn = false;
        self.born = SystemTime::now();
        if self.options.fsync.longest_wait().is_some() {
            self.sync_folder()?;
        }
        Ok(())
    }

    fn delete_oldest(&self) -> io::Result<()> {
        let Some(most) = self.options.max_files else { return Ok(()) };
        let rotated = files::all_rotated(&self.path)?;
        let surplus = (rotated.len() + 1).saturating_sub(most.max(1));
        rotated.iter().take(surplus).try_for_each(|(_, path)| std::fs::remove_file(path))
    }

    fn write(&mut self, line: &[u8]) -> Result<(), SpoolError> {
        let failed = |source, torn| SpoolError::Write { path: self.path.clone(), source, torn };
        if self.torn {
            self.cut().map_err(|source| failed(source, true))?;
            self.torn = false;
        }
        let written = write_once(&mut self.file, line);
        let short = match written {
            Ok(count) if count == line.len() => {
                self.length += count as u64;
                return Ok(());
            }
            Ok(count) => count,
            Err(_) => 0,
        };
        let torn = short > 0 && self.cut().is_err();
        let source = written.err().unwrap_or_else(|| ErrorKind::StorageFull.into());
        let error = failed(source, torn);
        self.torn = torn;
        Err(error)
    }

    /// Cuts off what is behind the last whole line.
    fn cut(&self) -> io::Result<()> {
        if self.regular { self.file.set_len(self.length) } else { Err(ErrorKind::Unsupported.into()) }
    }

    fn sync_at_close(&mut self) -> Result<(), SpoolError> {
        if self.options.fsync == FsyncPolicy::Never { Ok(()) } else { self.sync() }
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        if self.regular {
            let failed = |source| SpoolError::Sync { path: self.path.clone(), source };
            self.file.sync_data().map_err(failed)?;
        }
        self.waiting = None;
        Ok(())
    }

    /// A new name is on the disk once its folder is.
    fn sync_folder(&self) -> io::Result<()> {
        File::open(files::folder(&self.path))?.sync_all()
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true);
    options
}

/// Opens `path` and locks it against other writers.
fn lock(path: &Path) -> Result<File, SpoolError> {
    let failed = |source| SpoolError::Open { path: path.to_owned(), source };
    loop {
        let file = options().create(true).open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Ok(file);
        }
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(SpoolError::Busy { path: path.to_owned() }),
            result => result.or_else(unless_unsupported).map_err(failed)?,
        }
        if is_at(&file, path) {
            return Ok(file);
        }
        // It was rotated between opening and locking.
    }
}

/// Some network file systems have no locks: there, the user has to see to it that there is one writer.
fn unless_unsupported(error: TryLockError) -> io::Result<()> {
    match error {
        TryLockError::Error(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        error => Err(error.into()),
    }
}

/// Whether `path` still is the name of `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity =
        |metadata: io::Result<std::fs::Metadata>| metadata.ok().map(|data| (data.dev(), data.ino()));
    identity(file.metadata()) == identity(path.metadata())
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// The last line of the newest rotated file that has one.
fn newest_rotated(path: &Path) -> io::Result<Head> {
    for (_, path) in files::all_rotated(path)?.into_iter().rev() {
        if let Some(head) = tail::read(&path)?.head {
            return Ok(head);
        }
    }
    Ok(Head::default())
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

#[cfg(test)]
mod tests;
