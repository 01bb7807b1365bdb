//! What an ONNX file says of itself, read without any runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;
use vision::tensor::Dim;

use crate::{EngineError, onnx};

/// Finds what runtimes have no clear words for.
///
/// # Errors
/// When `path` cannot be opened, is a folder or is empty.
pub(crate) fn check(path: &Path) -> Result<(), EngineError> {
    let reading = |error| EngineError::reading(path, &error);
    let metadata = File::open(path).and_then(|file| file.metadata()).map_err(reading)?;
    let damaged =
        |reason: &str| Err(EngineError::NotAModel { path: path.to_owned(), reason: reason.to_owned() });
    match metadata.len() {
        _ if metadata.is_dir() => damaged("it is a folder"),
        0 => damaged("the file is empty"),
        _ => Ok(()),
    }
}

/// An ONNX file, as far as it is of interest here.
pub(crate) struct ModelFile {
    /// The file's bytes.
    pub bytes: Bytes,
    model: onnx::Model,
}

/// An input of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub name: String,
    /// Outermost dimension first; `None` is open.
    pub shape: Vec<Dim>,
}

/// What a graph says that it takes and gives.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub inputs: Vec<Input>,
    /// Their names.
    pub outputs: BTreeSet<String>,
}

impl ModelFile {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// When it cannot be read or is no ONNX model.
    pub fn read(path: &Path) -> Result<Self, EngineError> {
        check(path)?;
        let bytes = Bytes::from(std::fs::read(path).map_err(|error| EngineError::reading(path, &error))?);
        let model = onnx::Model::decode(bytes.clone())
            .map_err(|error| EngineError::NotAModel { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Self { bytes, model })
    }

    /// Key-value metadata that the exporter stored.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        self.model.metadata.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    }

    /// What has to be given to the network, in graph order.
    pub fn inputs(&self) -> Vec<Input> {
        let Some(graph) = &self.model.graph else { return Vec::new() };
        let stored: BTreeSet<_> = graph.initializers.iter().map(|tensor| tensor.name.as_str()).collect();
        let given = graph.inputs.iter().filter(|input| !stored.contains(input.name.as_str()));
        given.map(|input| Input { name: input.name.clone(), shape: input.shape() }).collect()
    }

    /// What goes in and what comes out.
    pub fn declared(&self) -> Declared {
        let outputs = self.model.graph.iter().flat_map(|graph| &graph.outputs);
        Declared { inputs: self.inputs(), outputs: outputs.map(|output| output.name.clone()).collect() }
    }

    /// The network.
    pub fn graph(&self) -> Option<&onnx::Graph> {
        self.model.graph.as_ref()
    }

    /// The files that hold tensors, relative to the model's folder, each once.
    pub fn external_files(&self) -> BTreeSet<String> {
        self.model.external_files()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> ModelFile {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name);
        ModelFile::read(&path).unwrap()
    }

    #[test]
    fn inputs_are_those_that_are_not_stored() {
        let input = |name: &str, shape: &[Dim]| Input { name: name.to_owned(), shape: shape.to_vec() };
        assert_eq!(read("affine_f32.onnx").inputs(), [input("x", &[None, Some(3), None, None])]);
        let both = [
            input("images", &[Some(1), Some(3), Some(2), Some(2)]),
            input("orig_target_sizes", &[Some(1), Some(2)]),
        ];
        assert_eq!(read("two_inputs.onnx").inputs(), both);
    }

    #[test]
    fn metadata_is_what_the_exporter_stored() {
        let metadata = read("metadata.onnx").metadata();
        assert_eq!(metadata.get("imgsz").map(String::as_str), Some("[8, 8]"));
        assert!(read("affine_f32.onnx").metadata().is_empty());
    }
}
