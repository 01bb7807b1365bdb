use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use gpu::gstcuda::{self, CudaContext};
use gpu::{Frame, FrameError, MemoryKind, format};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use gst_base::subclass::prelude::*;
use gst_video::VideoInfo;
use gstsupport::flow::Upstream;
use gstsupport::message::post;
use gstsupport::{fault, lock};
use osha::event::Event;
use osha::spool::SpoolError;
use vision::draw::DisplayList;
use vision::geometry::Rect;

use super::analysis::{Analysis, OpenError};
use super::canvas::{Canvas, Drawn};
use super::findings::{Findings, Judged};
use super::observation::Observation;
use super::picture::Picture;
use super::settings::{self, Settings};
use super::site::LoadError;
use super::snapshot::{self, Moment, Shot, Snapshots, Still};
use super::tracks::Followed;
use super::words::Words;
use super::{cuda, message, metas, stats};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("oshaannotate", gst::DebugColorFlags::empty(), Some("Safety violations"))
});

/// What the negotiated caps mean.
struct Format {
    info: VideoInfo,
    picture: Picture,
}

/// What one frame comes to.
#[derive(Default)]
struct Seen {
    /// Its stream time.
    at: Duration,
    /// What is worth a picture.
    moments: Vec<Moment>,
    /// `None` where no detector has looked at it.
    judgement: Option<Judgement>,
}

/// What was seen on a frame, who that is, and what is right or wrong with them.
struct Judgement {
    observation: Observation,
    followed: Followed,
    findings: Findings,
}

impl Judgement {
    /// Boxes of the people, in pixels.
    fn people(&self) -> Vec<Rect> {
        let rect = |subject: &Judged| self.observation.detections[subject.detection].rect;
        self.findings.subjects.iter().map(rect).collect()
    }
}

#[derive(Default)]
pub struct OshaAnnotate {
    settings: Mutex<Settings>,
    format: Mutex<Option<Format>>,
    analysis: Mutex<Option<Analysis>>,
    canvas: Mutex<Canvas>,
    snapshots: Mutex<Option<Snapshots>>,
    told_foreign: AtomicBool,
    told_untimed: AtomicBool,
    /// With `fail-on-copy`: what the elements upstream do.
    upstream: Upstream,
}

#[glib::object_subclass]
impl ObjectSubclass for OshaAnnotate {
    const NAME: &'static str = "GstOshaAnnotate";
    type Type = super::OshaAnnotate;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for OshaAnnotate {
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
}

impl GstObjectImpl for OshaAnnotate {}

impl ElementImpl for OshaAnnotate {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Safety violation annotator",
                "Filter/Analyzer/Effect/Video",
                "Judges detected people and their protective equipment, draws them with the standard that is \
                 violated, posts osha-violation messages and writes events. Assists people, certifies nothing",
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
        if transition == gst::StateChange::NullToReady {
            self.announce_context();
        }
        self.parent_change_state(transition)
    }
}

impl BaseTransformImpl for OshaAnnotate {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = true;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        metas::register();
        let settings = lock(&self.settings).clone();
        let snapshots = self.start_snapshots(&settings)?;
        let analysis = Analysis::open(&settings).map_err(|error| open_error(&error))?;
        if let Some(recovered) = analysis.journal.recovered() {
            gst::element_imp_warning!(self, gst::ResourceError::Write, ("events-location: {recovered}"));
        }
        self.obj().set_passthrough(!settings.draw);
        self.told_foreign.store(false, Ordering::Relaxed);
        self.told_untimed.store(false, Ordering::Relaxed);
        *lock(&self.analysis) = Some(analysis);
        *lock(&self.snapshots) = snapshots;
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.finish();
        self.upstream.forget();
        *lock(&self.format) = None;
        *lock(&self.canvas) = Canvas::default();
        let snapshots = lock(&self.snapshots).take();
        drop(snapshots);
        let Some(analysis) = lock(&self.analysis).take() else { return Ok(()) };
        analysis
            .journal
            .close()
            .map_err(|error| gst::error_msg!(gst::ResourceError::Sync, ["events-location: {error}"]))
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(incaps).map_err(|error| gst::loggable_error!(CAT, "{error}"))?;
        let device = self.device();
        MemoryKind::of(incaps.features(0))
            .filter(|&memory| lock(&self.canvas).prepare(memory, device))
            .ok_or_else(|| gst::loggable_error!(CAT, "memory of {incaps} is not supported"))?;
        let size = (info.width() as usize, info.height() as usize);
        let Settings { theme, language, .. } = *lock(&self.settings);
        let picture = Picture::new(size, theme, Words::new(language))
            .map_err(|error| gst::loggable_error!(CAT, "{error}"))?;
        *lock(&self.format) = Some(Format { info, picture });
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::CustomDownstreamSticky(custom) => self.hear(custom.structure()),
            gst::EventView::Eos(_) => {
                self.finish();
                post(&*self.obj(), self.stats());
                if let Some(snapshots) = lock(&self.snapshots).as_ref() {
                    snapshots.wait();
                }
            }
            gst::EventView::FlushStop(_) => self.finish(),
            gst::EventView::Caps(_) if lock(&self.settings).fail_on_copy => {
                self.upstream.watch(self.obj().sink_pad());
            }
            _ => {}
        }
        self.parent_sink_event(event)
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        if cuda::is_available() {
            return self.parent_transform_caps(direction, caps, filter);
        }
        self.parent_transform_caps(direction, &format::without(caps, MemoryKind::Cuda), filter)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        CudaContext::answer_with_primary(&*self.obj(), self.device(), query)
            || BaseTransformImplExt::parent_query(self, direction, query)
    }

    /// Frames on the device are drawn on in place or into memory of our own. What downstream offers for them may be of
    /// another kind: stock elements hand on the pools for host memory of those behind them.
    fn decide_allocation(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        let memory = query.get().0.and_then(|caps| MemoryKind::of(caps.features(0)));
        if memory != Some(MemoryKind::Cuda) {
            return self.parent_decide_allocation(query);
        }
        while query.allocation_pools().next().is_some() {
            query.remove_nth_allocation_pool(0);
        }
        Ok(())
    }

    fn propose_allocation(
        &self,
        decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        let downstream = self.parent_propose_allocation(decide_query, query);
        format::refuse_crop(query);
        if self.obj().is_passthrough() || !gstcuda::wants_pool(query) {
            return downstream;
        }
        cuda::propose(query, self.device()).map_err(|error| gst::loggable_error!(CAT, "{error}"))
    }

    /// Takes the frame out of the queue instead of borrowing it: whether it is ours alone decides where it is drawn on. A
    /// frame that passes through is handed on with metas, in a buffer of our own around its memory if need be.
    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let Some(mut buffer) = self.take_queued_buffer() else { return Ok(GenerateOutputSuccess::NoOutput) };
        let seen = self.analyse(&buffer)?;
        self.show(&seen, &mut buffer)?;
        // Last, since a GPU draws meanwhile.
        self.attach(&seen, &mut buffer)?;
        Ok(GenerateOutputSuccess::Buffer(buffer))
    }
}

fn open_error(error: &OpenError) -> gst::ErrorMessage {
    match error {
        OpenError::Site(LoadError::Read { error: cause, .. })
            if cause.kind() == std::io::ErrorKind::NotFound =>
        {
            gst::error_msg!(gst::ResourceError::NotFound, ("{error}"))
        }
        OpenError::Site(LoadError::Read { .. }) => gst::error_msg!(gst::ResourceError::OpenRead, ("{error}")),
        OpenError::Site(_) => gst::error_msg!(gst::ResourceError::Settings, ("{error}")),
        OpenError::Spool(SpoolError::Busy { .. }) => gst::error_msg!(gst::ResourceError::Busy, ("{error}")),
        OpenError::Spool(_) => gst::error_msg!(gst::ResourceError::OpenWrite, ("{error}")),
    }
}

impl OshaAnnotate {
    fn device(&self) -> i32 {
        lock(&self.settings).device_id
    }

    /// Offers our CUDA context to the pipeline. Without one, frames stay in host memory.
    fn announce_context(&self) {
        let context = CudaContext::primary(self.device());
        match context.and_then(|context| context.announce(&*self.obj())) {
            Ok(()) => {}
            Err(error) if cuda::is_available() => {
                gst::element_imp_warning!(self, gst::ResourceError::Settings, ("device-id: {error}"));
            }
            Err(missing) => gst::info!(CAT, imp = self, "frames stay in host memory: {missing}"),
        }
    }

    /// The writer of pictures, if `settings` ask for one.
    fn start_snapshots(&self, settings: &Settings) -> Result<Option<Snapshots>, gst::ErrorMessage> {
        let plan = settings
            .snapshot_plan()
            .map_err(|error| gst::error_msg!(gst::ResourceError::Settings, ("snapshot-location: {error}")))?;
        let element = self.obj().downgrade();
        let start = |plan| Snapshots::start(plan, move |outcome| hear(element.upgrade().as_ref(), &outcome));
        plan.map(start).transpose().map_err(|error| {
            gst::error_msg!(
                gst::ResourceError::Failed,
                ("snapshot-location: no thread to write pictures: {error}")
            )
        })
    }

    /// Keeps and draws what is known of the frame in `buffer`.
    fn show(&self, seen: &Seen, buffer: &mut gst::Buffer) -> Result<(), gst::FlowError> {
        let Settings { banner, draw, .. } = *lock(&self.settings);
        if !draw && seen.moments.is_empty() {
            return Ok(());
        }
        let mut format = lock(&self.format);
        let Format { info, picture } = format.as_mut().ok_or(gst::FlowError::NotNegotiated)?;
        let list = picture.display_list(seen.at, banner);
        self.check_download(seen, buffer, info)?;
        self.keep(seen, &list, buffer, info).map_err(|error| self.frame_error(&error))?;
        if !draw || list.primitives.is_empty() {
            return Ok(());
        }
        let mut canvas = lock(&self.canvas);
        let drawn = canvas.draw(&list, buffer, info);
        let (is_foreign, on_host, bytes) = (canvas.is_foreign(), canvas.is_host(), info.size());
        drop((canvas, format));
        let drawn = drawn.map_err(|error| self.frame_error(&error))?;
        self.tell_foreign(is_foreign);
        if let Some(analysis) = lock(&self.analysis).as_mut() {
            analysis.counters.count(drawn, bytes, on_host);
        }
        if drawn == Drawn::OnCopy && on_host && lock(&self.settings).fail_on_copy {
            return Err(self.refuse_copy(
                "fail-on-copy=true: somebody else holds the frame too (a tee, or a decoder that predicts from it), so that it \
                 was drawn on a copy. Set draw=false, or fail-on-copy=false",
            ));
        }
        Ok(())
    }

    /// Counts the frame of `info` in `buffer` if a picture of it is kept and it has to come from the device for that. With
    /// `fail-on-copy` that is an error.
    fn check_download(
        &self,
        seen: &Seen,
        buffer: &gst::BufferRef,
        info: &VideoInfo,
    ) -> Result<(), gst::FlowError> {
        if seen.moments.is_empty() || lock(&self.snapshots).is_none() || !cuda::is_download(buffer) {
            return Ok(());
        }
        if lock(&self.settings).fail_on_copy {
            return Err(self.refuse_copy(
                "fail-on-copy=true: a picture is kept of a frame in GPU memory, which brings it to the host. Leave \
                 snapshot-location unset, or set fail-on-copy=false",
            ));
        }
        cuda::count_download(info);
        Ok(())
    }

    /// Hands the frame of `info` in `buffer` to the writer of pictures if something happened on it. Frames in device memory
    /// are brought to the host.
    fn keep(
        &self,
        seen: &Seen,
        list: &DisplayList,
        buffer: &gst::BufferRef,
        info: &VideoInfo,
    ) -> Result<(), FrameError> {
        let snapshots = lock(&self.snapshots);
        let Some(snapshots) = snapshots.as_ref().filter(|_| !seen.moments.is_empty()) else { return Ok(()) };
        let still = Still::of(&Frame::map(buffer, info, MemoryKind::Host)?.image()?);
        let people = seen.judgement.as_ref().map(Judgement::people).unwrap_or_default();
        let moments = seen.moments.clone();
        let dropped_before = snapshots.counts.dropped.load(Ordering::Relaxed) > 0;
        if !snapshots.keep(Shot { still, list: list.clone(), people, moments }) && !dropped_before {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Write,
                ("snapshot-location: the disk is too slow, pictures are dropped; stats counts them. Name a faster disk, or use .jpg")
            );
        }
        Ok(())
    }

    /// Says once that frames do not lie in the context that the pipeline was offered.
    fn tell_foreign(&self, is_foreign: bool) {
        if is_foreign && !self.told_foreign.swap(true, Ordering::Relaxed) {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                (
                    "frames lie in another CUDA context than that of device-id={}: drawing there, which takes more memory",
                    self.device()
                )
            );
        }
    }

    /// Says once that nobody knows the time of day that rules ask for.
    fn tell_timeless(&self) {
        if lock(&self.analysis).as_mut().is_some_and(Analysis::is_timeless) {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Failed,
                ("rules: schedules and hour cannot be judged, as frames have no reference timestamp and \
                     events-wall-clock=false: rules with a schedule hold all the time, hour is unknown. Attach reference \
                     timestamps, or set events-wall-clock=true")
            );
        }
    }

    fn refuse_copy(&self, reason: &str) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Failed, ("{reason}"));
        gst::FlowError::Error
    }

    /// Judges the frame and reports what began or ended.
    fn analyse(&self, buffer: &gst::BufferRef) -> Result<Seen, gst::FlowError> {
        self.upstream.violation().map_or(Ok(()), |copied| Err(self.refuse_copy(&copied)))?;
        let at = self.stream_time(buffer).unwrap_or_else(|| self.last_time());
        if lock(&self.analysis).as_ref().is_some_and(|analysis| analysis.is_rewound(at)) {
            self.finish();
        }
        let (events, judgement) = self.judge(at, buffer)?;
        self.tell_timeless();
        let moments = snapshot::moments(&events, at, lock(&self.settings).snapshot);
        self.report(events).map_err(|_| gst::FlowError::Error)?;
        Ok(Seen { at, moments, judgement })
    }

    /// Judges the frame of time `at`. Returns what began or ended, too.
    fn judge(
        &self,
        at: Duration,
        buffer: &gst::BufferRef,
    ) -> Result<(Vec<Event>, Option<Judgement>), gst::FlowError> {
        let mut analysis = lock(&self.analysis);
        let analysis = analysis.as_mut().ok_or(gst::FlowError::Flushing)?;
        analysis.counters.frames += 1;
        analysis.journal.see(at, buffer);
        let Some(observation) = Observation::of(buffer) else { return Ok(Default::default()) };
        let mut format = lock(&self.format);
        let format = format.as_mut().ok_or(gst::FlowError::NotNegotiated)?;
        let size = (format.info.width(), format.info.height());
        let (followed, report) = analysis.analyse(at, size, &observation);
        let findings = Findings::new(at, &report, &observation.scores(), &analysis.zones);
        format.picture.show(&observation, &findings);
        Ok((report.events, Some(Judgement { observation, followed, findings })))
    }

    /// Attaches what is found to the frame.
    fn attach(&self, seen: &Seen, buffer: &mut gst::Buffer) -> Result<(), gst::FlowError> {
        let Some(Judgement { observation, followed, findings }) = &seen.judgement else { return Ok(()) };
        metas::attach(buffer.make_mut(), observation, followed, findings).map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("findings cannot be attached: {error}"));
            gst::FlowError::Error
        })
    }

    /// Time in the stream, which does not depend on when it is played.
    fn stream_time(&self, buffer: &gst::BufferRef) -> Option<Duration> {
        let segment = self.obj().segment();
        let segment = segment.downcast_ref::<gst::ClockTime>();
        let time = segment.and_then(|segment| segment.to_stream_time(buffer.pts()));
        time.or(buffer.pts()).map(Duration::from)
    }

    /// The time of the frame before one without a timestamp: no time has passed. Says once that there is such a frame.
    fn last_time(&self) -> Duration {
        if !self.told_untimed.swap(true, Ordering::Relaxed) {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Format,
                ("a frame has no timestamp: it counts as taken together with the one before, and where no frame has one no \
                  violation lasts long enough to be reported. Let the source set timestamps, e.g. do-timestamp=true")
            );
        }
        lock(&self.analysis).as_ref().and_then(|analysis| analysis.last).unwrap_or_default()
    }

    /// Closes what is open: the stream ends, stops or jumps.
    fn finish(&self) {
        if let Some(format) = lock(&self.format).as_mut() {
            format.picture.clear();
        }
        let events = lock(&self.analysis).as_mut().map(Analysis::finish).unwrap_or_default();
        // The error is on the bus; there is nobody to return it to.
        let _ = self.report(events);
    }

    /// Learns what network looks at the frames.
    fn hear(&self, custom: Option<&gst::StructureRef>) {
        let hear = |custom| lock(&self.analysis).as_mut().map(|analysis| analysis.hear(custom));
        let silent = custom.and_then(hear).unwrap_or_default();
        if !silent.is_empty() {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                (
                    "rules: no label of the model shows the equipment of {} in use: not to see it means nothing, so from_absence \
                     finds nothing. Name the label in [classes], or use a model that knows the equipment",
                    silent.join(", ")
                )
            );
        }
    }

    /// Keeps and then posts `events`: what was heard of is in the spool. A failure is posted as an error. Nothing is locked
    /// meanwhile: whoever hears of an event may ask for the counters at once.
    fn report(&self, events: Vec<Event>) -> Result<(), SpoolError> {
        let tell = |error: &SpoolError| {
            gst::element_imp_error!(self, gst::ResourceError::Write, ("events-location: {error}"));
        };
        for mut event in events {
            let recorded =
                lock(&self.analysis).as_mut().map_or(Ok(()), |analysis| analysis.record(&mut event));
            gst::info!(CAT, imp = self, "{event:?}");
            if let Some(structure) = message::violation(&event) {
                post(&*self.obj(), structure);
            }
            recorded.inspect_err(tell)?;
        }
        let sync = |analysis: &mut Analysis| analysis.journal.sync_if_due();
        lock(&self.analysis).as_mut().map_or(Ok(()), sync).inspect_err(tell)
    }

    /// Tells the bus why the frame cannot be drawn on.
    fn frame_error(&self, error: &FrameError) -> gst::FlowError {
        match error {
            FrameError::Cuda(cause) if fault::post(&*self.obj(), cause, None, &error.to_string()) => {}
            FrameError::Cuda(_) => gst::element_imp_error!(self, gst::ResourceError::Failed, ("{error}")),
            _ => gst::element_imp_error!(self, gst::StreamError::Format, ("{error}")),
        }
        gst::FlowError::Error
    }

    fn stats(&self) -> gst::Structure {
        let counters = lock(&self.analysis).as_ref().map(|analysis| analysis.counters).unwrap_or_default();
        let snapshots = lock(&self.snapshots).as_ref().map(|snapshots| snapshots.counts.clone());
        stats::structure(&counters, &snapshots.unwrap_or_default())
    }
}

/// Tells the bus what became of a picture.
fn hear(element: Option<&super::OshaAnnotate>, outcome: &snapshot::Outcome<'_>) {
    let Some(element) = element else { return };
    match outcome {
        snapshot::Outcome::Written(path, moment) => {
            post(element, message::snapshot(path, moment));
        }
        snapshot::Outcome::Failed(error) => {
            gst::element_warning!(element, gst::ResourceError::Write, ("snapshot-location: {error}"));
        }
    }
}
