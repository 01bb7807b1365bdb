//! Starting while an engine is built: state changes go through at once, frames wait, and a stop gives the build up.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::EngineError;
use engine::tensorrt::progress::{Observer, Warner};
use engine::tensorrt::{Prepared, Progress, Watch};
use gst::subclass::prelude::*;
use gstsupport::{lock, message};

use super::WarmStart;
use super::backend;
use super::detector::{Detector, OpenError};
use super::imp::TrtInfer;
use super::settings::Settings;

/// How often a waiting thread looks whether it is to give up.
const POLL: Duration = Duration::from_millis(50);
/// How often progress is told while the phase stays the same.
const PAUSE: Duration = Duration::from_secs(1);
/// What GStreamer's progress messages are about.
const TASK: &str = "trtinfer-engine";

/// A build that is under way, if any, and what came of it.
#[derive(Default)]
pub(super) struct Startup {
    build: Mutex<Option<Watch>>,
    ended: Condvar,
    /// Waits to take over from a warm start.
    ready: Mutex<Option<Arc<Detector>>>,
}

impl Startup {
    fn begin(&self, watch: &Watch) {
        *lock(&self.build) = Some(watch.clone());
    }

    /// Calls `work` and lets the waiting go on, unless the build was given up or another one was begun.
    fn end(&self, watch: &Watch, work: impl FnOnce()) {
        let mut build = lock(&self.build);
        if build.as_ref().is_some_and(|current| Arc::ptr_eq(&current.cancel, &watch.cancel)) {
            work();
            *build = None;
            self.ended.notify_all();
        }
    }

    /// Gives the build up.
    pub fn cancel(&self) {
        if let Some(watch) = lock(&self.build).take() {
            watch.cancel.store(true, Ordering::Relaxed);
            self.ended.notify_all();
        }
    }

    /// The detector that is to take over, once.
    pub fn take_ready(&self) -> Option<Arc<Detector>> {
        lock(&self.ready).take()
    }

    /// Nothing takes over any more.
    pub fn forget(&self) {
        *lock(&self.ready) = None;
    }

    /// Waits until nothing is being built, or `give_up` says so.
    pub fn wait(&self, give_up: impl Fn() -> bool) {
        let mut build = lock(&self.build);
        while build.is_some() && !give_up() {
            let waited = self.ended.wait_timeout(build, POLL);
            build = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl TrtInfer {
    /// Loads the network: at once if its engine is there, otherwise in the background.
    ///
    /// # Errors
    /// What is wrong with the settings. Whatever goes wrong in the background is posted on the bus.
    pub(super) fn start(&self) -> Result<(), OpenError> {
        engine::log::set_handler(super::imp::log_engine);
        self.is_lost.store(false, Ordering::Relaxed);
        let settings = lock(&self.settings).clone();
        if settings.fail_on_copy && settings.warm_start == WarmStart::OnnxRuntimeCpu {
            return Err(OpenError::WarmStartCopies);
        }
        let prepared = backend::prepare(&settings);
        let miss = prepared.as_ref().and_then(Prepared::needs_build).map(ToString::to_string);
        match (prepared, miss) {
            (Some(prepared), Some(miss)) => self.start_in_background(settings, prepared, &miss),
            (prepared, _) => {
                self.install(Detector::open(&settings, prepared, &self.watch())?);
                Ok(())
            }
        }
    }

    /// What to tell of a build, and how to end it.
    fn watch(&self) -> Watch {
        Watch { observer: Some(self.observer()), warn: Some(self.warner()), ..Watch::default() }
    }

    /// `miss` says why an engine is built.
    fn start_in_background(
        &self,
        settings: Settings,
        prepared: Prepared,
        miss: &str,
    ) -> Result<(), OpenError> {
        // Before the build begins: what is recorded on the GPU is not disturbed by the builder then.
        if let Some(warm) = Detector::open_warm(&settings)? {
            self.install(warm);
        }
        let watch = self.watch();
        self.startup.begin(&watch);
        self.post_progress(
            gst::ProgressType::Start,
            &format!("an engine is built for this GPU, since {miss}"),
        );
        let this = self.ref_counted();
        let work = move || {
            let opened = Detector::open(&settings, Some(prepared), &watch);
            this.startup.end(&watch, || this.finish_start(opened));
        };
        let started = std::thread::Builder::new().name("trtinfer-start".to_owned()).spawn(work);
        started.map(drop).map_err(|error| {
            self.startup.cancel();
            let reason = format!("no thread can be started ({error}); raise the limit on processes");
            EngineError::Unavailable { backend: "TensorRT".to_owned(), reason }.into()
        })
    }

    fn finish_start(&self, opened: Result<Detector, OpenError>) {
        match opened {
            Ok(detector) => {
                self.hand_over(detector);
                self.post_progress(gst::ProgressType::Complete, "the engine is ready");
            }
            Err(error) => {
                // A warm start does not stand in for an engine that never comes.
                *lock(&self.detector) = None;
                self.post_progress(gst::ProgressType::Error, &error.to_string());
                self.post_open_error(&error);
            }
        }
    }

    /// Lets frames go to `detector`: at once, or behind those of a warm start.
    fn hand_over(&self, detector: Detector) {
        if lock(&self.detector).is_some() {
            *lock(&self.startup.ready) = Some(Arc::new(detector));
            return;
        }
        self.install(detector);
        // The batch is known now, and with it how long frames stay here.
        message::post_latency(&*self.obj());
    }

    /// Posts how far a build is, when the percent or the phase is another one and not too often.
    fn observer(&self) -> Observer {
        let this = self.obj().downgrade();
        let last: Mutex<Option<(Instant, u8)>> = Mutex::default();
        Arc::new(move |progress: &Progress| {
            let mut last = lock(&last);
            if last.is_some_and(|(at, percent)| percent == progress.percent || at.elapsed() < PAUSE) {
                return;
            }
            *last = Some((Instant::now(), progress.percent));
            drop(last);
            if let Some(element) = this.upgrade() {
                message::post(&element, structure(progress));
                element.imp().post_progress(gst::ProgressType::Continue, &progress.to_string());
            }
        })
    }

    /// Posts what goes wrong while the engine is good all the same.
    fn warner(&self) -> Warner {
        let this = self.obj().downgrade();
        Arc::new(move |text: &str| {
            if let Some(element) = this.upgrade() {
                gst::element_warning!(element, gst::ResourceError::Write, ("engine-cache: {text}"));
            }
        })
    }

    fn post_progress(&self, kind: gst::ProgressType, text: &str) {
        message::post_progress(&*self.obj(), kind, TASK, text);
    }
}

/// As the message `trtinfer-progress` has it.
fn structure(progress: &Progress) -> gst::Structure {
    let milliseconds = |duration: Duration| duration.as_millis() as u64;
    let structure = gst::Structure::builder("trtinfer-progress")
        .field("phase", progress.phase.as_str())
        .field("percent", u32::from(progress.percent))
        .field("elapsed-ms", milliseconds(progress.elapsed));
    match progress.remaining {
        Some(remaining) => structure.field("remaining-ms", milliseconds(remaining)).build(),
        None => structure.build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_goes_on_when_the_build_ends_or_is_given_up() {
        for is_cancelled in [false, true] {
            let (startup, watch) = (Startup::default(), Watch::default());
            startup.begin(&watch);
            std::thread::scope(|scope| {
                let waiter = scope.spawn(|| startup.wait(|| false));
                std::thread::sleep(POLL);
                assert!(!waiter.is_finished());
                if is_cancelled { startup.cancel() } else { startup.end(&watch, || ()) }
            });
            assert_eq!(watch.is_cancelled(), is_cancelled);
        }
    }

    #[test]
    fn a_build_that_was_given_up_installs_nothing() {
        let (startup, watch) = (Startup::default(), Watch::default());
        startup.begin(&watch);
        startup.cancel();
        startup.begin(&Watch::default());
        startup.end(&watch, || panic!("installed"));
        let started = Instant::now();
        startup.wait(|| started.elapsed() > POLL);
        assert!(lock(&startup.build).is_some(), "the second build was ended by the first");
    }
}
