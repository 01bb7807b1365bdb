//! GStreamer's CUDA library (libgstcuda-1.0, GStreamer 1.24 or newer), found at run time: contexts that elements share,
//! memory that decoders write, pools that upstream fills.
//!
//! Only its functions are called. One layout is known besides: `GstCudaMemory` starts with a `GstMemory`, followed by
//! its public fields `context` and `info` (GStreamer 1.22 to 1.26).

mod context;
mod library;
mod memory;
mod pool;
mod transfer;

pub use context::{CudaContext, CudaStream};
pub use memory::{CudaFrame, CudaFrameMut, is_device_only};
pub use pool::{allocate, buffer_pool, propose, wants_pool};
pub use transfer::{HostFrame, InFlight, map_in_place};

use crate::cuda::Error;

/// Loads the library, if that has not happened yet.
///
/// # Errors
/// [`Error::Unavailable`] with what is missing: the library, a newer one, or the NVIDIA driver.
pub fn status() -> Result<(), Error> {
    library::library().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_the_library_or_a_driver_is_told_so() {
        gst::init().unwrap();
        match status() {
            Ok(()) => assert!(crate::cuda::status().is_ok()),
            Err(Error::Unavailable(missing)) => assert!(!missing.is_empty()),
            Err(error) => panic!("{error}"),
        }
    }
}
