//! The index as one file.
//!
//! ```text
//! "gst-osha.index/1\n"
//! one line of JSON          embedder, dimension, rows, corpus_bytes, corpus_hash
//! corpus_bytes of JSONL     the corpus
//! rows × dimension × f32    its vectors, little-endian
//! 32 bytes                  SHA-256 of all that is before
//! ```
//!
//! The file does not depend on the vector engine, which never sees bytes that were not checked.

use super::embedder::Embedder;
use super::index::{Index, RetrievalError};
use super::vectors::VectorEngine;
use crate::corpus::{Corpus, CorpusError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name and version of the file format.
pub const SCHEMA: &str = "gst-osha.index/1";

const HASH_BYTES: usize = 32;

/// What an index file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Id of the embedder that its vectors are from.
    pub embedder: String,
    /// Length of a vector.
    pub dimension: usize,
    /// How many standards it has.
    pub rows: usize,
    /// Length of the corpus in bytes.
    pub corpus_bytes: usize,
    /// [`Corpus::hash`].
    pub corpus_hash: String,
}

/// A file whose bytes are whole; its vectors are not yet loaded.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    info: Info,
    corpus: Corpus,
    vectors: Vec<f32>,
}

impl Stored {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, is no index, is cut short, damaged, or contradicts itself.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = std::fs::read(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
        Self::parse(path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        let refuse = |reason: String| FileError::Refused { path: path.to_owned(), reason };
        let (info, body) = split_header(bytes).map_err(refuse)?;
        let (corpus, vectors) = split_body(&info, body).map_err(refuse)?;
        check_hash(bytes).map_err(refuse)?;
        let corpus = std::str::from_utf8(corpus).map_err(|error| refuse(error.to_string()))?;
        let corpus = Corpus::from_jsonl(corpus)
            .map_err(|source| FileError::Corpus { path: path.to_owned(), source })?;
        if corpus.hash() != info.corpus_hash || corpus.records().len() != info.rows {
            return Err(refuse("the corpus is not the one that its header names".to_owned()));
        }
        let vectors: Vec<f32> = vectors
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        if vectors.iter().any(|value| !value.is_finite()) {
            return Err(refuse("a vector holds a number that is not finite".to_owned()));
        }
        Ok(Self { path: path.to_owned(), info, corpus, vectors })
    }

    /// What the file says of itself.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The corpus in it.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// The index, its vectors in `engine`.
    ///
    /// # Errors
    /// When `embedder` is not the one that its vectors are from, or the engine fails.
    pub fn open(self, embedder: Arc<dyn Embedder>, engine: &dyn VectorEngine) -> Result<Index, FileError> {
        if embedder.id() != self.info.embedder || embedder.dimension() != self.info.dimension {
            let reason = format!(
                "its vectors are from embedder {}, but this is {}; build the index again, or choose the other embedder",
                self.info.embedder,
                embedder.id()
            );
            return Err(FileError::Refused { path: self.path, reason });
        }
        Ok(Index::with_vectors(self.corpus, embedder, engine, &self.vectors)?)
    }
}

impl Index {
    /// Writes the index to a file, which is replaced in one step.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let bytes = self
            .to_bytes()
            .map_err(|reason| FileError::Refused { path: path.to_owned(), reason: reason.to_string() })?;
        replace(path, &bytes).map_err(|source| FileError::Io { path: path.to_owned(), source })
    }

    fn to_bytes(&self) -> Result<Vec<u8>, CorpusError> {
        let corpus = self.corpus().to_jsonl()?;
        let info = Info {
            embedder: self.embedder().id().to_owned(),
            dimension: self.embedder().dimension(),
            rows: self.corpus().records().len(),
            corpus_bytes: corpus.len(),
            corpus_hash: self.corpus().hash().to_owned(),
        };
        let mut bytes = format!("{SCHEMA}\n{}\n{corpus}", serde_json::json!(info)).into_bytes();
        for row in 0..info.rows {
            bytes.extend(self.vector(row).iter().flat_map(|value| value.to_le_bytes()));
        }
        let hash = Sha256::digest(&bytes);
        bytes.extend_from_slice(&hash);
        Ok(bytes)
    }
}

/// Writes beside `path` and renames, so that a crash leaves the old file or the new one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn split_header(bytes: &[u8]) -> Result<(Info, &[u8]), String> {
    let (schema, rest) = line(bytes).ok_or("this is no index file")?;
    if schema != SCHEMA.as_bytes() {
        let known = schema.starts_with(b"gst-osha.index/");
        return Err(if known {
            format!("this version reads {SCHEMA:?} only")
        } else {
            "this is no index file".into()
        });
    }
    let (header, rest) = line(rest).ok_or("it is cut short")?;
    let info = serde_json::from_slice(header).map_err(|error| format!("its header is damaged: {error}"))?;
    Ok((info, rest))
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Corpus and vectors, whose lengths are what the header says.
fn split_body<'a>(info: &Info, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), String> {
    let vectors = info.rows.checked_mul(info.dimension).and_then(|count| count.checked_mul(4));
    let size = vectors.and_then(|bytes| bytes.checked_add(info.corpus_bytes)?.checked_add(HASH_BYTES));
    match size.map(|size| size.cmp(&body.len())) {
        Some(std::cmp::Ordering::Equal) => {
            let (corpus, rest) = body.split_at(info.corpus_bytes);
            Ok((corpus, &rest[..rest.len() - HASH_BYTES]))
        }
        Some(std::cmp::Ordering::Less) => Err("there is more in it than its header says".to_owned()),
        _ => Err("it is cut short".to_owned()),
    }
}

fn check_hash(bytes: &[u8]) -> Result<(), String> {
    let (content, hash) = bytes.split_at(bytes.len() - HASH_BYTES);
    if Sha256::digest(content).as_slice() == hash {
        Ok(())
    } else {
        Err("it is damaged: its hash differs".into())
    }
}

/// Why an index file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The corpus in it is wrong.
    #[error("{}: corpus: {source}", path.display())]
    Corpus {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CorpusError,
    },
    /// Its vectors cannot be used.
    #[error(transparent)]
    Retrieval(#[from] RetrievalError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::{BuiltIn, Calibration, EmbedError, Query, Scan};
    use proptest::prelude::*;
    use std::sync::OnceLock;

    struct Foreign;

    impl Embedder for Foreign {
        fn id(&self) -> &str {
            "foreign/1"
        }

        fn dimension(&self) -> usize {
            BuiltIn::get().dimension()
        }

        fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
            BuiltIn::get().embed(text)
        }

        fn calibration(&self) -> Calibration {
            BuiltIn::get().calibration()
        }
    }

    /// An index of three standards, small enough to be changed a thousand times.
    fn bytes() -> &'static [u8] {
        static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
        BYTES.get_or_init(|| small().to_bytes().unwrap())
    }

    fn small() -> Index {
        let whole = Corpus::built_in();
        let corpus = Corpus::new(whole.header().clone(), whole.records()[..3].to_vec()).unwrap();
        Index::build(corpus, BuiltIn::get(), &Scan).unwrap()
    }

    fn parse(bytes: &[u8]) -> Result<Stored, FileError> {
        Stored::parse(Path::new("site.index"), bytes)
    }

    fn refusal(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_answers_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.index");
        small().write(&path).unwrap();
        small().write(&path).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        let stored = Stored::read(&path).unwrap();
        assert_eq!(stored.info().rows, 3);
        let read = stored.open(BuiltIn::get(), &Scan).unwrap();
        let query =
            Query { text: "vest beside traffic in a road work zone".into(), limit: 3, ..Query::default() };
        assert_eq!(read.query(&query).unwrap(), small().query(&query).unwrap());
    }

    #[test]
    fn a_file_that_is_no_index_is_refused_with_the_reason() {
        assert_eq!(refusal(b""), "site.index: this is no index file");
        assert_eq!(refusal(b"{\"schema\":\"gst-osha.corpus/1\"}\n"), "site.index: this is no index file");
        assert_eq!(
            refusal(b"gst-osha.index/9\n"),
            "site.index: this version reads \"gst-osha.index/1\" only"
        );
        assert_eq!(refusal(&bytes()[..bytes().len() - 1]), "site.index: it is cut short");
        assert_eq!(
            refusal(&[bytes(), b"x"].concat()),
            "site.index: there is more in it than its header says"
        );
        let error = Stored::read(Path::new("/nowhere/site.index")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/site.index: No such file"), "{error}");
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        let header = format!(
            "{SCHEMA}\n{{\"embedder\":\"x\",\"dimension\":{0},\"rows\":{0},\"corpus_bytes\":{0},\"corpus_hash\":\"\"}}\n",
            u64::MAX
        );
        assert_eq!(refusal(header.as_bytes()), "site.index: it is cut short");
    }

    #[test]
    fn another_embedder_is_refused() {
        let error = parse(bytes()).unwrap().open(Arc::new(Foreign), &Scan).unwrap_err().to_string();
        assert!(error.contains("but this is foreign/1; build the index again"), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_named() {
        let error = small().write(Path::new("/nowhere/site.index")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/site.index: No such file"), "{error}");
    }

    proptest! {
        #[test]
        fn cut_at_any_place_it_is_refused(cut in 0usize..20_000) {
            prop_assume!(cut < bytes().len());
            prop_assert!(parse(&bytes()[..cut]).is_err());
        }

        #[test]
        fn any_changed_byte_is_refused(at in any::<prop::sample::Index>(), change in 1u8..) {
            let mut changed = bytes().to_vec();
            let at = at.index(changed.len());
            changed[at] ^= change;
            prop_assert!(parse(&changed).is_err());
        }

        #[test]
        fn any_bytes_are_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let with_schema = [SCHEMA.as_bytes(), b"\n", &body].concat();
            prop_assert!(parse(&body).is_err());
            prop_assert!(parse(&with_schema).is_err());
        }
    }
}
