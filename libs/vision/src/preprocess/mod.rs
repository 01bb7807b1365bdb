//! From a frame to a network's input: colour conversion, bilinear resizing, padding and normalisation in one pass.
//!
//! The result is what the usual chain gives: the whole frame converted to 8-bit RGB (chroma repeated, not interpolated,
//! as video decoders' converters do), resized as OpenCV's `INTER_LINEAR` does, rounded to 8 bits, padded, normalised.
//! Only the source pixels that the resizing reads are converted.

mod colour;
mod plane;
mod reader;
mod resample;
mod store;

use crate::geometry::{Placement, Resize};
use crate::image::{Image, ImageInfo};
use crate::tensor::ElementsMut;
use reader::Reader;
use resample::{Axis, Mix, Row, Tap};
use store::Store;

/// Which colours a network's input holds, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// One channel of BT.601 luma.
    Gray,
}

impl Channels {
    /// Number of channels.
    pub fn count(self) -> usize {
        if self == Self::Gray { 1 } else { 3 }
    }
}

/// How a tensor's elements are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One plane after the other.
    #[default]
    Nchw,
    /// Pixel by pixel.
    Nhwc,
}

/// What a network wants to see: element = (byte - mean) * scale for each channel, in the order of `channels`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputSpec {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// How a frame of another shape is made to fit.
    pub resize: Resize,
    /// Colours and their order.
    pub channels: Channels,
    /// Order of the elements.
    pub layout: Layout,
    /// Subtracted from each byte (0 to 255), per channel of the tensor.
    pub mean: [f32; 3],
    /// What the difference is multiplied by, per channel of the tensor.
    pub scale: [f32; 3],
    /// Byte (0 to 255) that fills what the frame does not cover, before normalisation.
    pub pad: u8,
}

impl InputSpec {
    /// A `width` x `height` input as most detectors want it: letterboxed RGB planes from 0 to 1, padded with grey 114.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            resize: Resize::default(),
            channels: Channels::default(),
            layout: Layout::default(),
            mean: [0.0; 3],
            scale: [1.0 / 255.0; 3],
            pad: 114,
        }
    }

    /// Elements of one image.
    pub fn len(&self) -> usize {
        self.width * self.height * self.channels.count()
    }

    /// Whether an image has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A frame cannot become a network's input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreprocessError {
    /// Source or input has no pixels.
    #[error("cannot resize {}x{} to {}x{}: both must have pixels", .from.0, .from.1, .to.0, .to.1)]
    Empty {
        /// Width and height of the source.
        from: (usize, usize),
        /// Width and height of the input.
        to: (usize, usize),
    },
    /// The image is not what the preprocessor was made for.
    #[error("prepared for {expected:?} frames, but got {found:?}")]
    Source {
        /// What the preprocessor was made for.
        expected: ImageInfo,
        /// What came.
        found: ImageInfo,
    },
    /// The slot to write has the wrong size.
    #[error("one image of the input tensor has {expected} elements, but the slot to write has {found}")]
    Slot {
        /// Elements of one image.
        expected: usize,
        /// Elements of the slot.
        found: usize,
    },
}

/// Turns frames of one kind into one slot of an input tensor. Everything that depends only on sizes and formats is
/// computed once; running it allocates nothing.
#[derive(Debug)]
pub struct Preprocessor {
    source: ImageInfo,
    spec: InputSpec,
    placement: Placement,
    reader: Reader,
    vertical: Axis,
    rows: [Row; 2],
    store: Store,
}

impl Preprocessor {
    /// Prepares for frames of `source` and a network that wants `spec`.
    ///
    /// # Errors
    /// When either has no pixels.
    pub fn new(source: ImageInfo, spec: InputSpec) -> Result<Self, PreprocessError> {
        let (from, to) = ((source.width, source.height), (spec.width, spec.height));
        if from.0 * from.1 == 0 || spec.is_empty() {
            return Err(PreprocessError::Empty { from, to });
        }
        let placement = Placement::new(spec.resize, from, to);
        let (width, height) = placement.size;
        Ok(Self {
            source,
            spec,
            placement,
            reader: Reader::new(&source, &Axis::new(source.width, width)),
            vertical: Axis::new(source.height, height),
            rows: [Row::new(width), Row::new(width)],
            store: Store::new(spec, placement.offset.0),
        })
    }

    /// Where the frame lies in the input.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Writes `image` to `out`, the slot of one image in the input tensor. Bytes are rounded and saturated.
    ///
    /// # Errors
    /// When `image` is not of the kind prepared for, or `out` does not have [`InputSpec::len`] elements.
    pub fn run(&mut self, image: &Image<'_>, mut out: ElementsMut<'_>) -> Result<(), PreprocessError> {
        let (expected, found) = (self.source, *image.info());
        if found != expected {
            return Err(PreprocessError::Source { expected, found });
        }
        let (expected, found) = (self.spec.len(), out.len());
        if found != expected {
            return Err(PreprocessError::Slot { expected, found });
        }
        self.rows.iter_mut().for_each(Row::forget);
        self.reader.forget();
        let top = self.placement.offset.1;
        for y in 0..self.spec.height {
            match y.checked_sub(top).and_then(|y| self.vertical.taps.get(y)) {
                Some(&tap) => {
                    self.load(image, tap);
                    let [first, second] = &self.rows;
                    self.store.row(Some(&Mix { rows: [first, second], weight: tap.weight }), y, &mut out);
                }
                None => self.store.row(None, y, &mut out),
            }
        }
        Ok(())
    }

    /// Makes `rows` hold the source rows that `tap` needs.
    fn load(&mut self, image: &Image<'_>, tap: Tap) {
        let [first, second] = &mut self.rows;
        if !first.holds(tap.first) {
            std::mem::swap(first, second);
        }
        self.reader.read(image, tap.first, first);
        if tap.weight > 0.0 {
            self.reader.read(image, tap.second, second);
        }
    }
}
