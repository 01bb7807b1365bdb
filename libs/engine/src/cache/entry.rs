//! An entry's file: a magic word, the header's length and the header (JSON), its SHA-256, the engine.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::folder;
use super::key::{Key, hex};

/// Extension of an entry's file.
pub(super) const EXTENSION: &str = "engine";
/// Also says the version of the format.
const MAGIC: &[u8; 8] = b"OSHAENG1";
/// Magic word and header's length.
const PREFIX: usize = MAGIC.len() + 4;
const DIGEST: usize = 32;
/// No header comes near it: a greater length is a damaged one.
const LONGEST_HEADER: usize = 1 << 20;

/// What an entry says of its engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the engine depends on.
    pub key: Key,
    /// When it was built, in seconds since 1970.
    pub created_unix_s: u64,
    /// How long that took, in milliseconds.
    pub build_ms: u64,
    /// Its size in bytes.
    pub engine_bytes: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub engine_sha256: String,
}

impl Header {
    /// For an engine that was just built.
    pub(super) fn new(key: Key, engine: &[u8], created_unix_s: u64, took: Duration) -> Self {
        Self {
            key,
            created_unix_s,
            build_ms: took.as_millis() as u64,
            engine_bytes: engine.len() as u64,
            engine_sha256: hex(&Sha256::digest(engine)),
        }
    }
}

/// The bytes that stand before the engine.
pub(super) fn encode(header: &Header) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let mut bytes = [&MAGIC[..], &(json.len() as u32).to_le_bytes(), &json].concat();
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    Ok(bytes)
}

/// The engine in an entry's whole file.
///
/// # Errors
/// Why it must not be used for `key`.
pub(super) fn decode(mut bytes: Vec<u8>, key: &Key) -> Result<Vec<u8>, String> {
    let (header, length) = parse(&bytes)?;
    let differences = key.differences(&header.key);
    if !differences.is_empty() {
        return Err(format!("it belongs to another {}", differences.join("; another ")));
    }
    let engine = bytes.split_off(length);
    if engine.len() as u64 != header.engine_bytes {
        return Err(format!("the engine has {} bytes instead of {}", engine.len(), header.engine_bytes));
    }
    if hex(&Sha256::digest(&engine)) != header.engine_sha256 {
        return Err("the engine's checksum is wrong".to_owned());
    }
    Ok(engine)
}

/// The header of the entry in the file `path`; its engine is not read.
///
/// # Errors
/// Why the file is no entry.
pub(super) fn read_header(path: &Path) -> Result<Header, String> {
    let longest = (PREFIX + LONGEST_HEADER + DIGEST) as u64;
    header(&folder::read(path, longest).map_err(|error| error.to_string())?)
}

/// The header of a file that begins with `bytes`.
///
/// # Errors
/// Why the file is no entry.
pub(super) fn header(bytes: &[u8]) -> Result<Header, String> {
    parse(bytes).map(|(header, _)| header)
}

/// The header, and where the engine starts.
fn parse(bytes: &[u8]) -> Result<(Header, usize), String> {
    let cut = || "the file is cut off".to_owned();
    if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
        return Err("the file is no engine of this version".to_owned());
    }
    let length = bytes.get(MAGIC.len()..PREFIX).and_then(|field| field.try_into().ok()).ok_or_else(cut)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST_HEADER {
        return Err("the header is damaged".to_owned());
    }
    let end = PREFIX + length;
    let digest = bytes.get(end..end + DIGEST).ok_or_else(cut)?;
    if Sha256::digest(&bytes[..end])[..] != *digest {
        return Err("the header's checksum is wrong".to_owned());
    }
    let header = serde_json::from_slice(&bytes[PREFIX..end]).map_err(|error| error.to_string())?;
    Ok((header, end + DIGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(key: &Key, engine: &[u8]) -> Vec<u8> {
        let header = Header::new(key.clone(), engine, 7, Duration::from_millis(8));
        [encode(&header).unwrap(), engine.to_vec()].concat()
    }

    #[test]
    fn what_was_written_is_read() {
        let key = Key { model: "m".to_owned(), ..Key::default() };
        for engine in [&b""[..], b"engine"] {
            assert_eq!(decode(file(&key, engine), &key).as_deref(), Ok(engine));
        }
    }

    #[test]
    fn no_damaged_byte_and_no_cut_goes_unseen() {
        let key = Key::default();
        let whole = file(&key, b"engine");
        for index in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[index] ^= 1;
            assert!(decode(flipped, &key).is_err(), "byte {index}");
            assert!(decode(whole[..index].to_vec(), &key).is_err(), "cut at {index}");
        }
        assert!(decode([&whole[..], b"x"].concat(), &key).is_err());
    }

    #[test]
    fn another_keys_engine_is_not_used() {
        let asked = Key { driver: "2".to_owned(), ..Key::default() };
        let reason = decode(file(&Key::default(), b"engine"), &asked).unwrap_err();
        assert!(reason.contains("driver"), "{reason}");
    }
}
