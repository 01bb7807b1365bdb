use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gpu::Frame;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Output;
use super::attach;
use super::backend;
use super::batch::Batch;
use super::cuda::{self, Device};
use super::detector::{Detector, OpenError, Slot};
use super::queue::{Item, Queue};
use super::settings::{self, Settings};
use super::source::Source;
use super::stats::Stats;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("trtinfer", gst::DebugColorFlags::empty(), Some("Object detection"))
});

/// A buffer on its way to the source pad.
struct InFlight {
    buffer: gst::Buffer,
    slot: Option<Slot>,
    entered: Instant,
}

/// The streaming thread's side.
#[derive(Default)]
struct State {
    source: Option<Source>,
    batch: Option<Arc<Batch>>,
    frames: u64,
}

pub struct TrtInfer {
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
    settings: Mutex<Settings>,
    state: Mutex<State>,
    detector: Mutex<Option<Arc<Detector>>>,
    /// There while the network runs on it.
    device: Mutex<Option<Device>>,
    stats: Mutex<Stats>,
    queue: Queue<InFlight>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the inference library has to say goes to this element's debug category.
fn log_engine(severity: engine::log::Severity, text: &str) {
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
            device: Mutex::default(),
            stats: Mutex::default(),
            queue: Queue::default(),
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
                self.post_open_error(&error);
                gst::StateChangeError
            })?,
            gst::StateChange::PausedToReady => self.let_go(),
            _ => {}
        }
        let result = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            self.stop();
        }
        Ok(result)
    }
}

/// Pads.
impl TrtInfer {
    fn build_sinkpad(class: &<Self as ObjectSubclass>::Class) -> gst::Pad {
        let template = class.pad_template("sink");
        gst::Pad::builder_from_template(
            &template.unwrap_or_else(|| unreachable!("the class has a sink template")),
        )
        .chain_function(|pad, parent, buffer| {
            Self::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |this| this.chain(pad, buffer),
            )
        })
        .event_full_function(|pad, parent, event| {
            Self::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |this| this.sink_event(pad, event),
            )
        })
        .query_function(|pad, parent, query| {
            Self::catch_panic_pad_function(parent, || false, |this| this.sink_query(pad, query))
        })
        .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION)
        .build()
    }

    fn build_srcpad(class: &<Self as ObjectSubclass>::Class) -> gst::Pad {
        let template = class.pad_template("src");
        gst::Pad::builder_from_template(
            &template.unwrap_or_else(|| unreachable!("the class has a src template")),
        )
        .query_function(|pad, parent, query| {
            Self::catch_panic_pad_function(parent, || false, |this| this.src_query(pad, query))
        })
        .activatemode_function(|pad, parent, _mode, active| {
            Self::catch_panic_pad_function(
                parent,
                || Err(gst::loggable_error!(CAT, "panic while activating")),
                |this| this.activate(pad, active),
            )
        })
        .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_SCHEDULING)
        .build()
    }

    fn activate(&self, pad: &gst::Pad, active: bool) -> Result<(), gst::LoggableError> {
        if active {
            self.queue.start();
            return self.start_task();
        }
        self.let_go();
        pad.stop_task().map_err(|error| gst::loggable_error!(CAT, "{error}"))
    }

    fn start_task(&self) -> Result<(), gst::LoggableError> {
        let this = self.ref_counted();
        self.srcpad.start_task(move || this.push_one()).map_err(|error| gst::loggable_error!(CAT, "{error}"))
    }
}

/// Start and stop.
impl TrtInfer {
    fn start(&self) -> Result<(), OpenError> {
        engine::log::set_handler(log_engine);
        let settings = lock(&self.settings).clone();
        let detector = Detector::open(&settings)?;
        gst::info!(CAT, imp = self, "{}. {}", detector.description(), detector.refused());
        *lock(&self.device) = self.open_device(&detector)?;
        *lock(&self.stats) = Stats::default();
        *lock(&self.detector) = Some(Arc::new(detector));
        Ok(())
    }

    fn stop(&self) {
        *lock(&self.state) = State::default();
        *lock(&self.detector) = None;
        *lock(&self.device) = None;
    }

    fn open_device(&self, detector: &Detector) -> Result<Option<Device>, OpenError> {
        let engine::Device::Cuda(ordinal) = detector.device() else { return Ok(None) };
        match Device::open(i32::try_from(ordinal).unwrap_or(i32::MAX)) {
            Ok(device) => Ok(Some(device)),
            Err(error) => {
                gst::warning!(CAT, imp = self, "frames are taken in host memory only: {error}");
                Ok(None)
            }
        }
    }

    /// The pipeline should use one context: that of the device that the network runs on, or may run on.
    fn announce_context(&self) {
        let Some(ordinal) = backend::cuda_ordinal(&lock(&self.settings)) else { return };
        if let Err(error) = cuda::announce(&self.obj(), ordinal) {
            gst::info!(CAT, imp = self, "no CUDA context to share: {error}");
        }
    }

    /// Whether frames in CUDA memory are refused: the network is there and runs elsewhere.
    fn refuses_cuda(&self) -> bool {
        lock(&self.detector).is_some() && lock(&self.device).is_none()
    }

    /// Answers a context query; `false` for queries of other kinds.
    fn answer_context(&self, query: &mut gst::QueryRef) -> bool {
        let ordinal = backend::cuda_ordinal(&lock(&self.settings));
        ordinal.is_some_and(|ordinal| cuda::answer(&self.obj(), ordinal, query))
    }

    fn post_open_error(&self, error: &OpenError) {
        let text = format!("{}: {error}", error.property());
        if error.is_not_found() {
            gst::element_imp_error!(self, gst::ResourceError::NotFound, ("{text}"));
        } else {
            gst::element_imp_error!(self, gst::ResourceError::Settings, ("{text}"));
        }
    }

    fn detector(&self) -> Result<Arc<Detector>, gst::FlowError> {
        lock(&self.detector).clone().ok_or(gst::FlowError::Flushing)
    }

    fn stats(&self) -> gst::Structure {
        let detector = lock(&self.detector).clone();
        let texts = detector.map(|detector| (detector.description().to_owned(), detector.refused()));
        let (engine, refused) = texts.unwrap_or_default();
        lock(&self.stats).structure(&engine, &refused)
    }
}

/// The streaming thread: frames and events come in.
impl TrtInfer {
    fn chain(&self, _pad: &gst::Pad, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let entered = Instant::now();
        let detector = self.detector()?;
        let (interval, depth) = {
            let settings = lock(&self.settings);
            (u64::from(settings.interval), settings.depth(detector.batch_size()))
        };
        self.queue.wait_for_room(depth)?;
        let mut state = lock(&self.state);
        let wanted = state.frames.is_multiple_of(interval);
        state.frames += 1;
        lock(&self.stats).frames_in += 1;
        let slot = if wanted { Some(self.enter(&mut state, &detector, &buffer)?) } else { None };
        drop(state);
        self.queue.push(Item::Frame(InFlight { buffer, slot, entered }))
    }

    /// Writes the frame into the next free slot of the current batch.
    fn enter(
        &self,
        state: &mut State,
        detector: &Detector,
        buffer: &gst::Buffer,
    ) -> Result<Slot, gst::FlowError> {
        let State { source, batch, .. } = state;
        let source = source.as_mut().ok_or(gst::FlowError::NotNegotiated)?;
        let started = Instant::now();
        let frame =
            Frame::map(buffer, &source.info, source.memory).map_err(|error| self.stream_error(&error))?;
        loop {
            let current = match batch {
                Some(current) if !current.is_closed() => current,
                _ => batch.insert(Arc::new(detector.new_batch().map_err(|error| self.engine_error(&error))?)),
            };
            let filled = current
                .fill(detector.engine(), |inputs, index| source.write(detector, &frame, inputs, index))
                .map_err(|error| self.engine_error(&error))?;
            if let Some(index) = filled {
                lock(&self.stats).preprocess.add(started.elapsed());
                return Ok(Slot { batch: Arc::clone(current), index, placement: source.placement() });
            }
        }
    }

    fn stream_error(&self, error: &dyn std::error::Error) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Format, ("{error}"));
        gst::FlowError::Error
    }

    fn engine_error(&self, error: &dyn std::error::Error) -> gst::FlowError {
        let model = lock(&self.settings).model.clone().unwrap_or_default();
        gst::element_imp_error!(self, gst::LibraryError::Failed, ("model: {}: {error}", model.display()));
        gst::FlowError::Error
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> Result<gst::FlowSuccess, gst::FlowError> {
        use gst::EventView;
        match event.view() {
            EventView::FlushStart(_) => self.flush_start(event),
            EventView::FlushStop(_) => self.flush_stop(event),
            EventView::Caps(caps) => {
                self.set_caps(caps.caps())?;
                self.enqueue(event)
            }
            EventView::Segment(_) => {
                self.enqueue(event)?;
                self.queue.push(Item::Event(self.detector()?.announcement()))
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

    /// Upstream hears of a failure with its next frame. After its last one nobody else would say it.
    fn post_unheard(&self, result: Result<gst::FlowSuccess, gst::FlowError>) {
        use gst::FlowError::{Eos, Flushing};
        match result {
            Ok(_) | Err(Eos | Flushing) => {}
            Err(error) => {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Failed,
                    ("frames cannot be passed on: {error}")
                );
            }
        }
    }

    /// Drops what is queued and wakes whoever waits, also for a batch to fill up.
    fn let_go(&self) {
        self.queue.flush();
        self.close_batch();
    }

    fn close_batch(&self) {
        let batch = lock(&self.state).batch.take();
        if let (Some(batch), Ok(detector)) = (batch, self.detector()) {
            batch.submit(detector.engine());
        }
    }

    fn set_caps(&self, caps: &gst::CapsRef) -> Result<(), gst::FlowError> {
        self.close_batch();
        let detector = self.detector()?;
        let device = lock(&self.device).clone();
        let source = Source::new(caps, &detector, device.as_ref()).ok_or_else(|| {
            gst::element_imp_error!(
                self,
                gst::CoreError::Negotiation,
                ("caps that trtinfer cannot take: {caps}")
            );
            gst::FlowError::NotNegotiated
        })?;
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
    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
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
            self.raise_pool_sizes(query);
            return self.propose_pool(query) || answered;
        }
        answered
    }

    /// Offers a pool on the device, if one is asked for and nobody has offered one.
    fn propose_pool(&self, query: &mut gst::query::Allocation) -> bool {
        let (Some(device), Ok(detector)) = (lock(&self.device).clone(), self.detector()) else {
            return false;
        };
        let depth = lock(&self.settings).depth(detector.batch_size()) as u32;
        device.propose(query, depth + 1).unwrap_or_else(|error| {
            gst::warning!(CAT, imp = self, "no pool is offered: {error}");
            false
        })
    }

    /// Pools must hold the frames that are in flight here on top of what the pool's owner needs.
    fn raise_pool_sizes(&self, query: &mut gst::query::Allocation) {
        let Ok(detector) = self.detector() else { return };
        let depth = lock(&self.settings).depth(detector.batch_size()) as u32;
        let pools: Vec<_> = query.allocation_pools().collect();
        for (index, (pool, size, min, max)) in (0..).zip(pools) {
            let max = if max == 0 { 0 } else { max + depth };
            query.set_nth_allocation_pool(index, pool.as_ref(), size, min + depth, max);
        }
    }
}

/// The source pad's task: frames and events go out.
impl TrtInfer {
    fn push_one(&self) {
        let result = match self.queue.pop() {
            Some(Item::Event(event)) => {
                gst::trace!(CAT, imp = self, "pushing {event:?}");
                self.srcpad.push_event(event);
                Ok(gst::FlowSuccess::Ok)
            }
            Some(Item::Frame(frame)) => self.push_frame(frame),
            None => Err(gst::FlowError::Flushing),
        };
        if !self.queue.finish(result) {
            self.end_of_flow(result);
        }
    }

    fn end_of_flow(&self, result: Result<gst::FlowSuccess, gst::FlowError>) {
        gst::debug!(CAT, imp = self, "pausing: {result:?}");
        if self.queue.is_eos() {
            self.post_unheard(result);
        }
        if let Err(error) = self.srcpad.pause_task() {
            gst::debug!(CAT, imp = self, "{error}: the element stops");
        }
    }

    fn push_frame(&self, frame: InFlight) -> Result<gst::FlowSuccess, gst::FlowError> {
        let InFlight { mut buffer, slot, entered } = frame;
        let attached = match slot {
            Some(slot) => {
                self.detector().and_then(|detector| self.attach(&detector, &slot, buffer.make_mut()))
            }
            None => {
                attach::nothing(&mut buffer);
                Ok(())
            }
        };
        self.queue.release_frame();
        attached?;
        {
            let mut stats = lock(&self.stats);
            stats.frames_out += 1;
            stats.total.add(entered.elapsed());
        }
        self.srcpad.push(buffer)
    }

    /// Waits for the frame's results and puts them on its buffer.
    fn attach(
        &self,
        detector: &Detector,
        slot: &Slot,
        buffer: &mut gst::BufferRef,
    ) -> Result<(), gst::FlowError> {
        let settings = lock(&self.settings).clone();
        let Some(results) =
            slot.batch.wait(detector.engine(), settings.linger(), |inputs| detector.recycle(inputs))
        else {
            return Err(gst::FlowError::Flushing);
        };
        let outputs = results.outputs.as_ref().map_err(|error| self.engine_error(error))?;
        let started = Instant::now();
        let detections = match settings.output {
            #[cfg(feature = "v1_26")]
            Output::Tensors => {
                super::tensors::attach(buffer, detector.model(), outputs, slot.index, detector.batch_size())
                    .map_err(|error| self.engine_error(&error))?;
                0
            }
            Output::Detections => {
                let found =
                    detector.decode(outputs, slot, &settings).map_err(|error| self.engine_error(&error))?;
                attach::detections(buffer, &found, |class| detector.label(class))
                    .map_err(|error| self.engine_error(&error))?;
                found.len()
            }
        };
        let mut stats = lock(&self.stats);
        stats.inferred += 1;
        stats.detections += detections as u64;
        stats.postprocess.add(started.elapsed());
        if slot.index == 0 {
            stats.inference.add(results.elapsed);
        }
        Ok(())
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if self.answer_context(query) {
            return true;
        }
        let answered = gst::Pad::query_default(pad, Some(&*self.obj()), query);
        if self.refuses_cuda() {
            cuda::refuse(query);
        }
        if let (true, gst::QueryViewMut::Latency(latency)) = (answered, query.view_mut()) {
            let (live, min, max) = latency.result();
            let own = if live { self.latency() } else { gst::ClockTime::ZERO };
            gst::debug!(CAT, imp = self, "own latency {own}");
            latency.set(live, min + own, max.map(|max| max + own));
        }
        answered
    }

    /// At most this long does a frame of a live stream stay here: the frames in flight at the stream's rate.
    fn latency(&self) -> gst::ClockTime {
        let Ok(detector) = self.detector() else { return gst::ClockTime::ZERO };
        let depth = lock(&self.settings).depth(detector.batch_size()) as u64;
        lock(&self.state).source.as_ref().and_then(|source| source.duration(depth)).unwrap_or_default()
    }
}
