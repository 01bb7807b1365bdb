//! Puts one node of ours in place of each convolution and the activation that follows it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gpu::kernels::{Activation, Convolution};
use prost::Message;

use crate::EngineError;
use crate::model_file::ModelFile;
use crate::onnx::{Attribute, Graph, INTS, Node, Tensor};

/// Domain and name of the node: what it computes is a [`Convolution`]. Inputs are images, weights in the order of
/// [`gpu::kernels::Operands`], and bias.
pub const DOMAIN: &str = "gst.osha";
/// See [`DOMAIN`].
pub const OPERATOR: &str = "FusedConvolution";
const VERSION: i64 = 1;

/// Input channels from which on a convolution is worth it: a tile takes 16 or more at a time.
const LEAST_CHANNELS: usize = 8;

/// A model with nodes of ours.
#[derive(Clone, Debug)]
pub struct Fused {
    /// The file's bytes.
    pub model: Vec<u8>,
    /// Convolutions that became such nodes.
    pub convolutions: usize,
}

/// The model in the file `path` with every convolution fused whose numbers are FP32 and in the file. `None` if there is none,
/// or if the model takes several images at a time: with these cuDNN fills a GPU by itself.
///
/// # Errors
/// When the file cannot be read or is no ONNX model.
pub fn fuse(path: &Path) -> Result<Option<Fused>, EngineError> {
    ModelFile::read(path).map(|file| fused(&file))
}

fn fused(file: &ModelFile) -> Option<Fused> {
    let graph = file.graph()?;
    let batch = file.inputs().first().and_then(|input| *input.shape.first()?);
    if batch.is_some_and(|images| images > 1) || !file.external_files().is_empty() {
        return None;
    }
    let network = Network::new(graph);
    let layers: BTreeMap<usize, Layer> =
        (0..graph.nodes.len()).filter_map(|index| Some((index, network.layer(index)?))).collect();
    if layers.is_empty() {
        return None;
    }
    Some(Fused { model: rewritten(&file.bytes, &network, &layers)?, convolutions: layers.len() })
}

/// Who reads what in a graph.
struct Network<'a> {
    graph: &'a Graph,
    constants: BTreeMap<&'a str, &'a Tensor>,
    /// Nodes by the values that they read. Readers that are no nodes of this graph have a number that none has.
    readers: BTreeMap<&'a str, Vec<usize>>,
}

/// A convolution and what follows it.
struct Layer {
    node: Node,
    weights: Tensor,
    bias: Tensor,
    /// Constants that it read.
    constants: Vec<String>,
    /// Nodes that it stands for, besides the convolution.
    followers: Vec<usize>,
}

impl<'a> Network<'a> {
    fn new(graph: &'a Graph) -> Self {
        let given: BTreeSet<_> = graph.inputs.iter().map(|input| input.name.as_str()).collect();
        let constants = graph.initializers.iter().filter(|tensor| !given.contains(tensor.name.as_str()));
        let mut this = Self {
            graph,
            constants: constants.map(|tensor| (tensor.name.as_str(), tensor)).collect(),
            readers: BTreeMap::new(),
        };
        for (index, node) in graph.nodes.iter().enumerate() {
            this.may_be_constant(index);
            node.inputs.iter().for_each(|name| this.is_read(name, index));
            node.graphs().for_each(|graph| this.is_read_within(graph));
        }
        graph.outputs.iter().for_each(|output| this.is_read(&output.name, usize::MAX));
        this
    }

    /// Exporters give equal constants one name and hand it on.
    fn may_be_constant(&mut self, index: usize) {
        let handed = self.node(index, "Identity").and_then(|node| {
            let source = self.constants.get(node.inputs.first()?.as_str())?;
            Some((node.outputs.first()?.as_str(), *source))
        });
        self.constants.extend(handed);
    }

    fn is_read(&mut self, name: &'a str, by: usize) {
        self.readers.entry(name).or_default().push(by);
    }

    fn is_read_within(&mut self, graph: &'a Graph) {
        for node in &graph.nodes {
            node.inputs.iter().for_each(|name| self.is_read(name, usize::MAX));
            node.graphs().for_each(|graph| self.is_read_within(graph));
        }
        graph.outputs.iter().for_each(|output| self.is_read(&output.name, usize::MAX));
    }

    /// The fused layer in place of node `index`, if that is a convolution that we have.
    fn layer(&self, index: usize) -> Option<Layer> {
        let node = self.node(index, "Conv")?;
        let [input, weights, ..] = &node.inputs[..] else { return None };
        let bias = node.inputs.get(2).filter(|name| !name.is_empty());
        let (stored, output) = (*self.constants.get(weights.as_str())?, node.outputs.first()?);
        let (activation, followers, output) = self.activation(output);
        let convolution = convolution(node, stored, activation)?;
        let (channels, by_tap) = reordered(stored)?;
        let bias_numbers = match bias {
            Some(name) => self.constants.get(name.as_str())?.f32s()?,
            None => vec![0.0; channels],
        };
        let fits = bias_numbers.len() == channels && channels.is_multiple_of(4);
        let name = |part: &str| format!("{output} {OPERATOR} {part}");
        let tensors = [tensor(name("weights"), by_tap), tensor(name("bias"), bias_numbers)];
        let inputs = [input.clone(), tensors[0].name.clone(), tensors[1].name.clone()];
        let [new_weights, new_bias] = tensors;
        fits.then(|| Layer {
            node: fused_node(inputs, output, &convolution),
            weights: new_weights,
            bias: new_bias,
            constants: [Some(weights), bias].into_iter().flatten().cloned().collect(),
            followers,
        })
    }

    /// Node `index`, if it is ONNX's own `operator`.
    fn node(&self, index: usize, operator: &str) -> Option<&'a Node> {
        let node = self.graph.nodes.get(index)?;
        let is_own = node.domain.is_empty() || node.domain == "ai.onnx";
        (is_own && node.operator == operator).then_some(node)
    }

    /// What becomes of `value` and nothing else does, the nodes that do it, and their result.
    fn activation(&self, value: &'a str) -> (Activation, Vec<usize>, &'a str) {
        let none = (Activation::None, Vec::new(), value);
        match self.readers.get(value).map(Vec::as_slice) {
            Some(&[relu]) => match self.node(relu, "Relu").and_then(|node| node.outputs.first()) {
                Some(output) => (Activation::Relu, vec![relu], output),
                None => none,
            },
            Some(&[one, other]) => self.silu(one, other).or_else(|| self.silu(other, one)).unwrap_or(none),
            _ => none,
        }
    }

    /// `x * sigmoid(x)`, if the node `sigmoid` is that and its only reader `product`, which reads `x`, multiplies both.
    fn silu(&self, sigmoid: usize, product: usize) -> Option<(Activation, Vec<usize>, &'a str)> {
        let factor = self.node(sigmoid, "Sigmoid")?.outputs.first()?;
        let result = self.node(product, "Mul")?;
        let reads = result.inputs.contains(factor) && self.readers.get(factor.as_str())? == &[product];
        reads.then_some((Activation::Silu, vec![sigmoid, product], result.outputs.first()?))
    }

    /// Constants that only `layers` read.
    fn unread<'l>(&self, layers: &'l BTreeMap<usize, Layer>) -> BTreeSet<&'l str> {
        let constants = layers.values().flat_map(|layer| &layer.constants);
        let is_unread = |name: &&str| self.readers[name].iter().all(|reader| layers.contains_key(reader));
        constants.map(String::as_str).filter(is_unread).collect()
    }
}

/// Output channels of a convolution's weights, and the weights in the order kernel row, kernel column, input channel, output
/// channel. They are stored in the order output channel, input channel, row, column.
fn reordered(weights: &Tensor) -> Option<(usize, Vec<f32>)> {
    let stored = weights.f32s()?;
    let [outputs, inputs, height, width] = sizes(&weights.shape)?;
    let (taps, mut numbers) = (height * width, vec![0.0; stored.len()]);
    for (index, &number) in stored.iter().enumerate() {
        let (tap, plane) = (index % taps, index / taps);
        numbers[(tap * inputs + plane % inputs) * outputs + plane / inputs] = number;
    }
    (inputs >= LEAST_CHANNELS).then_some((outputs, numbers))
}

/// The convolution that `node` is, if its kernel has no gaps and it has no groups.
fn convolution(node: &Node, weights: &Tensor, activation: Activation) -> Option<Convolution> {
    let integers = |name: &str| node.attribute(name).map(|attribute| &attribute.integers[..]);
    let ones = |name: &str| integers(name).is_none_or(|numbers| numbers.iter().all(|&number| number == 1));
    let is_plain = ones("dilations")
        && node.attribute("group").is_none_or(|group| group.integer == 1)
        && node.attribute("auto_pad").is_none_or(|pad| pad.string == "NOTSET");
    let [_, _, height, width] = sizes(&weights.shape)?;
    is_plain.then_some(Convolution {
        kernel: [height, width],
        stride: integers("strides").map_or(Some([1; 2]), sizes)?,
        padding: integers("pads").map_or(Some([0; 4]), sizes)?,
        activation,
    })
}

/// `N` sizes.
fn sizes<const N: usize>(numbers: &[i64]) -> Option<[usize; N]> {
    let sizes: Option<Vec<_>> = numbers.iter().map(|&number| usize::try_from(number).ok()).collect();
    sizes?.try_into().ok()
}

/// A node's numbers: see [`of_attribute`].
fn fused_node(inputs: [String; 3], output: &str, convolution: &Convolution) -> Node {
    let Convolution { kernel, stride, padding, activation } = convolution;
    let numbers = kernel.iter().chain(stride).chain(padding).map(|&number| number as i64);
    let attribute = Attribute {
        name: ATTRIBUTE.to_owned(),
        integers: numbers.chain([*activation as i64]).collect(),
        kind: INTS,
        ..Attribute::default()
    };
    Node {
        inputs: inputs.into(),
        outputs: vec![output.to_owned()],
        name: format!("{output} {OPERATOR}"),
        operator: OPERATOR.to_owned(),
        attributes: vec![attribute],
        domain: DOMAIN.to_owned(),
    }
}

/// The node's one attribute.
pub const ATTRIBUTE: &str = "convolution";

/// The convolution that the attribute tells of: kernel, stride, padding and activation in this order.
pub fn of_attribute(numbers: &[i64]) -> Option<Convolution> {
    let (&activation, numbers) = numbers.split_last()?;
    let kinds = [Activation::None, Activation::Relu, Activation::Silu];
    let activation = kinds.into_iter().find(|&kind| kind as i64 == activation)?;
    let [kernel_y, kernel_x, stride_y, stride_x, padding @ ..] = sizes::<8>(numbers)?;
    let (kernel, stride) = ([kernel_y, kernel_x], [stride_y, stride_x]);
    (kernel.iter().chain(&stride).all(|&number| number > 0)).then_some(Convolution {
        kernel,
        stride,
        padding,
        activation,
    })
}

fn tensor(name: String, numbers: Vec<f32>) -> Tensor {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Tensor {
        shape: vec![numbers.len() as i64],
        data_type: crate::onnx::FLOAT,
        name,
        bytes: bytes.into(),
        ..Tensor::default()
    }
}

/// Numbers of the fields that change, as in onnx.proto.
mod field {
    pub const NODE: u64 = 1;
    pub const INITIALIZER: u64 = 5;
    pub const GRAPH: u64 = 7;
    pub const OPERATORS: u64 = 8;
}

/// The model with the layers in place of what they stand for. Everything else stays as it is, bit by bit.
fn rewritten(model: &[u8], network: &Network<'_>, layers: &BTreeMap<usize, Layer>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(model.len());
    for part in fields(model)? {
        match part.number {
            field::GRAPH => put(&mut out, field::GRAPH, &rewritten_graph(part.content, network, layers)?),
            _ => out.extend_from_slice(part.whole),
        }
    }
    put(
        &mut out,
        field::OPERATORS,
        &OperatorSet { domain: DOMAIN.to_owned(), version: VERSION }.encode_to_vec(),
    );
    Some(out)
}

#[derive(Clone, PartialEq, prost::Message)]
struct OperatorSet {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

fn rewritten_graph(bytes: &[u8], network: &Network<'_>, layers: &BTreeMap<usize, Layer>) -> Option<Vec<u8>> {
    let (gone, unread) = (gone(layers), network.unread(layers));
    let (mut out, mut node, mut constant) = (Vec::with_capacity(bytes.len()), 0.., 0..);
    for part in fields(bytes)? {
        match part.number {
            field::NODE => match node.next()? {
                index if gone.contains(&index) => {}
                index => match layers.get(&index) {
                    Some(layer) => put(&mut out, field::NODE, &layer.node.encode_to_vec()),
                    None => out.extend_from_slice(part.whole),
                },
            },
            field::INITIALIZER
                if unread.contains(network.graph.initializers.get(constant.next()?)?.name.as_str()) => {}
            _ => out.extend_from_slice(part.whole),
        }
    }
    let constants = layers.values().flat_map(|layer| [&layer.weights, &layer.bias]);
    constants.for_each(|tensor| put(&mut out, field::INITIALIZER, &tensor.encode_to_vec()));
    Some(out)
}

/// The nodes that layers stand for, besides convolutions.
fn gone(layers: &BTreeMap<usize, Layer>) -> BTreeSet<usize> {
    layers.values().flat_map(|layer| layer.followers.iter().copied()).collect()
}

/// A field of a message as it stands.
struct Field<'a> {
    number: u64,
    whole: &'a [u8],
    /// Of a field that tells its length.
    content: &'a [u8],
}

/// A message's fields in their order. `None` if the message ends within one.
fn fields(mut message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let mut rest = message;
        let tag = varint(&mut rest)?;
        let content = match tag & 7 {
            0 => varint(&mut rest).map(|_| &rest[..0])?,
            1 => rest.split_off(..8)?,
            2 => {
                let length = varint(&mut rest)?;
                rest.split_off(..usize::try_from(length).ok()?)?
            }
            5 => rest.split_off(..4)?,
            _ => return None,
        };
        let whole = &message[..message.len() - rest.len()];
        fields.push(Field { number: tag >> 3, whole, content });
        message = rest;
    }
    Some(fields)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(bytes).ok()
}

/// Appends a field that tells its length.
fn put(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    prost::encoding::encode_varint(number << 3 | 2, out);
    prost::encoding::encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::onnx;

    fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/convolutions.onnx")
    }

    fn operators(model: &[u8]) -> Vec<String> {
        let graph = onnx::Model::decode(model).unwrap().graph.unwrap();
        graph.nodes.into_iter().map(|node| node.operator).collect()
    }

    #[test]
    fn what_can_be_fused_is_and_everything_else_stays() {
        let fused = fuse(&path()).unwrap().unwrap();
        // Few input channels, groups, gaps, and a number of output channels that is no multiple of 4.
        let left = ["Conv", "Sigmoid", "Mul", "Conv", "Relu", "Conv", "Conv"];
        let found = operators(&fused.model);
        let (ours, others): (Vec<_>, Vec<_>) = found.iter().partition(|name| *name == OPERATOR);
        assert_eq!((fused.convolutions, ours.len()), (4, 4), "{found:?}");
        assert_eq!(others, [&left[..], &["Identity", "Sigmoid", "Mul"]].concat());
        let graph = onnx::Model::decode(&fused.model[..]).unwrap().graph.unwrap();
        let names: Vec<_> = graph.initializers.iter().map(|tensor| tensor.name.as_str()).collect();
        assert!(names.contains(&"stem_weights") && !names.contains(&"down_weights"), "{names:?}");
    }

    #[test]
    fn a_model_for_several_images_stays_as_it_is() {
        let bytes = std::fs::read(path()).unwrap();
        // The open first dimension of the input and the outputs becomes 2.
        let (open, two) = (b"\x0a\x07\x12\x05batch", b"\x0a\x07\x08\x82\x80\x80\x80\x80\x00");
        let at = bytes.windows(open.len()).position(|window| window == open).unwrap();
        let several = [&bytes[..at], two, &bytes[at + open.len()..]].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("several.onnx");
        std::fs::write(&path, several).unwrap();
        assert_eq!(ModelFile::read(&path).unwrap().inputs()[0].shape[0], Some(2));
        assert!(fuse(&path).unwrap().is_none());
    }

    #[test]
    fn a_model_without_such_convolutions_stays_as_it_is() {
        let path = path().with_file_name("matmul.onnx");
        assert!(fuse(&path).unwrap().is_none());
    }

    #[test]
    fn fields_that_end_early_are_refused() {
        assert!(fields(&[0x0a, 5, 1]).is_none() && fields(&[0x0d, 1]).is_none() && fields(&[0x0b]).is_none());
        let fields = fields(&[0x0a, 1, 7, 0x10, 0x96, 1]).unwrap();
        let parts: Vec<_> = fields.iter().map(|field| (field.number, field.whole, field.content)).collect();
        assert_eq!(parts, [(1, &[0x0a, 1, 7][..], &[7][..]), (2, &[0x10, 0x96, 1][..], &[][..])]);
    }
}
