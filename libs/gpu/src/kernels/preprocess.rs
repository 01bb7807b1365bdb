//! Frames in device memory into slots of a network's input.

use std::sync::Arc;

use vision::geometry::Placement;
use vision::image::ImageInfo;
use vision::preprocess::{Channels, InputSpec, Layout};
use vision::tensor::DataType;

use super::colour::Conversion;
use super::component::{Component, components};
use crate::cuda::{Context, DeviceBuffer, DeviceElementsMut, DeviceImage, Error, HostBuffer, Stream};

/// Threads of a block, as kernels/preprocess.cu counts on.
const BLOCK: (u32, u32) = (32, 8);

/// Mirrors `Tap` of kernels/preprocess.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tap {
    first: u32,
    weight: f32,
}

/// How `to` output positions read a line of `from` source positions: bilinear, half-pixel centres.
fn taps(from: usize, to: usize) -> impl Iterator<Item = Tap> {
    let (step, last) = (from as f64 / to as f64, (from - 1) as f64);
    (0..to).map(move |position| {
        let position = ((position as f64 + 0.5) * step - 0.5).clamp(0.0, last);
        Tap { first: position as u32, weight: (position - position.trunc()) as f32 }
    })
}

/// The taps of all columns, then those of all rows.
pub(super) fn all_taps(placement: &Placement) -> Vec<Tap> {
    let (source, size) = (placement.source, placement.size);
    taps(source.0, size.0).chain(taps(source.1, size.1)).collect()
}

/// Mirrors `PreprocessParams` of kernels/preprocess.h.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    components: [Component; 3],
    columns: u64,
    rows: u64,
    out: u64,
    channel_stride: u64,
    pixel_stride: u64,
    luma: f32,
    chroma: [[f32; 2]; 3],
    offset: [f32; 3],
    mean: [f32; 3],
    scale: [f32; 3],
    pad: f32,
    component_count: u32,
    convert: u32,
    source_width: u32,
    source_height: u32,
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    input_width: u32,
    input_height: u32,
    order: u32,
    element: u32,
}

const _: () = assert!(size_of::<Params>() == 232);

impl Params {
    /// Everything that depends on sizes and formats only; `taps` is the address of [`all_taps`].
    pub fn new(source: &ImageInfo, spec: &InputSpec, placement: &Placement, taps: u64) -> Self {
        let convert = source.format.rgb_offsets().is_none();
        let conversion = if convert { Conversion::new(source) } else { Conversion::default() };
        let (channel_stride, pixel_stride) = strides(spec);
        Self {
            components: Default::default(),
            columns: taps,
            rows: taps + (placement.size.0 * size_of::<Tap>()) as u64,
            out: 0,
            channel_stride,
            pixel_stride,
            luma: conversion.luma,
            chroma: conversion.chroma,
            offset: conversion.offset,
            mean: spec.mean,
            scale: spec.scale,
            pad: spec.pad.into(),
            component_count: 0,
            convert: convert.into(),
            source_width: source.width as u32,
            source_height: source.height as u32,
            left: placement.offset.0 as u32,
            top: placement.offset.1 as u32,
            width: placement.size.0 as u32,
            height: placement.size.1 as u32,
            input_width: spec.width as u32,
            input_height: spec.height as u32,
            order: order(spec.channels),
            element: 0,
        }
    }

    /// For one image and the elements that it becomes.
    pub fn with(self, image: &DeviceImage<'_>, out: &DeviceElementsMut<'_>) -> Result<Self, Error> {
        let ([a, b, c, _], count) = components(image);
        let element = element(out.data_type())?;
        Ok(Self { components: [a, b, c], component_count: count.min(3), out: out.address(), element, ..self })
    }

    fn grid(&self) -> (u32, u32, u32) {
        (self.input_width.div_ceil(BLOCK.0), self.input_height.div_ceil(BLOCK.1), 1)
    }
}

/// Elements from channel to channel and from pixel to pixel.
fn strides(spec: &InputSpec) -> (u64, u64) {
    match spec.layout {
        Layout::Nchw => ((spec.width * spec.height) as u64, 1),
        Layout::Nhwc => (1, spec.channels.count() as u64),
    }
}

/// `ChannelOrder` of kernels/preprocess.h.
fn order(channels: Channels) -> u32 {
    match channels {
        Channels::Rgb => 0,
        Channels::Bgr => 1,
        Channels::Gray => 2,
    }
}

/// `ElementType` of kernels/preprocess.h.
fn element(data_type: DataType) -> Result<u32, Error> {
    match data_type {
        DataType::F32 => Ok(0),
        DataType::F16 => Ok(1),
        DataType::U8 => Ok(2),
        other => Err(Error::Argument(format!("a network's input of {other:?} cannot be written"))),
    }
}

/// Turns frames of one kind into one slot of an input tensor, as `vision::preprocess::Preprocessor` does, in one kernel.
#[derive(Debug)]
pub struct Preprocessor {
    context: Arc<Context>,
    source: ImageInfo,
    spec: InputSpec,
    placement: Placement,
    params: Params,
    /// The addresses in `params` lie in here.
    _taps: DeviceBuffer,
}

impl Preprocessor {
    /// Prepares for frames of `source` and a network that wants `spec`: compiles the kernels if nobody has, uploads a few
    /// kilobytes and waits for them.
    ///
    /// # Errors
    /// When either has no pixels, or the device has not enough memory.
    pub fn new(context: &Arc<Context>, source: ImageInfo, spec: InputSpec) -> Result<Self, Error> {
        if source.width * source.height == 0 || spec.is_empty() {
            return Err(Error::Argument(format!("{source:?} cannot become {spec:?}: both must have pixels")));
        }
        context.kernels()?;
        let placement = Placement::new(spec.resize, (source.width, source.height), (spec.width, spec.height));
        let taps = upload_taps(context, &all_taps(&placement))?;
        let params = Params::new(&source, &spec, &placement, taps.address());
        Ok(Self { context: context.clone(), source, spec, placement, params, _taps: taps })
    }

    /// Where the frame lies in the input.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Writes `image` to `out`, the slot of one image in the input tensor, in the order of `stream`. Blocks nobody.
    ///
    /// # Errors
    /// When `image` is not of the kind prepared for, `out` does not have [`InputSpec::len`] elements or is of a type
    /// that is none of F32, F16 and U8, or the kernel cannot be launched.
    pub fn run(
        &self,
        image: &DeviceImage<'_>,
        out: &mut DeviceElementsMut<'_>,
        stream: &Stream,
    ) -> Result<(), Error> {
        self.check(image.info(), out.len(), stream)?;
        let params = self.params.with(image, out)?;
        let kernel = &self.context.kernels()?.preprocess;
        // SAFETY: `Params` mirrors the kernel's parameter. Image and slot have the sizes that it was made for and stay
        // valid, as whoever made them promised; the taps are ours, and freeing them waits.
        unsafe { kernel.launch(params.grid(), BLOCK, stream, &params) }
    }

    fn check(&self, found: &ImageInfo, elements: usize, stream: &Stream) -> Result<(), Error> {
        let message = if *found != self.source {
            format!("prepared for {:?} frames, but got {found:?}", self.source)
        } else if elements != self.spec.len() {
            format!(
                "one image of the input tensor has {} elements, but the slot has {elements}",
                self.spec.len()
            )
        } else if *stream.context() != self.context {
            "the stream belongs to another context than the preprocessor".into()
        } else {
            return Ok(());
        };
        Err(Error::Argument(message))
    }
}

fn upload_taps(context: &Arc<Context>, taps: &[Tap]) -> Result<DeviceBuffer, Error> {
    let bytes: Vec<u8> =
        taps.iter().flat_map(|tap| [tap.first, tap.weight.to_bits()]).flat_map(u32::to_ne_bytes).collect();
    let mut staging = HostBuffer::pinned(context, bytes.len())?;
    staging.bytes_mut()?.copy_from_slice(&bytes);
    let mut device = DeviceBuffer::new(context, bytes.len())?;
    let stream = Stream::new(context)?;
    device.upload(0, &mut staging, 0..bytes.len(), &stream, "preprocess: taps")?;
    stream.synchronize()?;
    Ok(device)
}
