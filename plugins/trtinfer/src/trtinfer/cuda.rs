//! The element's side of a CUDA device: the context that the pipeline shares, and the stream of the frames that upstream is offered.

use std::sync::Arc;

use gpu::MemoryKind;
use gpu::cuda::{Context, Error};
use gpu::gstcuda::{self, CudaContext, CudaStream};

use super::imp::CAT;

/// The device that the network runs on.
#[derive(Clone)]
pub(super) struct Device {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
}

/// What frames on `device` need. `None` on a CPU, and where GStreamer cannot use the GPU.
pub(super) fn open(device: engine::Device) -> Option<Device> {
    let engine::Device::Cuda(ordinal) = device else { return None };
    let opened = Device::open(i32::try_from(ordinal).unwrap_or(i32::MAX));
    opened.inspect_err(|error| gst::warning!(CAT, "frames are taken in host memory only: {error}")).ok()
}

impl Device {
    /// Device number `ordinal`.
    ///
    /// # Errors
    /// When the driver, the device or GStreamer's CUDA library is missing.
    fn open(ordinal: i32) -> Result<Self, Error> {
        let context = CudaContext::primary(ordinal)?;
        let stream = Arc::new(CudaStream::new(&context)?);
        Ok(Self { context, stream })
    }

    pub fn context(&self) -> &Arc<Context> {
        self.context.context()
    }

    /// Offers upstream a pool of frames on our stream, `held` of which stay here at a time, if it asks for one and
    /// nobody downstream has offered one. Whether it did.
    pub fn propose(&self, query: &mut gst::query::Allocation, held: u32) -> Result<bool, Error> {
        if !gstcuda::wants_pool(query) {
            return Ok(false);
        }
        gstcuda::propose(query, &self.context, &self.stream, held).map(|()| true)
    }
}

/// Takes CUDA memory out of the answer to a query about caps: no engine here reads it.
pub(super) fn refuse(query: &mut gst::QueryRef) {
    match query.view_mut() {
        gst::QueryViewMut::Caps(caps) => {
            let without = caps.result_owned().map(|result| gpu::format::without(&result, MemoryKind::Cuda));
            if let Some(without) = without {
                caps.set_result(&without);
            }
        }
        gst::QueryViewMut::AcceptCaps(accept)
            if MemoryKind::of(accept.caps().features(0)) == Some(MemoryKind::Cuda) =>
        {
            accept.set_result(false);
        }
        _ => {}
    }
}
