//! The library's functions.

use std::ffi::c_void;
use std::sync::OnceLock;

use gst::ffi::{GstBufferPool, GstContext, GstElement, GstMemory, GstObject, GstQuery, GstStructure};
use gst::glib::ffi::gboolean;
use gst_video::ffi::GstVideoInfo;
use libloading::Library;

use crate::cuda::{Error, status};
use crate::dynamic::{open, symbol};

/// `GstCudaStream`, a mini object.
pub(super) type RawStream = *mut c_void;

const LIBRARY: &str = "libgstcuda-1.0.so.0";

macro_rules! library {
    ($($name:ident($($argument:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        /// The functions in use, with the signatures of the headers in gst/cuda.
        pub(super) struct GstCuda {
            $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            _library: Library,
        }

        impl GstCuda {
            fn new(library: Library) -> Result<Self, String> {
                Ok(Self {
                    $(
                        // SAFETY: the signature is the one that the headers declare for this symbol.
                        $name: unsafe { symbol(&library, stringify!($name))? },
                    )*
                    _library: library,
                })
            }
        }
    };
}

library! {
    gst_cuda_load_library() -> gboolean;
    gst_cuda_memory_init_once();
    gst_cuda_context_new_wrapped(*mut c_void, i32) -> *mut GstObject;
    gst_cuda_context_get_handle(*mut GstObject) -> *mut c_void;
    gst_cuda_handle_context_query(*mut GstElement, *mut GstQuery, *mut GstObject) -> gboolean;
    gst_context_new_cuda_context(*mut GstObject) -> *mut GstContext;
    gst_cuda_stream_new(*mut GstObject) -> RawStream;
    gst_cuda_stream_ref(RawStream) -> RawStream;
    gst_cuda_stream_unref(RawStream);
    gst_cuda_stream_get_handle(RawStream) -> *mut c_void;
    gst_is_cuda_memory(*mut GstMemory) -> gboolean;
    gst_cuda_memory_get_stream(*mut GstMemory) -> RawStream;
    gst_cuda_allocator_alloc(*mut GstObject, *mut GstObject, RawStream, *const GstVideoInfo) -> *mut GstMemory;
    gst_cuda_allocator_alloc_wrapped(
        *mut GstObject,
        *mut GstObject,
        RawStream,
        *const GstVideoInfo,
        u64,
        *mut c_void,
        Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> *mut GstMemory;
    gst_cuda_buffer_pool_new(*mut GstObject) -> *mut GstBufferPool;
    gst_buffer_pool_config_set_cuda_stream(*mut GstStructure, RawStream);
}

fn load() -> Result<GstCuda, String> {
    status().map_err(|error| error.to_string())?;
    let library = open(&[LIBRARY])
        .map_err(|reason| format!("GStreamer's CUDA library is missing (gst-plugins-bad): {reason}"))?;
    let gst_cuda = GstCuda::new(library).map_err(|reason| {
        format!("GStreamer's CUDA library is too old, 1.24 or newer is needed: {reason}")
    })?;
    // SAFETY: takes nothing; GStreamer is initialised wherever there are elements and buffers.
    if unsafe { (gst_cuda.gst_cuda_load_library)() } == 0 {
        return Err("GStreamer's CUDA library does not find the NVIDIA driver's functions".into());
    }
    // SAFETY: takes nothing; the driver is loaded.
    unsafe { (gst_cuda.gst_cuda_memory_init_once)() };
    Ok(gst_cuda)
}

/// The library, loaded by the first call.
///
/// # Errors
/// [`Error::Unavailable`] with what is missing.
pub(super) fn library() -> Result<&'static GstCuda, Error> {
    static GST_CUDA: OnceLock<Result<GstCuda, String>> = OnceLock::new();
    GST_CUDA.get_or_init(load).as_ref().map_err(|missing| Error::Unavailable(missing.clone()))
}
