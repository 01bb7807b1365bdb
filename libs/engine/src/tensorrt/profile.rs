//! The shapes that an engine is made for.

use std::path::Path;

use vision::tensor::Dim;

use crate::EngineError;
use crate::model_file::{Input, ModelFile};

/// The shapes of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub name: String,
    pub smallest: Vec<usize>,
    /// Also what it is made best for.
    pub largest: Vec<usize>,
    /// Whether the model leaves any dimension open.
    pub is_open: bool,
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = |dims: &[usize]| dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
        write!(f, "{} {}", self.name, shape(&self.smallest))?;
        if self.smallest == self.largest { Ok(()) } else { write!(f, "..{}", shape(&self.largest)) }
    }
}

/// One profile for each input of `model`, read from `path`: an open first dimension is the batch and takes 1 to `batch`
/// images (0 for one), two further open ones are height and width, which the metadata tells.
///
/// # Errors
/// When other dimensions are open, or nothing tells the image's size.
pub(super) fn of(model: &ModelFile, path: &Path, batch: usize) -> Result<Vec<Profile>, EngineError> {
    let size =
        vision::model::image_size(&model.metadata()).map_err(|error| rejected(path, error.to_string()))?;
    model.inputs().into_iter().map(|input| profile(input, path, batch.max(1), size)).collect()
}

fn rejected(path: &Path, reason: String) -> EngineError {
    EngineError::ModelRejected { path: path.to_owned(), reason }
}

fn profile(
    input: Input,
    path: &Path,
    batch: usize,
    size: Option<(usize, usize)>,
) -> Result<Profile, EngineError> {
    let Input { name, shape } = input;
    let largest = close(&shape, batch, size).ok_or_else(|| {
        let reason = format!(
            "input {name:?} leaves more open than the batch, and the metadata tells no image size (imgsz). Export the \
             model with a fixed image size"
        );
        rejected(path, reason)
    })?;
    let mut smallest = largest.clone();
    if let (Some(first), Some(None)) = (smallest.first_mut(), shape.first()) {
        *first = 1;
    }
    Ok(Profile { name, smallest, largest, is_open: shape.contains(&None) })
}

/// `shape` with its open dimensions filled in.
fn close(shape: &[Dim], batch: usize, size: Option<(usize, usize)>) -> Option<Vec<usize>> {
    let open = shape.iter().skip(1).filter(|dim| dim.is_none()).count();
    let (height, width) = match open {
        0 => (0, 0),
        2 => size?,
        _ => return None,
    };
    let mut sides = [height, width].into_iter();
    let fill = |(index, dim): (usize, &Dim)| match (dim, index) {
        (Some(size), _) => Some(*size),
        (None, 0) => Some(batch),
        (None, _) => sides.next(),
    };
    shape.iter().enumerate().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(shape: &[Dim], batch: usize, size: Option<(usize, usize)>) -> Option<String> {
        let input = Input { name: "images".to_owned(), shape: shape.to_vec() };
        profile(input, Path::new("m.onnx"), batch, size).ok().map(|profile| profile.to_string())
    }

    #[test]
    fn only_the_batch_varies() {
        let fixed = [Some(2), Some(3), Some(8), Some(6)];
        assert_eq!(made(&fixed, 4, None).as_deref(), Some("images 2x3x8x6"));
        let batch = [None, Some(3), Some(8), Some(6)];
        assert_eq!(made(&batch, 4, None).as_deref(), Some("images 1x3x8x6..4x3x8x6"));
        assert_eq!(made(&batch, 1, None).as_deref(), Some("images 1x3x8x6"));
    }

    #[test]
    fn the_metadata_tells_an_open_image_size() {
        let open = [None, Some(3), None, None];
        assert_eq!(made(&open, 2, Some((8, 6))).as_deref(), Some("images 1x3x8x6..2x3x8x6"));
        assert_eq!(made(&[Some(1), None, None, Some(3)], 2, Some((8, 6))).as_deref(), Some("images 1x8x6x3"));
        assert_eq!(made(&open, 2, None), None);
        assert_eq!(made(&[None, None], 2, Some((8, 6))), None);
    }
}
