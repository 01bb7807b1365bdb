//! Display lists onto frames in device memory.

mod atlas;
mod ops;

use std::ops::Range;
use std::sync::Arc;

use vision::draw::DisplayList;
use vision::image::ImageInfo;

use super::component::{Component, components, painted};
use crate::cuda::{Context, DeviceBuffer, DeviceImage, DeviceImageMut, Error, Event, PinnedBuffer, Stream};
use atlas::Atlas;
pub(super) use ops::Encoded;

/// Edge of a tile in pixels, and threads of the block that paints it, as kernels/draw.cu counts on.
const TILE: u32 = 32;
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
    op_count: u32,
    component_count: u32,
    painted: u32,
    in_place: u32,
    width: u32,
    height: u32,
    tile_x: u32,
    tile_y: u32,
}

const _: () = assert!(size_of::<Params>() == 256);

impl Params {
    /// For reading `from` and writing `to`, which are alike; the addresses are those of bounds, ops, points and
    /// the atlas.
    pub fn new(
        from: &DeviceImage<'_>,
        to: &DeviceImage<'_>,
        encoded: &Encoded,
        [bounds, ops, points, atlas]: [u64; 4],
    ) -> Self {
        let ((source, component_count), (target, _)) = (components(from), components(to));
        Self {
            from: source,
            to: target,
            bounds,
            ops,
            points,
            atlas,
            op_count: encoded.ops.len() as u32,
            component_count,
            painted: painted(from.info().format),
            in_place: (source == target).into(),
            width: from.info().width as u32,
            height: from.info().height as u32,
            tile_x: 0,
            tile_y: 0,
        }
    }

    /// The same, for the tiles of `region` only.
    fn for_tiles(self, region: &[Range<u32>; 2]) -> Self {
        Self { tile_x: region[0].start, tile_y: region[1].start, ..self }
    }
}

/// The tiles between `from` and `to` pixels of a line of `length`.
fn tiles(from: f32, to: f32, length: usize) -> Range<u32> {
    let pixel = |value: f32| value.clamp(0.0, length as f32) as u32;
    pixel(from.floor()) / TILE..pixel(to.ceil()).div_ceil(TILE)
}

/// Columns and rows of the tiles that `encoded` may touch.
fn touched(encoded: &Encoded, info: &ImageInfo) -> [Range<u32>; 2] {
    let [left, top, right, bottom] = encoded.extent().unwrap_or_default();
    [tiles(left, right, info.width), tiles(top, bottom, info.height)]
}

/// Paints display lists as `vision::draw` does, in one kernel. Its draws happen one after the other, whatever streams
/// they are put in.
#[derive(Debug)]
pub struct Painter {
    context: Arc<Context>,
    stages: Vec<PinnedBuffer>,
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
            stages: (0..STAGES).map(|_| PinnedBuffer::new(context, STAGE)).collect::<Result<_, _>>()?,
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
        let (encoded, addresses) = self.prepare(list, image.info(), stream)?;
        let region = touched(&encoded, image.info());
        self.launch(Params::new(image, image, &encoded, addresses), &region, stream)
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
        let (encoded, addresses) = self.prepare(list, info, stream)?;
        let region = [tiles(0.0, info.width as f32, info.width), tiles(0.0, info.height as f32, info.height)];
        self.launch(Params::new(from, to, &encoded, addresses), &region, stream)
    }

    /// Encodes `list` and sends it to the device; returns the addresses that [`Params::new`] wants.
    fn prepare(
        &mut self,
        list: &DisplayList,
        info: &ImageInfo,
        stream: &Stream,
    ) -> Result<(Encoded, [u64; 4]), Error> {
        if *stream.context() != self.context {
            return Err(Error::Argument("the stream belongs to another context than the painter".into()));
        }
        stream.wait(&self.last)?;
        let start = self.atlas.make_room(list)?;
        let mut masks = Vec::new();
        let encoded = Encoded::new(list, info, |sprite| self.atlas.place(sprite, &mut masks));
        let sent = self.send(&encoded, &masks, start, stream);
        if sent.is_err() {
            self.atlas.forget();
        }
        sent?;
        let bounds = self.list.address();
        let ops = bounds + encoded.bytes()[0].len() as u64;
        let points = ops + encoded.bytes()[1].len() as u64;
        Ok((encoded, [bounds, ops, points, self.atlas.memory.address()]))
    }

    /// Sends bounds, ops and points to `list`, and `masks` to byte `start` of the atlas.
    fn send(&mut self, encoded: &Encoded, masks: &[u8], start: usize, stream: &Stream) -> Result<(), Error> {
        let parts = encoded.bytes();
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let total = length + masks.len();
        if total == 0 {
            return Ok(());
        }
        if length > self.list.len() {
            self.list = DeviceBuffer::new(&self.context, length.next_power_of_two())?;
        }
        let stage = next_stage(&mut self.stages, &mut self.next, total, &self.context)?;
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

    fn launch(&mut self, params: Params, region: &[Range<u32>; 2], stream: &Stream) -> Result<(), Error> {
        let grid = (region[0].len() as u32, region[1].len() as u32);
        if grid.0 * grid.1 > 0 {
            let kernel = &self.context.kernels()?.draw;
            // SAFETY: `Params` mirrors the kernel's parameter. The images have the sizes in it and stay valid, as
            // whoever made them promised; the rest is ours, and freeing it waits.
            unsafe { kernel.launch(grid, BLOCK, stream, &params.for_tiles(region)) }?;
        }
        self.last.record(stream)
    }
}

/// The stage that was used longest ago, with room for `length` bytes.
fn next_stage<'a>(
    stages: &'a mut [PinnedBuffer],
    next: &mut usize,
    length: usize,
    context: &Arc<Context>,
) -> Result<&'a mut PinnedBuffer, Error> {
    *next = (*next + 1) % stages.len();
    let stage = &mut stages[*next];
    if stage.len() < length {
        *stage = PinnedBuffer::new(context, length.next_power_of_two())?;
    }
    Ok(stage)
}
