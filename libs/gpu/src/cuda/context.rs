//! CUDA contexts: a device's address space and its kernels.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::device::{Device, handle};
use super::driver::Handle;
use super::error::{Error, call, create};
use crate::kernels::{ConvolutionKernels, Kernels};

/// A context of a device.
pub struct Context {
    handle: Handle,
    device: Device,
    kernels: OnceLock<Kernels>,
    convolutions: OnceLock<ConvolutionKernels>,
    /// Keeps a context alive that another library made.
    _owner: Option<Box<dyn Any + Send + Sync>>,
}

// SAFETY: the driver's contexts may be used from any thread.
unsafe impl Send for Context {}
// SAFETY: as above; the driver locks what it must.
unsafe impl Sync for Context {}

/// Contexts by handle. Primary ones stay for the life of the process.
type Table = HashMap<usize, Arc<Context>>;

fn table() -> MutexGuard<'static, Table> {
    static CONTEXTS: OnceLock<Mutex<Table>> = OnceLock::new();
    CONTEXTS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    fn new(handle: Handle, device: Device, owner: Option<Box<dyn Any + Send + Sync>>) -> Self {
        Self { handle, device, kernels: OnceLock::new(), convolutions: OnceLock::new(), _owner: owner }
    }

    /// The primary context of device number `ordinal`: the one that every library of the process shares. It is retained
    /// once and stays until the process ends.
    ///
    /// # Errors
    /// When there is no driver, no such device, or no memory left for a context.
    pub fn primary(ordinal: i32) -> Result<Arc<Self>, Error> {
        let mut table = table();
        let known = |context: &&Arc<Self>| context._owner.is_none() && context.device.ordinal == ordinal;
        if let Some(context) = table.values().find(known) {
            return Ok(context.clone());
        }
        let (number, device) = (handle(ordinal)?, Device::new(ordinal)?);
        // SAFETY: writes one handle, which is never released.
        let handle = create(|handle| unsafe { call!(cuDevicePrimaryCtxRetain(handle, number)) })?;
        let context = Arc::new(Self::new(handle, device, None));
        table.insert(handle as usize, context.clone());
        Ok(context)
    }

    /// The context `handle` that another library made and `owner` keeps alive. The same handle gives the same context;
    /// it is kept as long as anyone uses it.
    ///
    /// # Errors
    /// When the driver does not know the context's device.
    ///
    /// # Safety
    /// `handle` must be a context that lives as long as `owner`.
    pub(crate) unsafe fn shared(handle: Handle, owner: impl Any + Send + Sync) -> Result<Arc<Self>, Error> {
        let mut table = table();
        table.retain(|_, context| context._owner.is_none() || Arc::strong_count(context) > 1);
        if let Some(context) = table.get(&(handle as usize)) {
            return Ok(context.clone());
        }
        let device = Device::new(ordinal_of(handle)?)?;
        let context = Arc::new(Self::new(handle, device, Some(Box::new(owner))));
        table.insert(handle as usize, context.clone());
        Ok(context)
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The driver's handle, for other libraries: `CUcontext`.
    pub fn raw(&self) -> Handle {
        self.handle
    }

    /// Free and total memory in bytes.
    ///
    /// # Errors
    /// When the context is lost.
    pub fn memory(&self) -> Result<(usize, usize), Error> {
        let _current = self.enter()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: writes two sizes.
        unsafe { call!(cuMemGetInfo_v2(&mut free, &mut total)) }?;
        Ok((free, total))
    }

    /// Why `asked` bytes could not be had: the device's memory in numbers, or that the context is lost.
    pub fn shortage(&self, asked: u64) -> Error {
        match self.memory() {
            Ok((free, total)) => Error::OutOfMemory { asked, free: free as u64, total: total as u64 },
            Err(error) => error,
        }
    }

    /// Makes this the thread's current context until the guard is dropped.
    pub(crate) fn enter(&self) -> Result<Current<'_>, Error> {
        enter(self.handle)
    }

    /// Runs `work` with this as the thread's current context, for libraries that work in whichever is current.
    ///
    /// # Errors
    /// When the context is lost; `work` is not run then.
    pub fn scope<T>(&self, work: impl FnOnce() -> T) -> Result<T, Error> {
        let _current = self.enter()?;
        Ok(work())
    }

    /// The kernels, compiled for the device on first use.
    pub(crate) fn kernels(&self) -> Result<&Kernels, Error> {
        self.loaded(&self.kernels, Kernels::load)
    }

    /// Those of networks, likewise: frames do without.
    pub(crate) fn convolutions(&self) -> Result<&ConvolutionKernels, Error> {
        self.loaded(&self.convolutions, ConvolutionKernels::load)
    }

    fn loaded<'a, T>(&self, cell: &'a OnceLock<T>, load: fn() -> Result<T, Error>) -> Result<&'a T, Error> {
        if let Some(loaded) = cell.get() {
            return Ok(loaded);
        }
        let _current = self.enter()?;
        let loaded = load()?;
        Ok(cell.get_or_init(|| loaded))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("handle", &self.handle).field("device", &self.device).finish()
    }
}

impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        self.handle == other.handle
    }
}

/// A context is current on this thread while this lives.
pub(crate) struct Current<'a>(PhantomData<(&'a Context, *const ())>);

fn enter<'a>(handle: Handle) -> Result<Current<'a>, Error> {
    // SAFETY: the context is alive; the guard pops it again.
    unsafe { call!(cuCtxPushCurrent_v2(handle)) }?;
    Ok(Current(PhantomData))
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        // SAFETY: pops what `enter` pushed on this thread: the guard cannot leave it.
        // Nothing is left to do when a lost context cannot be popped.
        let _ = unsafe { call!(cuCtxPopCurrent_v2(&mut null_mut())) };
    }
}

fn ordinal_of(handle: Handle) -> Result<i32, Error> {
    let _current = enter(handle)?;
    let mut device = 0;
    // SAFETY: writes one integer. The driver's handles of devices are their numbers.
    unsafe { call!(cuCtxGetDevice(&mut device)) }?;
    Ok(device)
}
