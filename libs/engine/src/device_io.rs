//! A batch's tensors on a device, whichever runtime uses them.

use std::sync::{Arc, Weak};

use gpu::cuda::{Context, DeviceElementsMut, PinnedBuffer, Stream};
use vision::tensor::TensorInfo;

use crate::recycling::Store;
use crate::tensor::{CopiedOutput, element_size};
use crate::{EngineError, InputTensor, Outputs};

/// Where the inputs lie: what a runtime binds or records holds for these alone.
pub(crate) fn addresses(inputs: &mut [InputTensor]) -> Vec<u64> {
    inputs.iter_mut().filter_map(InputTensor::as_device).map(|tensor| tensor.address()).collect()
}

/// Tells whether the inputs are still there.
pub(crate) fn alive(inputs: &mut [InputTensor]) -> Vec<Weak<()>> {
    inputs.iter_mut().filter_map(InputTensor::as_device).map(|tensor| tensor.alive()).collect()
}

/// An output that a runtime writes to the device's memory.
pub(crate) struct DeviceOutput {
    pub info: TensorInfo,
    pub shape: Vec<usize>,
    pub address: u64,
}

/// Copies `outputs` to pinned memory, in the order of `stream`. Their memory must stay until the stream has done it.
pub(crate) fn bring_back<'a>(
    outputs: impl IntoIterator<Item = &'a DeviceOutput>,
    context: &Arc<Context>,
    stream: &Stream,
    results: &Store<PinnedBuffer>,
) -> Result<Outputs, EngineError> {
    let copy = |output: &DeviceOutput| {
        let (data_type, length) = (output.info.data_type, output.shape.iter().product::<usize>());
        let size = length * element_size(data_type);
        let mut bytes = results.take(|buffer| buffer.len() == size, || PinnedBuffer::new(context, size))?;
        // SAFETY: the session keeps the memory, and what follows in the stream comes after the copy.
        #[allow(unsafe_code)]
        let elements = unsafe { DeviceElementsMut::new(output.address, data_type, length) };
        elements.download(&mut bytes, stream, "inference: results")?;
        Ok(CopiedOutput { data_type, shape: output.shape.clone(), bytes })
    };
    outputs.into_iter().map(copy).collect::<Result<_, EngineError>>().map(Outputs::copied)
}
