//! Where the colour components of an image lie, as the kernels want to know it.

use vision::image::PixelFormat;

use crate::cuda::{DeviceImage, DevicePlane};

/// Mirrors `Component` of kernels/portable.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Component {
    base: u64,
    stride: u32,
    step: u32,
    shift: u32,
    wide: u32,
}

/// A component that starts `first` bytes into `plane`, with `step` bytes from one value to the next and one value for
/// `1 << shift` pixels in both directions.
struct Place {
    plane: usize,
    first: usize,
    step: usize,
    shift: u32,
}

const fn place(plane: usize, first: usize, step: usize, shift: u32) -> Place {
    Place { plane, first, step, shift }
}

/// Components in the order R, G, B or Y, U, V; only Y for grey. Alpha or an unused byte comes last.
fn places(format: PixelFormat) -> Vec<Place> {
    if let Some((offsets, step)) = format.rgb_offsets() {
        let unused = (0..step).filter(|first| !offsets.contains(first));
        return offsets.into_iter().chain(unused).map(|first| place(0, first, step, 0)).collect();
    }
    match format {
        PixelFormat::Nv12 => vec![place(0, 0, 1, 0), place(1, 0, 2, 1), place(1, 1, 2, 1)],
        PixelFormat::P010 => vec![place(0, 0, 2, 0), place(1, 0, 4, 1), place(1, 2, 4, 1)],
        PixelFormat::I420 => vec![place(0, 0, 1, 0), place(1, 0, 1, 1), place(2, 0, 1, 1)],
        PixelFormat::Yv12 => vec![place(0, 0, 1, 0), place(2, 0, 1, 1), place(1, 0, 1, 1)],
        _ => vec![place(0, 0, 1, 0)],
    }
}

/// The components of `image`, and how many there are.
pub(super) fn components(image: &DeviceImage<'_>) -> ([Component; 4], u32) {
    let format = image.info().format;
    let mut components = [Component::default(); 4];
    let places = places(format);
    for (slot, place) in components.iter_mut().zip(&places) {
        let DevicePlane { address, stride } = image.plane(place.plane);
        *slot = Component {
            base: address + place.first as u64,
            stride: stride as u32,
            step: place.step as u32,
            shift: place.shift,
            wide: (format == PixelFormat::P010).into(),
        };
    }
    (components, places.len() as u32)
}

/// How many of a format's components take colour.
pub(super) fn painted(format: PixelFormat) -> u32 {
    if format == PixelFormat::Gray8 { 1 } else { 3 }
}
