//! Driver, devices and their media engines.

use gpu::cuda::{self, Context, Decoder, Device, Engines, Management, MemoryAttribute};
use serde::{Deserialize, Serialize};

/// What the driver says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gpu {
    /// Why CUDA cannot be used.
    pub missing: Option<String>,
    /// CUDA version of the driver.
    pub cuda: Option<(u32, u32)>,
    /// Version of the driver.
    pub driver: Option<String>,
    /// How many devices the management library sees, hidden ones too.
    pub installed: Option<u32>,
    /// The devices that CUDA sees.
    pub devices: Vec<DeviceFacts>,
}

/// What the driver says of one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// What it is.
    pub device: Device,
    /// What its memory can do.
    pub attributes: Vec<MemoryAttribute>,
    /// Free bytes; `None` if that could not be asked.
    pub free: Option<usize>,
    /// What it decodes; `None` if that could not be asked, or was asked of another device of the same name.
    pub decoders: Option<Vec<Decoder>>,
    /// Why something could not be asked.
    pub problem: Option<String>,
    /// Encoders and JPEG engines.
    pub engines: Option<Engines>,
}

/// Asks the driver: first what is quick, then what needs a context.
pub fn collect(report: &mut dyn FnMut(&Gpu)) {
    let management = Management::open().ok();
    let mut gpu = Gpu {
        driver: management.as_ref().and_then(|management| management.driver_version().ok()),
        installed: management.as_ref().and_then(|management| management.device_count().ok()),
        ..Gpu::default()
    };
    match cuda::status() {
        Ok(status) => {
            gpu.cuda = Some(status.driver);
            gpu.devices =
                status.devices.into_iter().map(|device| quick(device, management.as_ref())).collect();
        }
        Err(missing) => gpu.missing = Some(missing.to_string()),
    }
    report(&gpu);
    for index in 0..gpu.devices.len() {
        if needs_context(&gpu.devices, index) {
            slow(&mut gpu.devices[index]);
            report(&gpu);
        }
    }
}

/// Like devices have like decoders: one of them is asked.
fn needs_context(devices: &[DeviceFacts], index: usize) -> bool {
    let (earlier, this) = (&devices[..index], &devices[index]);
    this.free.is_none() || earlier.iter().all(|other| other.device.name != this.device.name)
}

fn quick(device: Device, management: Option<&Management>) -> DeviceFacts {
    DeviceFacts {
        attributes: cuda::memory_attributes(device.ordinal).unwrap_or_default(),
        engines: management.and_then(|management| management.engines(&device.uuid).ok()),
        free: management.and_then(|management| management.free_memory(&device.uuid).ok()),
        device,
        decoders: None,
        problem: None,
    }
}

/// What needs a context, which takes a driver some tenths of a second.
fn slow(facts: &mut DeviceFacts) {
    let answers = Context::primary(facts.device.ordinal).and_then(|context| {
        facts.free = facts.free.or(Some(context.memory()?.0));
        cuda::decoders(&context)
    });
    match answers {
        Ok(decoders) => facts.decoders = Some(decoders),
        Err(error) => facts.problem = Some(error.to_string()),
    }
}
