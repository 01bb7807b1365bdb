//! Finds what a network is sure of where its output lies, so that only that is brought to the host.

use std::sync::Arc;

use vision::head::{Candidate, DenseLayout};
use vision::tensor::DataType;

use crate::cuda::{Context, DeviceBuffer, DeviceElementsMut, Error, Graph, HostBuffer, Stream};

/// Bytes of a candidate, and of the counter that comes before the first one.
const SIZE: usize = size_of::<Candidate>();
/// Candidates of each image that are brought to the host before anybody knows how many there are: with the counter 32 KiB.
const BROUGHT: usize = 1023;
/// Threads of a block.
const BLOCK: u32 = 128;
const PURPOSE: &str = "inference: candidates";

/// Mirrors `CandidateCounter` of kernels/candidates.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    pub found: u32,
    next: u32,
    blocks: u32,
}

const _: () = assert!(size_of::<Counter>() <= SIZE);

/// Mirrors `CandidateParams` of kernels/candidates.h.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    values: u64,
    counter: u64,
    out: u64,
    confidence: f32,
    images: u32,
    positions: u32,
    classes: u32,
    objectness: u32,
    planes: u32,
    element: u32,
}

const _: () = assert!(size_of::<Params>() == 56);

impl Params {
    /// For an output, with counter and candidates at the addresses `counter` and `out`.
    pub fn new(output: &Searched<'_>, (counter, out): (u64, u64)) -> Result<Self, Error> {
        let Searched { values, images, layout, confidence } = output;
        let element = match values.data_type() {
            DataType::F32 => 0,
            DataType::F16 => 1,
            other => return Err(Error::Argument(format!("an output of {other:?} has no candidates"))),
        };
        let numbers = images * layout.width();
        if numbers == 0 || !values.len().is_multiple_of(numbers) {
            let message = format!("{} elements are not {images} images of {layout:?}", values.len());
            return Err(Error::Argument(message));
        }
        Ok(Self {
            values: values.address(),
            counter,
            out,
            confidence: *confidence,
            images: *images as u32,
            positions: (values.len() / numbers) as u32,
            classes: layout.classes as u32,
            objectness: layout.objectness.into(),
            planes: layout.planes.into(),
            element,
        })
    }

    /// Candidates that there can be.
    fn capacity(&self) -> usize {
        self.images as usize * self.positions as usize
    }
}

/// An output to search, and what for.
pub struct Searched<'a> {
    /// The output's elements.
    pub values: DeviceElementsMut<'a>,
    /// Images in it.
    pub images: usize,
    /// How it holds their candidates.
    pub layout: DenseLayout,
    /// Only scores strictly above this count, 0 to 1.
    pub confidence: f32,
}

/// The candidates of one batch, on the device and on the host.
#[derive(Debug)]
pub struct CandidateFinder {
    /// Work that a search ends. Before what it names.
    recorded: Option<Graph>,
    context: Arc<Context>,
    /// The counter, then room for a candidate at each position of each image.
    device: DeviceBuffer,
    /// The same for the first of them.
    host: HostBuffer,
}

impl CandidateFinder {
    /// For outputs of `images` with `positions` each.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(context: &Arc<Context>, images: usize, positions: usize) -> Result<Self, Error> {
        context.kernels()?;
        let (all, brought) = (images * positions, images * positions.min(BROUGHT));
        let mut device = DeviceBuffer::new(context, (1 + all) * SIZE)?;
        let stream = Stream::new(context)?;
        device.elements_mut(DataType::U8, 0..SIZE)?.zero(&stream)?;
        stream.synchronize()?;
        let host = HostBuffer::pinned(context, (1 + brought) * SIZE)?;
        Ok(Self { recorded: None, context: Arc::clone(context), device, host })
    }

    /// Positions of all images together.
    pub fn capacity(&self) -> usize {
        self.device.len() / SIZE - 1
    }

    /// Finds candidates in the order of `stream`. Blocks nobody.
    ///
    /// # Errors
    /// When there are more positions than room, the output does not have its layout or holds no floats, or the kernel
    /// cannot be launched.
    pub fn find(&mut self, output: &Searched<'_>, stream: &Stream) -> Result<(), Error> {
        self.enqueue(output, stream)?;
        self.bring(stream)
    }

    /// Records what `work` puts into `stream` and a search in `output` after it, so that one call launches both: all but the
    /// copy to the host, with which a recording takes longer to launch. Addresses are recorded as they are: what they name must
    /// live as long as this is launched.
    ///
    /// # Errors
    /// As those of [`Graph::record`] and [`CandidateFinder::find`].
    pub fn record<E: From<Error>>(
        &mut self,
        output: &Searched<'_>,
        stream: &Stream,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.recorded = None;
        let recorded = Graph::record(stream, || {
            work()?;
            self.enqueue(output, stream).map_err(E::from)
        })?;
        self.recorded = Some(recorded);
        Ok(())
    }

    /// Puts what was recorded into `stream`. Blocks nobody.
    ///
    /// # Errors
    /// When nothing was recorded, or the context is lost.
    pub fn launch(&mut self, stream: &Stream) -> Result<(), Error> {
        let nothing = || Error::Argument("no search was recorded".into());
        self.recorded.as_mut().ok_or_else(nothing)?.launch(stream)?;
        self.bring(stream)
    }

    /// Puts the kernel into a stream, which may be recorded.
    fn enqueue(&mut self, output: &Searched<'_>, stream: &Stream) -> Result<(), Error> {
        let places = (self.device.address(), self.device.address() + SIZE as u64);
        let params = Params::new(output, places)?;
        if params.capacity() > self.capacity() {
            return Err(Error::Argument(format!(
                "{} positions, but room for {}",
                params.capacity(),
                self.capacity()
            )));
        }
        let grid = (params.positions.div_ceil(BLOCK), params.images, 1);
        let kernel = &self.context.kernels()?.candidates;
        // SAFETY: `Params` mirrors the kernel's parameter. The output has the size in it and stays valid, as whoever made it
        // promised; there is room for the counter and all candidates, and freeing it waits.
        unsafe { kernel.launch(grid, (BLOCK, 1), stream, &params) }
    }

    /// Brings what the kernel finds to the host.
    fn bring(&mut self, stream: &Stream) -> Result<(), Error> {
        self.device.download(0..self.host.len(), &mut self.host, stream, PURPOSE)
    }

    /// What was found last, by image and position. Waits for it.
    ///
    /// # Errors
    /// When the device's work failed.
    pub fn found(&self) -> Result<Vec<Candidate>, Error> {
        let bytes = self.host.bytes()?;
        let count = bytemuck::pod_read_unaligned::<u32>(&bytes[..size_of::<u32>()]) as usize;
        let brought = (bytes.len() / SIZE - 1).min(count);
        let mut found = to_candidates(&bytes[SIZE..(1 + brought) * SIZE]);
        if count > brought {
            found.extend(self.rest(1 + brought..1 + count)?);
        }
        found.sort_unstable_by_key(|candidate| (candidate.image, candidate.position));
        Ok(found)
    }

    /// Candidates beyond those that were brought already.
    fn rest(&self, range: std::ops::Range<usize>) -> Result<Vec<Candidate>, Error> {
        let bytes = range.start * SIZE..(range.end * SIZE).min(self.device.len());
        let mut host = HostBuffer::pinned(&self.context, bytes.len())?;
        self.device.download(bytes, &mut host, &Stream::new(&self.context)?, PURPOSE)?;
        Ok(to_candidates(host.bytes()?))
    }
}

fn to_candidates(bytes: &[u8]) -> Vec<Candidate> {
    bytes.chunks_exact(SIZE).map(bytemuck::pod_read_unaligned).collect()
}
