//! Convolutions of networks in FP32, with the activation that follows them: one launch where a runtime's libraries need two
//! or three, and work for the whole GPU where images are few and small.

use std::ffi::CString;

use vision::tensor::DataType;

use crate::cuda::{DeviceElementsMut, Error, Function, Module, Stream};

pub(super) const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/convolution.ptx"));

/// What is done with each sum.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`
    Relu,
    /// `x / (1 + exp(-x))`
    Silu,
}

/// A convolution of images in planes. Numbers of rows come before numbers of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Pixels from one place of the kernel to the next.
    pub stride: [usize; 2],
    /// Zeros above and left of the image, then below and right of it.
    pub padding: [usize; 4],
    /// What follows.
    pub activation: Activation,
}

/// The tensors of a convolution, FP32 and without gaps.
#[derive(Debug)]
pub struct Operands<'a> {
    /// Images, input channels, height and width.
    pub input_shape: [usize; 4],
    /// In that order.
    pub input: DeviceElementsMut<'a>,
    /// In the order kernel row, kernel column, input channel, output channel; begins at a multiple of 16 bytes.
    pub weights: DeviceElementsMut<'a>,
    /// One number for each output channel; they are a multiple of 4.
    pub bias: DeviceElementsMut<'a>,
    /// As [`Convolution::output_shape`] says.
    pub output: DeviceElementsMut<'a>,
}

/// Mirrors `ConvolutionParams` of kernels/convolution.h.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    input: u64,
    weights: u64,
    bias: u64,
    output: u64,
    /// Channels, height, width.
    input_size: [u32; 3],
    output_size: [u32; 3],
    kernel: [u32; 2],
    stride: [u32; 2],
    /// Above and left.
    padding: [u32; 2],
    activation: u32,
}

const _: () = assert!(size_of::<Params>() == 88);

impl Convolution {
    /// Images, channels, height and width of what becomes of `input` in a convolution to `channels` channels; `None` where
    /// the kernel is larger than the image.
    pub fn output_shape(&self, input: [usize; 4], channels: usize) -> Option<[usize; 4]> {
        let size = |axis: usize| {
            let places = input[2 + axis] + self.padding[axis] + self.padding[2 + axis];
            Some(places.checked_sub(self.kernel[axis])? / self.stride[axis] + 1)
        };
        Some([input[0], channels, size(0)?, size(1)?])
    }

    /// Computes it in the order of `stream`. Blocks nobody.
    ///
    /// # Errors
    /// When the tensors do not fit together, or the kernel cannot be launched.
    pub fn run(&self, operands: &Operands<'_>, stream: &Stream) -> Result<(), Error> {
        let params = self.params(operands)?;
        let images = operands.input_shape[0] as u32;
        let context = stream.context();
        let (index, tile) = Tile::best(&params, images, context.device().multiprocessors);
        let kernel = &context.convolutions()?.0[index];
        let grid = tile.grid(&params, images);
        // SAFETY: `Params` mirrors the kernel's parameter; the tensors have the sizes in it and stay valid, as whoever made
        // them promised.
        unsafe { kernel.launch(grid, (tile.threads(), 1), stream, &params) }
    }

    pub(super) fn params(&self, operands: &Operands<'_>) -> Result<Params, Error> {
        let Operands { input_shape: shape, input, weights, bias, output } = operands;
        let wrong = || Error::Argument(format!("{self:?} does not fit {operands:?}"));
        let output_shape = self.output_shape(*shape, bias.len()).ok_or_else(wrong)?;
        let lengths = [
            (input, shape.iter().product()),
            (weights, self.kernel.iter().product::<usize>() * shape[1] * bias.len()),
            (output, output_shape.iter().product()),
            (bias, output_shape[1]),
        ];
        let fits = |&(tensor, length): &(&DeviceElementsMut<'_>, usize)| {
            tensor.data_type() == DataType::F32 && tensor.len() == length && length != 0
        };
        let is_aligned = bias.len().is_multiple_of(4) && weights.address().is_multiple_of(16);
        if !lengths.iter().all(fits) || !is_aligned {
            return Err(wrong());
        }
        let small = |numbers: &[usize]| numbers.iter().all(|&number| number < 1 << 15);
        let sizes = [&shape[..], &output_shape, &self.kernel, &self.padding];
        // The kernel counts elements of one image, and of the weights, in 32 bits.
        let counts = [shape[1..].iter().product(), output_shape[1..].iter().product(), weights.len()];
        if !sizes.into_iter().all(small) || counts.into_iter().any(|count: usize| count >= 1 << 31) {
            return Err(wrong());
        }
        let last = |shape: &[usize; 4]| [shape[1] as u32, shape[2] as u32, shape[3] as u32];
        let pair = |numbers: &[usize]| [numbers[0] as u32, numbers[1] as u32];
        Ok(Params {
            input: input.address(),
            weights: weights.address(),
            bias: bias.address(),
            output: output.address(),
            input_size: last(shape),
            output_size: last(&output_shape),
            kernel: pair(&self.kernel),
            stride: pair(&self.stride),
            padding: pair(&self.padding),
            activation: self.activation as u32,
        })
    }
}

/// What a block of threads computes, and how long that takes.
#[derive(Debug)]
pub(super) struct Tile {
    channels: u32,
    pixels: u32,
    slices: u32,
    /// Input channels of a round.
    depth: u32,
    /// Microseconds of a round: for one block alone, and for each of the blocks that a multiprocessor has. Fitted to an
    /// H100; elsewhere they only tell which tile is likely to be the best.
    alone: f32,
    each: f32,
}

/// Mirrors `EACH_TILE` of kernels/convolution.h.
pub(super) const TILES: [Tile; 5] = [
    Tile { channels: 16, pixels: 128, slices: 8, depth: 16, alone: 0.55, each: 0.41 },
    Tile { channels: 32, pixels: 128, slices: 4, depth: 16, alone: 0.70, each: 0.65 },
    Tile { channels: 32, pixels: 32, slices: 16, depth: 64, alone: 0.90, each: 0.75 },
    Tile { channels: 16, pixels: 32, slices: 32, depth: 64, alone: 0.55, each: 0.47 },
    Tile { channels: 64, pixels: 64, slices: 8, depth: 32, alone: 1.23, each: 1.23 },
];

/// Microseconds that a block takes besides its rounds.
const BESIDES: f32 = 0.75;

impl Tile {
    /// The one that is likely to be the fastest. Always the same for the same convolution and device: the order of a sum
    /// depends on it.
    fn best(params: &Params, images: u32, multiprocessors: u32) -> (usize, &'static Self) {
        let time = |tile: &Self| tile.microseconds(params, images, multiprocessors);
        let tiles = TILES.iter().enumerate();
        tiles.min_by(|(_, a), (_, b)| time(a).total_cmp(&time(b))).unwrap_or((0, &TILES[0]))
    }

    fn microseconds(&self, params: &Params, images: u32, multiprocessors: u32) -> f32 {
        let (x, y, z) = self.grid(params, images);
        let blocks =
            (u64::from(x) * u64::from(y) * u64::from(z)).div_ceil(multiprocessors.max(1).into()) as f32;
        let rounds = params.kernel.iter().product::<u32>() * params.input_size[0].div_ceil(self.depth);
        rounds as f32 * self.alone.max(self.each * blocks) + BESIDES * blocks
    }

    pub(super) fn grid(&self, params: &Params, images: u32) -> (u32, u32, u32) {
        let [channels, height, width] = params.output_size;
        ((height * width).div_ceil(self.pixels), channels.div_ceil(self.channels), images)
    }

    /// The name of its kernel.
    pub(super) fn kernel(&self) -> CString {
        CString::new(format!("convolution_{}x{}", self.channels, self.pixels)).unwrap_or_default()
    }

    /// A thread has 64 sums.
    fn threads(&self) -> u32 {
        self.channels * self.pixels / 64 * self.slices
    }
}

/// A kernel for each tile, in their order, compiled for one context.
pub(crate) struct Kernels(Vec<Function>);

impl Kernels {
    /// Compiles them for the current context.
    pub fn load() -> Result<Self, Error> {
        let module = Module::load(PTX)?;
        TILES.iter().map(|tile| module.function(&tile.kernel())).collect::<Result<_, _>>().map(Self)
    }
}
