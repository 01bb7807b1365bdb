use std::sync::{Arc, LazyLock, Mutex};

use gpu::gstcuda::{self, CudaContext};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use gst_base::subclass::prelude::*;
use gst_video::{VideoInfo, VideoMeta};
use gstsupport::flow::Upstream;
use gstsupport::{fault, lock, message};

use super::convert::{ConvertError, Converter};
use super::counters::Counters;
use super::negotiation::{self, Route};
use super::plan::{Gpu, Plan, PlanError, Target};
use super::pool::{FramePool, Parts, stays_exhausted};
use super::settings::{self, Settings};
use super::{CAT, Memory};

/// What exists between start and stop.
struct State {
    plan: Plan,
    gpu: Option<Gpu>,
    route: Option<Route>,
    info: Option<VideoInfo>,
    converter: Option<Arc<Converter>>,
    /// Frames that downstream holds at a time.
    held: u32,
}

#[derive(Default)]
pub struct ZcBufferPool {
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    counters: Arc<Counters>,
    /// Every pool that someone may wait for.
    pools: Mutex<Vec<glib::WeakRef<gst::BufferPool>>>,
    /// With `fail-on-copy`: what the elements upstream do.
    upstream: Upstream,
}

#[glib::object_subclass]
impl ObjectSubclass for ZcBufferPool {
    const NAME: &'static str = "GstZcBufferPool";
    type Type = super::ZcBufferPool;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for ZcBufferPool {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let setting = lock(&self.settings).get(pspec.name());
        setting.unwrap_or_else(|| self.stats().to_value())
    }
}

impl GstObjectImpl for ZcBufferPool {}

impl ElementImpl for ZcBufferPool {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Zero-copy buffer pool",
                "Filter/Memory/Video",
                "Keeps frames in one kind of memory: offers upstream a bounded pool to write into, uploads host frames \
                 or lends them to the GPU, and counts every copy",
                "The gst-osha authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| negotiation::pad_templates().unwrap_or_default());
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.announce(),
            // Whoever waits for a buffer must not keep the pads from stopping.
            gst::StateChange::PausedToReady => self.set_flushing(true),
            _ => {}
        }
        self.parent_change_state(transition)
    }
}

impl BaseTransformImpl for ZcBufferPool {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = *lock(&self.settings);
        let missing = |error: PlanError| gst::error_msg!(gst::ResourceError::NotFound, ("{error}"));
        let plan = self.plan().map_err(missing)?;
        if plan.fallback && gstcuda::status().is_ok() {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                ("device-id: {}; with memory=auto frames stay in host memory", plan.reason)
            );
        } else if plan.fallback {
            gst::warning!(
                CAT,
                imp = self,
                "memory=auto: no GPU, frames stay in host memory: {}",
                plan.reason
            );
        }
        let open = |()| Gpu::open(settings.device_id);
        let gpu = (plan.target != Target::System).then_some(()).map(open).transpose();
        let gpu =
            gpu.map_err(|error| gst::error_msg!(gst::ResourceError::OpenRead, ("device-id: {error}")))?;
        self.counters.restart();
        *lock(&self.state) = Some(State { plan, gpu, route: None, info: None, converter: None, held: 0 });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.upstream.forget();
        let state = lock(&self.state).take();
        // Frames that downstream still holds come back when nobody looks any more.
        if let Some(gpu) = state.as_ref().and_then(|state| state.gpu.as_ref()) {
            gpu.in_flight.close();
        }
        // Pools are stopped with nothing locked.
        drop(state);
        lock(&self.pools).clear();
        Ok(())
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        // What cannot be had is reported by `start`; until then every link is possible.
        let plan = self.plan().unwrap_or_else(|_| Plan::open());
        let transformed = negotiation::transformed(direction, caps, &plan);
        Some(match filter {
            Some(filter) => filter.intersect_with_mode(&transformed, gst::CapsIntersectMode::First),
            None => transformed,
        })
    }

    fn fixate_caps(&self, direction: gst::PadDirection, caps: &gst::Caps, othercaps: gst::Caps) -> gst::Caps {
        self.parent_fixate_caps(direction, caps, negotiation::preferred(othercaps))
    }

    fn set_caps(&self, incaps: &gst::Caps, outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(incaps).map_err(|error| gst::loggable_error!(CAT, "{error}"))?;
        let route = Route::new(incaps, outcaps)
            .ok_or_else(|| gst::loggable_error!(CAT, "no way from {incaps} to {outcaps}"))?;
        gst::debug!(CAT, imp = self, "{route:?}: {incaps} to {outcaps}");
        let previous = lock(&self.state).as_mut().and_then(|state| {
            (state.route, state.info, state.held) = (Some(route), Some(info), 0);
            state.converter.take()
        });
        drop(previous);
        Ok(())
    }

    fn decide_allocation(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        let held = held(query);
        if let Some(state) = lock(&self.state).as_mut() {
            state.held = held;
        }
        let caps = query.get_owned().0.ok_or_else(|| gst::loggable_error!(CAT, "no caps"))?;
        let converter = self.converter(&caps).map_err(|reason| self.refuse(&reason))?;
        let converter = Some(Arc::new(converter));
        let previous =
            lock(&self.state).as_mut().map(|state| std::mem::replace(&mut state.converter, converter));
        drop(previous);
        // The frames come from the converter.
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
        // Downstream need not know the query.
        if let Err(error) = self.parent_propose_allocation(decide_query, query) {
            gst::debug!(CAT, imp = self, "downstream does not answer: {error:?}");
        }
        gpu::format::refuse_crop(query);
        let (Some(caps), true) = query.get_owned() else { return Ok(()) };
        self.propose(query, &caps).map_err(|reason| self.refuse(&reason))
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        self.answers(query) || BaseTransformImplExt::parent_query(self, direction, query)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::FlushStart(_) => {
                // Downstream lets its frames go first.
                let forwarded = self.parent_sink_event(event);
                self.set_flushing(true);
                return forwarded;
            }
            gst::EventView::FlushStop(_) => self.set_flushing(false),
            gst::EventView::Caps(_) if lock(&self.settings).fail_on_copy => {
                self.upstream.watch(self.obj().sink_pad());
            }
            gst::EventView::Eos(_) => self.report(),
            _ => {}
        }
        self.parent_sink_event(event)
    }

    fn transform_meta<'a>(
        &self,
        _outbuf: &mut gst::BufferRef,
        _meta: gst::MetaRef<'a, gst::Meta>,
        _inbuf: &'a gst::BufferRef,
    ) -> bool {
        // The picture stays as it is, and with it whatever is said about it.
        true
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        self.check_upstream()?;
        let converter = lock(&self.state).as_ref().and_then(|state| state.converter.clone());
        if self.obj().is_passthrough() {
            if self.queued_buffer().is_some() {
                self.counters.update(|counts| counts.frames.zero_copy += 1);
            }
            return self.parent_generate_output();
        }
        let Some(input) = self.take_queued_buffer() else { return Ok(GenerateOutputSuccess::NoOutput) };
        let converter = converter.ok_or(gst::FlowError::NotNegotiated)?;
        let mut output =
            converter.convert(input.clone()).map_err(|error| self.convert_error(&error, &converter.gpu))?;
        let target = output.get_mut().ok_or(gst::FlowError::Error)?;
        self.parent_copy_metadata(&input, target).map_err(|error| {
            error.log_with_imp(self);
            gst::FlowError::Error
        })?;
        Ok(GenerateOutputSuccess::Buffer(output))
    }
}

/// The most frames that one who answered the query holds at a time.
fn held(query: &gst::query::Allocation) -> u32 {
    query.allocation_pools().map(|(_, _, min, _)| min).max().unwrap_or(0)
}

impl ZcBufferPool {
    /// The plan that is followed, or the one that would be.
    fn plan(&self) -> Result<Plan, PlanError> {
        if let Some(state) = &*lock(&self.state) {
            return Ok(state.plan.clone());
        }
        let settings = *lock(&self.settings);
        Plan::new(settings.memory, settings.device_id)
    }

    /// The device whose context neighbours should use; `None` for frames that no device reads.
    fn ordinal(&self) -> Option<i32> {
        let settings = *lock(&self.settings);
        if settings.memory == Memory::System {
            return None;
        }
        i32::try_from(settings.device_id).ok()
    }

    fn announce(&self) {
        let Some(Ok(context)) = self.ordinal().map(CudaContext::primary) else { return };
        if let Err(error) = context.announce(&*self.obj()) {
            gst::warning!(CAT, imp = self, "{error}");
        }
    }

    fn answers(&self, query: &mut gst::QueryRef) -> bool {
        self.ordinal().is_some_and(|ordinal| CudaContext::answer_with_primary(&*self.obj(), ordinal, query))
    }

    fn refuse(&self, reason: &str) -> gst::LoggableError {
        gst::element_imp_error!(self, gst::ResourceError::NoSpaceLeft, ("{reason}"));
        gst::loggable_error!(CAT, "{reason}")
    }

    /// Remembers a pool that has to be woken up by a flush.
    fn watch(&self, pool: &impl IsA<gst::BufferPool>) {
        let mut pools = lock(&self.pools);
        pools.retain(|pool| pool.upgrade().is_some());
        pools.push(pool.upcast_ref::<gst::BufferPool>().downgrade());
    }

    /// Lets nobody wait for a buffer any more, or anybody again. Who need not wait is left alone: decoders take a refusal
    /// for an error.
    fn set_flushing(&self, flushing: bool) {
        let pools: Vec<gst::BufferPool> =
            lock(&self.pools).iter().filter_map(|pool| pool.upgrade()).collect();
        for pool in pools.iter().filter(|pool| pool.is_active()) {
            match pool.downcast_ref::<FramePool>() {
                Some(ours) => ours.refuse_waiting(flushing),
                None if flushing && !stays_exhausted(pool) => {}
                None => pool.set_flushing(flushing),
            }
        }
    }

    /// A pool of memory of `target` for frames of `caps`.
    fn frame_pool(&self, target: Target, caps: &gst::Caps, held: u32) -> Result<FramePool, String> {
        let settings = *lock(&self.settings);
        let gpu = lock(&self.state).as_ref().and_then(|state| state.gpu.clone());
        let info = VideoInfo::from_caps(caps).map_err(|error| error.to_string())?;
        let free = free(target, gpu.as_ref())?;
        let parts = Parts {
            target,
            gpu,
            settings,
            held,
            free,
            counters: self.counters.clone(),
            element: self.obj().upcast_ref::<gst::Element>().downgrade(),
        };
        let pool = FramePool::new(parts, caps, &info)?;
        self.watch(&pool);
        Ok(pool)
    }

    fn converter(&self, caps: &gst::Caps) -> Result<Converter, String> {
        let (info, gpu, target, held) = match &*lock(&self.state) {
            Some(State { info: Some(info), gpu: Some(gpu), plan, held, .. }) => {
                (info.clone(), gpu.clone(), plan.target, *held)
            }
            _ => return Err("not negotiated".into()),
        };
        let pool = self.frame_pool(target, caps, held)?;
        pool.set_active(true).map_err(|error| format!("the pool of {} memory: {error}", target.name()))?;
        let fail_on_copy = lock(&self.settings).fail_on_copy;
        Ok(Converter { gpu, target, info, pool, counters: self.counters.clone(), fail_on_copy })
    }

    /// Offers upstream a pool to write into.
    fn propose(&self, query: &mut gst::query::Allocation, caps: &gst::Caps) -> Result<(), String> {
        let (route, target, held_before) = match &*lock(&self.state) {
            Some(State { route: Some(route), plan, held, .. }) => (*route, plan.target, *held),
            _ => return Ok(()),
        };
        let held = held_before.max(held(query));
        let Some(memory) = route.upstream(target) else { return self.propose_cuda(query, caps, held) };
        // Without a reason of ours, what downstream offers is best for downstream.
        if memory == Target::System && query.allocation_pools().any(|(pool, ..)| pool.is_some()) {
            return Ok(());
        }
        if route == Route::ToDevice && query.find_allocation_meta::<VideoMeta>().is_none() {
            query.add_allocation_meta::<VideoMeta>(None);
        }
        let pool = self.frame_pool(memory, caps, held)?;
        offer(query, pool.upcast_ref(), held);
        Ok(())
    }

    fn propose_cuda(
        &self,
        query: &mut gst::query::Allocation,
        caps: &gst::Caps,
        held: u32,
    ) -> Result<(), String> {
        let settings = *lock(&self.settings);
        let Some(gpu) = lock(&self.state).as_ref().and_then(|state| state.gpu.clone()) else { return Ok(()) };
        let info = VideoInfo::from_caps(caps).map_err(|error| error.to_string())?;
        let text = |error: gpu::cuda::Error| error.to_string();
        // Only the library knows its padding.
        let (_, layout) = gstcuda::allocate(&gpu.context, &gpu.stream, &info).map_err(text)?;
        let bounds = settings.bounds(layout.size(), held, free(Target::Device, Some(&gpu))?)?;
        let min = held.max(bounds.min);
        let pool = gstcuda::buffer_pool(&gpu.context, &gpu.stream, &info, min, bounds.max).map_err(text)?;
        self.watch(&pool);
        offer(query, &pool, held);
        Ok(())
    }

    fn convert_error(&self, error: &ConvertError, gpu: &Gpu) -> gst::FlowError {
        if let ConvertError::Flow(flow) = error {
            // The pool has posted its reason.
            return *flow;
        }
        let device = gpu.context.context().device().ordinal;
        let is_fault = error
            .gpu()
            .is_some_and(|cause| fault::post(&*self.obj(), cause, Some(device), &error.to_string()));
        if !is_fault {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
        }
        gst::FlowError::Error
    }

    /// Posts the totals.
    fn report(&self) {
        if let Some(gpu) = lock(&self.state).as_ref().and_then(|state| state.gpu.clone()) {
            gpu.in_flight.wait();
        }
        message::post(&*self.obj(), self.stats());
    }

    /// An error if `fail-on-copy` is set and an element upstream copied a frame.
    fn check_upstream(&self) -> Result<(), gst::FlowError> {
        let Some(violation) = self.upstream.violation() else { return Ok(()) };
        gst::element_imp_error!(self, gst::StreamError::Failed, ("{violation}"));
        Err(gst::FlowError::Error)
    }

    fn stats(&self) -> gst::Structure {
        match self.plan() {
            Ok(Plan { target, unified, reason, .. }) => {
                self.counters.get().structure(target.name(), unified, &reason)
            }
            Err(error) => self.counters.get().structure("none", false, &error.to_string()),
        }
    }
}

/// Bytes that there is room for.
fn free(target: Target, gpu: Option<&Gpu>) -> Result<usize, String> {
    match (target, gpu) {
        (Target::Device | Target::Managed, Some(gpu)) => gpu.free().map_err(|error| error.to_string()),
        _ => Ok(usize::MAX),
    }
}

/// Puts `pool` first in the answer to an allocation query, of whose buffers `held` are held downstream.
fn offer(query: &mut gst::query::Allocation, pool: &gst::BufferPool, held: u32) {
    let Some((_, size, min, max)) = pool.config().params() else { return };
    let (min, some) = (min.max(held), query.allocation_pools().next().is_some());
    if some {
        query.set_nth_allocation_pool(0, Some(pool), size, min, max);
    } else {
        query.add_allocation_pool(Some(pool), size, min, max);
    }
}
