//! Runtime, engine and execution context of the library, owned and checked.
//!
//! The library works in the thread's current CUDA context, so every call is made inside of ours.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::sync::Arc;

use gpu::cuda::{Context, Stream};
use vision::tensor::Dim;

use super::allocator::Allocator;
use super::library::Library;
use super::{messages, sys, unavailable};
use crate::EngineError;

/// What to say where the library says nothing.
pub(super) const SILENT: &str = "TensorRT gives no reason";

/// Runs engines.
pub(super) struct Runtime {
    raw: *mut sys::Runtime,
    context: Arc<Context>,
    allocator: Arc<Allocator>,
    library: Arc<Library>,
}

// SAFETY: the library's runtimes may be used from any thread.
unsafe impl Send for Runtime {}
// SAFETY: as above.
unsafe impl Sync for Runtime {}

impl Runtime {
    /// With `host_code` it also runs what engines bring along for the host, as version-compatible ones do.
    pub fn new(
        library: &Arc<Library>,
        context: &Arc<Context>,
        host_code: bool,
    ) -> Result<Arc<Self>, EngineError> {
        let allocator = Allocator::new(context, library.shim())?;
        // SAFETY: the entry point of this library; the allocator lives as long as the runtime.
        let create =
            || unsafe { (library.shim().runtime_new)(library.create_runtime, allocator.raw(), host_code) };
        let (raw, reason) = messages::during(|| context.scope(create));
        let raw = raw?;
        if raw.is_null() {
            let reason = reason.unwrap_or_else(|| SILENT.to_owned());
            return Err(unavailable(format!("{} does not start: {reason}", library.path().display())));
        }
        Ok(Arc::new(Self { raw, context: Arc::clone(context), allocator, library: Arc::clone(library) }))
    }

    /// The calls of its library.
    fn shim(&self) -> &'static sys::Shim {
        self.library.shim()
    }

    /// The device's context that it works in.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Where its memory comes from.
    pub fn allocator(&self) -> &Allocator {
        &self.allocator
    }

    /// What went wrong, when a call of the library failed: the device's fault, or memory that is short, or else what `said`
    /// makes of the library's words.
    pub fn failure(&self, reason: Option<String>, said: impl FnOnce(String) -> EngineError) -> EngineError {
        if let Some(short) = self.allocator.take_refused() {
            return short;
        }
        match self.context.memory() {
            Err(error) => error.into(),
            Ok(_) => said(reason.unwrap_or_else(|| SILENT.to_owned())),
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // SAFETY: ours; its engines are gone, as they hold it.
        let _ = self.context.scope(|| unsafe { (self.shim().runtime_delete)(self.raw) });
    }
}

/// An input or output of an engine.
#[derive(Clone, Debug)]
pub(super) struct IoTensor {
    pub name: CString,
    pub is_input: bool,
    /// Number of the library's `DataType`; `None` if it has to lie in host memory.
    pub data_type: Option<i32>,
    /// Outermost dimension first; `None` is open.
    pub shape: Vec<Dim>,
}

/// A network, ready to run.
pub(super) struct Engine {
    raw: *mut sys::Engine,
    runtime: Arc<Runtime>,
}

// SAFETY: the library's engines may be used from any thread.
unsafe impl Send for Engine {}
// SAFETY: as above.
unsafe impl Sync for Engine {}

impl Engine {
    /// From what a builder made.
    ///
    /// # Errors
    /// [`EngineError::PlanRefused`] with the library's own reason, or that the device's memory is short.
    pub fn new(runtime: &Arc<Runtime>, plan: &[u8]) -> Result<Arc<Self>, EngineError> {
        // SAFETY: the runtime is alive, the plan is that long; the library looks at its length first.
        let create =
            || unsafe { (runtime.shim().engine_new)(runtime.raw, plan.as_ptr().cast(), plan.len() as u64) };
        let (raw, reason) = messages::during(|| runtime.context.scope(create));
        let raw = raw?;
        if raw.is_null() {
            return Err(runtime.failure(reason, |reason| EngineError::PlanRefused { reason }));
        }
        Ok(Arc::new(Self { raw, runtime: Arc::clone(runtime) }))
    }

    /// What runs it.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// Inputs and outputs in the network's order.
    pub fn tensors(&self) -> Result<Vec<IoTensor>, EngineError> {
        // SAFETY: the engine is alive.
        let count = unsafe { (self.runtime.shim().engine_tensor_count)(self.raw) };
        let refused =
            || EngineError::PlanRefused { reason: "an input or output of it has no name".to_owned() };
        (0..count).map(|index| self.tensor(index).ok_or_else(refused)).collect()
    }

    fn tensor(&self, index: i32) -> Option<IoTensor> {
        let mut tensor = std::mem::MaybeUninit::<sys::Tensor>::uninit();
        // SAFETY: the engine is alive; on success the tensor is written whole, and its name is a terminated string.
        let (tensor, name) = unsafe {
            if !(self.runtime.shim().engine_tensor)(self.raw, index, tensor.as_mut_ptr()) {
                return None;
            }
            let tensor = tensor.assume_init();
            (tensor, CStr::from_ptr(tensor.name).to_owned())
        };
        let shape = dims(&tensor.shape).iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let data_type = (!tensor.is_on_host).then_some(tensor.data_type);
        Some(IoTensor { name, is_input: tensor.is_input, data_type, shape })
    }

    /// Bytes that each execution takes for what lies between layers.
    pub fn execution_bytes(&self) -> u64 {
        // SAFETY: the engine is alive.
        u64::try_from(unsafe { (self.runtime.shim().engine_context_bytes)(self.raw) }).unwrap_or(0)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: ours; its executions are gone, as they hold it.
        let _ = self.runtime.context.scope(|| unsafe { (self.runtime.shim().engine_delete)(self.raw) });
    }
}

/// A shape's dimensions; none if it is no shape.
fn dims(shape: &sys::Shape) -> &[i64] {
    let rank = usize::try_from(shape.rank).unwrap_or(0);
    &shape.dims[..rank.min(sys::MAX_DIMS)]
}

/// As the library takes it; `None` if it has more dimensions than the library knows.
pub(super) fn shape_of(dims: &[usize]) -> Option<sys::Shape> {
    let mut shape = sys::Shape { rank: i32::try_from(dims.len()).ok()?, ..sys::Shape::default() };
    for (to, from) in shape.dims.get_mut(..dims.len())?.iter_mut().zip(dims) {
        *to = i64::try_from(*from).ok()?;
    }
    Some(shape)
}

/// What one batch after the other is run with: shapes, addresses and memory for what lies between layers.
pub(super) struct Execution {
    raw: *mut sys::Context,
    engine: Arc<Engine>,
}

// SAFETY: used by one thread at a time, as all that changes it takes it mutably.
unsafe impl Send for Execution {}

impl Execution {
    /// For `engine`.
    pub fn new(engine: &Arc<Engine>) -> Result<Self, EngineError> {
        // SAFETY: the engine is alive.
        let create = || unsafe { (engine.runtime.shim().context_new)(engine.raw) };
        let (raw, reason) = messages::during(|| engine.runtime.context.scope(create));
        let raw = raw?;
        if raw.is_null() {
            return Err(engine.runtime.failure(reason, |reason| EngineError::Inference { reason }));
        }
        Ok(Self { raw, engine: Arc::clone(engine) })
    }

    /// Calls `work`, which says whether the library did it.
    fn checked(
        &mut self,
        work: impl FnOnce(&sys::Shim, *mut sys::Context) -> bool,
    ) -> Result<(), EngineError> {
        let runtime = &self.engine.runtime;
        let (done, reason) = messages::during(|| runtime.context.scope(|| work(runtime.shim(), self.raw)));
        if done? { Ok(()) } else { Err(runtime.failure(reason, |reason| EngineError::Inference { reason })) }
    }

    /// Where input `name` lies, and its shape. The memory must stay for as long as it is used.
    pub fn set_input(&mut self, name: &CStr, shape: &[usize], address: u64) -> Result<(), EngineError> {
        let too_many =
            || EngineError::Inference { reason: format!("input {name:?} has too many dimensions") };
        let shape = shape_of(shape).ok_or_else(too_many)?;
        let address = address as *mut std::ffi::c_void;
        // SAFETY: all are alive during the call; the address is only stored.
        self.checked(|shim, raw| unsafe { (shim.context_set_input)(raw, name.as_ptr(), &shape, address) })
    }

    /// Where output `name` goes. The memory must stay for as long as it is used.
    pub fn set_output(&mut self, name: &CStr, address: u64) -> Result<(), EngineError> {
        let address = address as *mut std::ffi::c_void;
        // SAFETY: as in `set_input`.
        self.checked(|shim, raw| unsafe { (shim.context_set_output)(raw, name.as_ptr(), address) })
    }

    /// The shape that tensor `name` has with the inputs' shapes; `None` if only running it tells.
    pub fn shape(&self, name: &CStr) -> Option<Vec<usize>> {
        let mut shape = sys::Shape { rank: -1, ..sys::Shape::default() };
        // SAFETY: writes one shape.
        unsafe { (self.engine.runtime.shim().context_shape)(self.raw, name.as_ptr(), &mut shape) };
        let is_known = shape.rank >= 0;
        dims(&shape).iter().map(|&dim| usize::try_from(dim).ok()).collect::<Option<_>>().filter(|_| is_known)
    }

    /// Puts one run into `stream`.
    pub fn enqueue(&mut self, stream: &Stream) -> Result<(), EngineError> {
        // SAFETY: the stream is alive, and addresses were set that are.
        self.checked(|shim, raw| unsafe { (shim.context_enqueue)(raw, stream.raw()) })
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let runtime = &self.engine.runtime;
        // SAFETY: ours; the session waits for its runs before it drops it.
        let _ = runtime.context.scope(|| unsafe { (runtime.shim().context_delete)(self.raw) });
    }
}
