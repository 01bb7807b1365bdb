//! Messages of ONNX files, as far as they are of interest here. Field numbers are those of onnx.proto. Large contents are
//! parts of the bytes that were read.

use std::collections::BTreeSet;

use prost::bytes::Bytes;
use vision::tensor::Dim;

/// The number of `FLOAT` among the types of tensors.
pub(crate) const FLOAT: i32 = 1;
/// The number of `INTS` among the types of attributes.
pub(crate) const INTS: i32 = 7;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Model {
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "14")]
    pub metadata: Vec<Entry>,
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<Function>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Function {
    #[prost(message, repeated, tag = "7")]
    pub nodes: Vec<Node>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    pub initializers: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub inputs: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub outputs: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializers: Vec<SparseTensor>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub outputs: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub operator: String,
    #[prost(message, repeated, tag = "5")]
    pub attributes: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "3")]
    pub integer: i64,
    #[prost(bytes = "bytes", tag = "4")]
    pub string: Bytes,
    #[prost(message, optional, tag = "5")]
    pub tensor: Option<Tensor>,
    #[prost(message, optional, tag = "6")]
    pub graph: Option<Graph>,
    #[prost(int64, repeated, tag = "8")]
    pub integers: Vec<i64>,
    #[prost(message, repeated, tag = "10")]
    pub tensors: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub graphs: Vec<Graph>,
    #[prost(int32, tag = "20")]
    pub kind: i32,
    #[prost(message, optional, tag = "22")]
    pub sparse_tensor: Option<SparseTensor>,
    #[prost(message, repeated, tag = "23")]
    pub sparse_tensors: Vec<SparseTensor>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SparseTensor {
    #[prost(message, optional, tag = "1")]
    pub values: Option<Tensor>,
    #[prost(message, optional, tag = "2")]
    pub indices: Option<Tensor>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub shape: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub floats: Vec<f32>,
    #[prost(string, tag = "8")]
    pub name: String,
    /// Elements, little-endian, if they are not in a list of their type.
    #[prost(bytes = "bytes", tag = "9")]
    pub bytes: Bytes,
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub kind: Option<Type>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorType {
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dims: Vec<Dimension>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub value: Option<i64>,
}

impl ValueInfo {
    /// The declared shape.
    pub(crate) fn shape(&self) -> Vec<Dim> {
        let tensor = self.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
        let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| &shape.dims[..]);
        let size = |dim: &Dimension| dim.value.and_then(|value| usize::try_from(value).ok());
        dims.unwrap_or_default().iter().map(size).collect()
    }
}

impl Model {
    /// The files that hold tensors, relative to the model's folder, each once.
    pub(crate) fn external_files(&self) -> BTreeSet<String> {
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
    /// The attribute called `name`.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The networks inside of this one.
    pub(crate) fn graphs(&self) -> impl Iterator<Item = &Graph> {
        self.attributes.iter().flat_map(|attribute| attribute.graph.iter().chain(&attribute.graphs))
    }

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
    /// The elements of a tensor of 32-bit floats whose elements are in this file, as many as the shape says.
    pub(crate) fn f32s(&self) -> Option<Vec<f32>> {
        let shape: Option<Vec<_>> = self.shape.iter().map(|&size| usize::try_from(size).ok()).collect();
        let length = shape?.into_iter().try_fold(1usize, usize::checked_mul)?;
        let numbers = match self.bytes.is_empty() {
            true => self.floats.clone(),
            false => self.bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        };
        (self.data_type == FLOAT && self.external_data.is_empty() && numbers.len() == length)
            .then_some(numbers)
    }

    fn collect(&self, files: &mut BTreeSet<String>) {
        let places = self.external_data.iter().filter(|entry| entry.key == "location");
        files.extend(places.map(|entry| entry.value.clone()));
    }
}
