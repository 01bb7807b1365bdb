//! The CUDA driver behind a safe API.
//!
//! Everything is asynchronous and ordered by streams. Every object keeps its context alive, every call makes its own
//! context current and restores the thread's, every copy says who makes it and why ([`copies`]), and every failure
//! goes through one funnel ([`Error`]). The default stream belongs to others: nothing here uses it unless a frame does.

pub mod copies;
pub mod cupti;

mod attributes;
mod context;
mod device;
mod driver;
mod elements;
mod error;
mod graph;
mod image;
mod memory;
mod module;
mod nvdec;
mod nvml;
mod stream;

use std::ffi::c_int;
use std::fmt;

use crate::dynamic;

pub use attributes::{MemoryAttribute, memory_attributes};
pub use context::Context;
pub use device::{Device, HostAccess, Placement};
pub use elements::DeviceElementsMut;
pub use error::{Error, ErrorKind};
pub use graph::Graph;
pub use image::{DeviceImage, DeviceImageBuf, DeviceImageMut, DevicePlane};
pub use memory::{DeviceBuffer, HostBuffer, device_address};
pub use nvdec::{Decoder, decoders};
pub use nvml::{Engines, Management};
pub use stream::{Event, Stream, Timer};

pub(crate) use module::{Function, Module};

/// What CUDA offers in this process.
#[derive(Clone, Debug)]
pub struct Status {
    /// CUDA version of the driver, such as (13, 0).
    pub driver: (u32, u32),
    /// Every device, in the driver's order.
    pub devices: Vec<Device>,
}

/// Loads the driver, if that has not happened yet, and asks for its devices. Creates no context.
///
/// # Errors
/// [`Error::Unavailable`] with what is missing: the driver, a newer driver, or a device.
pub fn status() -> Result<Status, Error> {
    let devices = Device::all()?;
    let mut version = 0;
    // SAFETY: writes one integer.
    unsafe { error::call!(cuDriverGetVersion(&mut version)) }?;
    Ok(Status { driver: version_of(version), devices })
}

/// CUDA version of the runtime library that this program is linked with, such as (13, 0); `None` if it is with none.
pub fn linked_runtime() -> Option<(u32, u32)> {
    let program = libloading::os::unix::Library::this().into();
    let mut version = 0;
    // SAFETY: the signature is the one that cuda_runtime_api.h declares for this symbol.
    let ask = unsafe {
        dynamic::symbol::<unsafe extern "C" fn(*mut c_int) -> c_int>(&program, "cudaRuntimeGetVersion")
    };
    // SAFETY: writes one integer.
    let code = unsafe { ask.ok()?(&mut version) };
    (code == 0).then_some(version_of(version))
}

/// Major and minor number of a version as CUDA writes it: 13020 is 13.2.
fn version_of(number: c_int) -> (u32, u32) {
    let number = number.unsigned_abs();
    (number / 1000, number % 1000 / 10)
}

/// The release of the installed driver, such as "580.159.04"; `None` where the system does not tell.
pub fn driver_release() -> Option<String> {
    release(&std::fs::read_to_string("/proc/driver/nvidia/version").ok()?)
}

/// The first word of the first line that is a version: digits and at least one dot.
fn release(text: &str) -> Option<String> {
    let is_version = |word: &&str| {
        word.contains('.') && word.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
    };
    text.lines().next()?.split_whitespace().find(is_version).map(str::to_owned)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CUDA {}.{}", self.driver.0, self.driver.1)?;
        self.devices.iter().try_for_each(|device| write!(f, "; {device}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_release_is_found_in_what_the_kernel_says() {
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54.03  Tue Jun  6 22:20:39 UTC 2023\nGCC 12.3";
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build";
        assert_eq!(release(closed).as_deref(), Some("535.54.03"));
        assert_eq!(release(open).as_deref(), Some("580.159.04"));
        assert_eq!(release(""), None);
    }

    #[test]
    fn a_machine_without_gpu_is_told_what_is_missing() {
        match status() {
            Ok(status) => assert!(!status.devices.is_empty()),
            Err(Error::Unavailable(missing)) => {
                assert!(missing.contains("NVIDIA") || missing.contains("device"))
            }
            Err(error) => panic!("{error}"),
        }
    }
}
