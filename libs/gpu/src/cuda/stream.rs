//! Streams order work on a device, events order streams.

use std::any::Any;
use std::fmt;
use std::hint::spin_loop;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::context::Context;
use super::driver::Handle;
use super::error::{Error, call, check, create};

/// `CU_STREAM_NON_BLOCKING`: no implicit order with the default stream.
const NON_BLOCKING: u32 = 1;
/// `CU_EVENT_DEFAULT`: the event knows when it happened.
const TIMING: u32 = 0;
/// `CU_EVENT_DISABLE_TIMING`.
const NO_TIMING: u32 = 2;
/// `CUDA_ERROR_NOT_READY`.
const NOT_READY: i32 = 600;

/// How long a thread that waits asleep sleeps between two questions. The driver could wake it up (`CU_EVENT_BLOCKING_SYNC`), but
/// then the device interrupts the host at each such event, whether or not anybody waits for it: a tenth of the CPU time of a frame.
const NAP: RangeInclusive<Duration> = Duration::from_micros(50)..=Duration::from_millis(1);

/// Work that the device does in order.
pub struct Stream {
    handle: Handle,
    context: Arc<Context>,
    /// Keeps a stream alive that another library made; `None` for one of ours.
    owner: Option<Box<dyn Any + Send + Sync>>,
    /// What [`Stream::wait_for`] used last: to make an event takes longer than all the rest of it.
    mark: Mutex<Option<Event>>,
}

// SAFETY: the driver's streams may be used from any thread.
unsafe impl Send for Stream {}
// SAFETY: as above; the driver locks what it must.
unsafe impl Sync for Stream {}

impl Stream {
    /// A new stream without any order to others.
    ///
    /// # Errors
    /// When the driver cannot make one.
    pub fn new(context: &Arc<Context>) -> Result<Self, Error> {
        let _current = context.enter()?;
        // SAFETY: writes one handle.
        let handle = create(|handle| unsafe { call!(cuStreamCreate(handle, NON_BLOCKING)) })?;
        Ok(Self { handle, context: context.clone(), owner: None, mark: Mutex::default() })
    }

    /// A stream that another library made and `owner` keeps alive; a null `handle` is the default stream.
    ///
    /// # Safety
    /// `handle` must be a stream of `context` that lives as long as `owner`.
    pub(crate) unsafe fn shared(
        handle: Handle,
        context: Arc<Context>,
        owner: impl Any + Send + Sync,
    ) -> Self {
        Self { handle, context, owner: Some(Box::new(owner)), mark: Mutex::default() }
    }

    /// Its context.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The driver's handle, for other libraries: `CUstream`.
    pub fn raw(&self) -> Handle {
        self.handle
    }

    /// Blocks the thread until the device has done everything in the stream.
    ///
    /// # Errors
    /// When something in the stream failed, or the context is lost.
    pub fn synchronize(&self) -> Result<(), Error> {
        let _current = self.context.enter()?;
        // SAFETY: the stream is alive.
        unsafe { call!(cuStreamSynchronize(self.handle)) }
    }

    /// Lets what comes later in this stream wait for what is now in `other`. Blocks nobody.
    ///
    /// # Errors
    /// When the context is lost.
    pub fn wait_for(&self, other: &Stream) -> Result<(), Error> {
        if self.handle == other.handle && self.context == other.context {
            return Ok(());
        }
        let keeper = if self.owner.is_none() { self } else { other };
        let kept = keeper.mark().take().filter(|event| event.context == other.context);
        let event = kept.map_or_else(|| Event::new(&other.context), Ok)?;
        event.record(other)?;
        self.wait(&event)?;
        *keeper.mark() = Some(event);
        Ok(())
    }

    fn mark(&self) -> MutexGuard<'_, Option<Event>> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets what comes later in this stream wait for `event`. Blocks nobody.
    ///
    /// # Errors
    /// When the context is lost.
    pub fn wait(&self, event: &Event) -> Result<(), Error> {
        let _current = self.context.enter()?;
        // SAFETY: stream and event are alive.
        unsafe { call!(cuStreamWaitEvent(self.handle, event.handle, 0)) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.owner.is_none() {
            let _current = self.context.enter();
            // SAFETY: ours; the driver frees it once its work is done.
            let _ = unsafe { call!(cuStreamDestroy_v2(self.handle)) };
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.handle).finish()
    }
}

/// A point in a stream.
pub struct Event {
    handle: Handle,
    context: Arc<Context>,
}

// SAFETY: the driver's events may be used from any thread.
unsafe impl Send for Event {}
// SAFETY: as above; the driver locks what it must.
unsafe impl Sync for Event {}

impl Event {
    /// An event that has happened.
    ///
    /// # Errors
    /// When the driver cannot make one.
    pub fn new(context: &Arc<Context>) -> Result<Self, Error> {
        Self::with_flags(context, NO_TIMING)
    }

    fn with_flags(context: &Arc<Context>, flags: u32) -> Result<Self, Error> {
        let _current = context.enter()?;
        // SAFETY: writes one handle.
        let handle = create(|handle| unsafe { call!(cuEventCreate(handle, flags)) })?;
        Ok(Self { handle, context: context.clone() })
    }

    /// Happens once the device has done everything that is in `stream` now.
    ///
    /// # Errors
    /// When the stream is of another context, or the context is lost.
    pub fn record(&self, stream: &Stream) -> Result<(), Error> {
        let _current = self.context.enter()?;
        // SAFETY: both are alive.
        unsafe { call!(cuEventRecord(self.handle, stream.handle)) }
    }

    /// Whether it has happened.
    ///
    /// # Errors
    /// When something before it failed.
    pub fn has_happened(&self) -> Result<bool, Error> {
        let _current = self.context.enter()?;
        // SAFETY: the event is alive.
        let code = unsafe { (super::driver::driver()?.cuEventQuery)(self.handle) };
        if code == NOT_READY { Ok(false) } else { check("cuEventQuery", code).map(|()| true) }
    }

    /// Asks again and again whether it has happened, for `at_most` so long: the thread goes on at once then, where waking it
    /// up would take a tenth of a millisecond.
    ///
    /// # Errors
    /// When something before it failed.
    pub fn spin(&self, at_most: Duration) -> Result<(), Error> {
        let started = Instant::now();
        while !self.has_happened()? && started.elapsed() < at_most {
            spin_loop();
        }
        Ok(())
    }

    /// Blocks the thread until it has happened. The thread sleeps meanwhile, and oversleeps by a quarter of the time or
    /// a tenth of a millisecond.
    ///
    /// # Errors
    /// When something before it failed.
    pub fn synchronize(&self) -> Result<(), Error> {
        let started = Instant::now();
        while !self.has_happened()? {
            thread::sleep((started.elapsed() / 4).clamp(*NAP.start(), *NAP.end()));
        }
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let _current = self.context.enter();
        // SAFETY: ours; the driver frees it once nothing waits for it.
        let _ = unsafe { call!(cuEventDestroy_v2(self.handle)) };
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.handle).finish()
    }
}

/// Measures the device's own time between two points of a stream.
#[derive(Debug)]
pub struct Timer {
    start: Event,
    end: Event,
}

impl Timer {
    /// A timer that has not run.
    ///
    /// # Errors
    /// When the driver cannot make its events.
    pub fn new(context: &Arc<Context>) -> Result<Self, Error> {
        let event = || Event::with_flags(context, TIMING);
        Ok(Self { start: event()?, end: event()? })
    }

    /// Marks the start in `stream`.
    ///
    /// # Errors
    /// As [`Event::record`].
    pub fn start(&self, stream: &Stream) -> Result<(), Error> {
        self.start.record(stream)
    }

    /// Marks the end in `stream`.
    ///
    /// # Errors
    /// As [`Event::record`].
    pub fn end(&self, stream: &Stream) -> Result<(), Error> {
        self.end.record(stream)
    }

    /// As [`Event::spin`], for the end.
    ///
    /// # Errors
    /// As there.
    pub fn spin(&self, at_most: Duration) -> Result<(), Error> {
        self.end.spin(at_most)
    }

    /// As [`Event::synchronize`], for the end.
    ///
    /// # Errors
    /// As there.
    pub fn wait(&self) -> Result<(), Error> {
        self.end.synchronize()
    }

    /// Waits for the end and returns the microseconds from the start.
    ///
    /// # Errors
    /// When something in the stream failed.
    pub fn elapsed(&self) -> Result<f32, Error> {
        self.wait()?;
        let _current = self.end.context.enter()?;
        let mut milliseconds = 0.0;
        // SAFETY: both events have happened.
        unsafe { call!(cuEventElapsedTime(&mut milliseconds, self.start.handle, self.end.handle)) }?;
        Ok(milliseconds * 1000.0)
    }

    /// [`Self::end`] and [`Self::elapsed`].
    ///
    /// # Errors
    /// As theirs.
    pub fn stop(&self, stream: &Stream) -> Result<f32, Error> {
        self.end(stream)?;
        self.elapsed()
    }
}
