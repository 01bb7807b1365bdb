//! Building an engine of a model file.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use gpu::cuda::Context;

use super::allocator::Allocator;
use super::library::{BuilderFunctions, Library};
use super::profile::Profile;
use super::progress::{Tracker, Watch};
use super::{messages, runtime, sys, unavailable};
use crate::EngineError;
use crate::options::{Precision, TensorRtOptions};

/// How often a waiting caller looks whether it was cancelled.
const POLL: Duration = Duration::from_millis(50);
/// How long a cancelled builder may take to stop before it is left behind.
const GRACE: Duration = Duration::from_secs(1);
/// Longest text of the parser that is kept.
const TEXT: usize = 1024;

/// What is to be built.
#[derive(Clone)]
pub(super) struct Job {
    pub library: Arc<Library>,
    pub context: Arc<Context>,
    pub path: PathBuf,
    pub profiles: Vec<Profile>,
    pub precision: Precision,
    pub options: TensorRtOptions,
    /// How long the last build of the model took.
    pub last_build: Option<Duration>,
}

/// Builds an engine on a thread of its own, so that the caller can give up at any time.
///
/// # Errors
/// When the library has no builder, the model cannot be built in the precision asked for, memory is short, or it was
/// cancelled.
pub(super) fn build(job: Job, watch: &Watch) -> Result<Vec<u8>, EngineError> {
    let functions = job.library.builder().map_err(|reason| {
        unavailable(format!(
            "{reason}, and none for this model and these settings is cached. Build it with `gst-osha engine build \
             --version-compatible` on a machine with the full library, name the cache in engine-cache and set \
             version-compatible here, too; or name an engine in engine-file"
        ))
    })?;
    let (finished, result) = mpsc::channel();
    let (builder_watch, cancelled) = (watch.clone(), watch.clone());
    let work = move || {
        // Nobody waits any more if this cannot be sent.
        let _ = finished.send(run(&job, functions, &builder_watch));
    };
    thread::Builder::new()
        .name("osha-build".to_owned())
        .spawn(work)
        .map_err(|error| unavailable(format!("no thread can be started: {error}")))?;
    wait(&result, &cancelled)
}

fn wait(result: &Receiver<Result<Vec<u8>, EngineError>>, watch: &Watch) -> Result<Vec<u8>, EngineError> {
    loop {
        match result.recv_timeout(POLL) {
            _ if watch.is_cancelled() => {
                let _ = result.recv_timeout(GRACE);
                return Err(EngineError::Cancelled);
            }
            Ok(built) => return built,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(EngineError::Stopped),
        }
    }
}

fn run(job: &Job, functions: BuilderFunctions, watch: &Watch) -> Result<Vec<u8>, EngineError> {
    check_device(job)?;
    let network = Network::read(job, functions)?;
    network.check_precision(job)?;
    network.build(job, watch)
}

/// Precisions that only newer devices have.
fn check_device(job: &Job) -> Result<(), EngineError> {
    let (device, precision) = (job.context.device(), job.precision);
    let needed = match precision {
        Precision::Fp8 => (8, 9),
        Precision::Bf16 => (8, 0),
        _ => return Ok(()),
    };
    if device.capability >= needed {
        return Ok(());
    }
    let (major, minor) = needed;
    Err(unavailable(format!("{precision} needs compute capability {major}.{minor}, this is {device}")))
}

/// The precision of a network in which these types occur: the least of them decides.
fn precision_of(types: u32) -> Precision {
    /// Numbers of the library's `DataType`.
    const LEAST_FIRST: [(u32, Precision); 4] =
        [(6, Precision::Fp8), (2, Precision::Int8), (7, Precision::Bf16), (1, Precision::F16)];
    let found = LEAST_FIRST.into_iter().find(|(number, _)| types >> number & 1 == 1);
    found.map_or(Precision::F32, |(_, precision)| precision)
}

/// A model that the parser has read.
struct Network {
    raw: *mut sys::Network,
    shim: &'static sys::Shim,
    context: Arc<Context>,
    /// After the network, which uses it.
    allocator: Arc<Allocator>,
}

impl Network {
    fn read(job: &Job, functions: BuilderFunctions) -> Result<Self, EngineError> {
        let shim = job.library.shim();
        let allocator = Allocator::new(&job.context, shim)?;
        let failed = |reason: String| EngineError::BuildFailed { path: job.path.clone(), reason };
        let path =
            CString::new(job.path.as_os_str().as_bytes()).map_err(|error| failed(error.to_string()))?;
        let mut text = [0u8; TEXT];
        let capacity = TEXT as u64;
        // SAFETY: entry points of the job's library; path and text are alive during the call, the text is that long.
        let read = || unsafe {
            let text = text.as_mut_ptr().cast::<c_char>();
            let BuilderFunctions { builder, parser } = functions;
            (shim.network_new)(builder, parser, allocator.raw(), path.as_ptr(), text, capacity)
        };
        let (raw, reason) = messages::during(|| job.context.scope(read));
        let raw = raw?;
        let network = Self { raw, shim, context: Arc::clone(&job.context), allocator };
        if !raw.is_null() {
            return Ok(network);
        }
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default().to_string_lossy().into_owned();
        let parser = (!text.is_empty()).then_some(text);
        Err(network.failure(job, parser.or(reason)))
    }

    /// A precision that the model does not have is refused: the library takes types as the model has them.
    fn check_precision(&self, job: &Job) -> Result<(), EngineError> {
        // SAFETY: the network is alive.
        let found = precision_of(unsafe { (self.shim.network_types)(self.raw) });
        match job.precision {
            Precision::Model => Ok(()),
            asked if asked == found => Ok(()),
            asked => Err(EngineError::PrecisionMismatch { path: job.path.clone(), asked, found }),
        }
    }

    fn build(&self, job: &Job, watch: &Watch) -> Result<Vec<u8>, EngineError> {
        let too_large = || EngineError::BuildFailed {
            path: job.path.clone(),
            reason: "an input has a name or a shape that TensorRT cannot take. Lower the batch size"
                .to_owned(),
        };
        let profiles = Profiles::new(&job.profiles).ok_or_else(too_large)?;
        let request = request(&profiles, &job.options);
        let tracker = Tracker::new(watch, job.last_build);
        let monitor = monitor(&tracker);
        // SAFETY: the network is alive; request, profiles and tracker outlive the call.
        let build = || unsafe { (self.shim.network_build)(self.raw, &request, &monitor) };
        let (plan, reason) = messages::during(|| self.context.scope(build));
        let plan = Plan { raw: plan?, shim: self.shim, context: &self.context };
        match plan.bytes() {
            _ if watch.is_cancelled() => Err(EngineError::Cancelled),
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(self.failure(job, reason)),
        }
    }

    fn failure(&self, job: &Job, reason: Option<String>) -> EngineError {
        if let Some(short) = self.allocator.take_refused() {
            return short;
        }
        match self.context.memory() {
            Err(error) => error.into(),
            Ok(_) => EngineError::BuildFailed {
                path: job.path.clone(),
                reason: reason.unwrap_or_else(|| runtime::SILENT.to_owned()),
            },
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // SAFETY: ours, or null; `delete` takes both.
        let _ = self.context.scope(|| unsafe { (self.shim.network_delete)(self.raw) });
    }
}

/// Profiles as the library takes them, with the names that they point to.
struct Profiles {
    raw: Vec<sys::Profile>,
    _names: Vec<CString>,
}

impl Profiles {
    /// `None` if a name or shape is beyond the library.
    fn new(profiles: &[Profile]) -> Option<Self> {
        let open: Vec<_> = profiles.iter().filter(|profile| profile.is_open).collect();
        let names: Vec<_> =
            open.iter().map(|profile| CString::new(profile.name.as_str()).ok()).collect::<Option<_>>()?;
        let raw = open.iter().zip(&names).map(|(profile, name)| {
            let largest = runtime::shape_of(&profile.largest)?;
            let smallest = runtime::shape_of(&profile.smallest)?;
            Some(sys::Profile { name: name.as_ptr(), smallest, best: largest, largest })
        });
        Some(Self { raw: raw.collect::<Option<_>>()?, _names: names })
    }
}

fn request(profiles: &Profiles, options: &TensorRtOptions) -> sys::Request {
    sys::Request {
        profiles: profiles.raw.as_ptr(),
        profile_count: profiles.raw.len() as u64,
        workspace: u64::from(options.workspace_mib) << 20,
        optimization_level: options.optimization_level.map_or(-1, i32::from),
        version_compatible: options.version_compatible,
        hardware_compatible: options.hardware_compatible,
    }
}

/// What a builder made; null if it failed.
struct Plan<'a> {
    raw: *mut sys::Plan,
    shim: &'a sys::Shim,
    context: &'a Context,
}

impl Plan<'_> {
    fn bytes(&self) -> Option<&[u8]> {
        if self.raw.is_null() {
            return None;
        }
        // SAFETY: the plan is alive for as long as the result is borrowed, and its data is that long.
        unsafe {
            let size = usize::try_from((self.shim.plan_size)(self.raw)).ok().filter(|&size| size > 0)?;
            Some(std::slice::from_raw_parts((self.shim.plan_data)(self.raw).cast(), size))
        }
    }
}

impl Drop for Plan<'_> {
    fn drop(&mut self) {
        // SAFETY: ours, or null; `delete` takes both.
        let _ = self.context.scope(|| unsafe { (self.shim.plan_delete)(self.raw) });
    }
}

/// Tells `tracker` of the build. It must outlive the monitor.
fn monitor(tracker: &Tracker) -> sys::Monitor {
    let user = std::ptr::from_ref(tracker).cast_mut().cast();
    sys::Monitor { user, start: on_start, step: on_step, finish: on_finish }
}

/// # Safety
/// `user` must be the tracker of [`monitor`], alive.
unsafe fn tracker<'a>(user: *mut c_void) -> &'a Tracker {
    // SAFETY: as the caller promises.
    unsafe { &*user.cast::<Tracker>() }
}

/// # Safety
/// `text` must be a terminated string, or null.
unsafe fn text<'a>(text: *const c_char) -> Option<std::borrow::Cow<'a, str>> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy())
}

unsafe extern "C" fn on_start(user: *mut c_void, phase: *const c_char, parent: *const c_char, steps: i32) {
    // SAFETY: the library passes what `monitor` gave and terminated strings.
    let (tracker, phase, parent) = unsafe { (tracker(user), text(phase), text(parent)) };
    tracker.begin(&phase.unwrap_or_default(), parent.as_deref(), steps.unsigned_abs());
}

unsafe extern "C" fn on_step(user: *mut c_void, phase: *const c_char, step: i32) -> bool {
    // SAFETY: as in `on_start`.
    let (tracker, phase) = unsafe { (tracker(user), text(phase)) };
    tracker.advance(&phase.unwrap_or_default(), step.unsigned_abs())
}

unsafe extern "C" fn on_finish(user: *mut c_void, phase: *const c_char) {
    // SAFETY: as in `on_start`.
    let (tracker, phase) = unsafe { (tracker(user), text(phase)) };
    tracker.end(&phase.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_type_is_the_precision() {
        let types = |numbers: &[u32]| numbers.iter().fold(0, |types, number| types | 1 << number);
        assert_eq!(precision_of(types(&[0, 3, 5, 8])), Precision::F32);
        assert_eq!(precision_of(types(&[0, 1])), Precision::F16);
        assert_eq!(precision_of(types(&[0, 7])), Precision::Bf16);
        assert_eq!(precision_of(types(&[0, 1, 2])), Precision::Int8);
        assert_eq!(precision_of(types(&[6, 1])), Precision::Fp8);
        assert_eq!(precision_of(0), Precision::F32);
    }
}
