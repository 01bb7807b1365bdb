//! A process in which the library cannot be found at first. A test of its own, since a process loads the library once.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use engine::{EngineError, Options, onnxruntime, shared};

fn options(library: impl Into<PathBuf>) -> Options {
    Options { library: Some(library.into()), ..Options::default() }
}

#[test]
fn a_library_that_cannot_be_loaded_is_told_and_one_that_can_is_loaded_afterwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = root.join("tests/models/affine_f32.onnx");

    let missing = PathBuf::from("/no/such/libonnxruntime.so.1");
    for load in [onnxruntime::load, shared::load] {
        let error = load(&model, &options(&missing)).err().unwrap();
        assert_eq!(error, EngineError::LibraryNotFound { searched: vec![missing.clone()] });
        assert!(error.to_string().contains("/no/such/libonnxruntime.so.1"), "{error}");
    }

    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libonnxruntime.so.1");
    std::fs::write(&text, "no library").unwrap();
    let error = onnxruntime::load(&model, &options(&text)).err().unwrap();
    assert!(matches!(&error, EngineError::LibraryUnusable { path, .. } if *path == text), "{error}");

    let installed = root.join("../../build/plugins");
    assert!(installed.join("libonnxruntime.so.1").exists(), "ONNX Runtime is missing: run scripts/bootstrap");
    assert!(onnxruntime::load(&model, &options(installed)).is_ok(), "the folder is searched");
    assert_eq!(files_of_telemetry(), Vec::<PathBuf>::new());
}

/// Microsoft's builds keep a database open while they collect what they report.
fn files_of_telemetry() -> Vec<PathBuf> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let files = open.filter_map(|entry| entry.path().read_link().ok());
    files.filter(|file| file.to_string_lossy().contains("/.onnxruntime/")).collect()
}
