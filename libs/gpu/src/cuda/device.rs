//! What a device is, and how its memory is best reached.

use std::ffi::{CStr, c_int};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::{Error, call};

/// Numbers of `CUdevice_attribute`.
pub(super) mod attribute {
    pub const MULTIPROCESSORS: i32 = 16;
    pub const INTEGRATED: i32 = 18;
    pub const MAPS_HOST_MEMORY: i32 = 19;
    pub const UNIFIED_ADDRESSING: i32 = 41;
    pub const CAPABILITY_MAJOR: i32 = 75;
    pub const CAPABILITY_MINOR: i32 = 76;
    pub const MANAGED_MEMORY: i32 = 83;
    pub const PAGEABLE_ACCESS: i32 = 88;
    pub const CONCURRENT_MANAGED: i32 = 89;
    pub const HOST_REGISTRATION: i32 = 99;
    pub const HOST_PAGE_TABLES: i32 = 100;
    pub const DIRECT_MANAGED: i32 = 101;
}

/// How frames in host memory reach the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostAccess {
    /// The device has its own memory: through pinned staging, asynchronously.
    Staged,
    /// Both sides share one memory: pinned, mapped host memory is read in place. Memory from the device's allocator is
    /// not coherent for the CPU.
    Mapped,
    /// The device reads any host memory through the host's page tables.
    Direct,
}

/// Kinds of memory that frames can lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Plain host memory.
    System,
    /// Pinned host memory.
    Pinned,
    /// Device memory.
    Device,
    /// Pinned host memory that the device reads.
    Mapped,
    /// Managed memory that the device reads.
    Managed,
}

impl Placement {
    /// Whether GStreamer knows it as CUDA memory.
    pub fn on_device(self) -> bool {
        !matches!(self, Self::System | Self::Pinned)
    }

    /// As the property `memory` of `zcbufferpool` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Pinned => "pinned",
            Self::Device => "device",
            Self::Mapped => "mapped",
            Self::Managed => "managed",
        }
    }
}

/// A CUDA device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The driver's number of it.
    pub ordinal: i32,
    /// Its name, such as "NVIDIA H100 80GB HBM3".
    pub name: String,
    /// Its identity, as `nvidia-smi -L` prints it.
    pub uuid: String,
    /// Compute capability, such as (9, 0).
    pub capability: (u32, u32),
    /// Number of multiprocessors.
    pub multiprocessors: u32,
    /// Memory in bytes.
    pub memory: usize,
    /// Whether it shares its memory with the CPU.
    pub integrated: bool,
    /// Whether it can read pageable host memory.
    pub pageable_access: bool,
    /// Whether it does so through the host's own page tables.
    pub host_page_tables: bool,
}

impl Device {
    /// Every device, in the driver's order.
    ///
    /// # Errors
    /// When there is no driver or no device.
    pub fn all() -> Result<Vec<Self>, Error> {
        (0..count()?).map(Self::new).collect()
    }

    /// Device number `ordinal`.
    ///
    /// # Errors
    /// When there is no driver or no such device.
    pub fn new(ordinal: i32) -> Result<Self, Error> {
        let device = handle(ordinal)?;
        let fact = |number| attribute(device, number);
        Ok(Self {
            ordinal,
            name: name(device)?,
            uuid: uuid(device)?,
            capability: (fact(attribute::CAPABILITY_MAJOR)?, fact(attribute::CAPABILITY_MINOR)?),
            multiprocessors: fact(attribute::MULTIPROCESSORS)?,
            memory: memory(device)?,
            integrated: fact(attribute::INTEGRATED)? != 0,
            pageable_access: fact(attribute::PAGEABLE_ACCESS)? != 0,
            host_page_tables: fact(attribute::HOST_PAGE_TABLES)? != 0,
        })
    }

    /// How frames in host memory reach the device.
    pub fn host_access(&self) -> HostAccess {
        match (self.integrated, self.pageable_access && self.host_page_tables) {
            (true, _) => HostAccess::Mapped,
            (false, true) => HostAccess::Direct,
            (false, false) => HostAccess::Staged,
        }
    }

    /// Whether the CPU and the GPU read the same memory, so that a frame need not be copied to reach the other side.
    pub fn unified(&self) -> bool {
        self.host_access() != HostAccess::Staged
    }

    /// Where frames lie best.
    pub fn placement(&self) -> Placement {
        if self.unified() { Placement::Mapped } else { Placement::Device }
    }

    /// Why [`Device::host_access`] decides as it does.
    pub fn host_access_reason(&self) -> &'static str {
        match self.host_access() {
            HostAccess::Mapped => "integrated: the CPU and the GPU share one memory",
            HostAccess::Direct => "the GPU walks the host's page tables",
            HostAccess::Staged => "discrete: the GPU has its own memory",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ordinal, name, capability: (major, minor), memory, .. } = self;
        write!(f, "device {ordinal}: {name}, compute capability {major}.{minor}, {} MiB", memory >> 20)
    }
}

/// How many devices there are: one or more.
fn count() -> Result<c_int, Error> {
    let mut count = 0;
    // SAFETY: writes one integer.
    unsafe { call!(cuDeviceGetCount(&mut count)) }?;
    match count {
        0 => Err(Error::Unavailable("the NVIDIA driver finds no device".into())),
        count => Ok(count),
    }
}

/// The driver's handle of device number `ordinal`.
pub(super) fn handle(ordinal: i32) -> Result<c_int, Error> {
    let count = count()?;
    if !(0..count).contains(&ordinal) {
        let text = format!("there is no device {ordinal}: the driver finds {count}, numbered from 0");
        return Err(Error::Unavailable(text));
    }
    let mut device = 0;
    // SAFETY: writes one integer.
    unsafe { call!(cuDeviceGet(&mut device, ordinal)) }?;
    Ok(device)
}

pub(super) fn attribute(device: c_int, number: i32) -> Result<u32, Error> {
    let mut value = 0;
    // SAFETY: writes one integer.
    unsafe { call!(cuDeviceGetAttribute(&mut value, number, device)) }?;
    Ok(value.unsigned_abs())
}

fn name(device: c_int) -> Result<String, Error> {
    let mut name = [0u8; 256];
    // SAFETY: writes at most 255 characters and a terminator.
    unsafe { call!(cuDeviceGetName(name.as_mut_ptr().cast(), 255, device)) }?;
    let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

fn uuid(device: c_int) -> Result<String, Error> {
    let mut bytes = [0; 16];
    // SAFETY: writes 16 bytes.
    unsafe { call!(cuDeviceGetUuid_v2(&mut bytes, device)) }?;
    let hex = |range: std::ops::Range<usize>| {
        bytes[range].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    Ok(format!("GPU-{}-{}-{}-{}-{}", hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)))
}

fn memory(device: c_int) -> Result<usize, Error> {
    let mut bytes = 0;
    // SAFETY: writes one size.
    unsafe { call!(cuDeviceTotalMem_v2(&mut bytes, device)) }?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(integrated: bool, host_page_tables: bool) -> Device {
        Device {
            ordinal: 0,
            name: "test".into(),
            uuid: String::new(),
            capability: (9, 0),
            multiprocessors: 1,
            memory: 0,
            integrated,
            pageable_access: host_page_tables,
            host_page_tables,
        }
    }

    #[test]
    fn host_access_follows_the_device() {
        assert_eq!(device(false, false).host_access(), HostAccess::Staged);
        assert_eq!(device(false, true).host_access(), HostAccess::Direct);
        assert_eq!(device(true, true).host_access(), HostAccess::Mapped);
    }

    #[test]
    fn frames_lie_where_both_sides_read_them_if_there_is_such_memory() {
        assert_eq!(
            (device(false, false).unified(), device(false, false).placement().name()),
            (false, "device")
        );
        assert_eq!((device(false, true).unified(), device(false, true).placement().name()), (true, "mapped"));
        assert_eq!((device(true, false).unified(), device(true, false).placement().name()), (true, "mapped"));
    }
}
