//! Work recorded once and launched many times.

use std::fmt;
use std::sync::Arc;

use super::context::Context;
use super::driver::Handle;
use super::error::{Error, call, create};
use super::stream::Stream;

/// `CU_STREAM_CAPTURE_MODE_THREAD_LOCAL`: other threads go on as they please.
const THREAD_LOCAL: i32 = 1;

/// A recorded piece of work: launching it costs one call, however many kernels it holds.
pub struct Graph {
    handle: Handle,
    context: Arc<Context>,
}

// SAFETY: the driver's graphs may be used from any thread, by one at a time: `launch` takes it mutably.
unsafe impl Send for Graph {}

/// What was recorded, before it is made executable.
struct Recorded(Handle);

impl Drop for Recorded {
    fn drop(&mut self) {
        // SAFETY: ours; the executable form does not need it.
        let _ = unsafe { call!(cuGraphDestroy(self.0)) };
    }
}

impl Graph {
    /// Records what `work` puts into `stream`; nothing of it is run yet. Addresses are recorded as they are: what they
    /// name must live as long as the graph is launched.
    ///
    /// # Errors
    /// When `work` fails, or does something that cannot be recorded. The stream is as it was before.
    pub fn record<E: From<Error>>(stream: &Stream, work: impl FnOnce() -> Result<(), E>) -> Result<Self, E> {
        let context = stream.context().clone();
        let _current = context.enter()?;
        // SAFETY: the stream is alive.
        unsafe { call!(cuStreamBeginCapture_v2(stream.raw(), THREAD_LOCAL)) }?;
        let done = work();
        // SAFETY: ends what was begun above; writes one handle.
        let recorded =
            create(|graph| unsafe { call!(cuStreamEndCapture(stream.raw(), graph)) }).map(Recorded);
        done?;
        let recorded = recorded?;
        // SAFETY: a graph of ours; writes one handle.
        let handle = create(|handle| unsafe { call!(cuGraphInstantiateWithFlags(handle, recorded.0, 0)) })?;
        Ok(Self { handle, context: stream.context().clone() })
    }

    /// Puts the recorded work into `stream`.
    ///
    /// # Errors
    /// When the context is lost.
    pub fn launch(&mut self, stream: &Stream) -> Result<(), Error> {
        let _current = self.context.enter()?;
        // SAFETY: graph and stream are alive.
        unsafe { call!(cuGraphLaunch(self.handle, stream.raw())) }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let _current = self.context.enter();
        // SAFETY: ours; the driver frees it once it does not run any more.
        let _ = unsafe { call!(cuGraphExecDestroy(self.handle)) };
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Graph").field(&self.handle).finish()
    }
}
