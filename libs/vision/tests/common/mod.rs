//! Reads golden files.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

pub fn read_bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn read_json(name: &str) -> Value {
    serde_json::from_slice(&read_bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

pub fn array(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).iter()
}

pub fn pair(value: &Value) -> (usize, usize) {
    let numbers: Vec<_> = array(value).map(|number| number.as_u64().unwrap() as usize).collect();
    (numbers[0], numbers[1])
}
