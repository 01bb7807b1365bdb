//! `gst-osha engine` on a cache with one engine and something damaged.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use engine::cache::{Cache, CacheError, Key};
use tempfile::TempDir;

/// A cache, and the name of its engine's file.
fn cache() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let (cache, key) = (Cache::open(Some(folder.path())).unwrap(), Key::default());
    cache.get_or_build(&key, || true, |_| Ok::<_, CacheError>(vec![7; 1000])).unwrap();
    std::fs::write(folder.path().join("bad.engine"), b"x").unwrap();
    let name = cache.path(&key).file_name().unwrap().to_str().unwrap().to_owned();
    (folder, name)
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gst-osha"));
    command.args(["engine", "--engine-cache", "."]).args(arguments).current_dir(folder);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn an_engine_is_named_by_its_file_or_its_first_digits() {
    let (folder, name) = cache();
    let path = folder.path().join(&name);
    for asked in [&name[..4], &name, &format!("./{name}"), path.to_str().unwrap()] {
        let output = run(folder.path(), &["inspect", asked]);
        assert!(output.status.success(), "{asked}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains("checksums are right"));
    }
    for asked in ["", "nothing", "bad"] {
        let output = run(folder.path(), &["inspect", asked]);
        assert_eq!(output.status.code(), Some(1), "{asked}");
        assert!(text(&output.stderr).contains("gst-osha engine"), "{}", text(&output.stderr));
    }
}

#[test]
fn what_is_damaged_is_listed_and_pruned() {
    let (folder, name) = cache();
    let list = run(folder.path(), &["list", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    let damaged = list.as_array().unwrap().iter().filter(|entry| entry["damaged"].is_string());
    assert_eq!(damaged.count(), 1);
    let pruned = run(folder.path(), &["prune"]);
    assert!(text(&pruned.stdout).ends_with("1 files removed, 1 engines left\n"), "{}", text(&pruned.stdout));
    assert!(folder.path().join(name).exists());
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let (folder, name) = cache();
    for arguments in [&["list"][..], &["list", "--json"], &["inspect", &name], &["prune", "--all"]] {
        let mut child =
            command(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{arguments:?}");
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command(folder.path(), &["list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.starts_with("gst-osha: standard output: No space left"), "{error}");
}
