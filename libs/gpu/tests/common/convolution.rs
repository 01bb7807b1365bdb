//! Convolutions of every kind, and what a plain sum makes of them.

use super::{Activation, Convolution};

/// A convolution with its numbers.
pub struct Layer {
    pub convolution: Convolution,
    pub input_shape: [usize; 4],
    pub output_shape: [usize; 4],
    pub input: Vec<f32>,
    /// In the order kernel row, kernel column, input channel, output channel.
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Layer {
    fn new(
        convolution: Convolution,
        input_shape: [usize; 4],
        channels: usize,
        number: &mut impl FnMut() -> f32,
    ) -> Self {
        let mut numbers = |count: usize| (0..count).map(|_| number()).collect();
        let taps: usize = convolution.kernel.iter().product();
        Self {
            convolution,
            input_shape,
            output_shape: convolution.output_shape(input_shape, channels).unwrap(),
            input: numbers(input_shape.iter().product()),
            weights: numbers(taps * input_shape[1] * channels),
            bias: numbers(channels),
        }
    }

    /// What comes out, in `f64` until the end.
    pub fn expected(&self) -> Vec<f32> {
        let [images, channels, height, width] = self.output_shape;
        let place = |index: usize| {
            let (pixel, plane) = (index % (height * width), index / (height * width));
            self.at(plane / channels, plane % channels, [pixel / width, pixel % width])
        };
        (0..images * channels * height * width).map(place).collect()
    }

    fn at(&self, image: usize, channel: usize, pixel: [usize; 2]) -> f32 {
        let Convolution { kernel, activation, .. } = self.convolution;
        let taps = (0..kernel[0]).flat_map(|row| (0..kernel[1]).map(move |column| [row, column]));
        let sum: f64 = taps.map(|tap| self.tap(image, channel, pixel, tap)).sum();
        let x = sum + f64::from(self.bias[channel]);
        (match activation {
            Activation::None => x,
            Activation::Relu => x.max(0.0),
            Activation::Silu => x / (1.0 + (-x).exp()),
        }) as f32
    }

    fn tap(&self, image: usize, channel: usize, pixel: [usize; 2], tap: [usize; 2]) -> f64 {
        let [_, inputs, height, width] = self.input_shape;
        let Convolution { kernel, stride, padding, .. } = self.convolution;
        let place = |axis: usize| (pixel[axis] * stride[axis] + tap[axis]).checked_sub(padding[axis]);
        let (Some(y), Some(x)) = (place(0), place(1)) else { return 0.0 };
        if y >= height || x >= width {
            return 0.0;
        }
        let first = (tap[0] * kernel[1] + tap[1]) * inputs;
        let value = |input: usize| f64::from(self.input[((image * inputs + input) * height + y) * width + x]);
        let weight = |input: usize| f64::from(self.weights[(first + input) * self.bias.len() + channel]);
        (0..inputs).map(|input| value(input) * weight(input)).sum()
    }

    /// Panics where `found` is not what comes out, but for rounding.
    pub fn compare(&self, found: &[f32]) {
        let expected = self.expected();
        assert_eq!(found.len(), expected.len());
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            let difference = (found - expected).abs();
            assert!(
                difference < 2e-5,
                "{:?} of {:?}: {found} instead of {expected} at {index}",
                self.convolution,
                self.input_shape
            );
        }
    }
}

/// Kernels, strides, paddings, activations, and numbers of channels and pixels that fit no tile. Each `number` is between
/// -0.5 and 0.5.
pub fn layers(mut number: impl FnMut() -> f32) -> Vec<Layer> {
    let square = |kernel, stride, padding, activation| Convolution {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 4],
        activation,
    };
    let odd =
        Convolution { kernel: [2, 5], stride: [3, 1], padding: [0, 3, 2, 1], activation: Activation::Relu };
    let all = [
        (square(3, 1, 1, Activation::Silu), [1, 16, 10, 13], 16),
        (square(1, 1, 0, Activation::None), [2, 48, 9, 9], 32),
        (square(3, 1, 1, Activation::Silu), [1, 80, 7, 7], 80),
        (square(3, 2, 1, Activation::Silu), [3, 64, 11, 5], 132),
        (square(3, 1, 0, Activation::Relu), [1, 32, 3, 3], 4),
        (odd, [2, 20, 8, 17], 24),
    ];
    all.map(|(convolution, shape, channels)| Layer::new(convolution, shape, channels, &mut number)).into()
}
