//! Tensors as a model declares and returns them.

use half::f16;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// 32-bit float.
    F32,
    /// 16-bit IEEE float.
    F16,
    /// Unsigned byte.
    U8,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
}

/// One dimension of a declared shape: `None` where the model leaves it open.
pub type Dim = Option<usize>;

/// An input or output as the model declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name in the graph.
    pub name: String,
    /// Element type.
    pub data_type: DataType,
    /// Outermost dimension first, batch included.
    pub shape: Vec<Dim>,
}

/// The elements of a tensor to read, outermost dimension first.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 16-bit floats.
    F16(&'a [f16]),
    /// Bytes.
    U8(&'a [u8]),
    /// 32-bit integers.
    I32(&'a [i32]),
    /// 64-bit integers.
    I64(&'a [i64]),
}

/// A tensor that a network returned, in host memory.
#[derive(Clone, Debug)]
pub struct TensorView<'a> {
    /// Outermost dimension first, batch included.
    pub shape: Vec<usize>,
    /// The product of `shape` many elements.
    pub elements: Elements<'a>,
}

/// The elements of a tensor to write.
#[derive(Debug)]
pub enum ElementsMut<'a> {
    /// 32-bit floats.
    F32(&'a mut [f32]),
    /// 16-bit floats.
    F16(&'a mut [f16]),
    /// Bytes.
    U8(&'a mut [u8]),
}
