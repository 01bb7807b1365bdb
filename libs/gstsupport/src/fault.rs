//! What an error message tells programs about a GPU that failed.

use gpu::cuda::{Error, ErrorKind};
use gst::prelude::*;

/// Posts `text` as an error of `element`, with [`details`] about `error` of device number `device`. False, and nothing is
/// posted, if it is no failure of the driver's.
pub fn post(element: &impl IsA<gst::Element>, error: &Error, device: Option<i32>, text: &str) -> bool {
    let Some(details) = details(error, device) else { return false };
    match error.kind() {
        ErrorKind::OutOfMemory => {
            gst::element_error!(element, gst::ResourceError::NoSpaceLeft, ("{text}"), details: details);
        }
        _ => gst::element_error!(element, gst::ResourceError::Failed, ("{text}"), details: details),
    }
    true
}

/// Details for the error message about `error` of device number `device`: `cuda-error` and `cuda-error-name` as the driver
/// has them, `sticky` if every later call of the process fails alike, `device` if it is known, and `action`, what helps:
/// `restart-process`, `use-less-memory` or `none`. Where memory is short, `bytes-asked`, `bytes-free` and `bytes-total` say
/// how much, if the driver tells. `None` if it is no failure of the driver's.
pub fn details(error: &Error, device: Option<i32>) -> Option<gst::Structure> {
    let structure = gst::Structure::builder("gpu-fault");
    let structure = match error {
        Error::Driver { code, name, call, .. } => {
            structure.field("cuda-error", *code).field("cuda-error-name", name).field("call", *call)
        }
        Error::OutOfMemory { asked, free, total } => structure
            .field("cuda-error", 2)
            .field("cuda-error-name", "CUDA_ERROR_OUT_OF_MEMORY")
            .field("bytes-asked", *asked)
            .field("bytes-free", *free)
            .field("bytes-total", *total),
        Error::Unavailable(_) | Error::Kernel(_) | Error::Argument(_) => return None,
    };
    let structure = structure.field("sticky", error.kind().is_sticky()).field("action", action(error.kind()));
    Some(structure.field_if_some("device", device).build())
}

fn action(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ContextLost | ErrorKind::DeviceLost => "restart-process",
        ErrorKind::OutOfMemory => "use-less-memory",
        ErrorKind::Call => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_what_to_do() {
        gst::init().unwrap();
        let (name, text, kind) =
            ("CUDA_ERROR_LAUNCH_FAILED".to_owned(), String::new(), ErrorKind::ContextLost);
        let lost = Error::Driver { call: "cuEventSynchronize", code: 719, name, text, kind };
        let structure = details(&lost, Some(1)).unwrap();
        assert_eq!(structure.get::<i32>("cuda-error"), Ok(719));
        assert_eq!(structure.get::<String>("cuda-error-name").as_deref(), Ok("CUDA_ERROR_LAUNCH_FAILED"));
        assert_eq!(structure.get::<bool>("sticky"), Ok(true));
        assert_eq!(structure.get::<i32>("device"), Ok(1));
        assert_eq!(structure.get::<String>("action").as_deref(), Ok("restart-process"));

        let short = details(&Error::OutOfMemory { asked: 3 << 30, free: 1, total: 2 << 30 }, None).unwrap();
        assert_eq!(short.get::<u64>("bytes-asked"), Ok(3 << 30));
        assert_eq!((short.get::<bool>("sticky"), short.has_field("device")), (Ok(false), false));
        assert_eq!(short.get::<String>("action").as_deref(), Ok("use-less-memory"));
        assert!(details(&Error::Argument("a size".to_owned()), Some(0)).is_none());
    }
}
