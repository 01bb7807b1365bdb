//! What is measured, and what it came to.

use std::collections::BTreeMap;

use clap::ValueEnum;
use gstsupport::samples::Summary;
use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::stock::Network;

/// A program that is timed, in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The same model in a plain loop, no decoding: the ceiling.
    Bare,
    /// decode ! fakesink
    Decode,
    /// decode ! trtinfer ! fakesink
    Infer,
    /// decode ! trtinfer ! oshaannotate ! fakesink
    Annotate,
    /// The whole way, encoded.
    Encode,
    /// Frames from memory, one at a time, through trtinfer.
    InferAlone,
    /// Frames and detections from memory through oshaannotate.
    AnnotateAlone,
    /// Frames from memory through the encoder.
    EncodeAlone,
    /// The whole way with a download and an upload between decoder and network.
    RoundTrip,
    /// GStreamer's own element; no boxes come of it.
    StockOnnx,
    /// One frame after the other, for the time that one takes.
    OneByOne,
    /// The same with time between the frames, as from a camera.
    Live,
}

impl Stage {
    /// What is run, in one line.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare ONNX Runtime loop",
            Self::Decode => "decode ! fakesink",
            Self::Infer => "decode ! trtinfer ! fakesink",
            Self::Annotate => "decode ! trtinfer ! oshaannotate ! fakesink",
            Self::Encode => "decode ! trtinfer ! oshaannotate ! x264enc ! fakesink",
            Self::InferAlone => "frames from memory ! trtinfer in-flight=1",
            Self::AnnotateAlone => "frames from memory ! oshaannotate",
            Self::EncodeAlone => "frames from memory ! x264enc",
            Self::RoundTrip => "decode ! cudadownload ! cudaupload ! trtinfer ! oshaannotate",
            Self::StockOnnx => "decode ! videoconvertscale ! onnxinference (no boxes)",
            Self::OneByOne => "one by one: decode ! trtinfer optimize-for=latency ! oshaannotate",
            Self::Live => "live: decode ! trtinfer optimize-for=latency ! oshaannotate",
        }
    }

    /// As the command line names it.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The parts of a frame's way that are taken from this program's figures as "alone".
    pub fn parts_alone(self) -> &'static [Part] {
        match self {
            Self::Decode => &[Part::Decode],
            Self::InferAlone => &[Part::Preprocess, Part::Inference, Part::Postprocess],
            Self::AnnotateAlone => &[Part::Annotate],
            Self::EncodeAlone => &[Part::Encode],
            _ => &[],
        }
    }
}

/// A part of a frame's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// From the decoder's sink to its source pad; frames that wait for others of a group are in there.
    Decode,
    /// Through `zcbufferpool` or `cudaupload`.
    Upload,
    /// Frame to input tensor.
    Preprocess,
    /// The network.
    Inference,
    /// Output tensors to detections.
    Postprocess,
    /// Through `oshaannotate`.
    Annotate,
    /// Through `cudadownload`.
    Download,
    /// From the encoder's sink to its source pad; frames that it looks ahead at are in there.
    Encode,
}

impl Part {
    /// In the order that frames take.
    pub const ALL: [Self; 8] = [
        Self::Decode,
        Self::Upload,
        Self::Preprocess,
        Self::Inference,
        Self::Postprocess,
        Self::Annotate,
        Self::Download,
        Self::Encode,
    ];

    /// For people and plots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Upload => "upload",
            Self::Preprocess => "preprocess",
            Self::Inference => "inference",
            Self::Postprocess => "postprocess",
            Self::Annotate => "annotate",
            Self::Download => "download",
            Self::Encode => "encode",
        }
    }
}

/// What one round of one program came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Which one.
    pub stage: Stage,
    /// Frames that were timed.
    pub frames: u64,
    /// Frames a second.
    pub fps: f64,
    /// High water of resident memory.
    pub peak_mib: f64,
    /// Milliseconds of one core per frame.
    pub cpu_ms_per_frame: f64,
    /// Bytes that the elements copied between host and device, both ways, per frame.
    pub pcie_bytes_per_frame: f64,
    /// Detections that were tracked and drawn per frame, on average.
    #[serde(default)]
    pub objects_per_frame: f64,
    /// Milliseconds per part.
    pub parts: BTreeMap<Part, Summary>,
    /// Milliseconds from the decoder to the sink, where frames come one at a time.
    #[serde(default)]
    pub latency: Option<Summary>,
    /// The network's input and outputs, where the program knows them.
    pub network: Option<Network>,
    /// What it copied, counted in a run of its own; `None` where that was not possible.
    #[serde(default)]
    pub counts: Option<Counts>,
    /// Why it was not counted, where counting failed.
    #[serde(default)]
    pub not_counted: Option<String>,
}

/// One part of a frame's way, alone and beside the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartFigures {
    /// Which part.
    pub part: Part,
    /// Milliseconds per frame with nothing beside it: by its speed where frames overlap within it, else the median.
    pub cost_ms: Option<f64>,
    /// How long a frame stays there with nothing beside it.
    pub alone: Option<Summary>,
    /// How long a frame stays there in the whole pipeline.
    pub pipeline: Option<Summary>,
}

/// The parts in `whole`, and what the programs in `all` say of each alone.
pub fn parts(all: &[Figures], whole: &Figures) -> Vec<PartFigures> {
    let program = |part: Part| all.iter().find(|figures| figures.stage.parts_alone().contains(&part));
    let figures = |part| {
        let program = program(part);
        let alone = program.and_then(|program| program.parts.get(&part).copied());
        let cost_ms = match part {
            Part::Decode | Part::Encode => program.map(|program| 1e3 / program.fps),
            _ => alone.map(|alone| alone.p50),
        };
        PartFigures { part, cost_ms, alone, pipeline: whole.parts.get(&part).copied() }
    };
    Part::ALL
        .into_iter()
        .map(figures)
        .filter(|part| part.alone.is_some() || part.pipeline.is_some())
        .collect()
}

/// The round whose speed is in the middle.
pub fn median(mut rounds: Vec<Figures>) -> Option<Figures> {
    rounds.sort_by(|a, b| a.fps.total_cmp(&b.fps));
    (!rounds.is_empty()).then(|| rounds.swap_remove(rounds.len() / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(stage: Stage, fps: f64) -> Figures {
        let parts = BTreeMap::from([(Part::Decode, Summary { p50: fps, ..Summary::default() })]);
        let (peak_mib, network) = (fps, None);
        Figures {
            stage,
            frames: 1,
            fps,
            peak_mib,
            cpu_ms_per_frame: 0.0,
            pcie_bytes_per_frame: 0.0,
            objects_per_frame: 0.0,
            parts,
            latency: None,
            network,
            counts: None,
            not_counted: None,
        }
    }

    #[test]
    fn the_median_is_a_round_that_was_run() {
        let rounds = [30.0, 10.0, 20.0].map(|fps| figures(Stage::Bare, fps));
        let median = median(rounds.to_vec()).unwrap();
        assert_eq!((median.fps, median.peak_mib), (20.0, 20.0));
        assert!(super::median(Vec::new()).is_none());
    }

    #[test]
    fn a_part_stands_beside_itself_alone() {
        let all = [figures(Stage::Decode, 2.0), figures(Stage::Annotate, 3.0)];
        let parts = parts(&all, &all[1]);
        assert_eq!(parts.len(), 1);
        assert_eq!((parts[0].alone.unwrap().p50, parts[0].pipeline.unwrap().p50), (2.0, 3.0));
        assert_eq!(parts[0].cost_ms, Some(500.0), "a decoder works on several frames at a time");
    }
}
