//! The ground truth that `models/demo` writes beside a clip.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Rect;

/// What is in a frame.
#[derive(Clone, Debug, Deserialize)]
pub struct Frame {
    /// Presentation time in milliseconds.
    pub pts_ms: u64,
    /// Everything that is visible enough to be labelled.
    pub objects: Vec<Labelled>,
    /// Everything else that is visible at all: finding it is neither right nor wrong.
    #[serde(default)]
    pub hidden: Vec<Labelled>,
}

/// One labelled object.
#[derive(Clone, Debug, Deserialize)]
pub struct Labelled {
    /// Class name.
    pub class: String,
    /// The same for a worker and what the worker wears.
    pub track: i64,
    /// Left, top, width and height in pixels.
    #[serde(rename = "box")]
    pub rect: Rect,
}

impl Frame {
    /// Where people are: those that are labelled, and those that are not.
    pub fn people(&self) -> [Vec<(i64, Rect)>; 2] {
        [&self.objects, &self.hidden].map(|objects| {
            let people = objects.iter().filter(|object| object.class == "person");
            people.map(|object| (object.track, object.rect)).collect()
        })
    }
}

/// An interval in which a worker lacks something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Violation {
    /// The worker's track.
    pub track: i64,
    /// What is seen: `no_hard_hat` or `no_safety_vest`.
    pub class: String,
    /// First millisecond.
    pub start_ms: u64,
    /// The millisecond after the last one.
    pub end_ms: u64,
}

/// The ground truth of a clip.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Frame by frame.
    pub frames: Vec<Frame>,
    /// Violations, short ones too.
    pub violations: Vec<Violation>,
}

impl Truth {
    /// Of the clip `video`, whose truth lies beside it.
    ///
    /// # Errors
    /// When a file is missing or is no truth.
    pub fn beside(video: &Path) -> Result<Self> {
        let lines = read(&video.with_extension("truth.jsonl"))?;
        let frames = lines.lines().map(parse).collect::<Result<_>>()?;
        Ok(Self { frames, violations: parse(&read(&video.with_extension("violations.json"))?)? })
    }

    /// The clip's length in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames.last().map_or(0.0, |frame| frame.pts_ms as f64 / 1e3)
    }

    /// Where the worker `track` is visible last at or before `at_ms`.
    pub fn person(&self, track: i64, at_ms: u64) -> Option<Rect> {
        let before = self.frames.iter().rev().filter(|frame| frame.pts_ms <= at_ms);
        before.flat_map(Frame::people).flatten().find(|person| person.0 == track).map(|person| person.1)
    }

    /// Who shows too little of `class` to be labelled in at least half of the frames from `start_ms` to `end_ms`.
    pub fn hidden(&self, class: &str, start_ms: u64, end_ms: u64) -> Vec<i64> {
        let frames = || self.frames.iter().filter(|frame| (start_ms..=end_ms).contains(&frame.pts_ms));
        let mut times: BTreeMap<i64, usize> = BTreeMap::new();
        for object in frames().flat_map(|frame| &frame.hidden).filter(|object| object.class == class) {
            *times.entry(object.track).or_default() += 1;
        }
        times.into_iter().filter(|(_, times)| 2 * times >= frames().count()).map(|(track, _)| track).collect()
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .with_context(|| format!("no ground truth: {}", text.lines().next().unwrap_or("")))
}
