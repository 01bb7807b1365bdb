//! Pools of CUDA memory: what upstream is asked to decode into, and where copies for drawing come from.

use std::ptr::null_mut;

use gst::glib::translate::{ToGlibPtr, from_glib_full, from_glib_none};
use gst::prelude::*;
use gst_video::ffi::GstVideoInfo;
use gst_video::{VideoInfo, VideoMeta};

use super::context::{CudaContext, CudaStream};
use super::library::library;
use super::memory::CudaMemory;
use crate::MemoryKind;
use crate::cuda::Error;

/// A pool of at least `min` and at most `max` (0: any number of) frames of `info`, written in the order of `stream`.
/// Not active yet.
///
/// # Errors
/// When the library cannot make such a pool.
pub fn buffer_pool(
    context: &CudaContext,
    stream: &CudaStream,
    info: &VideoInfo,
    min: u32,
    max: u32,
) -> Result<gst::BufferPool, Error> {
    let refused = |reason: String| Error::Argument(format!("no pool of CUDA memory for {info:?}: {reason}"));
    let caps = info.to_caps().map_err(|error| refused(error.to_string()))?;
    // SAFETY: the context is alive; the result is a new reference.
    let pool: gst::BufferPool =
        unsafe { from_glib_full((library()?.gst_cuda_buffer_pool_new)(context.raw())) };
    let mut config = pool.config();
    config.set_params(Some(&caps), info.size() as u32, min, max);
    config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_ref());
    // SAFETY: the configuration is a structure of ours; it takes a reference to the stream.
    unsafe { (library()?.gst_buffer_pool_config_set_cuda_stream)(config.as_mut_ptr(), stream.raw()) };
    pool.set_config(config).map_err(|error| refused(error.to_string()))?;
    Ok(pool)
}

/// Whether upstream asks about CUDA memory, and nobody downstream has offered a pool of it.
pub fn wants_pool(query: &gst::query::Allocation) -> bool {
    let kind = query.get().0.and_then(|caps| MemoryKind::of(caps.features(0)));
    kind == Some(MemoryKind::Cuda) && !query.allocation_pools().any(|(pool, ..)| pool.is_some())
}

/// Proposes a pool for the frames that an allocation query asks about, `min` of which may be held downstream, and says
/// that strides and offsets are taken from the video meta. Decoders use the pool and its stream.
///
/// # Errors
/// When the query has no video caps, or the library cannot make the pool.
pub fn propose(
    query: &mut gst::query::Allocation,
    context: &CudaContext,
    stream: &CudaStream,
    min: u32,
) -> Result<(), Error> {
    let info = query.get().0.and_then(|caps| VideoInfo::from_caps(caps).ok());
    let info = info.ok_or_else(|| Error::Argument("the allocation query has no video caps".into()))?;
    let pool = buffer_pool(context, stream, &info, min, 0)?;
    // The pool knows the device's pitch, and with it the size.
    let size = pool.config().params().map_or(info.size() as u32, |(_, size, _, _)| size);
    query.add_allocation_pool(Some(&pool), size, min, 0);
    query.add_allocation_meta::<VideoMeta>(None);
    Ok(())
}

/// Memory for one frame of `info`, written in the order of `stream`, and how the frame lies in it.
///
/// # Errors
/// When the device has not enough free memory, or the library does not know the format.
pub fn allocate(
    context: &CudaContext,
    stream: &CudaStream,
    info: &VideoInfo,
) -> Result<(gst::Memory, VideoInfo), Error> {
    let caps: *const GstVideoInfo = info.to_glib_none().0;
    // SAFETY: context, stream and description are alive; null stands for the library's own allocator.
    let memory =
        unsafe { (library()?.gst_cuda_allocator_alloc)(null_mut(), context.raw(), stream.raw(), caps) };
    if memory.is_null() {
        return Err(Error::Argument(format!(
            "no CUDA memory for {}x{} {:?}: the device is full, or the format is unknown to GStreamer's CUDA library",
            info.width(),
            info.height(),
            info.format()
        )));
    }
    // SAFETY: a new `GstCudaMemory`.
    let layout = unsafe { from_glib_none(&raw const (*memory.cast::<CudaMemory>()).info) };
    // SAFETY: a new reference.
    Ok((unsafe { from_glib_full(memory) }, layout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_wanted_for_cuda_memory_that_nobody_offers() {
        gst::init().unwrap();
        for (caps, wanted) in [("video/x-raw(memory:CUDAMemory)", true), ("video/x-raw", false)] {
            let caps: gst::Caps = format!("{caps},format=GRAY8,width=60,height=4").parse().unwrap();
            let mut query = gst::query::Allocation::new(Some(&caps), true);
            assert_eq!(wants_pool(&query), wanted);
            query.add_allocation_pool(Some(&gst::BufferPool::new()), 240, 0, 0);
            assert!(!wants_pool(&query));
        }
    }
}
