//! Tensors as a model declares and returns them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;

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

/// A declared shape as people read it: `[?, 84, 8400]`.
pub fn show_shape(shape: &[Dim]) -> String {
    let dims: Vec<_> =
        shape.iter().map(|dim| dim.map_or_else(|| "?".into(), |size| size.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

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

impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {:?} {}", self.name, self.data_type, show_shape(&self.shape))
    }
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

impl Elements<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor that a network returned, in host memory.
#[derive(Clone, Debug)]
pub struct TensorView<'a> {
    /// Outermost dimension first, batch included.
    pub shape: Vec<usize>,
    /// The product of `shape` many elements.
    pub elements: Elements<'a>,
}

impl<'a> TensorView<'a> {
    /// Elements `range` (in memory order) as 32-bit floats, converted where the tensor holds another type; `None` when
    /// the tensor is shorter than that.
    pub fn floats(&self, range: Range<usize>) -> Option<Cow<'a, [f32]>> {
        Some(match self.elements {
            Elements::F32(values) => Cow::Borrowed(values.get(range)?),
            Elements::F16(values) => Cow::Owned(values.get(range)?.to_f32_vec()),
            Elements::U8(values) => values.get(range)?.iter().map(|&value| f32::from(value)).collect(),
            Elements::I32(values) => values.get(range)?.iter().map(|&value| value as f32).collect(),
            Elements::I64(values) => values.get(range)?.iter().map(|&value| value as f32).collect(),
        })
    }
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

impl ElementsMut<'_> {
    /// Elements `range` alone; `None` when there are fewer.
    pub fn get(self, range: Range<usize>) -> Option<Self> {
        Some(match self {
            Self::F32(values) => Self::F32(values.get_mut(range)?),
            Self::F16(values) => Self::F16(values.get_mut(range)?),
            Self::U8(values) => Self::U8(values.get_mut(range)?),
        })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::U8(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_every_type_become_floats() {
        let halves = [1.0, 2.0, 3.0].map(f16::from_f32);
        let all = [
            Elements::F32(&[1.0, 2.0, 3.0]),
            Elements::F16(&halves),
            Elements::U8(&[1, 2, 3]),
            Elements::I32(&[1, 2, 3]),
            Elements::I64(&[1, 2, 3]),
        ];
        for elements in all {
            let view = TensorView { shape: vec![3], elements };
            assert_eq!(view.floats(1..3).unwrap()[..], [2.0, 3.0], "{elements:?}");
            assert_eq!(view.floats(2..4), None, "{elements:?}");
        }
    }

    #[test]
    fn open_dimensions_show() {
        let info = TensorInfo { name: "x".into(), data_type: DataType::F32, shape: vec![None, Some(3)] };
        assert_eq!(info.to_string(), "`x` F32 [?, 3]");
    }
}
