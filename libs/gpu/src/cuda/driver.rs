//! The CUDA driver's functions, found at run time: a build needs no SDK, and a machine without a driver loses nothing
//! but its GPU.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use libloading::Library;

use super::error::Error;
use crate::dynamic::{open, symbol};

/// A driver's answer: 0 or an error code. Newer drivers know codes that no list here has.
pub(crate) type Code = c_int;
/// Address in device memory.
pub(crate) type Address = u64;
/// Opaque objects of the driver.
pub(crate) type Handle = *mut c_void;

/// Where the driver's library is looked for.
const LIBRARIES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];

/// `CUDA_MEMCPY2D_v2`: an ABI that has not changed since CUDA 3.2.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Copy2d {
    pub from_x: usize,
    pub from_y: usize,
    pub from_kind: MemoryType,
    pub from_host: usize,
    pub from_device: Address,
    pub from_array: usize,
    pub from_pitch: usize,
    pub to_x: usize,
    pub to_y: usize,
    pub to_kind: MemoryType,
    pub to_host: usize,
    pub to_device: Address,
    pub to_array: usize,
    pub to_pitch: usize,
    pub row_bytes: usize,
    pub rows: usize,
}

impl Copy2d {
    /// The same copy from the device to the host, or from the host to the device, the other way round.
    pub fn reversed(self) -> Self {
        Self {
            from_kind: self.to_kind,
            from_host: self.to_host,
            from_device: self.to_device,
            from_pitch: self.to_pitch,
            to_kind: self.from_kind,
            to_host: self.from_host,
            to_device: self.from_device,
            to_pitch: self.from_pitch,
            ..self
        }
    }
}

/// `CUmemorytype`.
#[repr(u32)]
#[derive(Clone, Copy, Default)]
pub(crate) enum MemoryType {
    #[default]
    Host = 1,
    Device = 2,
}

macro_rules! driver {
    ($($name:ident($($argument:ty),* $(,)?);)*) => {
        /// The functions in use. Each has the signature that `cuda.h` gives it from CUDA 12.0 on.
        #[allow(non_snake_case)]
        pub(crate) struct Driver {
            $(pub $name: unsafe extern "C" fn($($argument),*) -> Code,)*
            _library: Library,
        }

        impl Driver {
            fn new(library: Library) -> Result<Self, String> {
                Ok(Self {
                    $(
                        // SAFETY: the signature is the one that cuda.h declares for this symbol.
                        $name: unsafe { symbol(&library, stringify!($name))? },
                    )*
                    _library: library,
                })
            }
        }
    };
}

driver! {
    cuInit(c_uint);
    cuDriverGetVersion(*mut c_int);
    cuGetErrorName(Code, *mut *const c_char);
    cuGetErrorString(Code, *mut *const c_char);
    cuDeviceGetCount(*mut c_int);
    cuDeviceGet(*mut c_int, c_int);
    cuDeviceGetName(*mut c_char, c_int, c_int);
    cuDeviceGetUuid_v2(*mut [u8; 16], c_int);
    cuDeviceTotalMem_v2(*mut usize, c_int);
    cuDeviceGetAttribute(*mut c_int, c_int, c_int);
    cuDevicePrimaryCtxRetain(*mut Handle, c_int);
    cuCtxPushCurrent_v2(Handle);
    cuCtxPopCurrent_v2(*mut Handle);
    cuCtxGetDevice(*mut c_int);
    cuMemGetInfo_v2(*mut usize, *mut usize);
    cuStreamCreate(*mut Handle, c_uint);
    cuStreamDestroy_v2(Handle);
    cuStreamSynchronize(Handle);
    cuStreamWaitEvent(Handle, Handle, c_uint);
    cuStreamBeginCapture_v2(Handle, c_int);
    cuStreamEndCapture(Handle, *mut Handle);
    cuGraphInstantiateWithFlags(*mut Handle, Handle, u64);
    cuGraphLaunch(Handle, Handle);
    cuGraphDestroy(Handle);
    cuGraphExecDestroy(Handle);
    cuEventCreate(*mut Handle, c_uint);
    cuEventDestroy_v2(Handle);
    cuEventRecord(Handle, Handle);
    cuEventQuery(Handle);
    cuEventElapsedTime(*mut f32, Handle, Handle);
    cuMemAlloc_v2(*mut Address, usize);
    cuMemFree_v2(Address);
    cuMemAllocManaged(*mut Address, usize, c_uint);
    cuMemHostAlloc(*mut *mut c_void, usize, c_uint);
    cuMemFreeHost(*mut c_void);
    cuMemHostGetDevicePointer_v2(*mut Address, *mut c_void, c_uint);
    cuPointerGetAttribute(*mut c_void, c_int, Address);
    cuMemcpyHtoDAsync_v2(Address, *const c_void, usize, Handle);
    cuMemcpyDtoHAsync_v2(*mut c_void, Address, usize, Handle);
    cuMemcpyDtoDAsync_v2(Address, Address, usize, Handle);
    cuMemcpy2DAsync_v2(*const Copy2d, Handle);
    cuMemsetD8Async(Address, u8, usize, Handle);
    cuModuleLoadDataEx(*mut Handle, *const c_void, c_uint, *mut c_int, *mut *mut c_void);
    cuModuleGetFunction(*mut Handle, Handle, *const c_char);
    cuLaunchKernel(
        Handle,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        Handle,
        *mut *mut c_void,
        *mut *mut c_void,
    );
}

fn load() -> Result<Driver, String> {
    let driver = Driver::new(open(&LIBRARIES).map_err(|reason| format!("no NVIDIA driver: {reason}"))?)
        .map_err(|reason| format!("the NVIDIA driver is too old, 525 or newer is needed: {reason}"))?;
    // SAFETY: the one flag word that cuInit takes is 0.
    match unsafe { (driver.cuInit)(0) } {
        0 => Ok(driver),
        code => Err(format!("the NVIDIA driver does not start: {}", driver.describe(code))),
    }
}

/// The driver, loaded and initialised by the first call.
///
/// # Errors
/// [`Error::Unavailable`] with what is missing.
pub(crate) fn driver() -> Result<&'static Driver, Error> {
    static DRIVER: OnceLock<Result<Driver, String>> = OnceLock::new();
    DRIVER.get_or_init(load).as_ref().map_err(|missing| Error::Unavailable(missing.clone()))
}
