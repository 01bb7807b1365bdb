//! What the video decoder of a device can do, asked from the driver.

use std::mem::size_of;

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::driver::Code;
use super::error::{Error, check};
use crate::dynamic::{open, symbol};

/// Part of the driver, but its own library: containers often lack it.
const LIBRARY: &str = "libnvcuvid.so.1";

/// A kind of video that the device decodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoder {
    /// Such as "H.264".
    pub codec: String,
    /// Bits a sample.
    pub bits: u32,
    /// Engines that decode it; 0 where the driver does not tell.
    pub engines: u32,
    /// Largest picture, width and height in pixels.
    pub largest: (u32, u32),
    /// Smallest picture, width and height in pixels.
    pub smallest: (u32, u32),
    /// Most macroblocks (16x16 pixels) a picture.
    pub macroblocks: u32,
}

/// `CUVIDDECODECAPS`.
#[repr(C)]
#[derive(Default)]
struct Caps {
    codec: u32,
    chroma: u32,
    bits_minus_8: u32,
    reserved_in: [u32; 3],
    supported: u8,
    engines: u8,
    output_formats: u16,
    max_width: u32,
    max_height: u32,
    max_macroblocks: u32,
    min_width: u16,
    min_height: u16,
    histogram: u8,
    histogram_bits: u8,
    histogram_bins: u16,
    reserved_out: [u32; 10],
}

const _: () = assert!(size_of::<Caps>() == 88);

/// Number of `cudaVideoCodec`, name and bits a sample of what is asked for, all of it 4:2:0.
const KINDS: [(u32, &str, u32); 8] = [
    (4, "H.264", 8),
    (8, "H.265", 8),
    (8, "H.265", 10),
    (10, "VP9", 8),
    (11, "AV1", 8),
    (11, "AV1", 10),
    (1, "MPEG-2", 8),
    (5, "JPEG", 8),
];

/// `cudaVideoChromaFormat_420`.
const CHROMA_420: u32 = 1;

/// What the decoder of the context's device takes.
///
/// # Errors
/// [`Error::Unavailable`] when the driver's video library is missing; otherwise what the driver says.
pub fn decoders(context: &Context) -> Result<Vec<Decoder>, Error> {
    let library =
        open(&[LIBRARY]).map_err(|why| Error::Unavailable(format!("the driver's video library: {why}")))?;
    // SAFETY: the signature is the one that cuviddec.h declares.
    let ask = unsafe { symbol::<unsafe extern "C" fn(*mut Caps) -> Code>(&library, "cuvidGetDecoderCaps") }
        .map_err(Error::Unavailable)?;
    let _current = context.enter()?;
    let mut found = Vec::new();
    for (codec, name, bits) in KINDS {
        let mut caps = Caps { codec, chroma: CHROMA_420, bits_minus_8: bits - 8, ..Caps::default() };
        // SAFETY: reads and writes one structure of the size that the driver knows; a context is current.
        check("cuvidGetDecoderCaps", unsafe { ask(&mut caps) })?;
        found.extend((caps.supported != 0).then(|| caps.decoder(name, bits)));
    }
    Ok(found)
}

impl Caps {
    fn decoder(&self, codec: &str, bits: u32) -> Decoder {
        Decoder {
            codec: codec.to_owned(),
            bits,
            engines: self.engines.into(),
            largest: (self.max_width, self.max_height),
            smallest: (self.min_width.into(), self.min_height.into()),
            macroblocks: self.max_macroblocks,
        }
    }
}
