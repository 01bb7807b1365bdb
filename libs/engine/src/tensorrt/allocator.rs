//! Device memory for the library: ours, and counted.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard};

use gpu::cuda::{Context, DeviceBuffer, Error};

use super::sys;
use crate::EngineError;

/// What the driver aligns every allocation to.
const ALIGNMENT: u64 = 256;

/// What was allocated.
#[derive(Default)]
struct Ledger {
    buffers: HashMap<u64, DeviceBuffer>,
    bytes: u64,
    /// The newest request that could not be met, until somebody asks.
    refused: Option<EngineError>,
}

struct State {
    context: Arc<Context>,
    ledger: Mutex<Ledger>,
}

/// Gives a runtime or builder its device memory. Must live longer than they.
pub(super) struct Allocator {
    raw: *mut sys::Allocator,
    shim: &'static sys::Shim,
    /// On the heap, where the shim knows it.
    state: Box<State>,
}

// SAFETY: the library may call it from any thread; the ledger is locked.
unsafe impl Send for Allocator {}
// SAFETY: as above.
unsafe impl Sync for Allocator {}

impl State {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        crate::lock(&self.ledger)
    }

    /// 0 if there is no such memory.
    fn allocate(&self, size: u64, alignment: u64) -> u64 {
        let buffer = self.buffer(size, alignment);
        let mut ledger = self.ledger();
        let buffer = match buffer {
            Ok(buffer) => buffer,
            Err(error) => {
                ledger.refused = Some(error.into());
                return 0;
            }
        };
        let address = buffer.address();
        ledger.bytes += size;
        ledger.buffers.insert(address, buffer);
        address
    }

    fn buffer(&self, size: u64, alignment: u64) -> Result<DeviceBuffer, Error> {
        let beyond = || Error::Argument(format!("{size} bytes aligned to {alignment} cannot be allocated"));
        let length = usize::try_from(size).ok().filter(|_| alignment <= ALIGNMENT).ok_or_else(beyond)?;
        DeviceBuffer::new(&self.context, length)
    }

    fn release(&self, address: u64) -> bool {
        let released = {
            let mut ledger = self.ledger();
            let buffer = ledger.buffers.remove(&address);
            ledger.bytes -= buffer.as_ref().map_or(0, |buffer| buffer.len() as u64);
            buffer
        };
        released.is_some()
    }
}

/// The function that the library calls for memory.
unsafe extern "C" fn allocate(user: *mut c_void, size: u64, alignment: u64) -> *mut c_void {
    // SAFETY: the state that `Allocator::new` gave, which outlives what uses it.
    unsafe { &*user.cast::<State>() }.allocate(size, alignment) as *mut c_void
}

/// The function that the library gives memory back to.
unsafe extern "C" fn release(user: *mut c_void, memory: *mut c_void) -> bool {
    // SAFETY: as in `allocate`.
    unsafe { &*user.cast::<State>() }.release(memory as u64)
}

impl Allocator {
    pub fn new(context: &Arc<Context>, shim: &'static sys::Shim) -> Result<Arc<Self>, EngineError> {
        let state = Box::new(State { context: Arc::clone(context), ledger: Mutex::default() });
        let user = (&raw const *state).cast_mut().cast();
        // SAFETY: both functions take the state that is passed along.
        let raw = unsafe { (shim.allocator_new)(user, allocate, release) };
        if raw.is_null() {
            return Err(EngineError::Unavailable {
                backend: "TensorRT".to_owned(),
                reason: "the host has no memory left".to_owned(),
            });
        }
        Ok(Arc::new(Self { raw, shim, state }))
    }

    /// For the library.
    pub fn raw(&self) -> *mut sys::Allocator {
        self.raw
    }

    /// Bytes that the library has now.
    pub fn bytes(&self) -> u64 {
        self.state.ledger().bytes
    }

    /// The newest request that could not be met since the last question.
    pub fn take_refused(&self) -> Option<EngineError> {
        self.state.ledger().refused.take()
    }
}

impl Drop for Allocator {
    fn drop(&mut self) {
        // SAFETY: ours; what used it is gone.
        unsafe { (self.shim.allocator_delete)(self.raw) };
    }
}
