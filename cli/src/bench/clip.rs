//! The video that is measured: a given one, the demo clip, or one that is rendered and encoded here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gst::prelude::*;

use super::launch;

/// The demo clip, where the program runs in the repository.
const DEMO: &str = "tests/data/site.mp4";

/// A video file; a rendered one is removed when this is dropped.
pub struct Clip {
    path: PathBuf,
    /// Keeps a rendered file.
    _folder: Option<tempfile::TempDir>,
}

impl Clip {
    /// `input` if there is one, else the demo clip unless `render` (width, height) is asked for or there is none.
    ///
    /// # Errors
    /// When the file is not there, or none can be rendered.
    pub fn new(input: Option<&Path>, render: Option<(u32, u32)>, frames: u64) -> Result<Self> {
        let given =
            input.or_else(|| render.is_none().then_some(Path::new(DEMO)).filter(|demo| demo.is_file()));
        match given {
            Some(path) if path.is_file() => Ok(Self { path: path.to_owned(), _folder: None }),
            Some(path) => bail!("--input {}: there is no such file", path.display()),
            None => Self::render(render.unwrap_or((1920, 1080)), frames.clamp(30, 300)),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn render((width, height): (u32, u32), frames: u64) -> Result<Self> {
        gst::init()?;
        let encoder = [
            ("x264enc", "x264enc speed-preset=veryfast bitrate=6000 bframes=2 key-int-max=60"),
            ("openh264enc", "openh264enc bitrate=6000000"),
        ];
        let found = encoder.into_iter().find(|(name, _)| gst::ElementFactory::find(name).is_some());
        let (_, encoder) = found.context(
            "no H.264 encoder to render a clip: install gstreamer1.0-plugins-ugly, or give --input",
        )?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("clip.mp4");
        let line = format!(
            "videotestsrc num-buffers={frames} pattern=ball motion=sweep ! video/x-raw,format=I420,width={width},\
             height={height},framerate=25/1 ! {encoder} ! h264parse ! mp4mux ! filesink location={}",
            launch::quoted(&path)?
        );
        let pipeline = launch::pipeline(&line)?;
        pipeline.set_state(gst::State::Playing)?;
        let ended = launch::wait(&pipeline);
        pipeline.set_state(gst::State::Null)?;
        ended.context("the clip could not be rendered")?;
        Ok(Self { path, _folder: Some(folder) })
    }
}

/// `1920x1080` as numbers.
///
/// # Errors
/// When it is something else, or no size that video can have.
pub fn size(text: &str) -> Result<(u32, u32), String> {
    let sides =
        text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match sides {
        Some((width, height)) if (16..=8192).contains(&width) && (16..=8192).contains(&height) => {
            Ok((width, height))
        }
        _ => Err(format!("'{text}' is no size such as 1920x1080, from 16x16 to 8192x8192")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("1920x1080"), Ok((1920, 1080)));
        for wrong in ["", "1920", "0x0", "1x1", "-3x4", "9999999999x4", "1920x1080x3"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
