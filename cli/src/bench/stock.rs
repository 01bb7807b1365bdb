//! A model as GStreamer's own element `onnxinference` takes it.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use prost::Message;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// What the element has to be told of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Of the input, in pixels.
    pub width: usize,
    /// Of the input, in pixels.
    pub height: usize,
    /// Names of the outputs.
    pub outputs: Vec<String>,
}

impl Network {
    /// From JSON, as one program hands it to another.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, clap::Error> {
        serde_json::from_str(text).map_err(|error| clap::Error::raw(ErrorKind::InvalidValue, error))
    }
}

/// What is added to an ONNX file. Field numbers are those of onnx.proto.
#[derive(Message)]
struct Addition {
    #[prost(message, repeated, tag = "14")]
    metadata: Vec<Entry>,
}

#[derive(Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// A copy of `model` with a name in its metadata for each of `outputs`: without it the element takes no frames.
///
/// # Errors
/// When it cannot be read or written.
pub fn model(model: &Path, outputs: &[String]) -> Result<NamedTempFile> {
    let entry = |name: &String| Entry { key: name.clone(), value: format!("gst-osha-{name}") };
    let addition = Addition { metadata: outputs.iter().map(entry).collect() };
    let mut file = tempfile::Builder::new().suffix(".onnx").tempfile()?;
    let bytes = std::fs::read(model).with_context(|| model.display().to_string())?;
    // What stands behind a message belongs to it.
    file.write_all(&bytes)?;
    file.write_all(&addition.encode_to_vec())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_get_their_names_behind_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.onnx");
        let there = Addition { metadata: vec![Entry { key: "task".into(), value: "detect".into() }] };
        std::fs::write(&path, there.encode_to_vec()).unwrap();
        let named = model(&path, &["output0".into(), "b".into()]).unwrap();
        let read = Addition::decode(&std::fs::read(named.path()).unwrap()[..]).unwrap();
        let keys: Vec<&str> = read.metadata.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["task", "output0", "b"]);
        assert!(model(&folder.path().join("none"), &[]).is_err());
    }

    #[test]
    fn networks_are_handed_on() {
        let network = Network { width: 640, height: 384, outputs: vec!["output0".into()] };
        assert_eq!(Network::parse(&serde_json::to_string(&network).unwrap()).unwrap(), network);
        assert!(Network::parse("640x384").is_err());
    }
}
