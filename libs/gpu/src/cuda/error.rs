//! What the driver says when something fails.

use std::ffi::{CStr, c_char};

use super::driver::{Code, Driver, Handle, driver};

/// What a failure leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The device has not enough free memory. Anything smaller still works.
    OutOfMemory,
    /// The context is lost: every later call of this process on this device fails alike. Only a new process helps.
    ContextLost,
    /// The device is gone, broken or taken: a new process does not help before that is put right.
    DeviceLost,
    /// The call failed; everything else goes on.
    Call,
}

impl ErrorKind {
    /// Sorts a code of `CUresult`.
    fn of(code: Code) -> Self {
        match code {
            2 => Self::OutOfMemory,
            // Illegal address, launch timeout, assertion, stack, instruction, alignment, address space, program counter,
            // launch failure.
            700 | 702 | 710 | 714..=719 => Self::ContextLost,
            // Device unavailable, no device, uncorrectable memory error, NVLink error, contained error, unsupported system.
            46 | 100 | 101 | 214 | 220 | 226 | 802 | 803 => Self::DeviceLost,
            _ => Self::Call,
        }
    }

    /// Whether every later call of this process fails, too, so that it must be restarted.
    pub fn is_sticky(self) -> bool {
        matches!(self, Self::ContextLost | Self::DeviceLost)
    }

    /// What a user can do about it.
    fn advice(self) -> &'static str {
        match self {
            Self::OutOfMemory => "; use fewer streams, a smaller batch or a smaller model",
            Self::ContextLost => "; the CUDA context of this process is lost, restart it",
            Self::DeviceLost => {
                "; the GPU does not work any more, see `nvidia-smi` and the kernel log, then restart this process"
            }
            Self::Call => "",
        }
    }
}

/// Something on the GPU failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no usable driver or device. Says what is missing.
    #[error("{0}")]
    Unavailable(String),
    /// A call of the driver failed.
    #[error("{call}: {name} ({code}): {text}{}", .kind.advice())]
    Driver {
        /// Function of the driver's API.
        call: &'static str,
        /// Code of `CUresult`.
        code: i32,
        /// The driver's name of the code.
        name: String,
        /// The driver's description of the code.
        text: String,
        /// What it leaves behind.
        kind: ErrorKind,
    },
    /// The device has no room for what was asked for.
    #[error(
        "the GPU has no room for {} MiB more: {} of {} MiB are free{}",
        asked.div_ceil(1 << 20), free >> 20, total >> 20, ErrorKind::OutOfMemory.advice()
    )]
    OutOfMemory {
        /// Bytes asked for.
        asked: u64,
        /// Bytes free.
        free: u64,
        /// Bytes that the device has.
        total: u64,
    },
    /// A kernel does not fit the device. Carries the compiler's words.
    #[error("the kernels cannot be compiled for this device: {0}")]
    Kernel(String),
    /// What was asked for does not fit together.
    #[error("{0}")]
    Argument(String),
}

impl Error {
    /// What the failure leaves behind.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Driver { kind, .. } => *kind,
            Self::OutOfMemory { .. } => ErrorKind::OutOfMemory,
            _ => ErrorKind::Call,
        }
    }
}

type Describe = unsafe extern "C" fn(Code, *mut *const c_char) -> Code;

impl Driver {
    /// Name and description of an error code.
    pub(crate) fn describe(&self, code: Code) -> String {
        format!("{} ({code}): {}", self.name(code), text(self.cuGetErrorString, code))
    }

    fn name(&self, code: Code) -> String {
        text(self.cuGetErrorName, code)
    }
}

fn text(describe: Describe, code: Code) -> String {
    let mut text = std::ptr::null();
    // SAFETY: the driver writes a pointer to a static string, or null for codes that it does not know.
    let known = unsafe { describe(code, &mut text) } == 0 && !text.is_null();
    if !known {
        return "unknown error".into();
    }
    // SAFETY: a static, terminated string.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Turns the answer of `call` into a result: the one way that codes of the driver take.
pub(crate) fn check(call: &'static str, code: Code) -> Result<(), Error> {
    if code == 0 {
        return Ok(());
    }
    let driver = driver()?;
    let (name, text) = (driver.name(code), text(driver.cuGetErrorString, code));
    Err(Error::Driver { call, code, name, text, kind: ErrorKind::of(code) })
}

/// Calls `$name` of the driver and checks its answer. Needs an unsafe block around it.
macro_rules! call {
    ($name:ident($($argument:expr),* $(,)?)) => {
        $crate::cuda::driver::driver().and_then(|driver| {
            $crate::cuda::error::check(stringify!($name), (driver.$name)($($argument),*))
        })
    };
}
pub(crate) use call;

/// Calls a creating function of the driver, which writes a handle to its first argument.
pub(crate) fn create(make: impl FnOnce(&mut Handle) -> Result<(), Error>) -> Result<Handle, Error> {
    let mut handle = std::ptr::null_mut();
    make(&mut handle)?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sticky_errors_are_told_apart() {
        assert_eq!(ErrorKind::of(2), ErrorKind::OutOfMemory);
        assert_eq!(ErrorKind::of(700), ErrorKind::ContextLost);
        assert_eq!(ErrorKind::of(719), ErrorKind::ContextLost);
        assert_eq!(ErrorKind::of(214), ErrorKind::DeviceLost);
        assert_eq!(ErrorKind::of(1), ErrorKind::Call);
        let sticky = [2, 700, 719, 214, 1].map(|code| ErrorKind::of(code).is_sticky());
        assert_eq!(sticky, [false, true, true, true, false]);
    }

    #[test]
    fn a_message_says_what_to_do() {
        let (code, name) = (700, "CUDA_ERROR_ILLEGAL_ADDRESS".to_owned());
        let (text, kind) = ("an illegal memory access".to_owned(), ErrorKind::of(code));
        let error = Error::Driver { call: "cuEventQuery", code, name, text, kind };
        let begin = "cuEventQuery: CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal memory access; ";
        assert!(error.to_string().starts_with(begin), "{error}");
        assert!(error.to_string().ends_with("restart it"), "{error}");
    }
}
