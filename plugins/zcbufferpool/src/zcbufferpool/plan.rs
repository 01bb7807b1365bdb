//! Decides where frames lie.

use std::sync::Arc;

use gpu::cuda::{Device, Error};
use gpu::gstcuda::{self, CudaContext, CudaStream, InFlight};

use super::Memory;

/// Where frames lie, once that is decided.
pub(super) use gpu::cuda::Placement as Target;

/// What is done with frames, and why.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub target: Target,
    /// Whether host frames may pass where downstream takes no CUDA memory.
    pub host_too: bool,
    /// Whether CPU and GPU share one memory.
    pub unified: bool,
    pub reason: String,
    /// Why `auto` has to do without the GPU.
    pub fallback: bool,
}

/// What is asked for by name and cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("memory={name}: {cause}. Install what is missing, or set memory=auto or memory=system")]
pub(super) struct PlanError {
    name: &'static str,
    cause: Error,
}

impl Plan {
    /// Decides from what the user asked for and what the device is.
    pub fn new(memory: Memory, device_id: u32) -> Result<Self, PlanError> {
        let target = match memory {
            Memory::Auto => return Ok(Self::auto(device(device_id))),
            Memory::System => return Ok(Self::without_gpu("asked for by name".into(), false)),
            Memory::Pinned => Target::Pinned,
            Memory::Device => Target::Device,
            Memory::Mapped => Target::Mapped,
            Memory::Managed => Target::Managed,
        };
        let device = device(device_id).map_err(|cause| PlanError { name: target.name(), cause })?;
        Ok(Self::on(&device, target, !target.on_device()))
    }

    /// Everything is possible.
    pub fn open() -> Self {
        Self { target: Target::Device, ..Self::without_gpu(String::new(), false) }
    }

    fn auto(device: Result<Device, Error>) -> Self {
        match device {
            Err(missing) => Self::without_gpu(missing.to_string(), true),
            Ok(device) => Self::on(&device, device.placement(), true),
        }
    }

    fn on(device: &Device, target: Target, host_too: bool) -> Self {
        let reason = device.host_access_reason().to_owned();
        Self { target, host_too, unified: device.unified(), reason, fallback: false }
    }

    fn without_gpu(reason: String, fallback: bool) -> Self {
        Self { target: Target::System, host_too: true, unified: false, reason, fallback }
    }
}

fn device(ordinal: u32) -> Result<Device, Error> {
    gstcuda::status()?;
    let number = i32::try_from(ordinal).map_err(|_| Error::Argument(format!("no device {ordinal}")))?;
    Device::new(number)
}

/// What the element uses of the GPU.
#[derive(Clone, Debug)]
pub(super) struct Gpu {
    pub context: Arc<CudaContext>,
    pub stream: Arc<CudaStream>,
    pub in_flight: Arc<InFlight>,
}

impl Gpu {
    /// Opens the device that a plan was made for.
    pub fn open(device_id: u32) -> Result<Self, Error> {
        let context = CudaContext::primary(i32::try_from(device_id).unwrap_or(i32::MAX))?;
        let stream = Arc::new(CudaStream::new(&context)?);
        Ok(Self { context, stream, in_flight: Arc::default() })
    }

    /// Bytes that the device has free.
    pub fn free(&self) -> Result<usize, Error> {
        self.context.context().memory().map(|(free, _)| free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_does_without_a_gpu() {
        let plan = Plan::auto(Err(Error::Unavailable("no NVIDIA driver".into())));
        assert_eq!((plan.target, plan.fallback, plan.unified), (Target::System, true, false));
        assert_eq!(plan.reason, "no NVIDIA driver");
    }

    #[test]
    fn auto_follows_the_attributes() {
        let device = |integrated| Device {
            ordinal: 0,
            name: "test".into(),
            uuid: String::new(),
            capability: (9, 0),
            multiprocessors: 1,
            memory: 0,
            integrated,
            pageable_access: false,
            host_page_tables: false,
        };
        assert_eq!(Plan::auto(Ok(device(false))).target, Target::Device);
        let shared = Plan::auto(Ok(device(true)));
        assert_eq!((shared.target, shared.unified), (Target::Mapped, true));
    }
}
