use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use gpu::gstcuda::CudaContext;
use gpu::{Frame, MemoryKind};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gstsupport::flow::Upstream;
use gstsupport::lock;

use super::backend;
use super::batch::Batch;
use super::cuda;
use super::detector::{Detector, Slot};
use super::queue::{Item, Queue};
use super::settings::{self, Settings};
use super::source::Source;
use super::startup::Startup;
use super::stats::Stats;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("trtinfer", gst::DebugColorFlags::empty(), Some("Object detection"))
});

/// A buffer on its way to the source pad.
pub(super) struct InFlight {
    pub buffer: gst::Buffer,
    pub slot: Option<Slot>,
    pub entered: Instant,
}

/// The streaming thread's side.
#[derive(Default)]
pub(super) struct State {
    pub source: Option<Source>,
    pub batch: Option<Arc<Batch>>,
    frames: u64,
}

pub struct TrtInfer {
    pub(super) sinkpad: gst::Pad,
    pub(super) srcpad: gst::Pad,
    pub(super) settings: Mutex<Settings>,
    pub(super) state: Mutex<State>,
    pub(super) detector: Mutex<Option<Arc<Detector>>>,
    pub(super) stats: Mutex<Stats>,
    pub(super) queue: Queue<InFlight>,
    pub(super) startup: Startup,
    /// Whether the GPU is lost to this process, which is said once.
    pub(super) is_lost: AtomicBool,
    /// With `fail-on-copy`: what the elements upstream do.
    upstream: Upstream,
}

/// What the inference library has to say goes to this element's debug category.
pub(super) fn log_engine(severity: engine::log::Severity, text: &str) {
    match severity {
        engine::log::Severity::Info => gst::info!(CAT, "{text}"),
        engine::log::Severity::Warning => gst::warning!(CAT, "{text}"),
        engine::log::Severity::Error => gst::error!(CAT, "{text}"),
    }
}

#[glib::object_subclass]
impl ObjectSubclass for TrtInfer {
    const NAME: &'static str = "GstTrtInfer";
    type Type = super::TrtInfer;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        Self {
            sinkpad: Self::build_sinkpad(class),
            srcpad: Self::build_srcpad(class),
            settings: Mutex::default(),
            state: Mutex::default(),
            detector: Mutex::default(),
            stats: Mutex::default(),
            queue: Queue::default(),
            startup: Startup::default(),
            is_lost: AtomicBool::default(),
            upstream: Upstream::default(),
        }
    }
}

impl ObjectImpl for TrtInfer {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        lock(&self.settings).get(pspec.name()).unwrap_or_else(|| self.stats().to_value())
    }

    fn constructed(&self) {
        self.parent_constructed();
        let object = self.obj();
        for pad in [&self.sinkpad, &self.srcpad] {
            if let Err(error) = object.add_pad(pad) {
                gst::error!(CAT, imp = self, "{error}");
            }
        }
    }
}

impl GstObjectImpl for TrtInfer {}

impl ElementImpl for TrtInfer {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Neural network object detector",
                "Filter/Analyzer/Video",
                "Runs an ONNX object detector on each frame and attaches what it sees as GstAnalyticsRelationMeta. \
                 Pixels pass through untouched",
                "The gst-osha authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| gpu::format::pad_templates().unwrap_or_default());
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.announce_context(),
            gst::StateChange::ReadyToPaused => self.start().map_err(|error| {
                self.stop();
                self.post_open_error(&error);
                gst::StateChangeError
            })?,
            gst::StateChange::PausedToReady => {
                self.startup.cancel();
                self.let_go();
            }
            _ => {}
        }
        let result = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            self.stop();
        }
        Ok(result)
    }
}

/// Start and stop.
impl TrtInfer {
    /// Makes `detector` the one that frames go to from the start.
    pub(super) fn install(&self, detector: Detector) {
        gst::info!(CAT, imp = self, "{}. {}", detector.description(), detector.refused());
        *lock(&self.stats) = Stats::default();
        *lock(&self.detector) = Some(Arc::new(detector));
    }

    fn stop(&self) {
        *lock(&self.state) = State::default();
        *lock(&self.detector) = None;
        self.startup.forget();
        self.upstream.forget();
    }

    /// The pipeline should use one context: that of the device that the network runs on, or may run on.
    fn announce_context(&self) {
        let Some(ordinal) = backend::cuda_ordinal(&lock(&self.settings)) else { return };
        let context = CudaContext::primary(ordinal);
        if let Err(error) = context.and_then(|context| context.announce(&*self.obj())) {
            gst::info!(CAT, imp = self, "no CUDA context to share: {error}");
        }
    }

    /// Whether frames in CUDA memory are refused: the network is there and runs elsewhere.
    pub(super) fn refuses_cuda(&self) -> bool {
        lock(&self.detector).as_ref().is_some_and(|detector| detector.cuda().is_none())
    }

    /// Answers a context query; `false` for queries of other kinds.
    pub(super) fn answer_context(&self, query: &mut gst::QueryRef) -> bool {
        let ordinal = backend::cuda_ordinal(&lock(&self.settings));
        ordinal.is_some_and(|ordinal| CudaContext::answer_with_primary(&*self.obj(), ordinal, query))
    }

    pub(super) fn detector(&self) -> Result<Arc<Detector>, gst::FlowError> {
        lock(&self.detector).clone().ok_or(gst::FlowError::Flushing)
    }

    /// As [`Self::detector`], for the streaming thread: if there is none, waits for one that is being built.
    fn awaited_detector(&self) -> Result<Arc<Detector>, gst::FlowError> {
        if let Ok(detector) = self.detector() {
            return Ok(detector);
        }
        self.startup.wait(|| self.sinkpad.pad_flags().contains(gst::PadFlags::FLUSHING));
        self.detector()
    }

    pub(super) fn stats(&self) -> gst::Structure {
        let detector = lock(&self.detector).clone();
        let known = detector.map(|detector| {
            (detector.description().to_owned(), detector.is_warm_start(), detector.refused())
        });
        let (engine, is_warm_start, refused) = known.unwrap_or_default();
        lock(&self.stats).structure(&engine, is_warm_start, &refused)
    }
}

/// The streaming thread: frames and events come in.
impl TrtInfer {
    pub(super) fn chain(
        &self,
        _pad: &gst::Pad,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let entered = Instant::now();
        self.check_upstream()?;
        let detector = self.awaited_detector()?;
        let (interval, depth) = {
            let settings = lock(&self.settings);
            (u64::from(settings.interval), detector.depth(&settings))
        };
        self.queue.wait_for_room(depth)?;
        self.swap_if_ready(&buffer)?;
        let mut state = lock(&self.state);
        let wanted = state.frames.is_multiple_of(interval);
        state.frames += 1;
        lock(&self.stats).frames_in += 1;
        let slot = if wanted { Some(self.enter(&mut state, &buffer)?) } else { None };
        drop(state);
        self.queue.push(Item::Frame(InFlight { buffer, slot, entered }))
    }

    /// Writes the frame into the next free slot of the current batch.
    fn enter(&self, state: &mut State, buffer: &gst::Buffer) -> Result<Slot, gst::FlowError> {
        let State { source, batch, .. } = state;
        let source = source.as_mut().ok_or(gst::FlowError::NotNegotiated)?;
        let detector = Arc::clone(&source.detector);
        let started = Instant::now();
        self.account(source)?;
        let frame =
            Frame::map(buffer, &source.info, source.memory).map_err(|error| self.stream_error(&error))?;
        loop {
            let current = match batch {
                Some(current) if !current.is_closed() => current,
                _ => batch.insert(Arc::new(
                    detector.new_batch(&lock(&self.settings)).map_err(|error| self.engine_error(&error))?,
                )),
            };
            let filled = current
                .fill(|inputs, index| source.write(&frame, inputs, index))
                .map_err(|error| self.engine_error(&error))?;
            if let Some(index) = filled {
                lock(&self.stats).preprocess.add(started.elapsed());
                let (batch, placement) = (Arc::clone(current), source.placement());
                return Ok(Slot { detector, batch, index, placement });
            }
        }
    }

    /// An error if `fail-on-copy` is set and an element upstream copied a frame.
    fn check_upstream(&self) -> Result<(), gst::FlowError> {
        let violation = self.upstream.violation();
        violation.map_or(Ok(()), |violation| Err(self.refuse_copy(&violation)))
    }

    /// A frame of `source` enters. The CPU copies it if it lies in the host's memory and the network on a GPU.
    fn account(&self, source: &Source) -> Result<(), gst::FlowError> {
        let is_copied = source.memory == MemoryKind::Host && source.detector.cuda().is_some();
        if is_copied && lock(&self.settings).fail_on_copy {
            return Err(self.refuse_copy(
                "fail-on-copy=true: the frame lies in host memory, the network runs on a GPU. Put zcbufferpool before trtinfer, \
                 or set fail-on-copy=false",
            ));
        }
        let copies = &mut lock(&self.stats).copies;
        if is_copied {
            copies.add_host_copy(source.info.size())
        } else {
            copies.zero_copy += 1
        }
        Ok(())
    }

    pub(super) fn sink_event(
        &self,
        pad: &gst::Pad,
        event: gst::Event,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        use gst::EventView;
        match event.view() {
            EventView::FlushStart(_) => self.flush_start(event),
            EventView::FlushStop(_) => self.flush_stop(event),
            EventView::Caps(caps) => {
                self.set_caps(caps.caps())?;
                if lock(&self.settings).fail_on_copy {
                    self.upstream.watch(pad);
                }
                self.enqueue(event)
            }
            EventView::Segment(_) => {
                self.enqueue(event)?;
                self.queue.push(Item::Event(self.awaited_detector()?.announcement()))
            }
            _ if event.is_serialized() => self.enqueue(event),
            _ => gst::Pad::event_default(pad, Some(&*self.obj()), event)
                .then_some(gst::FlowSuccess::Ok)
                .ok_or(gst::FlowError::Error),
        }
    }

    /// An event keeps its place between the frames; the batch before it does not wait for frames after it.
    fn enqueue(&self, event: gst::Event) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(CAT, imp = self, "queueing {event:?}");
        self.close_batch();
        let is_eos = event.type_() == gst::EventType::Eos;
        let queued = self.queue.push(Item::Event(event));
        if is_eos {
            self.post_unheard(queued);
        }
        queued
    }

    /// Drops what is queued and wakes whoever waits, also for a batch to fill up.
    pub(super) fn let_go(&self) {
        self.queue.flush();
        self.close_batch();
    }

    fn close_batch(&self) {
        let batch = lock(&self.state).batch.take();
        if let Some(batch) = batch {
            batch.submit();
        }
    }

    fn set_caps(&self, caps: &gst::CapsRef) -> Result<(), gst::FlowError> {
        self.close_batch();
        let detector = self.awaited_detector()?;
        let source = Source::new(caps, &detector).ok_or_else(|| self.not_negotiated(caps))?;
        gst::debug!(CAT, imp = self, "frames are {:?} in {:?} memory", source.info, source.memory);
        lock(&self.state).source = Some(source);
        Ok(())
    }

    fn flush_start(&self, event: gst::Event) -> Result<gst::FlowSuccess, gst::FlowError> {
        let forwarded = self.srcpad.push_event(event);
        self.let_go();
        if let Err(error) = self.srcpad.pause_task() {
            gst::warning!(CAT, imp = self, "{error}");
        }
        forwarded.then_some(gst::FlowSuccess::Ok).ok_or(gst::FlowError::Error)
    }

    fn flush_stop(&self, event: gst::Event) -> Result<gst::FlowSuccess, gst::FlowError> {
        lock(&self.state).batch = None;
        let forwarded = self.srcpad.push_event(event);
        self.queue.start();
        self.start_task().map_err(|error| {
            gst::element_imp_error!(
                self,
                gst::ResourceError::Failed,
                ("cannot go on after the flush: {error}")
            );
            gst::FlowError::Error
        })?;
        forwarded.then_some(gst::FlowSuccess::Ok).ok_or(gst::FlowError::Error)
    }

    /// A serialized query is answered when everything before it has left.
    pub(super) fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if self.answer_context(query) {
            return true;
        }
        if query.is_serialized() {
            self.close_batch();
            if !self.queue.wait_until_empty() {
                return false;
            }
        }
        let answered = gst::Pad::query_default(pad, Some(&*self.obj()), query);
        if self.refuses_cuda() {
            cuda::refuse(query);
        }
        if let gst::QueryViewMut::Allocation(query) = query.view_mut() {
            gpu::format::refuse_crop(query);
            self.raise_pool_sizes(query);
            return self.propose_pool(query) || answered;
        }
        answered
    }

    /// Offers a pool on the device, if one is asked for and nobody has offered one.
    fn propose_pool(&self, query: &mut gst::query::Allocation) -> bool {
        let Ok(detector) = self.detector() else { return false };
        let Some(device) = detector.cuda() else { return false };
        let depth = detector.depth(&lock(&self.settings)) as u32;
        device.propose(query, depth + 1).unwrap_or_else(|error| {
            gst::warning!(CAT, imp = self, "no pool is offered: {error}");
            false
        })
    }

    /// Pools must hold the frames that are in flight here on top of what the pool's owner needs.
    fn raise_pool_sizes(&self, query: &mut gst::query::Allocation) {
        let Ok(detector) = self.detector() else { return };
        let depth = detector.depth(&lock(&self.settings)) as u32;
        let pools: Vec<_> = query.allocation_pools().collect();
        for (index, (pool, size, min, max)) in (0..).zip(pools) {
            let max = if max == 0 { 0 } else { max + depth };
            query.set_nth_allocation_pool(index, pool.as_ref(), size, min + depth, max);
        }
    }
}
