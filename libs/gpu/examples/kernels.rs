//! Times every kernel on the first CUDA device and prints a table. Frames and outputs rotate, and the device is kept busy
//! until everything is in the stream: its times hold no waiting for the CPU, and nothing is in its caches.
//!
//!     cargo run --release -p gst-osha-gpu --example kernels

use std::cell::RefCell;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use gpu::cuda::{self, Context, DeviceBuffer, DeviceImageBuf, HostBuffer, Stream, Timer, copies};
use gpu::kernels::{Painter, Preprocessor};
use vision::draw::{Annotation, DisplayList, Look, Scene, State, TextCache, Theme, annotate};
use vision::geometry::Rect;
use vision::image::{Colorimetry, ImageInfo, PixelFormat};
use vision::preprocess::InputSpec;
use vision::tensor::DataType;

const SIZE: (usize, usize) = (1920, 1080);
/// Bytes that take the device longer to fill than the CPU needs to launch anything.
const BALLAST: usize = 512 << 20;
/// Frames in rotation: 24 of 3 MiB and their inputs are more than any cache.
const FRAMES: usize = 24;
const ROUNDS: usize = 400;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Bench {
    context: Arc<Context>,
    stream: Stream,
    timer: Timer,
    /// Filling it keeps the device busy.
    ballast: RefCell<DeviceBuffer>,
}

impl Bench {
    /// Median microseconds on the device, and of the calls on the CPU.
    fn time(
        &self,
        mut work: impl FnMut(usize) -> std::result::Result<(), cuda::Error>,
    ) -> Result<(f32, f32)> {
        let (mut device, mut host) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS + 50 {
            self.ballast.borrow_mut().fill(round as u8, &self.stream)?;
            self.timer.start(&self.stream)?;
            let start = Instant::now();
            work(round % FRAMES)?;
            host.push(start.elapsed().as_secs_f32() * 1e6);
            device.push(self.timer.stop(&self.stream)?);
        }
        let median = |times: &mut Vec<f32>| {
            times.drain(..50);
            times.sort_by(f32::total_cmp);
            times[times.len() / 2]
        };
        Ok((median(&mut device), median(&mut host)))
    }

    fn frames(&self, format: PixelFormat) -> Result<Vec<DeviceImageBuf>> {
        let info = ImageInfo { format, width: SIZE.0, height: SIZE.1, colorimetry: Colorimetry::default() };
        let mut staging = HostBuffer::for_image(&self.context, &info)?;
        let noise = |at: usize| (at.wrapping_mul(2654435761) >> 13) as u8;
        staging.bytes_mut()?.iter_mut().enumerate().for_each(|(at, byte)| *byte = noise(at));
        let mut frame = || {
            let mut frame = DeviceImageBuf::new(&self.context, info)?;
            frame.upload(&mut staging, &self.stream, "bench: frame").map(|()| frame)
        };
        Ok((0..FRAMES).map(|_| frame()).collect::<std::result::Result<_, _>>()?)
    }

    fn preprocess(&self, format: PixelFormat, data_type: DataType, bytes: usize) -> Result<(f32, f32)> {
        let (frames, spec) = (self.frames(format)?, InputSpec::new(640, 640));
        let preprocessor = Preprocessor::new(&self.context, *frames[0].image()?.info(), spec)?;
        let mut tensor = DeviceBuffer::new(&self.context, FRAMES * spec.len() * bytes)?;
        self.time(|index| {
            let mut slot = tensor.elements_mut(data_type, index * spec.len()..(index + 1) * spec.len())?;
            preprocessor.run(&frames[index].image()?, &mut slot, &self.stream)
        })
    }

    /// From pinned memory, as `zcbufferpool` does it.
    fn upload(&self, format: PixelFormat) -> Result<(f32, f32)> {
        let mut frames = self.frames(format)?;
        let info = *frames[0].image()?.info();
        let mut staging = (0..FRAMES)
            .map(|_| HostBuffer::for_image(&self.context, &info))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        self.time(|index| frames[index].upload(&mut staging[index], &self.stream, "bench: upload"))
    }

    fn draw(&self, format: PixelFormat, list: &DisplayList) -> Result<(f32, f32)> {
        let (mut frames, mut painter) = (self.frames(format)?, Painter::new(&self.context)?);
        self.time(|index| painter.draw(list, &mut frames[index].image_mut()?, &self.stream))
    }

    fn copy_and_draw(&self, format: PixelFormat, list: &DisplayList) -> Result<(f32, f32)> {
        let (frames, mut copies) = (self.frames(format)?, self.frames(format)?);
        let mut painter = Painter::new(&self.context)?;
        self.time(|index| {
            painter.copy_and_draw(
                list,
                &frames[index].image()?,
                &mut copies[index].image_mut()?,
                &self.stream,
            )
        })
    }
}

/// Boxes with a title, a score and a detail each, all over the frame.
fn boxes(count: usize) -> Result<DisplayList> {
    let annotation = |index: usize| Annotation {
        rect: Rect {
            x: (index % 5) as f32 * 370.0 + 40.0,
            y: (index / 5) as f32 * 250.0 + 60.0,
            width: 180.0,
            height: 190.0,
        },
        state: if index.is_multiple_of(3) { State::Violation } else { State::Compliant },
        title: format!("Worker {index}"),
        score: Some(format!("0.{}", 70 + index)),
        detail: Some("no hard hat · 29 CFR 1926.100(a)".into()),
    };
    let scene = Scene { annotations: (0..count).map(annotation).collect(), ..Scene::default() };
    Ok(annotate(&scene, SIZE, &Theme::for_frame(Look::Dark, SIZE.0, SIZE.1), &mut TextCache::new()?))
}

fn main() -> Result<()> {
    let status = match cuda::status() {
        Ok(status) => status,
        Err(error) => {
            println!("SKIPPED: no CUDA device ({error})");
            return Ok(());
        }
    };
    let context = Context::primary(0)?;
    let (stream, timer) = (Stream::new(&context)?, Timer::new(&context)?);
    let (access, reason) = (context.device().host_access(), context.device().host_access_reason());
    let ballast = RefCell::new(DeviceBuffer::new(&context, BALLAST)?);
    let bench = Bench { context, stream, timer, ballast };
    let list = boxes(20)?;
    let rows = [
        ("nothing", bench.time(|_| Ok(()))?),
        ("preprocess NV12 to 640x640 F32", bench.preprocess(PixelFormat::Nv12, DataType::F32, 4)?),
        ("preprocess NV12 to 640x640 F16", bench.preprocess(PixelFormat::Nv12, DataType::F16, 2)?),
        ("preprocess RGBA to 640x640 F32", bench.preprocess(PixelFormat::Rgba, DataType::F32, 4)?),
        ("draw 20 labelled boxes on NV12", bench.draw(PixelFormat::Nv12, &list)?),
        ("draw 20 labelled boxes on P010", bench.draw(PixelFormat::P010, &list)?),
        ("draw 20 labelled boxes on RGBA", bench.draw(PixelFormat::Rgba, &list)?),
        ("copy and draw the same on NV12", bench.copy_and_draw(PixelFormat::Nv12, &list)?),
        ("upload NV12 from pinned memory", bench.upload(PixelFormat::Nv12)?),
        ("copy and draw nothing on NV12", bench.copy_and_draw(PixelFormat::Nv12, &DisplayList::default())?),
    ];
    copies::all().iter().for_each(|copies| println!("{copies}"));
    println!("{status}; {access:?}: {reason}");
    println!("1920x1080, medians of {ROUNDS}   {:>10} {:>10}", "device µs", "CPU µs");
    rows.iter().for_each(|(name, (device, host))| println!("{name:32} {device:10.1} {host:10.1}"));
    Ok(())
}
