//! A model's content, the tensors that it keeps in files of their own included.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

use sha2::{Digest, Sha256};

use super::key::hex;
use crate::EngineError;
use crate::model_file::ModelFile;

/// SHA-256 of the ONNX file `path` and of the files in which it keeps tensors, in hexadecimal digits.
///
/// # Errors
/// When one of them cannot be read, the file is no ONNX model, or it names files outside of its own folder.
pub fn digest(path: &Path) -> Result<String, EngineError> {
    digest_of(&ModelFile::read(path)?, path)
}

/// As [`digest`], of a file that was read from `path`.
pub(crate) fn digest_of(model: &ModelFile, path: &Path) -> Result<String, EngineError> {
    let damaged = |reason: String| EngineError::NotAModel { path: path.to_owned(), reason };
    let mut hash = Sha256::new_with_prefix(&model.bytes);
    let folder = path.parent().unwrap_or(Path::new("."));
    for location in model.external_files() {
        let is_inside = Path::new(&location).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_inside {
            return Err(damaged(format!("it keeps tensors outside of its folder, in {location:?}")));
        }
        let file = folder.join(&location);
        // Each with its digest: no file's end runs together with the next one's name.
        hash.update(location.as_bytes());
        hash.update(of_file(&file).map_err(|error| EngineError::reading(&file, &error))?);
    }
    Ok(hex(&hash.finalize()))
}

fn of_file(path: &Path) -> io::Result<impl AsRef<[u8]>> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize()),
            count => hash.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length-delimited protobuf field.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        assert!(number < 16 && content.len() < 128);
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }

    fn model_with_external(location: &str) -> Vec<u8> {
        let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
        let tensor = field(13, &entry);
        field(7, &field(5, &tensor))
    }

    #[test]
    fn external_tensors_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, model_with_external("weights.bin")).unwrap();
        assert!(digest(&path).unwrap_err().to_string().contains("weights.bin"));
        std::fs::write(folder.path().join("weights.bin"), b"1").unwrap();
        let before = digest(&path).unwrap();
        assert_eq!(digest(&path).unwrap(), before);
        std::fs::write(folder.path().join("weights.bin"), b"2").unwrap();
        assert_ne!(digest(&path).unwrap(), before);
    }

    #[test]
    fn files_do_not_run_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        let model = [model_with_external("a"), model_with_external("b")].concat();
        std::fs::write(&path, model).unwrap();
        let digest_with = |a: &str, b: &str| {
            std::fs::write(folder.path().join("a"), a).unwrap();
            std::fs::write(folder.path().join("b"), b).unwrap();
            digest(&path).unwrap()
        };
        assert_ne!(digest_with("1", "b2"), digest_with("1b", "2"));
    }

    #[test]
    fn tensors_outside_of_the_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        for location in ["../secret", "/etc/passwd"] {
            std::fs::write(&path, model_with_external(location)).unwrap();
            assert!(digest(&path).unwrap_err().to_string().contains(location));
        }
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        assert!(matches!(digest(&path), Err(EngineError::ModelNotFound(_))));
        std::fs::write(&path, [0xff; 100]).unwrap();
        assert!(matches!(digest(&path), Err(EngineError::NotAModel { .. })));
    }
}
