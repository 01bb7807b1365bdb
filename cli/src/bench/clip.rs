//! The video that is measured: a given one, the demo clip, or one that is rendered and encoded here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use gst::prelude::*;
use gstsupport::lock;

use super::launch;

/// The demo clip, where the program runs in the repository.
const DEMO: &str = "tests/data/site.mp4";

/// How long the first picture may take that nobody decodes.
const FIRST: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// More than a picture can come before its time: those that are shown first are among so many more.
const REORDERED: u64 = 64;

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
            Some(path) if path.is_file() => {
                coded(path, 1).with_context(|| format!("--input {}", path.display()))?;
                Ok(Self { path: path.to_owned(), _folder: None })
            }
            Some(path) => bail!("--input {}: there is no such file", path.display()),
            None => Self::render(render.unwrap_or((1920, 1080)), frames.clamp(30, 300)),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn render((width, height): (u32, u32), frames: u64) -> Result<Self> {
        ensure!(width % 2 == 0 && height % 2 == 0, "--render {width}x{height}: both must be even for H.264");
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

/// Coded pictures of a file.
pub struct Coded {
    /// Media type, such as video/x-h264.
    pub media: String,
    /// Their times, sorted.
    pub times: Vec<gst::ClockTime>,
}

/// The first pictures of `path`, `most` or some more, without decoding them.
///
/// # Errors
/// When there is no video that can be read.
pub fn coded(path: &Path, most: u64) -> Result<Coded> {
    gst::init()?;
    let line = format!(
        "filesrc location={} ! parsebin name=parse fakesink name=out sync=false",
        launch::quoted(path)?
    );
    let pipeline = launch::pipeline(&line)?;
    let sink = pipeline.by_name("out").and_then(|sink| sink.static_pad("sink")).context("no sink")?;
    let parse = pipeline.by_name("parse").context("no parser")?;
    parse.connect_pad_added(move |_, pad| {
        if !sink.is_linked() && is_video(&media(pad)) {
            // A link that fails leaves a pipeline without frames, which is told.
            let _ = pad.link(&sink);
        }
    });
    let seen = Arc::new(Mutex::new(Coded { media: String::new(), times: Vec::new() }));
    let adding = Arc::clone(&seen);
    launch::play(&pipeline, FIRST, move |pad, buffer| {
        let mut seen = lock(&adding);
        if seen.media.is_empty() {
            seen.media = media(pad);
        }
        seen.times.extend(buffer.pts());
        (seen.times.len() as u64) < most + REORDERED
    })
    .context("no video in it can be read")?;
    let Coded { media, times } = &mut *lock(&seen);
    ensure!(!media.is_empty(), "no picture in it can be read: is the file whole?");
    times.sort();
    Ok(Coded { media: std::mem::take(media), times: std::mem::take(times) })
}

/// Media type of what `pad` gives, or is about to give.
fn media(pad: &gst::Pad) -> String {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default()
}

fn is_video(media: &str) -> bool {
    media.starts_with("video/") || media.starts_with("image/")
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
