//! How fast memory is copied: within the host, and to, from and within a GPU.

use std::time::Instant;

use gpu::cuda::{Context, DeviceBuffer, DeviceImageBuf, Error, HostBuffer, Stream, Timer};
use gpu::kernels::Painter;
use serde::Serialize;
use vision::draw::DisplayList;
use vision::image::{Colorimetry, ImageInfo, PixelFormat};

/// Bytes of one copy: more than any cache holds.
const BYTES: usize = 256 << 20;

/// Copies of which the fastest counts.
const TRIES: usize = 5;

const PURPOSE: &str = "bench: bandwidth";

/// One row.
#[derive(Debug, Serialize)]
pub struct Bandwidth {
    /// From where to where.
    pub path: &'static str,
    /// 10⁹ bytes a second; `None` without a GPU.
    pub gigabytes_per_second: Option<f64>,
    /// Why not, where it was not measured.
    pub why_not: Option<String>,
}

/// A copy on the device, in seconds.
type Copy = fn(&mut Device) -> Result<f64, Error>;

/// Measures every path.
pub fn measure() -> Vec<Bandwidth> {
    let paths: [(&'static str, Copy); 5] = [
        ("host to device, pageable", Device::write),
        ("host to device, pinned", Device::upload),
        ("host to device, mapped, read by a kernel", Device::read),
        ("device to host, pinned", Device::download),
        ("device to device (read and written)", Device::within),
    ];
    let mut device = Device::open();
    let on_device = paths.map(|(path, copy)| {
        let measured = match &mut device {
            Ok(device) => fastest(|| copy(device)).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        row(path, measured)
    });
    let memcpy = row("host to host (memcpy, one thread)", memcpy().map_err(|error| error.to_string()));
    [memcpy].into_iter().chain(on_device).collect()
}

/// As many bytes, for a kernel that copies a picture.
fn large() -> ImageInfo {
    let (width, colorimetry) = (8192, Colorimetry::default());
    ImageInfo { format: PixelFormat::Rgba, width, height: BYTES / (4 * width), colorimetry }
}

fn row(path: &'static str, measured: Result<f64, String>) -> Bandwidth {
    let why_not = measured.as_ref().err().cloned();
    Bandwidth { path, gigabytes_per_second: measured.ok(), why_not }
}

/// Gigabytes a second of the fastest of some copies, each of which tells its seconds.
fn fastest(mut copy: impl FnMut() -> Result<f64, Error>) -> Result<f64, Error> {
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        least = least.min(copy()?);
    }
    Ok(BYTES as f64 / least / 1e9)
}

fn memcpy() -> Result<f64, Error> {
    let from = vec![1_u8; BYTES];
    let mut to = vec![0_u8; BYTES];
    fastest(|| {
        let started = Instant::now();
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
        Ok(started.elapsed().as_secs_f64())
    })
}

/// Buffers to copy between on the first device.
struct Device {
    stream: Stream,
    timer: Timer,
    pageable: Vec<u8>,
    pinned: HostBuffer,
    mapped: HostBuffer,
    from: DeviceBuffer,
    to: DeviceBuffer,
    picture: DeviceImageBuf,
    painter: Painter,
}

impl Device {
    fn open() -> Result<Self, Error> {
        let context = Context::primary(0)?;
        Ok(Self {
            stream: Stream::new(&context)?,
            timer: Timer::new(&context)?,
            pageable: vec![1; BYTES],
            pinned: HostBuffer::pinned(&context, BYTES)?,
            mapped: HostBuffer::mapped(&context, BYTES)?,
            from: DeviceBuffer::new(&context, BYTES)?,
            to: DeviceBuffer::new(&context, BYTES)?,
            picture: DeviceImageBuf::new(&context, large())?,
            painter: Painter::new(&context)?,
        })
    }

    fn timed(&mut self, copy: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<f64, Error> {
        self.timer.start(&self.stream)?;
        copy(self)?;
        Ok(f64::from(self.timer.stop(&self.stream)?) / 1e6)
    }

    fn write(&mut self) -> Result<f64, Error> {
        self.timed(|own| own.to.write(&own.pageable, &own.stream, PURPOSE))
    }

    /// Draws nothing on a copy.
    fn read(&mut self) -> Result<f64, Error> {
        self.timed(|Self { mapped, picture, painter, stream, .. }| {
            let mut to = picture.image_mut()?;
            mapped.read_in_place(large(), stream, |from| {
                painter.copy_and_draw(&DisplayList::default(), from, &mut to, stream)
            })
        })
    }

    fn upload(&mut self) -> Result<f64, Error> {
        self.timed(|own| own.to.upload(0, &mut own.pinned, 0..BYTES, &own.stream, PURPOSE))
    }

    fn download(&mut self) -> Result<f64, Error> {
        self.timed(|own| own.from.download(0..BYTES, &mut own.pinned, &own.stream, PURPOSE))
    }

    fn within(&mut self) -> Result<f64, Error> {
        self.timed(|own| own.to.copy_from(0, &own.from, BYTES, &own.stream, PURPOSE))
    }
}
