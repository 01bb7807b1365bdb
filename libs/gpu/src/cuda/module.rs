//! Compiled kernels and how they are launched.

use std::ffi::{CStr, CString, c_void};
use std::ptr::null_mut;

use super::driver::{Handle, driver};
use super::error::{Error, call, create};
use super::stream::Stream;

/// `CU_JIT_ERROR_LOG_BUFFER` and its size.
const LOG_OPTIONS: [i32; 2] = [5, 6];

/// Kernels that the driver compiled for the current context. They stay loaded as long as the context lives.
pub(crate) struct Module(Handle);

impl Module {
    /// Compiles `ptx` for the current context.
    pub fn load(ptx: &str) -> Result<Self, Error> {
        let source = CString::new(ptx).map_err(|_| Error::Kernel("not PTX".into()))?;
        let mut log = vec![0u8; 4096];
        let mut options = LOG_OPTIONS;
        let mut values = [log.as_mut_ptr().cast::<c_void>(), log.len() as *mut c_void];
        let (option, value) = (options.as_mut_ptr(), values.as_mut_ptr());
        let mut module = null_mut();
        let driver = driver()?;
        // SAFETY: terminated text; the log buffer has the length that the options name, and outlives the call.
        match unsafe { (driver.cuModuleLoadDataEx)(&mut module, source.as_ptr().cast(), 2, option, value) } {
            0 => Ok(Self(module)),
            code => Err(Error::Kernel(format!("{} {}", driver.describe(code), words(&log)))),
        }
    }

    /// The kernel called `name`.
    pub fn function(&self, name: &CStr) -> Result<Function, Error> {
        // SAFETY: writes one handle; the module is loaded.
        create(|handle| unsafe { call!(cuModuleGetFunction(handle, self.0, name.as_ptr())) }).map(Function)
    }
}

fn words(log: &[u8]) -> String {
    CStr::from_bytes_until_nul(log).unwrap_or_default().to_string_lossy().trim().to_owned()
}

/// A kernel.
pub(crate) struct Function(Handle);

// SAFETY: the driver's functions may be launched from any thread.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

impl Function {
    /// Puts a launch of `grid` blocks of `block` threads into `stream`.
    ///
    /// # Errors
    /// When the driver refuses it. What fails later shows up at a later call.
    ///
    /// # Safety
    /// The kernel takes one parameter, laid out as `T`, whose addresses stay valid until the launch is done.
    pub unsafe fn launch<T>(
        &self,
        grid: (u32, u32, u32),
        block: (u32, u32),
        stream: &Stream,
        parameter: &T,
    ) -> Result<(), Error> {
        let _current = stream.context().enter()?;
        let mut parameters = [std::ptr::from_ref(parameter).cast_mut().cast::<c_void>()];
        let (x, y, z) = grid;
        // SAFETY: as the caller promises; the driver copies the parameter before it returns.
        unsafe {
            call!(cuLaunchKernel(
                self.0,
                x,
                y,
                z,
                block.0,
                block.1,
                1,
                0,
                stream.raw(),
                parameters.as_mut_ptr(),
                null_mut(),
            ))
        }
    }
}
