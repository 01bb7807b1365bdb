//! A bounded pool of frames in memory of any kind, which counts what it does.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use gpu::cuda::{Context, HostBuffer};
use gpu::gstcuda;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoAlignment, VideoFrameFlags, VideoInfo, VideoMeta};
use gstsupport::lock;

use super::counters::Counters;
use super::gate::{self, Gate};
use super::plan::{Gpu, Target};
use super::settings::Settings;
use super::{CAT, Exhaustion, layout};

/// What a pool is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub target: Target,
    pub gpu: Option<Gpu>,
    pub settings: Settings,
    /// Frames that downstream holds at a time.
    pub held: u32,
    /// Bytes that there is room for.
    pub free: usize,
    pub counters: Arc<Counters>,
    /// Who posts errors.
    pub element: glib::WeakRef<gst::Element>,
}

/// How the frames of a configured pool lie.
#[derive(Clone)]
struct Frames {
    info: VideoInfo,
    layout: VideoInfo,
    size: usize,
    described: bool,
}

glib::wrapper! {
    /// The pool.
    pub struct FramePool(ObjectSubclass<Imp>) @extends gst::BufferPool, gst::Object;
}

impl FramePool {
    /// A pool for frames of `caps`, not active yet.
    ///
    /// # Errors
    /// Why there cannot be one, and what to do.
    pub(super) fn new(parts: Parts, caps: &gst::Caps, info: &VideoInfo) -> Result<Self, String> {
        let pool: Self = glib::Object::new();
        let min = parts.settings.min_buffers;
        let described = parts.target.on_device();
        // A new pool has no parts yet.
        let _ = pool.imp().parts.set(parts);
        let mut config = pool.config();
        let size = u32::try_from(info.size()).map_err(|_| "frames are too large")?;
        config.set_params(Some(caps), size, min, 0);
        if described {
            config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_ref());
        }
        let configured = pool.set_config(config);
        let refused = lock(&pool.imp().refused).take();
        configured.map_err(|error| refused.unwrap_or_else(|| error.to_string()))?;
        Ok(pool)
    }

    /// Refuses those who wait for a buffer that does not come back soon; others get theirs as ever, since decoders take a
    /// refusal for an error.
    pub(super) fn refuse_waiting(&self, refuse: bool) {
        self.imp().gate.set_flushing(refuse);
    }
}

/// Whether every buffer of `pool` is in use and none comes back soon, in a flush. For pools that are not ours.
pub(super) fn stays_exhausted(pool: &gst::BufferPool) -> bool {
    let at_once = gst::BufferPoolAcquireParams::with_flags(gst::BufferPoolAcquireFlags::DONTWAIT);
    let started = Instant::now();
    while pool.acquire_buffer(Some(&at_once)) == Err(gst::FlowError::Eos) {
        if started.elapsed() >= gate::GRACE {
            return true;
        }
        std::thread::sleep(gate::POLL);
    }
    false
}

/// Owns pinned memory on behalf of a `gst::Memory`.
struct Bytes(HostBuffer);

impl AsMut<[u8]> for Bytes {
    fn as_mut(&mut self) -> &mut [u8] {
        // Only the work of a lost context fails.
        self.0.bytes_mut().unwrap_or_default()
    }
}

#[derive(Default)]
pub struct Imp {
    parts: OnceLock<Parts>,
    frames: Mutex<Option<Frames>>,
    /// Why the last configuration was.
    refused: Mutex<Option<String>>,
    gate: Gate,
}

#[glib::object_subclass]
impl ObjectSubclass for Imp {
    const NAME: &'static str = "GstZcFramePool";
    type Type = FramePool;
    type ParentType = gst::BufferPool;
}

impl ObjectImpl for Imp {}
impl GstObjectImpl for Imp {}

impl BufferPoolImpl for Imp {
    fn options() -> &'static [&'static str] {
        static OPTIONS: OnceLock<[&'static str; 2]> = OnceLock::new();
        OPTIONS.get_or_init(|| {
            [
                gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_str(),
                gst_video::BUFFER_POOL_OPTION_VIDEO_ALIGNMENT.as_str(),
            ]
        })
    }

    fn set_config(&self, config: &mut gst::BufferPoolConfigRef) -> bool {
        match self.configure(config) {
            Ok(frames) => {
                *self.frames() = Some(frames);
                self.parent_set_config(config)
            }
            Err(reason) => {
                gst::warning!(CAT, imp = self, "{reason}");
                *lock(&self.refused) = Some(reason);
                false
            }
        }
    }

    fn alloc_buffer(
        &self,
        _params: Option<&gst::BufferPoolAcquireParams>,
    ) -> Result<gst::Buffer, gst::FlowError> {
        let buffer = self.allocate().map_err(|reason| self.failed(&reason))?;
        self.count(|counters| {
            counters.update(|counts| {
                counts.allocated += 1;
                counts.allocations += 1;
            });
        });
        Ok(buffer)
    }

    fn free_buffer(&self, buffer: gst::Buffer) {
        self.count(|counters| {
            counters.update(|counts| counts.allocated = counts.allocated.saturating_sub(1));
        });
        self.parent_free_buffer(buffer);
    }

    fn acquire_buffer(
        &self,
        params: Option<&gst::BufferPoolAcquireParams>,
    ) -> Result<gst::Buffer, gst::FlowError> {
        let buffer = self.acquire(params)?;
        self.count(Counters::acquired);
        Ok(buffer)
    }

    fn release_buffer(&self, buffer: gst::Buffer) {
        self.parent_release_buffer(buffer);
        self.gate.notify();
    }

    fn flush_start(&self) {
        self.parent_flush_start();
        self.gate.notify();
    }

    fn reset_buffer(&self, buffer: &mut gst::BufferRef) {
        self.count(|counters| counters.update(|counts| counts.in_use = counts.in_use.saturating_sub(1)));
        self.parent_reset_buffer(buffer);
    }
}

impl Imp {
    fn frames(&self) -> MutexGuard<'_, Option<Frames>> {
        lock(&self.frames)
    }

    fn count(&self, change: impl FnOnce(&Counters)) {
        if let Some(parts) = self.parts.get() {
            change(&parts.counters);
        }
    }

    /// Posts `reason` as an error of the element.
    fn failed(&self, reason: &str) -> gst::FlowError {
        gst::error!(CAT, imp = self, "{reason}");
        if let Some(element) = self.parts.get().and_then(|parts| parts.element.upgrade()) {
            gst::element_error!(element, gst::ResourceError::NoSpaceLeft, ("{reason}"));
        }
        gst::FlowError::Error
    }

    /// Takes in what the one who acquires buffers wants, within our bounds, and settles the layout.
    fn configure(&self, config: &mut gst::BufferPoolConfigRef) -> Result<Frames, String> {
        let parts = self.parts.get().ok_or("no parts")?;
        let (caps, size, min, max) = config.params().ok_or("no parameters")?;
        let caps = caps.ok_or("no caps")?;
        let info = VideoInfo::from_caps(&caps).map_err(|error| error.to_string())?;
        let frames = self.lay_out(parts, config, &info, size as usize)?;
        // Only now is their size with all padding known.
        let bound = parts.settings.bounds(frames.size, parts.held.max(min), parts.free)?.max;
        let max = if max == 0 { bound } else { max.min(bound) };
        if max < min {
            return Err(format!("at least {min} buffers were asked for, but at most {max}"));
        }
        let size = u32::try_from(frames.size).map_err(|error| error.to_string())?;
        config.set_params(Some(&caps), size, min, max);
        Ok(frames)
    }

    fn lay_out(
        &self,
        parts: &Parts,
        config: &gst::BufferPoolConfigRef,
        info: &VideoInfo,
        size: usize,
    ) -> Result<Frames, String> {
        let described = config.has_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_ref());
        let aligned = config.has_option(gst_video::BUFFER_POOL_OPTION_VIDEO_ALIGNMENT.as_ref());
        let alignment = config.video_alignment().filter(|_| aligned);
        let in_place = matches!(parts.target, Target::Mapped | Target::Managed);
        let layout = match (parts.target, alignment) {
            (Target::Device, _) => self.device_memory(parts, info)?.1,
            (_, Some(alignment)) if described => {
                layout::padded(info, &alignment).map_err(|e| e.to_string())?
            }
            (_, None) if described && in_place => {
                layout::padded(info, &VideoAlignment::new(0, 0, 0, 0, &[0; 4])).map_err(|e| e.to_string())?
            }
            _ => info.clone(),
        };
        let size = if parts.target == Target::Device { layout.size() } else { size.max(layout.size()) };
        let described = described || parts.target == Target::Device;
        Ok(Frames { info: info.clone(), layout, size, described })
    }

    fn device_memory(&self, parts: &Parts, info: &VideoInfo) -> Result<(gst::Memory, VideoInfo), String> {
        let gpu = parts.gpu.as_ref().ok_or("no GPU")?;
        gstcuda::allocate(&gpu.context, &gpu.stream, info).map_err(|error| error.to_string())
    }

    fn host_memory(&self, parts: &Parts, size: usize) -> Result<gst::Memory, String> {
        type Make = fn(&Arc<Context>, usize) -> Result<HostBuffer, gpu::cuda::Error>;
        let make: Make = match parts.target {
            Target::Pinned => HostBuffer::pinned,
            Target::Mapped => HostBuffer::mapped,
            Target::Managed => HostBuffer::managed,
            Target::System | Target::Device => return Ok(gst::Memory::with_size(size)),
        };
        let gpu = parts.gpu.as_ref().ok_or("no GPU")?;
        let bytes = make(gpu.context.context(), size).map_err(|error| error.to_string())?;
        Ok(gst::Memory::from_mut_slice(Bytes(bytes)))
    }

    fn allocate(&self) -> Result<gst::Buffer, String> {
        let parts = self.parts.get().ok_or("no parts")?;
        let Frames { info, layout, size, described } = self.frames().clone().ok_or("not configured")?;
        let memory = match parts.target {
            Target::Device => self.device_memory(parts, &info)?.0,
            _ => self.host_memory(parts, size)?,
        };
        let mut buffer = gst::Buffer::new();
        let frame = buffer.get_mut().ok_or("a new buffer is shared")?;
        frame.append_memory(memory);
        if described {
            let (flags, format) = (VideoFrameFlags::empty(), layout.format());
            let (width, height, offset, stride) =
                (layout.width(), layout.height(), layout.offset(), layout.stride());
            VideoMeta::add_full(frame, flags, format, width, height, offset, stride)
                .map_err(|error| error.to_string())?;
        }
        Ok(buffer)
    }

    /// A free buffer; if there is none, first those that the device is done with, then as `exhaustion` says.
    fn acquire(&self, params: Option<&gst::BufferPoolAcquireParams>) -> Result<gst::Buffer, gst::FlowError> {
        let parts = self.parts.get().ok_or(gst::FlowError::Error)?;
        if let Some(gpu) = &parts.gpu {
            gpu.in_flight.retire();
        }
        if let Some(result) = self.acquire_at_once() {
            return result;
        }
        if let Some(result) = self.acquire_from_device(parts) {
            return result;
        }
        if params.is_some_and(|params| params.flags().contains(gst::BufferPoolAcquireFlags::DONTWAIT)) {
            return Err(gst::FlowError::Eos);
        }
        self.exhausted(parts)?;
        loop {
            let seen = self.gate.changes();
            if let Some(result) = self.acquire_from_device(parts) {
                return result;
            }
            if !self.gate.wait(seen) {
                return Err(gst::FlowError::Flushing);
            }
        }
    }

    /// A free buffer; `None` if every one is in use.
    fn acquire_at_once(&self) -> Option<Result<gst::Buffer, gst::FlowError>> {
        let at_once = gst::BufferPoolAcquireParams::with_flags(gst::BufferPoolAcquireFlags::DONTWAIT);
        match self.parent_acquire_buffer(Some(&at_once)) {
            Err(gst::FlowError::Eos) => None,
            result => Some(result),
        }
    }

    /// The same, once the device is done with all that it was given.
    fn acquire_from_device(&self, parts: &Parts) -> Option<Result<gst::Buffer, gst::FlowError>> {
        if let Some(gpu) = &parts.gpu {
            gpu.in_flight.wait();
        }
        self.acquire_at_once()
    }

    fn exhausted(&self, parts: &Parts) -> Result<(), gst::FlowError> {
        let max = self.obj().config().params().map_or(0, |(_, _, _, max)| max);
        parts.counters.update(|counts| counts.waits += 1);
        let message = format!("all {max} buffers of the pool are in use; raise pool-size-mb or max-buffers");
        if parts.settings.exhaustion == Exhaustion::Error {
            return Err(self.failed(&format!("exhaustion=error: {message}")));
        }
        gst::info!(CAT, imp = self, "waiting: {message}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_stays_exhausted_while_all_is_held() {
        gst::init().unwrap();
        let pool = gst::BufferPool::new();
        let mut config = pool.config();
        config.set_params(None, 16, 0, 1);
        pool.set_config(config).unwrap();
        pool.set_active(true).unwrap();
        assert!(!stays_exhausted(&pool));
        let held = pool.acquire_buffer(None).unwrap();
        assert!(stays_exhausted(&pool));
        let freeing = std::thread::spawn(|| {
            std::thread::sleep(gate::POLL * 3);
            drop(held);
        });
        assert!(!stays_exhausted(&pool));
        freeing.join().unwrap();
        pool.set_active(false).unwrap();
    }
}
