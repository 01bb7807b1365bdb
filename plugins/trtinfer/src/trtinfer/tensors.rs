//! Puts the network's output tensors on buffers as they are, for GStreamer's tensor decoders.

use bytemuck::cast_slice;
use engine::{EngineError, ModelInfo, Outputs};
use gst::glib;
use gst_analytics::{Tensor, TensorDataType, TensorDimOrder, TensorMeta};
use vision::tensor::{Elements, TensorView};

/// Attaches every output, cut down to image `slot` of the batch. A tensor's id is what the model's metadata say under the
/// output's name, as stock elements have it, else that name.
///
/// # Errors
/// When an output cannot be read.
pub(super) fn attach(
    buffer: &mut gst::BufferRef,
    model: &ModelInfo,
    outputs: &Outputs,
    slot: usize,
    batch: usize,
) -> Result<(), EngineError> {
    let tensor = |index: usize| Ok(tensor(id(model, index), &outputs.view(index)?, slot, batch));
    let tensors = (0..outputs.len()).map(tensor).collect::<Result<Vec<Tensor>, EngineError>>()?;
    TensorMeta::add(buffer).set(tensors.into());
    Ok(())
}

fn id(model: &ModelInfo, index: usize) -> glib::Quark {
    let name = model.outputs.get(index).map_or("", |output| &output.name);
    glib::Quark::from_str(model.metadata.get(name).map_or(name, String::as_str))
}

/// Image `slot` of a tensor that holds `batch` images, with a batch of one as its first dimension. A tensor of another
/// first dimension belongs to the batch as a whole.
fn tensor(id: glib::Quark, view: &TensorView<'_>, slot: usize, batch: usize) -> Tensor {
    let mut shape = view.shape.clone();
    let (kind, bytes): (_, &[u8]) = match view.elements {
        Elements::F32(values) => (TensorDataType::Float32, cast_slice(values)),
        Elements::F16(values) => (TensorDataType::Float16, cast_slice(values)),
        Elements::U8(values) => (TensorDataType::Uint8, values),
        Elements::I32(values) => (TensorDataType::Int32, cast_slice(values)),
        Elements::I64(values) => (TensorDataType::Int64, cast_slice(values)),
    };
    let mut part = bytes;
    if shape.first() == Some(&batch) {
        shape[0] = 1;
        let length = bytes.len() / batch;
        part = &bytes[slot * length..][..length];
    }
    let data = gst::Buffer::from_slice(part.to_vec());
    Tensor::new_simple(id, kind, data, TensorDimOrder::RowMajor, &shape)
}
