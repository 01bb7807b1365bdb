//! Built engines on disk, so that a network is built once and not at every start.
//!
//! An entry's name is the digest of everything that its engine depends on ([`Key`]): after a new driver, another GPU or a
//! changed model it is simply not found. An entry is written beside its place, synced, and renamed while its lock is held;
//! what is read is checked against its digests. So a crash at any point leaves the old entry, the new one or none.

mod entry;
mod folder;
mod key;
mod lock;
mod model;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

pub use entry::Header;
pub use key::Key;
pub use model::digest as model_digest;
pub(crate) use model::digest_of as model_digest_of;

/// Where the cache lies in the user's cache folder, unless another folder is named.
pub const DEFAULT: &str = "gst-osha/engines";

/// Why the cache cannot be used, or an engine not be put into it.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder cannot be made, listed or written.
    #[error("engine cache {folder}: {error}. Name a folder that can be written in engine-cache, or free space", folder = .folder.display())]
    Folder {
        /// The cache's folder.
        folder: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// Others could put an engine of theirs into the folder: it would run with this process's rights.
    #[error("engine cache {folder}: {reason}. Run `chmod go-w {folder}`, or name another folder in engine-cache", folder = .folder.display())]
    Untrusted {
        /// The cache's folder.
        folder: PathBuf,
        /// Who can write it.
        reason: String,
    },
    /// No folder was named and there is no home.
    #[error("engine cache: neither XDG_CACHE_HOME nor HOME is set. Name a folder in engine-cache")]
    NoHome,
    /// It was cancelled while another process built the engine.
    #[error("cancelled while another process builds the engine")]
    Cancelled,
}

/// Why an engine has to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The model was never built here.
    New,
    /// It was built for something else: what differs, each "part: then, now".
    Changed(Vec<String>),
    /// The entry is there and must not be used: why.
    Damaged(String),
}

impl std::fmt::Display for Miss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::New => f.write_str("the model was not built here before"),
            Self::Changed(parts) => write!(f, "it was built for another {}", parts.join("; another ")),
            Self::Damaged(reason) => write!(f, "the cached engine is not used: {reason}"),
        }
    }
}

/// What a lookup comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The engine, as it was built.
    Hit(Vec<u8>),
    /// There is none to use.
    Miss(Miss),
}

/// An engine, and where it comes from.
#[derive(Debug)]
pub struct Cached {
    /// The engine, as it was built.
    pub engine: Vec<u8>,
    /// Why it had to be built; `None` if it was there.
    pub miss: Option<Miss>,
    /// Why it could not be kept; it is good all the same.
    pub not_kept: Option<CacheError>,
}

/// A file in the cache.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// What it says of its engine, or why it is not to be used.
    pub header: Result<Header, String>,
    /// When its engine was last built or used.
    pub last_used: Option<SystemTime>,
}

impl Entry {
    fn read(path: PathBuf) -> Self {
        let last_used = path.metadata().and_then(|metadata| metadata.modified()).ok();
        Self { header: entry::read_header(&path), path, last_used }
    }
}

/// A folder of engines.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in `folder`, by default [`DEFAULT`] in the user's cache folder. It is made if need be, for the user
    /// alone.
    ///
    /// # Errors
    /// When it cannot be made, or others can write it.
    pub fn open(folder: Option<&Path>) -> Result<Self, CacheError> {
        let folder = folder.map_or_else(folder::default, |folder| Ok(folder.to_owned()))?;
        folder::prepare(&folder)?;
        Ok(Self { folder })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of `key`'s engine, whether or not it is there.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.digest()).with_extension(entry::EXTENSION)
    }

    /// Looks for the engine of `key`.
    pub fn lookup(&self, key: &Key) -> Lookup {
        match folder::read(&self.path(key), u64::MAX) {
            Ok(bytes) => match entry::decode(bytes, key) {
                Ok(engine) => {
                    folder::touch(&self.path(key));
                    Lookup::Hit(engine)
                }
                Err(reason) => Lookup::Miss(Miss::Damaged(reason)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Lookup::Miss(self.absence(key)),
            Err(error) => Lookup::Miss(Miss::Damaged(error.to_string())),
        }
    }

    /// What stands in the place of an engine that is not there: the newest one of the same model.
    fn absence(&self, key: &Key) -> Miss {
        match self.newest_of(&key.model) {
            Some(header) => Miss::Changed(key.differences(&header.key)),
            None => Miss::New,
        }
    }

    /// How long the last build of the model with this digest took.
    pub fn last_build(&self, model: &str) -> Option<Duration> {
        self.newest_of(model).map(|header| Duration::from_millis(header.build_ms))
    }

    fn newest_of(&self, model: &str) -> Option<Header> {
        let of_model = |entry: Entry| entry.header.ok().filter(|header| header.key.model == model);
        let entries = self.entries().ok()?;
        entries.into_iter().filter_map(of_model).max_by_key(|header| header.created_unix_s)
    }

    /// The engine of `key`: the cached one, or else what `build` makes of it, which is then cached. Of processes that ask at
    /// the same time one builds and the others wait for it, for as long as `wait` says so again and again.
    ///
    /// # Errors
    /// `build`'s own, or [`CacheError::Cancelled`] as such an error. That an engine cannot be kept is none.
    pub fn get_or_build<E: From<CacheError>>(
        &self,
        key: &Key,
        wait: impl FnMut() -> bool,
        build: impl FnOnce(&Miss) -> Result<Vec<u8>, E>,
    ) -> Result<Cached, E> {
        if let Lookup::Hit(engine) = self.lookup(key) {
            return Ok(Cached { engine, miss: None, not_kept: None });
        }
        let lock = lock::acquire(&self.path(key), wait);
        if lock.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
            return Err(CacheError::Cancelled.into());
        }
        let miss = match self.lookup(key) {
            Lookup::Hit(engine) => return Ok(Cached { engine, miss: None, not_kept: None }),
            Lookup::Miss(miss) => miss,
        };
        let started = Instant::now();
        let engine = build(&miss)?;
        let kept = lock.and_then(|_held| self.store(key, &engine, started.elapsed()));
        let not_kept = kept.err().map(|error| self.failed(error));
        Ok(Cached { engine, miss: Some(miss), not_kept })
    }

    /// Puts an engine in its place, whole or not at all.
    fn store(&self, key: &Key, engine: &[u8], took: Duration) -> std::io::Result<()> {
        let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let header = Header::new(key.clone(), engine, created.as_secs(), took);
        folder::replace(&self.path(key), &[&entry::encode(&header)?, engine])
    }

    fn failed(&self, error: std::io::Error) -> CacheError {
        CacheError::Folder { folder: self.folder.clone(), error }
    }

    /// Every entry, by name. The engines themselves are not read.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn entries(&self) -> Result<Vec<Entry>, CacheError> {
        let mut paths = folder::files(&self.folder, entry::EXTENSION).map_err(|error| self.failed(error))?;
        paths.sort();
        Ok(paths.into_iter().map(Entry::read).collect())
    }

    /// Checks the whole file of an entry: its header and its engine.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, path: &Path) -> Result<Header, String> {
        let bytes = folder::read(path, u64::MAX).map_err(|error| error.to_string())?;
        let header = entry::header(&bytes)?;
        entry::decode(bytes, &header.key)?;
        Ok(header)
    }

    /// Removes every entry that `stale` says so of, and what crashed writers left. Returns what was removed. An engine that
    /// is being built is left alone.
    ///
    /// # Errors
    /// When the folder cannot be listed or a file not be removed.
    pub fn prune(&self, stale: impl Fn(&Entry) -> bool) -> Result<Vec<PathBuf>, CacheError> {
        let entries = self.entries()?.into_iter().filter(|entry| stale(entry)).map(|entry| entry.path);
        let mut removed = Vec::new();
        for path in entries.chain(self.leftovers()?) {
            if self.remove(&path).map_err(|error| self.failed(error))? {
                removed.push(path);
            }
        }
        Ok(removed)
    }

    /// Removes a file unless its engine is being built; tells whether it did.
    fn remove(&self, path: &Path) -> std::io::Result<bool> {
        let Some(_held) = lock::acquire_if_free(path)? else { return Ok(false) };
        fs::remove_file(path).map(|()| true)
    }

    fn leftovers(&self) -> Result<Vec<PathBuf>, CacheError> {
        folder::files(&self.folder, folder::UNFINISHED).map_err(|error| self.failed(error))
    }
}
