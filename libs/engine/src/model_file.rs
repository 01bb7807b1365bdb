//! What an ONNX file says of itself, read without any runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use prost::Message;
use vision::tensor::Dim;

use crate::EngineError;

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

/// An ONNX file, as far as it is of interest here. Field numbers are those of onnx.proto.
pub(crate) struct ModelFile {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    model: onnx::Model,
}

/// An input of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub name: String,
    /// Outermost dimension first; `None` is open.
    pub shape: Vec<Dim>,
}

impl ModelFile {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// When it cannot be read or is no ONNX model.
    pub fn read(path: &Path) -> Result<Self, EngineError> {
        check(path)?;
        let bytes = std::fs::read(path).map_err(|error| EngineError::reading(path, &error))?;
        let model = onnx::Model::decode(&bytes[..])
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

    /// The files that hold tensors, relative to the model's folder, each once.
    pub fn external_files(&self) -> BTreeSet<String> {
        self.model.external_files()
    }
}

mod onnx {
    use super::{BTreeSet, Dim};

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Model {
        #[prost(message, optional, tag = "7")]
        pub graph: Option<Graph>,
        #[prost(message, repeated, tag = "14")]
        pub metadata: Vec<Entry>,
        #[prost(message, repeated, tag = "25")]
        functions: Vec<Function>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Function {
        #[prost(message, repeated, tag = "7")]
        nodes: Vec<Node>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Graph {
        #[prost(message, repeated, tag = "1")]
        nodes: Vec<Node>,
        #[prost(message, repeated, tag = "5")]
        pub initializers: Vec<Tensor>,
        #[prost(message, repeated, tag = "11")]
        pub inputs: Vec<ValueInfo>,
        #[prost(message, repeated, tag = "15")]
        sparse_initializers: Vec<SparseTensor>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Node {
        #[prost(message, repeated, tag = "5")]
        attributes: Vec<Attribute>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Attribute {
        #[prost(message, optional, tag = "5")]
        tensor: Option<Tensor>,
        #[prost(message, optional, tag = "6")]
        graph: Option<Graph>,
        #[prost(message, repeated, tag = "10")]
        tensors: Vec<Tensor>,
        #[prost(message, repeated, tag = "11")]
        graphs: Vec<Graph>,
        #[prost(message, optional, tag = "22")]
        sparse_tensor: Option<SparseTensor>,
        #[prost(message, repeated, tag = "23")]
        sparse_tensors: Vec<SparseTensor>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct SparseTensor {
        #[prost(message, optional, tag = "1")]
        values: Option<Tensor>,
        #[prost(message, optional, tag = "2")]
        indices: Option<Tensor>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Tensor {
        #[prost(string, tag = "8")]
        pub name: String,
        #[prost(message, repeated, tag = "13")]
        external_data: Vec<Entry>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Entry {
        #[prost(string, tag = "1")]
        pub key: String,
        #[prost(string, tag = "2")]
        pub value: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ValueInfo {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(message, optional, tag = "2")]
        kind: Option<Type>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Type {
        #[prost(message, optional, tag = "1")]
        tensor: Option<TensorType>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct TensorType {
        #[prost(message, optional, tag = "2")]
        shape: Option<Shape>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Shape {
        #[prost(message, repeated, tag = "1")]
        dims: Vec<Dimension>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Dimension {
        #[prost(int64, optional, tag = "1")]
        value: Option<i64>,
    }

    impl ValueInfo {
        /// The declared shape.
        pub fn shape(&self) -> Vec<Dim> {
            let tensor = self.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
            let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| &shape.dims[..]);
            let size = |dim: &Dimension| dim.value.and_then(|value| usize::try_from(value).ok());
            dims.unwrap_or_default().iter().map(size).collect()
        }
    }

    impl Model {
        /// The files that hold tensors, relative to the model's folder, each once.
        pub fn external_files(&self) -> BTreeSet<String> {
            let mut files = BTreeSet::new();
            self.graph.iter().for_each(|graph| graph.collect(&mut files));
            let nodes = self.functions.iter().flat_map(|function| &function.nodes);
            nodes.for_each(|node| node.collect(&mut files));
            files
        }
    }

    impl Graph {
        fn collect(&self, files: &mut BTreeSet<String>) {
            self.initializers.iter().for_each(|tensor| tensor.collect(files));
            self.sparse_initializers.iter().for_each(|tensor| tensor.collect(files));
            self.nodes.iter().for_each(|node| node.collect(files));
        }
    }

    impl Node {
        fn collect(&self, files: &mut BTreeSet<String>) {
            for attribute in &self.attributes {
                attribute.tensor.iter().chain(&attribute.tensors).for_each(|tensor| tensor.collect(files));
                attribute.graph.iter().chain(&attribute.graphs).for_each(|graph| graph.collect(files));
                let sparse = attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors);
                sparse.for_each(|tensor| tensor.collect(files));
            }
        }
    }

    impl SparseTensor {
        fn collect(&self, files: &mut BTreeSet<String>) {
            self.values.iter().chain(&self.indices).for_each(|tensor| tensor.collect(files));
        }
    }

    impl Tensor {
        fn collect(&self, files: &mut BTreeSet<String>) {
            let places = self.external_data.iter().filter(|entry| entry.key == "location");
            files.extend(places.map(|entry| entry.value.clone()));
        }
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
