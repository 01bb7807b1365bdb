//! NVIDIA's management library: what CUDA does not tell. It sees every device, hidden ones too, and needs no context.

use std::ffi::{CStr, CString, c_char, c_uint, c_ulonglong};
use std::ptr::null_mut;

use libloading::Library;
use serde::{Deserialize, Serialize};

use super::driver::{Code, Handle};
use super::error::Error;
use crate::dynamic::{open, symbol};

/// The management library, started.
pub struct Management(Library);

/// Media engines of a device, besides its decoders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engines {
    /// Codecs that it encodes; `None` where the driver does not tell.
    pub encoders: Option<Vec<String>>,
    /// Whether it has engines for JPEG; `None` where the driver does not tell.
    pub jpeg: Option<bool>,
    /// Decoder, encoder and JPEG engines, on devices that can be divided and so are counted.
    pub counts: Option<(u32, u32, u32)>,
}

/// Codes of `nvmlReturn_t`.
const SUCCESS: Code = 0;
const NOT_SUPPORTED: Code = 3;

/// `nvmlEncoderType_t`.
const ENCODERS: [(c_uint, &str); 3] = [(0, "H.264"), (1, "H.265"), (2, "AV1")];

/// Profiles of `nvmlDeviceGetGpuInstanceProfileInfo` that take a whole device: 7, 8 and 4 slices.
const WHOLE_DEVICE: [c_uint; 3] = [4, 5, 3];

/// `nvmlGpuInstanceProfileInfo_t`.
#[repr(C)]
#[derive(Default)]
struct Profile {
    id: c_uint,
    peer_to_peer: c_uint,
    slices: c_uint,
    instances: c_uint,
    multiprocessors: c_uint,
    copy_engines: c_uint,
    decoders: c_uint,
    encoders: c_uint,
    jpeg: c_uint,
    optical_flow: c_uint,
    memory_mb: c_ulonglong,
}

/// `nvmlMemory_t`.
#[repr(C)]
#[derive(Default)]
struct Memory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

impl Management {
    /// Loads and starts the library.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what is missing.
    pub fn open() -> Result<Self, Error> {
        let this = Self(open(&["libnvidia-ml.so.1"]).map_err(Error::Unavailable)?);
        // SAFETY: takes nothing.
        let code = unsafe { this.find::<unsafe extern "C" fn() -> Code>("nvmlInit_v2")?() };
        match code {
            SUCCESS => Ok(this),
            code => {
                Err(Error::Unavailable(format!("NVIDIA's management library does not start: code {code}")))
            }
        }
    }

    /// Version of the driver, such as "580.159.03".
    ///
    /// # Errors
    /// When the library does not tell.
    pub fn driver_version(&self) -> Result<String, Error> {
        const NAME: &str = "nvmlSystemGetDriverVersion";
        let mut text = [0u8; 80];
        // SAFETY: the signature of nvml.h; writes at most 79 characters and a terminator.
        let code = unsafe {
            self.find::<unsafe extern "C" fn(*mut c_char, c_uint) -> Code>(NAME)?(
                text.as_mut_ptr().cast(),
                79,
            )
        };
        answered(NAME, code)?;
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
        Ok(text.to_string_lossy().into_owned())
    }

    /// How many devices there are, whether or not CUDA may see them.
    ///
    /// # Errors
    /// When the library does not tell.
    pub fn device_count(&self) -> Result<u32, Error> {
        const NAME: &str = "nvmlDeviceGetCount_v2";
        let mut count = 0;
        // SAFETY: the signature of nvml.h; writes one integer.
        let code = unsafe { self.find::<unsafe extern "C" fn(*mut c_uint) -> Code>(NAME)?(&mut count) };
        answered(NAME, code).map(|()| count)
    }

    /// The media engines of the device that [`super::Device::uuid`] names.
    ///
    /// # Errors
    /// When the library does not know the device.
    pub fn engines(&self, uuid: &str) -> Result<Engines, Error> {
        let device = self.device(uuid)?;
        Ok(Engines { encoders: self.encoders(device), jpeg: self.jpeg(device), counts: self.counts(device) })
    }

    /// Free bytes of the device that [`super::Device::uuid`] names.
    ///
    /// # Errors
    /// When the library does not tell, as on devices without memory of their own.
    pub fn free_memory(&self, uuid: &str) -> Result<usize, Error> {
        const NAME: &str = "nvmlDeviceGetMemoryInfo";
        let device = self.device(uuid)?;
        let mut memory = Memory::default();
        // SAFETY: the signature of nvml.h; a device of this library; writes one structure.
        let code = unsafe {
            self.find::<unsafe extern "C" fn(Handle, *mut Memory) -> Code>(NAME)?(device, &mut memory)
        };
        answered(NAME, code)?;
        usize::try_from(memory.free).map_err(|error| Error::Argument(error.to_string()))
    }

    fn device(&self, uuid: &str) -> Result<Handle, Error> {
        const NAME: &str = "nvmlDeviceGetHandleByUUID";
        let uuid = CString::new(uuid).map_err(|error| Error::Argument(error.to_string()))?;
        let mut device = null_mut();
        // SAFETY: the signature of nvml.h; reads a terminated string, writes one handle.
        let code = unsafe {
            self.find::<unsafe extern "C" fn(*const c_char, *mut Handle) -> Code>(NAME)?(
                uuid.as_ptr(),
                &mut device,
            )
        };
        answered(NAME, code).map(|()| device)
    }

    /// The codecs that the device has capacity for.
    fn encoders(&self, device: Handle) -> Option<Vec<String>> {
        type Ask = unsafe extern "C" fn(Handle, c_uint, *mut c_uint) -> Code;
        // SAFETY: the signature of nvml.h.
        let ask = unsafe { self.find::<Ask>("nvmlDeviceGetEncoderCapacity") }.ok()?;
        let mut found = Vec::new();
        for (number, name) in ENCODERS {
            let mut percent = 0;
            // SAFETY: a device of this library; writes one integer.
            match unsafe { ask(device, number, &mut percent) } {
                SUCCESS => found.push(name.to_owned()),
                NOT_SUPPORTED => {}
                // A codec that this driver has no number for.
                _ if number == 2 => {}
                _ => return None,
            }
        }
        Some(found)
    }

    fn jpeg(&self, device: Handle) -> Option<bool> {
        type Ask = unsafe extern "C" fn(Handle, *mut c_uint, *mut c_uint) -> Code;
        let (mut percent, mut period) = (0, 0);
        // SAFETY: the signature of nvml.h; a device of this library; writes two integers.
        let code = unsafe {
            self.find::<Ask>("nvmlDeviceGetJpgUtilization").ok()?(device, &mut percent, &mut period)
        };
        match code {
            SUCCESS => Some(true),
            NOT_SUPPORTED => Some(false),
            _ => None,
        }
    }

    fn counts(&self, device: Handle) -> Option<(u32, u32, u32)> {
        type Ask = unsafe extern "C" fn(Handle, c_uint, *mut Profile) -> Code;
        // SAFETY: the signature of nvml.h.
        let ask = unsafe { self.find::<Ask>("nvmlDeviceGetGpuInstanceProfileInfo") }.ok()?;
        WHOLE_DEVICE.into_iter().find_map(|number| {
            let mut profile = Profile::default();
            // SAFETY: a device of this library; writes one structure.
            let code = unsafe { ask(device, number, &mut profile) };
            (code == SUCCESS).then_some((profile.decoders, profile.encoders, profile.jpeg))
        })
    }

    /// # Safety
    /// `F` must be the function's type.
    unsafe fn find<F: Copy>(&self, name: &str) -> Result<F, Error> {
        // SAFETY: as the caller promises.
        unsafe { symbol(&self.0, name) }.map_err(Error::Unavailable)
    }
}

fn answered(name: &str, code: Code) -> Result<(), Error> {
    match code {
        SUCCESS => Ok(()),
        code => Err(Error::Unavailable(format!("{name}: code {code}"))),
    }
}
