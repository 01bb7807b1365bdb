//! Writes resized rows to an input tensor: channel order, padding, normalisation, element type.

use half::slice::HalfFloatSliceExt;

use super::resample::{Mix, round, set};
use super::{Channels, InputSpec, Layout};
use crate::tensor::ElementsMut;

/// Writes rows of one input.
#[derive(Debug)]
pub(super) struct Store {
    spec: InputSpec,
    /// Columns before the frame.
    left: usize,
    /// A row's channels one after the other, to be interleaved.
    planes: Vec<f32>,
    /// A row as floats, to be converted.
    floats: Vec<f32>,
}

impl Store {
    pub fn new(spec: InputSpec, left: usize) -> Self {
        let row = vec![0.0; spec.width * spec.channels.count()];
        Self { spec, left, planes: row.clone(), floats: row }
    }

    /// Writes row `y`: the frame's `mix` and padding beside it, or padding alone.
    pub fn row(&mut self, mix: Option<&Mix<'_>>, y: usize, out: &mut ElementsMut<'_>) {
        let Self { spec, left, planes, floats } = self;
        let (width, count) = (spec.width, spec.channels.count());
        if spec.layout == Layout::Nhwc && count == 3 {
            for (channel, plane) in planes.chunks_exact_mut(width).enumerate() {
                fill(spec, mix, *left, channel, plane);
            }
            return write(out, y * width * count, floats, |line| interleave(planes, line));
        }
        for channel in 0..count {
            let at = (channel * spec.height + y) * width;
            write(out, at, &mut floats[..width], |line| fill(spec, mix, *left, channel, line));
        }
    }
}

/// Writes one channel of a row, normalised.
fn fill(spec: &InputSpec, mix: Option<&Mix<'_>>, left: usize, channel: usize, line: &mut [f32]) {
    let (mean, scale) = (spec.mean[channel], spec.scale[channel]);
    let normal = |value: f32| (value - mean) * scale;
    let pad = normal(f32::from(spec.pad));
    let Some(mix) = mix else { return line.fill(pad) };
    let (before, rest) = line.split_at_mut(left);
    let (frame, after) = rest.split_at_mut(mix.width());
    before.fill(pad);
    after.fill(pad);
    match spec.channels {
        Channels::Rgb => set(frame, mix.colour(channel).map(normal)),
        Channels::Bgr => set(frame, mix.colour(2 - channel).map(normal)),
        Channels::Gray => set(frame, mix.luma().map(normal)),
    }
}

/// Three planes to pixels.
fn interleave(planes: &[f32], line: &mut [f32]) {
    let (first, rest) = planes.split_at(planes.len() / 3);
    let (second, third) = rest.split_at(first.len());
    let (pixels, _) = line.as_chunks_mut();
    for (((pixel, &first), &second), &third) in pixels.iter_mut().zip(first).zip(second).zip(third) {
        *pixel = [first, second, third];
    }
}

/// Has `fill` write as many elements as `floats` holds, from `at` on: in place, or by way of `floats` where the tensor
/// holds another type.
fn write(out: &mut ElementsMut<'_>, at: usize, floats: &mut [f32], fill: impl FnOnce(&mut [f32])) {
    let range = at..at + floats.len();
    match out {
        ElementsMut::F32(values) => fill(&mut values[range]),
        ElementsMut::F16(values) => {
            fill(floats);
            values[range].convert_from_f32_slice(floats);
        }
        ElementsMut::U8(values) => {
            fill(floats);
            for (byte, &value) in values[range].iter_mut().zip(&*floats) {
                *byte = round(value.clamp(0.0, 255.0)) as u8;
            }
        }
    }
}
