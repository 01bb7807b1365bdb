//! What a frame in host memory looks like, byte by byte.

use anyhow::{Context, Result, anyhow};
use gpu::{Frame, MemoryKind};
use gst_video::VideoInfo;

/// The pixels of a sample's frame in host memory, padding left out.
///
/// # Errors
/// When the sample holds no such frame.
pub fn of(sample: &gst::Sample) -> Result<Vec<u8>> {
    let info = VideoInfo::from_caps(sample.caps().context("a sample without caps")?)?;
    let buffer = sample.buffer().context("a sample without a buffer")?;
    let frame = Frame::map(buffer, &info, MemoryKind::Host).map_err(|error| anyhow!("{error}"))?;
    let image = frame.image().map_err(|error| anyhow!("{error}"))?;
    let (info, mut pixels) = (*image.info(), Vec::new());
    for plane in 0..info.format.planes() {
        (0..info.format.rows(plane, info.height))
            .for_each(|row| pixels.extend_from_slice(image.row(plane, row)));
    }
    Ok(pixels)
}
