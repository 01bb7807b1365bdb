//! Recognises the layout of a model's outputs.

use super::boxes::{BoxFormat, Corners, Output};
use super::candidates::DenseLayout;
use super::dense::{self, Dense};
use super::lists::{Column, Counted, Lists};
use super::{Decoder, Head, HeadKind};
use crate::tensor::{DataType, Dim, TensorInfo};

/// What is known of a model besides its outputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints {
    /// The layout, where somebody named it.
    pub kind: Option<HeadKind>,
    /// Number of class names.
    pub classes: Option<usize>,
    /// The class index that means the first class name, where somebody said so.
    pub first_class: Option<usize>,
    /// Width and height of the input in pixels.
    pub input: (usize, usize),
    /// Whether the exporter says that the network suppresses overlapping boxes itself.
    pub end_to_end: bool,
    /// Whether the exporter says that it is an RT-DETR.
    pub rt_detr: bool,
    /// Whether the exporter says that RT-DETR's best class is already chosen.
    pub rt_detr_rows: bool,
    /// Whether the exporter is one of the YOLO family that writes metadata.
    pub yolo_metadata: bool,
}

/// A model's outputs have no layout that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// None fits.
    #[error(
        "the outputs {outputs} fit no known detector: {KNOWN}. Re-export the model in one of these layouts"
    )]
    Unknown {
        /// Names, types and shapes.
        outputs: String,
    },
    /// Several fit.
    #[error(
        "the outputs {outputs} fit more than one detector: name the right one as `head` in the sidecar file ({KNOWN})"
    )]
    Ambiguous {
        /// Names, types and shapes.
        outputs: String,
    },
    /// The named one does not fit.
    #[error("the outputs {outputs} do not fit head {kind:?}: correct `head` in the sidecar file ({KNOWN})")]
    Misfit {
        /// The layout that was asked for.
        kind: HeadKind,
        /// Names, types and shapes.
        outputs: String,
    },
}

const KNOWN: &str = "yolo [B, 4+C, N] or [B, N, 4+C]; yolov5, yolox and yolox-decoded [B, N, 5+C]; end-to-end \
    [B, N, 6]; rt-detr [B, N, 4+C] or [B, N, 6]; detr labels [B, N], boxes [B, N, 4], scores [B, N]; torchvision boxes \
    [N, 4], labels [N], scores [N]; tensorflow detection_boxes, detection_classes, detection_scores; paddle [M, 6] and [B]";

/// What the shapes alone say.
enum Guess {
    Kind(HeadKind),
    Ambiguous,
    Unknown,
}

impl Head {
    /// Recognises the layout of `outputs`.
    ///
    /// # Errors
    /// When none or several fit, or the one that `hints` names does not.
    pub fn recognise(outputs: &[TensorInfo], hints: &Hints) -> Result<Self, LayoutError> {
        let shown = || outputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let guess = match hints.kind {
            Some(kind) => Guess::Kind(kind),
            None => guess(outputs, hints),
        };
        match guess {
            Guess::Kind(kind) => match (build(kind, outputs, hints), hints.kind) {
                (Some(decoder), _) => Ok(Self { kind, decoder }),
                (None, Some(kind)) => Err(LayoutError::Misfit { kind, outputs: shown() }),
                (None, None) => Err(LayoutError::Unknown { outputs: shown() }),
            },
            Guess::Ambiguous => Err(LayoutError::Ambiguous { outputs: shown() }),
            Guess::Unknown => Err(LayoutError::Unknown { outputs: shown() }),
        }
    }
}

fn guess(outputs: &[TensorInfo], hints: &Hints) -> Guess {
    if let Some((_, info)) = single(outputs) {
        return match info.shape[..] {
            [_, first, second] => guess_single(first, second, hints),
            _ => Guess::Unknown,
        };
    }
    if find(outputs, "detection_boxes").is_some() {
        return Guess::Kind(HeadKind::Tensorflow);
    }
    match triple(outputs).map(|[boxes, ..]| outputs[boxes.index].shape.len()) {
        Some(3) => Guess::Kind(HeadKind::Detr),
        Some(2) => Guess::Kind(HeadKind::Torchvision),
        _ if paddle(outputs).is_some() => Guess::Kind(HeadKind::Paddle),
        _ => Guess::Unknown,
    }
}

/// For one output `[B, first, second]`.
fn guess_single(first: Dim, second: Dim, hints: &Hints) -> Guess {
    if hints.rt_detr {
        return Guess::Kind(HeadKind::RtDetr);
    }
    if hints.end_to_end && second == Some(6) {
        return Guess::Kind(HeadKind::EndToEnd);
    }
    let transposed =
        |first, second| hints.classes.is_some_and(|count| first != 4 + count && second == 4 + count);
    match (first, second) {
        (Some(values), Some(positions)) if values < positions && !transposed(values, positions) => {
            Guess::Kind(HeadKind::Yolo)
        }
        (Some(_), None) => Guess::Kind(HeadKind::Yolo),
        (positions, Some(values)) => guess_rows(positions, values, hints),
        (None, None) => Guess::Unknown,
    }
}

/// For one output `[B, positions, values]`.
fn guess_rows(positions: Dim, values: usize, hints: &Hints) -> Guess {
    let has = |others: usize| hints.classes.is_some_and(|classes| values == others + classes);
    let anchors =
        |anchors| positions.is_some_and(|count| dense::strides(hints.input, count, anchors).is_some());
    let few = positions.is_none_or(|count| count <= MOST_QUERIES);
    match () {
        _ if has(4) && anchors(1) => Guess::Kind(HeadKind::Yolo),
        _ if anchors(3) || (anchors(1) && hints.yolo_metadata) => Guess::Kind(HeadKind::Yolov5),
        _ if anchors(1) => Guess::Kind(HeadKind::Yolox),
        _ if values == 6 && few && (positions.is_some() || !(has(4) || has(5))) => {
            Guess::Kind(HeadKind::EndToEnd)
        }
        _ if positions.is_some() && few => Guess::Kind(HeadKind::RtDetr),
        _ if has(4) && positions.is_some() => Guess::Kind(HeadKind::Yolo),
        _ if has(5) && hints.yolo_metadata => Guess::Kind(HeadKind::Yolov5),
        _ if values > 4 => Guess::Ambiguous,
        _ => Guess::Unknown,
    }
}

/// More rows than any detector with queries has, fewer than any with a grid over a usual input has.
const MOST_QUERIES: usize = 1000;

/// The only output of rank 3, if the others are at most the undecoded grids that old exporters add.
fn single(outputs: &[TensorInfo]) -> Option<(Output, &TensorInfo)> {
    let (index, info) = outputs.iter().enumerate().find(|(_, info)| info.shape.len() == 3)?;
    let rest = outputs.iter().enumerate().all(|(other, info)| other == index || info.shape.len() == 5);
    rest.then(|| (output(outputs, index), info))
}

fn output(outputs: &[TensorInfo], index: usize) -> Output {
    Output { index, name: outputs[index].name.clone() }
}

/// The output whose name contains `part`.
fn find(outputs: &[TensorInfo], part: &str) -> Option<Output> {
    let index = outputs.iter().position(|info| info.name.to_ascii_lowercase().contains(part))?;
    Some(output(outputs, index))
}

/// Boxes, scores and classes, by name or else by shape and type.
fn triple(outputs: &[TensorInfo]) -> Option<[Output; 3]> {
    let named = || Some([find(outputs, "box")?, find(outputs, "scores")?, find_classes(outputs)?]);
    let [boxes, scores, classes] = named().or_else(|| typed(outputs))?;
    let rank = |output: &Output| outputs[output.index].shape.len();
    let four = outputs[boxes.index].shape.last() == Some(&Some(4));
    let lists = rank(&scores) + 1 == rank(&boxes) && rank(&classes) + 1 == rank(&boxes);
    (four && lists).then_some([boxes, scores, classes])
}

fn find_classes(outputs: &[TensorInfo]) -> Option<Output> {
    find(outputs, "labels").or_else(|| find(outputs, "classes"))
}

fn typed(outputs: &[TensorInfo]) -> Option<[Output; 3]> {
    let whole = |info: &TensorInfo| matches!(info.data_type, DataType::I32 | DataType::I64);
    let four = |info: &TensorInfo| info.shape.last() == Some(&Some(4));
    let position = |wanted: &dyn Fn(&TensorInfo) -> bool| outputs.iter().position(wanted);
    let boxes = position(&|info| four(info) && !whole(info))?;
    let scores = position(&|info| !four(info) && !whole(info))?;
    let found = [boxes, scores, position(&whole)?];
    (outputs.len() == 3).then(|| found.map(|index| output(outputs, index)))
}

/// Rows of six and their counts.
fn paddle(outputs: &[TensorInfo]) -> Option<[Output; 2]> {
    let rows = outputs.iter().position(|info| info.shape.len() == 2 && info.shape[1] == Some(6))?;
    let counts = outputs.iter().position(|info| info.shape.len() == 1)?;
    (outputs.len() == 2).then(|| [rows, counts].map(|index| output(outputs, index)))
}

fn build(kind: HeadKind, outputs: &[TensorInfo], hints: &Hints) -> Option<Decoder> {
    match kind {
        HeadKind::Yolo => yolo(outputs, hints),
        HeadKind::Yolov5 | HeadKind::YoloxDecoded => objectness(outputs, false),
        HeadKind::Yolox => objectness(outputs, true),
        HeadKind::EndToEnd => rows(outputs, hints, BoxFormat::CORNERS),
        HeadKind::RtDetr => rt_detr(outputs, hints),
        HeadKind::Detr => lists(outputs, hints, BoxFormat::CORNERS, 0),
        HeadKind::Torchvision => lists(outputs, hints, BoxFormat::CORNERS, 1),
        HeadKind::Tensorflow => {
            lists(outputs, hints, BoxFormat { corners: Corners::TopLeft, normalised: true }, 1)
        }
        HeadKind::Paddle => counted(outputs, hints),
    }
}

/// The declared dimensions after the batch of a model with one output.
fn dims(outputs: &[TensorInfo]) -> Option<(Output, Dim, Dim)> {
    let (output, info) = single(outputs)?;
    let [_, first, second] = info.shape[..] else {
        return None;
    };
    Some((output, first, second))
}

fn yolo(outputs: &[TensorInfo], hints: &Hints) -> Option<Decoder> {
    let (output, first, second) = dims(outputs)?;
    let planes = match (first, second) {
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (Some(first), Some(second)) => match hints.classes {
            Some(classes) if first == 4 + classes => true,
            Some(classes) if second == 4 + classes => false,
            _ => first < second,
        },
        (None, None) => return None,
    };
    let classes = if planes { first } else { second }?.checked_sub(4).filter(|&classes| classes > 0)?;
    let format = BoxFormat::CENTRE;
    let layout = DenseLayout { output: output.index, planes, objectness: false, classes };
    Some(Decoder::Dense(Dense { name: output.name, layout, grid: false, format }))
}

fn objectness(outputs: &[TensorInfo], grid: bool) -> Option<Decoder> {
    let (output, _, values) = dims(outputs)?;
    let classes = values?.checked_sub(5).filter(|&classes| classes > 0)?;
    let format = BoxFormat::CENTRE;
    let layout = DenseLayout { output: output.index, planes: false, objectness: true, classes };
    Some(Decoder::Dense(Dense { name: output.name, layout, grid, format }))
}

fn rt_detr(outputs: &[TensorInfo], hints: &Hints) -> Option<Decoder> {
    let (output, _, values) = dims(outputs)?;
    let format = BoxFormat { corners: Corners::Centre, normalised: true };
    let two_scores = hints.classes == Some(2) && !hints.rt_detr_rows;
    if values == Some(6) && !two_scores {
        return rows(outputs, hints, format);
    }
    let classes = values?.checked_sub(4).filter(|&classes| classes > 0)?;
    let layout = DenseLayout { output: output.index, planes: false, objectness: false, classes };
    Some(Decoder::Dense(Dense { name: output.name, layout, grid: false, format }))
}

fn rows(outputs: &[TensorInfo], hints: &Hints, format: BoxFormat) -> Option<Decoder> {
    let (output, _, width) = dims(outputs)?;
    let width = width.filter(|&width| width == 6)?;
    let column = |first| Column { output: output.clone(), first, width };
    Some(Decoder::Lists(Lists {
        boxes: column(0),
        scores: column(4),
        classes: column(5),
        count: None,
        batched: true,
        format,
        first_class: hints.first_class.unwrap_or(0),
        known_classes: hints.classes,
    }))
}

fn lists(outputs: &[TensorInfo], hints: &Hints, format: BoxFormat, first_class: usize) -> Option<Decoder> {
    let [boxes, scores, classes] = triple(outputs)?;
    let batched = outputs[boxes.index].shape.len() == 3;
    let column = |output, width| Column { output, first: 0, width };
    Some(Decoder::Lists(Lists {
        boxes: column(boxes, 4),
        scores: column(scores, 1),
        classes: column(classes, 1),
        count: find(outputs, "num_detections"),
        batched,
        format,
        first_class: hints.first_class.unwrap_or(first_class),
        known_classes: hints.classes,
    }))
}

fn counted(outputs: &[TensorInfo], hints: &Hints) -> Option<Decoder> {
    let [rows, counts] = paddle(outputs)?;
    Some(Decoder::Counted(Counted { rows, counts, known_classes: hints.classes }))
}
