//! A model's content, the tensors that it keeps in files of their own included.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

use prost::Message;
use sha2::{Digest, Sha256};

use super::key::hex;
use crate::EngineError;

/// SHA-256 of the ONNX file `path` and of the files in which it keeps tensors, in hexadecimal digits.
///
/// # Errors
/// When one of them cannot be read, the file is no ONNX model, or it names files outside of its own folder.
pub fn digest(path: &Path) -> Result<String, EngineError> {
    let bytes = std::fs::read(path).map_err(|error| EngineError::reading(path, &error))?;
    let damaged = |reason: String| EngineError::NotAModel { path: path.to_owned(), reason };
    let model = onnx::Model::decode(&bytes[..]).map_err(|error| damaged(error.to_string()))?;
    let mut hash = Sha256::new_with_prefix(&bytes);
    let folder = path.parent().unwrap_or(Path::new("."));
    for location in model.external_files() {
        let is_inside = Path::new(&location).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_inside {
            return Err(damaged(format!("it keeps tensors outside of its folder, in {location:?}")));
        }
        let file = folder.join(&location);
        hash.update(location.as_bytes());
        add(&mut hash, &file).map_err(|error| EngineError::reading(&file, &error))?;
    }
    Ok(hex(&hash.finalize()))
}

fn add(hash: &mut Sha256, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// What of an ONNX file tells where its tensors lie. Field numbers are those of onnx.proto.
mod onnx {
    use super::BTreeSet;

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Model {
        #[prost(message, optional, tag = "7")]
        graph: Option<Graph>,
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
        initializers: Vec<Tensor>,
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
        #[prost(message, repeated, tag = "13")]
        external_data: Vec<Entry>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Entry {
        #[prost(string, tag = "1")]
        key: String,
        #[prost(string, tag = "2")]
        value: String,
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
