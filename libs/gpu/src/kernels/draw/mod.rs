//! Display lists onto frames in device memory.

mod atlas;
mod ops;
pub(super) mod tiles;

use std::sync::Arc;

use vision::draw::DisplayList;
use vision::image::ImageInfo;

use super::component::{Component, components, painted};
use crate::cuda::{Context, DeviceBuffer, DeviceImage, DeviceImageMut, Error, Event, HostBuffer, Stream};
use atlas::Atlas;
pub(super) use ops::Encoded;

/// Threads of the block that paints a tile, as kernels/draw.cu counts on.
const BLOCK: (u32, u32) = (256, 1);

/// Display lists that may be on their way to the device at a time.
const STAGES: usize = 4;
/// What a stage holds at first, in bytes.
const STAGE: usize = 64 << 10;

const PURPOSE: &str = "draw: display list";
const SPRITES: &str = "draw: text";

/// Mirrors `DrawParams` of kernels/draw.h.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    from: [Component; 4],
    to: [Component; 4],
    bounds: u64,
    ops: u64,
    points: u64,
    atlas: u64,
    tiles: u64,
    tile_count: u32,
    op_count: u32,
    component_count: u32,
    painted: u32,
    in_place: u32,
    width: u32,
    height: u32,
    _padding: u32,
}

const _: () = assert!(size_of::<Params>() == 264);

impl Params {
    /// For reading `from` and writing `to`, which are alike; the addresses are those of bounds, ops, points, the atlas and the
    /// tiles, so many of which are painted.
    pub fn new(
        from: &DeviceImage<'_>,
        to: &DeviceImage<'_>,
        encoded: &Encoded,
        [bounds, ops, points, atlas, tiles]: [u64; 5],
        tile_count: usize,
    ) -> Self {
        let ((source, component_count), (target, _)) = (components(from), components(to));
        Self {
            from: source,
            to: target,
            bounds,
            ops,
            points,
            atlas,
            tiles,
            tile_count: tile_count as u32,
            op_count: encoded.ops.len() as u32,
            component_count,
            painted: painted(from.info().format),
            in_place: (source == target).into(),
            width: from.info().width as u32,
            height: from.info().height as u32,
            _padding: 0,
        }
    }
}

/// A display list on its way to the device.
struct Prepared {
    encoded: Encoded,
    /// The tiles to paint; empty for all.
    tiles: Vec<u32>,
    /// As [`Params::new`] wants them.
    addresses: [u64; 5],
}

/// Paints display lists as `vision::draw` does, in one kernel. Its draws happen one after the other, whatever streams
/// they are put in.
#[derive(Debug)]
pub struct Painter {
    context: Arc<Context>,
    stages: Vec<HostBuffer>,
    next: usize,
    list: DeviceBuffer,
    atlas: Atlas,
    /// Happens when the last draw is done: `list` and `atlas` are free then.
    last: Event,
}

impl Painter {
    /// A painter that has drawn nothing. Takes 4 MiB of device memory.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn new(context: &Arc<Context>) -> Result<Self, Error> {
        Ok(Self {
            context: context.clone(),
            stages: (0..STAGES).map(|_| HostBuffer::pageable(context, STAGE)).collect(),
            next: 0,
            list: DeviceBuffer::new(context, STAGE)?,
            atlas: Atlas::new(context)?,
            last: Event::new(context)?,
        })
    }

    /// Paints `list` onto `image` in place, in the order of `stream`. Blocks nobody, unless several lists are still on
    /// their way to the device.
    ///
    /// # Errors
    /// When the stream is of another context, memory runs out, or the kernel cannot be launched.
    pub fn draw(
        &mut self,
        list: &DisplayList,
        image: &mut DeviceImageMut<'_>,
        stream: &Stream,
    ) -> Result<(), Error> {
        let image = image.as_image();
        let Prepared { encoded, tiles, addresses } = self.prepare(list, image.info(), true, stream)?;
        self.launch(&Params::new(image, image, &encoded, addresses, tiles.len()), stream)
    }

    /// Copies `from` to `to` and paints `list` onto the copy, in one pass, in the order of `stream`. Blocks as
    /// [`Painter::draw`] does.
    ///
    /// # Errors
    /// As [`Painter::draw`]; also when the images are not alike.
    pub fn copy_and_draw(
        &mut self,
        list: &DisplayList,
        from: &DeviceImage<'_>,
        to: &mut DeviceImageMut<'_>,
        stream: &Stream,
    ) -> Result<(), Error> {
        let (info, to) = (from.info(), to.as_image());
        if info != to.info() {
            return Err(Error::Argument(format!("{info:?} cannot be copied to {:?}", to.info())));
        }
        let Prepared { encoded, addresses, .. } = self.prepare(list, info, false, stream)?;
        self.launch(&Params::new(from, to, &encoded, addresses, tiles::count(info)), stream)
    }

    /// Encodes `list` and sends it to the device; `in_place` also the tiles that it touches.
    fn prepare(
        &mut self,
        list: &DisplayList,
        info: &ImageInfo,
        in_place: bool,
        stream: &Stream,
    ) -> Result<Prepared, Error> {
        if *stream.context() != self.context {
            return Err(Error::Argument("the stream belongs to another context than the painter".into()));
        }
        stream.wait(&self.last)?;
        let start = self.atlas.make_room(list)?;
        let mut masks = Vec::new();
        let encoded = Encoded::new(list, info, |sprite| self.atlas.place(sprite, &mut masks));
        let tiles = if in_place { tiles::touched(&encoded, info) } else { Vec::new() };
        let sent = self.send(&encoded, &tiles, &masks, start, stream);
        if sent.is_err() {
            self.atlas.forget();
        }
        sent?;
        let lengths = encoded.bytes().map(|part| part.len() as u64);
        let bounds = self.list.address();
        let (ops, points) = (bounds + lengths[0], bounds + lengths[0] + lengths[1]);
        let tile_list = if tiles.is_empty() { 0 } else { points + lengths[2] };
        let addresses = [bounds, ops, points, self.atlas.memory.address(), tile_list];
        Ok(Prepared { encoded, tiles, addresses })
    }

    /// Sends bounds, ops, points and tiles to `list`, and `masks` to byte `start` of the atlas.
    fn send(
        &mut self,
        encoded: &Encoded,
        tiles: &[u32],
        masks: &[u8],
        start: usize,
        stream: &Stream,
    ) -> Result<(), Error> {
        let [bounds, ops, points] = encoded.bytes();
        let parts = [bounds, ops, points, ops::bytes(tiles)];
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let total = length + masks.len();
        if total == 0 {
            return Ok(());
        }
        if length > self.list.len() {
            self.list = DeviceBuffer::new(&self.context, length.next_power_of_two())?;
        }
        let stage = next_stage(&mut self.stages, &mut self.next, total, &self.context);
        let mut rest = stage.bytes_mut()?;
        for part in parts.into_iter().chain([masks]) {
            let (bytes, after) = rest.split_at_mut(part.len());
            bytes.copy_from_slice(part);
            rest = after;
        }
        self.list.upload(0, stage, 0..length, stream, PURPOSE)?;
        if !masks.is_empty() {
            self.atlas.memory.upload(start, stage, length..total, stream, SPRITES)?;
        }
        Ok(())
    }

    fn launch(&mut self, params: &Params, stream: &Stream) -> Result<(), Error> {
        if params.tile_count > 0 {
            let kernel = &self.context.kernels()?.draw;
            // SAFETY: `Params` mirrors the kernel's parameter. The images have the sizes in it and stay valid, as
            // whoever made them promised; the rest is ours, and freeing it waits.
            unsafe { kernel.launch((params.tile_count, 1, 1), BLOCK, stream, params) }?;
        }
        self.last.record(stream)
    }
}

/// The stage that was used longest ago, with room for `length` bytes.
fn next_stage<'a>(
    stages: &'a mut [HostBuffer],
    next: &mut usize,
    length: usize,
    context: &Arc<Context>,
) -> &'a mut HostBuffer {
    *next = (*next + 1) % stages.len();
    let stage = &mut stages[*next];
    if stage.len() < length {
        *stage = HostBuffer::pageable(context, length.next_power_of_two());
    }
    stage
}
