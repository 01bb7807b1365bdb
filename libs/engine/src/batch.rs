//! Whether tensors are a batch that a model takes.

use vision::tensor::TensorInfo;

use crate::{EngineError, InputTensor, ModelInfo};

/// Input `index` of `model`, for which `shape` must be one that it declares.
pub(crate) fn input<'m>(
    model: &'m ModelInfo,
    index: usize,
    shape: &[usize],
) -> Result<&'m TensorInfo, EngineError> {
    let inputs = &model.inputs;
    let input = inputs.get(index).ok_or(EngineError::TensorCount { expected: inputs.len(), found: index })?;
    check_shape(input, shape)?;
    Ok(input)
}

/// Whether `shape` is one that `input` declares.
fn check_shape(input: &TensorInfo, shape: &[usize]) -> Result<(), EngineError> {
    let fits = |(dim, size): (&Option<usize>, &usize)| dim.is_none_or(|dim| dim == *size);
    if input.shape.len() == shape.len() && input.shape.iter().zip(shape).all(fits) {
        return Ok(());
    }
    Err(EngineError::ShapeMismatch {
        tensor: input.name.clone(),
        expected: input.shape.clone(),
        found: shape.to_vec(),
    })
}

/// Whether `inputs` are a batch that `model` takes.
pub(crate) fn check_batch(model: &ModelInfo, inputs: &[InputTensor]) -> Result<(), EngineError> {
    if inputs.len() != model.inputs.len() {
        return Err(EngineError::TensorCount { expected: model.inputs.len(), found: inputs.len() });
    }
    model.inputs.iter().zip(inputs).try_for_each(|(info, tensor)| check_tensor(info, tensor))
}

fn check_tensor(info: &TensorInfo, tensor: &InputTensor) -> Result<(), EngineError> {
    if info.data_type != tensor.data_type() {
        let (expected, found) = (info.data_type, tensor.data_type());
        return Err(EngineError::DataTypeMismatch { tensor: info.name.clone(), expected, found });
    }
    check_shape(info, tensor.shape())
}
