//! Writes resized rows to an input tensor: channel order, padding, normalisation, element type.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;

use super::resample::round;
use super::{Channels, InputSpec};
use crate::tensor::ElementsMut;

/// Writes row `y` of every plane: `rgb` in `columns`, padding elsewhere. `scratch` holds a row of a plane at least.
pub(super) fn planes(
    spec: &InputSpec,
    rgb: &[Vec<f32>; 3],
    columns: Range<usize>,
    y: usize,
    scratch: &mut [f32],
    out: &mut ElementsMut<'_>,
) {
    let line = &mut scratch[..spec.width];
    for channel in 0..spec.channels.count() {
        line.fill(normal(spec, channel, f32::from(spec.pad)));
        fill(spec, rgb, channel, line[columns.clone()].iter_mut());
        write(line, (channel * spec.height + y) * spec.width, out);
    }
}

/// Writes row `y`, its channels interleaved: `rgb` in `columns`, padding elsewhere. `scratch` holds that row.
pub(super) fn pixels(
    spec: &InputSpec,
    rgb: &[Vec<f32>; 3],
    columns: Range<usize>,
    y: usize,
    scratch: &mut [f32],
    out: &mut ElementsMut<'_>,
) {
    let count = spec.channels.count();
    for channel in 0..count {
        let every = |value: &mut f32| *value = normal(spec, channel, f32::from(spec.pad));
        scratch.iter_mut().skip(channel).step_by(count).for_each(every);
        let covered = &mut scratch[columns.start * count..columns.end * count];
        fill(
            spec,
            rgb,
            channel,
            covered.iter_mut().skip(channel).step_by(count),
        );
    }
    write(scratch, y * spec.width * count, out);
}

fn normal(spec: &InputSpec, channel: usize, value: f32) -> f32 {
    (value - spec.mean[channel]) * spec.scale[channel]
}

/// Writes one channel of the frame, normalised.
fn fill<'a>(spec: &InputSpec, rgb: &[Vec<f32>; 3], channel: usize, line: impl Iterator<Item = &'a mut f32>) {
    let (mean, scale) = (spec.mean[channel], spec.scale[channel]);
    let [red, green, blue] = rgb;
    let source = match spec.channels {
        Channels::Rgb => &rgb[channel],
        Channels::Bgr => &rgb[2 - channel],
        Channels::Gray => {
            let luma = red
                .iter()
                .zip(green)
                .zip(blue)
                .map(|((r, g), b)| round(0.299 * r + 0.587 * g + 0.114 * b));
            return line
                .zip(luma)
                .for_each(|(value, luma)| *value = (luma - mean) * scale);
        }
    };
    line.zip(source)
        .for_each(|(value, source)| *value = (source - mean) * scale);
}

/// Copies `line` to element `at` and after.
fn write(line: &[f32], at: usize, out: &mut ElementsMut<'_>) {
    let range = at..at + line.len();
    match out {
        ElementsMut::F32(values) => values[range].copy_from_slice(line),
        ElementsMut::F16(values) => values[range].convert_from_f32_slice(line),
        ElementsMut::U8(values) => {
            values[range]
                .iter_mut()
                .zip(line)
                .for_each(|(byte, &value)| *byte = round(value.clamp(0.0, 255.0)) as u8);
        }
    }
}
