//! Copies between host and device, counted twice: by the elements, and by CUPTI, which sees what the driver does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result};
use gpu::MemoryKind;
use gpu::cuda::cupti::{Moment, Recorder, Total, Transfer, TransferKind};
use gst::prelude::*;
use gst_video::VideoInfo;
use serde::{Deserialize, Serialize};

use super::Args;
use super::figures::{Figures, Stage};
use super::traced;

/// A copy of this many bytes and more is that of a picture.
pub const LARGE: u64 = 1_000_000;

/// Frames of a run that counts: enough that those on their way at its ends do not matter.
const FRAMES: std::ops::RangeInclusive<u64> = 300..=2000;

/// What a program copied per frame after its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Frames in which it was counted.
    pub frames: u64,
    /// Bytes between host and device by the elements' own accounting.
    pub elements_bytes_per_frame: f64,
    /// The same by CUPTI.
    pub cupti_bytes_per_frame: f64,
    /// By CUPTI, the part that went to the device.
    pub to_device_bytes_per_frame: f64,
    /// The part of the elements' count that `cudaupload` and `cudadownload` moved: whole pictures.
    pub moved_bytes_per_frame: f64,
    /// Bytes of coded video per frame: a decoder on the GPU fetches them, which the elements do not count.
    pub coded_bytes_per_frame: f64,
    /// Whether both counts differ by at most 1 % of the larger, or by at most the coded video.
    pub agree: bool,
    /// Bytes of the largest copy between host and device.
    pub largest_bytes: u64,
    /// Copies between host and device of [`LARGE`] and more.
    pub large: u64,
    /// Copies within device memory.
    pub device_copies_per_frame: f64,
    /// Bytes of them.
    pub device_bytes_per_frame: f64,
    /// Bytes of the largest copy within device memory.
    pub largest_device_bytes: u64,
    /// Copies of which CUPTI lost the record, or buffers of records that end too early.
    pub lost: u64,
}

impl Counts {
    /// Whether pictures were copied between host and device.
    pub fn has_pictures(&self) -> bool {
        self.large > 0 || self.moved_bytes_per_frame > 0.0
    }
}

/// Whether copies can be counted here.
///
/// # Errors
/// What is missing.
pub fn available() -> Result<()> {
    gpu::cuda::cupti::load_library()?;
    gpu::cuda::status()?;
    Ok(())
}

/// Counts in a process of its own what `stage` copies. Its speed says nothing: counting takes time.
///
/// # Errors
/// When the program fails, or CUPTI does.
pub fn count(stage: Stage, args: &Args) -> Result<Counts> {
    let frames = args.frames.clamp(*FRAMES.start(), *FRAMES.end());
    let figures = traced::figures(stage, &Args { frames, count: true, ..args.clone() })?;
    figures.counts.context("the program counted nothing")
}

/// As [`count`] for each of `programs`; the reason stands where it did not work.
pub fn count_each(programs: &mut [Figures], args: &Args, announce: impl Fn(Stage)) {
    for figures in programs.iter_mut().filter(|figures| figures.stage != Stage::Bare) {
        announce(figures.stage);
        match count(figures.stage, args) {
            Ok(counts) => figures.counts = Some(counts),
            Err(error) => figures.not_counted = Some(format!("{error:#}")),
        }
    }
}

/// How far a program is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Frames that arrived.
    pub frames: u64,
    /// Bytes between host and device by the elements' own accounting.
    pub bytes: u64,
    /// Those of them that stock elements moved.
    pub moved: u64,
    /// Bytes of coded video that decoders took.
    pub coded: u64,
}

/// Counts copies between two moments of this process.
pub struct Counter {
    recorder: Recorder,
    first: Option<(Moment, Progress)>,
    last: Option<(Moment, Progress)>,
}

impl Counter {
    /// Starts counting. Best before anything uses the GPU.
    ///
    /// # Errors
    /// When CUPTI is missing or refuses.
    pub fn start() -> Result<Self> {
        Ok(Self { recorder: Recorder::start()?, first: None, last: None })
    }

    /// From here on copies count.
    ///
    /// # Errors
    /// When CUPTI does not tell the time.
    pub fn begin(&mut self, progress: Progress) -> Result<()> {
        self.first = Some((self.recorder.now()?, progress));
        Ok(())
    }

    /// Up to here copies count.
    ///
    /// # Errors
    /// When CUPTI does not tell the time.
    pub fn end(&mut self, progress: Progress) -> Result<()> {
        self.last = Some((self.recorder.now()?, progress));
        Ok(())
    }

    /// What was copied in between. Everything on the device must be done.
    ///
    /// # Errors
    /// When CUPTI does not hand out its records, or no frame came in between.
    pub fn finish(self) -> Result<Counts> {
        let recording = self.recorder.finish()?;
        let both = self.first.zip(self.last).filter(|(first, last)| last.1.frames > first.1.frames);
        let ((begin, first), (end, last)) = both.context("too few frames to count copies in")?;
        let since = |count: fn(&Progress) -> u64| count(&last).saturating_sub(count(&first));
        let progress = Progress {
            frames: since(|p| p.frames),
            bytes: since(|p| p.bytes),
            moved: since(|p| p.moved),
            coded: since(|p| p.coded),
        };
        let lost = recording.dropped + recording.cut;
        Ok(Counts { lost, ..counts(&recording.during(begin..end).copied().collect::<Vec<_>>(), progress) })
    }
}

/// What `transfers` come to, which were seen during `progress`.
fn counts(transfers: &[Transfer], progress: Progress) -> Counts {
    let per_frame = |total: u64| total as f64 / progress.frames as f64;
    let between = || transfers.iter().filter(|transfer| transfer.kind.is_between_host_and_device());
    let of = |kind| -> Total { transfers.iter().filter(|transfer| transfer.kind == kind).collect() };
    let (all, device): (Total, Total) = (between().collect(), of(TransferKind::DeviceToDevice));
    let (own, cupti) = (per_frame(progress.bytes), per_frame(all.bytes));
    let coded = per_frame(progress.coded);
    Counts {
        frames: progress.frames,
        elements_bytes_per_frame: own,
        cupti_bytes_per_frame: cupti,
        to_device_bytes_per_frame: per_frame(of(TransferKind::HostToDevice).bytes),
        moved_bytes_per_frame: per_frame(progress.moved),
        coded_bytes_per_frame: coded,
        agree: agree(own, cupti, coded),
        largest_bytes: all.largest,
        large: between().filter(|transfer| transfer.bytes >= LARGE).count() as u64,
        device_copies_per_frame: per_frame(device.calls),
        device_bytes_per_frame: per_frame(device.bytes),
        largest_device_bytes: device.largest,
        lost: 0,
    }
}

/// Within 1 % of the larger, or within the coded video, which a decoder on the GPU fetches.
fn agree(own: f64, cupti: f64, coded: f64) -> bool {
    (own - cupti).abs() <= (own.max(cupti) / 100.0).max(coded)
}

/// Bytes that no element counts: those that stock elements move, and those that decoders take.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    moved: Arc<AtomicU64>,
    coded: Arc<AtomicU64>,
}

impl Traffic {
    /// Counts frames that leave `element`, such as `cudaupload`, in another kind of memory than they came in.
    pub fn watch_moves(&self, element: &gst::Element) {
        let (Some(sink), Some(src)) = (element.static_pad("sink"), element.static_pad("src")) else { return };
        let (bytes, on_device) = (Arc::clone(&self.moved), Arc::new(AtomicBool::new(false)));
        let came = Arc::clone(&on_device);
        sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            came.store(info.buffer().is_some_and(|buffer| lies_on_device(buffer)), Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
        src.add_probe(gst::PadProbeType::BUFFER, move |src, info| {
            let stays = on_device.load(Ordering::Relaxed)
                && info.buffer().is_some_and(|buffer| lies_on_device(buffer));
            let caps = sink.current_caps().zip(src.current_caps()).filter(|_| !stays);
            let moved = caps.and_then(|(from, to)| moved(&from, &to));
            bytes.fetch_add(moved.unwrap_or(0), Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }

    /// Counts what comes into `decoder`.
    pub fn watch_coded(&self, decoder: &gst::Element) {
        let Some(sink) = decoder.static_pad("sink") else { return };
        let bytes = Arc::clone(&self.coded);
        sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let size = info.buffer().map_or(0, |buffer| buffer.size());
            bytes.fetch_add(size as u64, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }

    /// Bytes between host and device that stock elements moved until now.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Bytes of coded video until now.
    pub fn coded(&self) -> u64 {
        self.coded.load(Ordering::Relaxed)
    }
}

/// Whether the device has what the host has not: also under caps of host memory.
fn lies_on_device(buffer: &gst::BufferRef) -> bool {
    buffer.n_memory() > 0 && gpu::gstcuda::is_device_only(buffer.peek_memory(0))
}

/// Bytes of a frame that comes as `from` and leaves as `to`: 0 if it stays in its kind of memory.
fn moved(from: &gst::Caps, to: &gst::Caps) -> Option<u64> {
    let kind = |caps: &gst::Caps| MemoryKind::of(caps.features(0));
    if kind(from) == kind(to) {
        return Some(0);
    }
    let info = VideoInfo::from_caps(to).ok()?;
    let format = info.format_info();
    let plane = |plane: u32| {
        let component = (0..info.n_components()).find(|&index| format.plane()[index as usize] == plane)?;
        let width = u64::from(format.scale_width(component as u8, info.width()));
        let height = u64::from(format.scale_height(component as u8, info.height()));
        Some(width * height * u64::from(format.pixel_stride()[component as usize].unsigned_abs()))
    };
    Some((0..info.n_planes()).filter_map(plane).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_within_a_hundredth_or_the_coded_video() {
        assert!(agree(0.0, 0.0, 0.0));
        assert!(agree(1000.0, 1009.0, 0.0) && !agree(1000.0, 1011.0, 0.0));
        assert!(agree(0.0, 20_000.0, 30_000.0) && agree(20_000.0, 0.0, 30_000.0));
        assert!(!agree(0.0, 6_000_000.0, 30_000.0), "a picture is more than its code");
    }

    #[test]
    fn transfers_are_sorted_and_divided_by_frames() {
        let transfer = |kind, bytes| Transfer { kind, bytes, start: None };
        let transfers = [
            transfer(TransferKind::HostToDevice, 3_000_000),
            transfer(TransferKind::DeviceToHost, 1000),
            transfer(TransferKind::DeviceToDevice, 2_000_000),
            transfer(TransferKind::DeviceToDevice, 1_000_000),
            transfer(TransferKind::HostToHost, 1 << 40),
        ];
        let found =
            counts(&transfers, Progress { frames: 2, bytes: 3_001_000, moved: 3_000_000, coded: 40_000 });
        assert_eq!((found.elements_bytes_per_frame, found.cupti_bytes_per_frame), (1_500_500.0, 1_500_500.0));
        assert_eq!((found.to_device_bytes_per_frame, found.coded_bytes_per_frame), (1_500_000.0, 20_000.0));
        assert_eq!((found.largest_bytes, found.large, found.agree), (3_000_000, 1, true));
        assert!(found.has_pictures() && found.moved_bytes_per_frame == 1_500_000.0);
        assert_eq!((found.device_copies_per_frame, found.device_bytes_per_frame), (1.0, 1_500_000.0));
        assert_eq!(found.largest_device_bytes, 2_000_000);
        let denied = counts(&transfers, Progress { frames: 2, bytes: 1000, moved: 0, coded: 40_000 });
        assert!(!denied.agree && denied.has_pictures(), "a copy that the elements do not admit");
        let small = counts(&[], Progress { frames: 2, bytes: 900_000, moved: 900_000, coded: 0 });
        assert!(small.has_pictures() && small.large == 0, "pictures may be small");
    }

    #[test]
    fn frames_count_where_their_memory_changes() {
        gst::init().unwrap();
        let caps = |text: &str| text.parse::<gst::Caps>().unwrap();
        // Strides do not count: 60 columns, whatever they are padded to.
        let host = caps("video/x-raw,format=NV12,width=60,height=40,framerate=25/1");
        let device = caps("video/x-raw(memory:CUDAMemory),format=NV12,width=60,height=40,framerate=25/1");
        assert_eq!(moved(&host, &device), Some(60 * 40 * 3 / 2));
        assert_eq!(moved(&device, &host), Some(60 * 40 * 3 / 2));
        assert_eq!((moved(&host, &host), moved(&device, &device)), (Some(0), Some(0)));
        let i420 = caps("video/x-raw,format=I420,width=60,height=40,framerate=25/1");
        assert_eq!(moved(&device, &i420), Some(60 * 40 * 3 / 2));
        let rgba = caps("video/x-raw,format=RGBA,width=60,height=40,framerate=25/1");
        assert_eq!(moved(&device, &rgba), Some(60 * 40 * 4));
        assert_eq!(moved(&device, &caps("audio/x-raw")), None);
    }
}
