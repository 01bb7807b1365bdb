//! Contexts and streams as elements share them.

use std::collections::HashMap;
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, PoisonError};

use gst::glib;
use gst::glib::translate::{IntoGlib, IntoGlibPtr, ToGlibPtr, from_glib_full, from_glib_none};
use gst::prelude::*;

use super::library::{RawStream, library};
use crate::cuda::{Context, Error, Stream};

fn refused(what: &str) -> Error {
    Error::Unavailable(format!("GStreamer's CUDA library cannot {what}"))
}

/// A context as elements share it: `GstCudaContext`, ours around a device's primary context.
#[derive(Debug)]
pub struct CudaContext {
    object: gst::Object,
    context: Arc<Context>,
}

impl CudaContext {
    /// The primary context of device number `ordinal`. One for the whole process.
    ///
    /// # Errors
    /// When the library, the driver or the device is missing.
    pub fn primary(ordinal: i32) -> Result<Arc<Self>, Error> {
        static CONTEXTS: Mutex<Option<HashMap<i32, Arc<CudaContext>>>> = Mutex::new(None);
        let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let contexts = contexts.get_or_insert_default();
        if let Some(context) = contexts.get(&ordinal) {
            return Ok(context.clone());
        }
        let context = Arc::new(Self::wrap(Context::primary(ordinal)?)?);
        contexts.insert(ordinal, context.clone());
        Ok(context)
    }

    fn wrap(context: Arc<Context>) -> Result<Self, Error> {
        // SAFETY: the context is alive and stays so, since primary contexts are never released; the driver's handle of
        // a device is its number.
        let object =
            unsafe { (library()?.gst_cuda_context_new_wrapped)(context.raw(), context.device().ordinal) };
        if object.is_null() {
            return Err(refused("wrap the primary context"));
        }
        // SAFETY: a new reference to a `GstCudaContext`, which is a `GstObject`.
        let object: gst::Object = unsafe { from_glib_full(object) };
        // It stays for the life of the process.
        object.set_object_flags(gst::ObjectFlags::MAY_BE_LEAKED);
        let object = shared(&format!("gst-osha-cuda-context-{}", context.device().ordinal), object);
        Ok(Self { object, context })
    }

    /// `object`, a `GstCudaContext` that someone else made, around `context`.
    pub(super) fn of(object: gst::Object, context: Arc<Context>) -> Self {
        Self { object, context }
    }

    /// The context itself.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Answers a context query of a neighbour with this context; `false` for queries of other kinds. An element calls
    /// it for every query, in any state.
    pub fn answer(&self, element: &impl IsA<gst::Element>, query: &mut gst::QueryRef) -> bool {
        let element = element.upcast_ref().to_glib_none();
        // SAFETY: all three are alive; the query is writable.
        library().is_ok_and(|library| unsafe {
            (library.gst_cuda_handle_context_query)(element.0, query.as_mut_ptr(), self.raw()) != 0
        })
    }

    /// What `gst::Element::set_context` and messages carry.
    ///
    /// # Errors
    /// Never once this exists.
    pub fn to_gst(&self) -> Result<gst::Context, Error> {
        // SAFETY: the object is alive; the result is a new reference.
        Ok(unsafe { from_glib_full((library()?.gst_context_new_cuda_context)(self.raw())) })
    }

    /// Tells the application and the other elements to use this context. An element calls it from NULL to READY.
    ///
    /// # Errors
    /// Never once this exists.
    pub fn announce(&self, element: &impl IsA<gst::Element>) -> Result<(), Error> {
        let message = gst::message::HaveContext::builder(self.to_gst()?).src(element.upcast_ref()).build();
        // An element without a bus has nobody to tell.
        let _ = element.post_message(message);
        Ok(())
    }

    /// [`Self::answer`] with the primary context of device number `ordinal`, which is made for no other query.
    pub fn answer_with_primary(
        element: &impl IsA<gst::Element>,
        ordinal: i32,
        query: &mut gst::QueryRef,
    ) -> bool {
        let asked = matches!(query.view(), gst::QueryView::Context(query) if query.context_type() == "gst.cuda.context");
        asked && Self::primary(ordinal).is_ok_and(|context| context.answer(element, query))
    }

    pub(super) fn raw(&self) -> *mut gst::ffi::GstObject {
        self.object.to_glib_none().0
    }
}

/// Gives a reference to `object`, a `GObject`, back.
unsafe extern "C" fn unref(object: glib::ffi::gpointer) {
    // SAFETY: as the caller promises.
    unsafe { glib::gobject_ffi::g_object_unref(object.cast()) };
}

/// The object that was shared first as `name` in this process; `own` if none was. Every plugin holds this code, and elements
/// of all of them must name the same object: GStreamer compares the objects, not the contexts in them.
fn shared(name: &str, own: gst::Object) -> gst::Object {
    let quark = glib::Quark::from_str(name).into_glib();
    // SAFETY: the registry lives as long as GStreamer does. What is stored is a reference of its own to a `GObject`, which is
    // never replaced; it is given back if another one was there before.
    unsafe {
        let registry = gst::ffi::gst_registry_get().cast();
        let own: *mut gst::ffi::GstObject = own.into_glib_ptr();
        let is_first = glib::gobject_ffi::g_object_replace_qdata(
            registry,
            quark,
            null_mut(),
            own.cast(),
            Some(unref),
            null_mut(),
        );
        if is_first == 0 {
            glib::gobject_ffi::g_object_unref(own.cast());
        }
        from_glib_none(glib::gobject_ffi::g_object_get_qdata(registry, quark).cast::<gst::ffi::GstObject>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_object_is_shared() {
        gst::init().unwrap();
        let object = |name| gst::Bin::with_name(name).upcast::<gst::Object>();
        let (first, second) = (object("first"), object("second"));
        assert_eq!(shared("test-shared", first.clone()), first);
        assert_eq!(shared("test-shared", second.clone()), first);
        assert_eq!((first.ref_count(), second.ref_count()), (2, 1));
        assert_eq!(shared("test-other", second.clone()), second);
    }
}

/// A reference to a `GstCudaStream`.
#[derive(Debug)]
struct StreamReference(NonNull<std::ffi::c_void>);

// SAFETY: a mini object, counted atomically; the driver's streams may be used from any thread.
unsafe impl Send for StreamReference {}
// SAFETY: as above.
unsafe impl Sync for StreamReference {}

impl Clone for StreamReference {
    fn clone(&self) -> Self {
        if let Ok(library) = library() {
            // SAFETY: the stream is alive.
            unsafe { (library.gst_cuda_stream_ref)(self.0.as_ptr()) };
        }
        Self(self.0)
    }
}

impl Drop for StreamReference {
    fn drop(&mut self) {
        if let Ok(library) = library() {
            // SAFETY: gives back the reference that it stands for.
            unsafe { (library.gst_cuda_stream_unref)(self.0.as_ptr()) };
        }
    }
}

/// A stream as elements share it: `GstCudaStream`.
#[derive(Debug)]
pub struct CudaStream {
    reference: StreamReference,
    stream: Stream,
}

impl CudaStream {
    /// A new stream.
    ///
    /// # Errors
    /// When the driver cannot make one.
    pub fn new(context: &CudaContext) -> Result<Self, Error> {
        // SAFETY: the context is alive; the result is a new reference or null.
        let raw = unsafe { (library()?.gst_cuda_stream_new)(context.raw()) };
        let reference = StreamReference(NonNull::new(raw).ok_or_else(|| refused("make a stream"))?);
        // SAFETY: a stream of this context.
        let stream = unsafe { shared_stream(&reference, context.context.clone()) }?;
        Ok(Self { reference, stream })
    }

    /// The stream itself.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(super) fn raw(&self) -> RawStream {
        self.reference.0.as_ptr()
    }
}

/// # Safety
/// The stream must be one of `context`.
unsafe fn shared_stream(reference: &StreamReference, context: Arc<Context>) -> Result<Stream, Error> {
    // SAFETY: the stream is alive.
    let handle = unsafe { (library()?.gst_cuda_stream_get_handle)(reference.0.as_ptr()) };
    // SAFETY: as the caller promises; the reference keeps it alive.
    Ok(unsafe { Stream::shared(handle, context, reference.clone()) })
}

/// The stream `raw`, which someone else keeps alive for now; null stands for the default stream.
///
/// # Safety
/// It must be null or a `GstCudaStream` of `context`.
pub(super) unsafe fn borrowed_stream(raw: RawStream, context: Arc<Context>) -> Result<Stream, Error> {
    let Some(raw) = NonNull::new(raw) else {
        // SAFETY: the default stream lives as long as its context.
        return Ok(unsafe { Stream::shared(std::ptr::null_mut(), context, ()) });
    };
    // The clone takes the reference that `borrowed` must not give back.
    let borrowed = std::mem::ManuallyDrop::new(StreamReference(raw));
    // SAFETY: as the caller promises.
    unsafe { shared_stream(&borrowed, context) }
}

/// The context that `object`, a `GstCudaContext`, stands for.
///
/// # Safety
/// `object` must be a `GstCudaContext`.
pub(super) unsafe fn context_of(object: gst::Object) -> Result<Arc<Context>, Error> {
    let raw: *mut gst::ffi::GstObject = object.to_glib_none().0;
    // SAFETY: as the caller promises.
    let handle = unsafe { (library()?.gst_cuda_context_get_handle)(raw) };
    // SAFETY: the object keeps its context alive.
    unsafe { Context::shared(handle, object) }
}
