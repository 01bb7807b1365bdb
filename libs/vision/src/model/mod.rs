//! What a model wants to be fed and what it returns, read from the model itself and from what people say of it.

mod error;
mod literal;
mod metadata;
mod sidecar;

use std::collections::BTreeMap;

use crate::geometry::Resize;
use crate::head::{Head, HeadKind, Hints};
use crate::preprocess::{Channels, InputSpec, Layout};
use crate::tensor::{DataType, Dim, TensorInfo};
use metadata::Metadata;

pub use error::ContractError;
pub use sidecar::{LabelsError, Sidecar, SidecarError, parse_labels};

/// Side of a square input where neither the model nor anybody else says.
const DEFAULT_SIZE: usize = 640;
/// The coarsest grid of nearly every detector.
const DEFAULT_STRIDE: usize = 32;

/// The input that takes the image.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageInput {
    /// Its position among the model's inputs.
    pub index: usize,
    /// Element type: F32, F16 or U8.
    pub data_type: DataType,
    /// Images in a batch; `None` if any number will do.
    pub batch: Dim,
    /// Size, colours and normalisation.
    pub spec: InputSpec,
}

impl ImageInput {
    /// The tensor's shape for a batch of `batch` images.
    pub fn shape(&self, batch: usize) -> [usize; 4] {
        let InputSpec { width, height, channels, layout, .. } = self.spec;
        match layout {
            Layout::Nchw => [batch, channels.count(), height, width],
            Layout::Nhwc => [batch, height, width, channels.count()],
        }
    }
}

/// An input that takes a size or a factor for each image. Its value is the same for every image, and such that the model
/// returns boxes in pixels of its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuxiliaryInput {
    /// Its position among the model's inputs.
    pub index: usize,
    /// Element type: F32, I32 or I64.
    pub data_type: DataType,
    /// The two numbers of each image; the tensor's shape is `[batch, 2]`.
    pub row: [u16; 2],
}

/// Input height and width that an exporter stored in `metadata` (`imgsz`), if it did.
///
/// # Errors
/// When what it stored is no size.
pub fn image_size(metadata: &BTreeMap<String, String>) -> Result<Option<(usize, usize)>, ContractError> {
    Metadata(metadata).image_size()
}

/// Everything that is needed to run a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The image input.
    pub image: ImageInput,
    /// The other inputs.
    pub auxiliary: Vec<AuxiliaryInput>,
    /// How to read the outputs.
    pub head: Head,
    /// Class names in the model's order; empty if nobody names them.
    pub labels: Vec<String>,
    /// What width and height of the input are multiples of.
    pub stride: usize,
    /// The score that the sidecar file wants exceeded.
    pub confidence: Option<f32>,
    /// The overlap that the sidecar file sets.
    pub iou: Option<f32>,
}

impl Contract {
    /// Works out how to run a model with these `inputs`, `outputs` and `metadata`. What `sidecar` and `labels` (the
    /// contents of a labels file) say wins over the model's own word, `labels` over `sidecar`.
    ///
    /// # Errors
    /// When the model is no detector that is known, or what is said of it does not agree.
    pub fn recognise(
        inputs: &[TensorInfo],
        outputs: &[TensorInfo],
        metadata: &BTreeMap<String, String>,
        sidecar: Option<&Sidecar>,
        labels: Option<Vec<String>>,
    ) -> Result<Self, ContractError> {
        let metadata = Metadata(metadata);
        if let Some(task) = metadata.other_task() {
            return Err(ContractError::Task { task });
        }
        let (unsaid, names) = (Sidecar::default(), metadata.names()?);
        let sidecar = sidecar.unwrap_or(&unsaid);
        let labels = Labels::choose(labels, sidecar.labels.clone(), names.clone());
        let shape = ImageShape::find(inputs, &metadata, sidecar)?;
        let head = Head::recognise(outputs, &hints(&metadata, sidecar, &labels, &shape))?;
        labels.check(head.classes(), names.as_ref().map(Vec::len))?;
        Ok(Self {
            auxiliary: auxiliary(inputs, &shape)?,
            image: shape.into_input(head.kind(), sidecar, inputs)?,
            head,
            labels: labels.names,
            stride: metadata.stride()?.unwrap_or(DEFAULT_STRIDE),
            confidence: sidecar.score_threshold,
            iou: sidecar.iou_threshold,
        })
    }

    /// The name of class `class`; `class7` if nobody names it.
    pub fn label(&self, class: usize) -> String {
        self.labels.get(class).cloned().unwrap_or_else(|| format!("class{class}"))
    }
}

/// Class names and where they come from.
struct Labels {
    names: Vec<String>,
    source: &'static str,
}

impl Labels {
    fn choose(
        file: Option<Vec<String>>,
        sidecar: Option<Vec<String>>,
        metadata: Option<Vec<String>>,
    ) -> Self {
        let sources =
            [(file, "the labels file"), (sidecar, "the sidecar file"), (metadata, "the model's metadata")];
        let chosen = sources.into_iter().find_map(|(names, source)| Some(Self { names: names?, source }));
        chosen.unwrap_or(Self { names: Vec::new(), source: "nothing" })
    }

    fn count(&self) -> Option<usize> {
        (!self.names.is_empty()).then_some(self.names.len())
    }

    /// Some detectors count the background as class 0, and some lists of labels name it.
    fn start_with_background(&self) -> bool {
        let first = self.names.first().map(|name| name.trim_matches('_').to_ascii_lowercase());
        matches!(first.as_deref(), Some("background" | "bg" | "???" | "n/a"))
    }

    fn check(&self, channels: Option<usize>, named: Option<usize>) -> Result<(), ContractError> {
        let by_output = channels.map(|count| (count, "the outputs have that many score channels"));
        let expected = by_output.or(named.map(|count| (count, "the model's metadata name that many")));
        match (expected, self.count()) {
            (Some((expected, reason)), Some(found)) if expected != found => {
                Err(ContractError::Labels { expected, reason, found, source_of_labels: self.source })
            }
            _ => Ok(()),
        }
    }
}

fn hints(metadata: &Metadata<'_>, sidecar: &Sidecar, labels: &Labels, shape: &ImageShape) -> Hints {
    Hints {
        kind: sidecar.head,
        classes: labels.count(),
        first_class: sidecar.first_class.or(labels.start_with_background().then_some(0)),
        input: (shape.width, shape.height),
        end_to_end: metadata.end_to_end(),
        rt_detr: metadata.rt_detr(),
        rt_detr_rows: metadata.names_head(),
        yolo_metadata: metadata.is_yolo(),
    }
}

/// The image input's shape, with open sizes filled in.
struct ImageShape {
    index: usize,
    data_type: DataType,
    batch: Dim,
    layout: Layout,
    channels: usize,
    width: usize,
    height: usize,
}

impl ImageShape {
    fn find(
        inputs: &[TensorInfo],
        metadata: &Metadata<'_>,
        sidecar: &Sidecar,
    ) -> Result<Self, ContractError> {
        let image = |(index, info): (usize, &TensorInfo)| Some((index, info.data_type, image_layout(info)?));
        let found = inputs.iter().enumerate().find_map(image);
        let (index, data_type, (layout, channels)) =
            found.ok_or_else(|| ContractError::ImageInput { found: show(inputs) })?;
        let info = &inputs[index];
        let (rows, columns) = if layout == Layout::Nchw { (2, 3) } else { (1, 2) };
        let (width, height) = input_size(info, (info.shape[columns], info.shape[rows]), metadata, sidecar)?;
        Ok(Self { index, data_type, batch: info.shape[0], layout, channels, width, height })
    }

    fn into_input(
        self,
        head: HeadKind,
        sidecar: &Sidecar,
        inputs: &[TensorInfo],
    ) -> Result<ImageInput, ContractError> {
        let usual = usual_spec(head, &self);
        let spec = InputSpec {
            resize: sidecar.resize.unwrap_or(usual.resize),
            channels: sidecar.channels.unwrap_or(usual.channels),
            mean: sidecar.mean.unwrap_or(usual.mean),
            scale: sidecar.scale.unwrap_or(usual.scale),
            pad: sidecar.pad.unwrap_or(usual.pad),
            ..usual
        };
        if spec.channels.count() != self.channels {
            let asked = format!("{:?}", spec.channels).to_ascii_lowercase();
            return Err(contradiction("channels", asked, &inputs[self.index]));
        }
        // Lists without a batch dimension belong to one image.
        let batch = if head == HeadKind::Torchvision { Some(1) } else { self.batch };
        Ok(ImageInput { index: self.index, data_type: self.data_type, batch, spec })
    }
}

fn show(inputs: &[TensorInfo]) -> String {
    let shown: Vec<_> = inputs.iter().map(ToString::to_string).collect();
    if shown.is_empty() { "no input".into() } else { shown.join(", ") }
}

fn contradiction(key: &'static str, asked: String, input: &TensorInfo) -> ContractError {
    ContractError::Contradiction { key, asked, input: input.to_string() }
}

/// The layout and number of channels of an input that can take an image.
fn image_layout(info: &TensorInfo) -> Option<(Layout, usize)> {
    let channels = |dim: Dim| dim.filter(|count| matches!(count, 1 | 3));
    let pixels = matches!(info.data_type, DataType::F32 | DataType::F16 | DataType::U8);
    match info.shape[..] {
        [_, first, _, last] if pixels => {
            let planes = channels(first).map(|count| (Layout::Nchw, count));
            planes.or_else(|| channels(last).map(|count| (Layout::Nhwc, count)))
        }
        _ => None,
    }
}

/// Width and height: as declared, else as the sidecar file, the metadata or the default say.
fn input_size(
    info: &TensorInfo,
    declared: (Dim, Dim),
    metadata: &Metadata<'_>,
    sidecar: &Sidecar,
) -> Result<(usize, usize), ContractError> {
    let asked = sidecar.size.map(|[width, height]| (width, height));
    let exported = metadata.image_size()?.map(|(height, width)| (width, height));
    let open = asked.or(exported).unwrap_or((DEFAULT_SIZE, DEFAULT_SIZE));
    let (width, height) = (declared.0.unwrap_or(open.0), declared.1.unwrap_or(open.1));
    if let Some(asked) = asked.filter(|&asked| asked != (width, height)) {
        return Err(contradiction("size", format!("[{}, {}]", asked.0, asked.1), info));
    }
    let stride = metadata.stride()?.unwrap_or(1);
    let misses = |dim: Dim, size: usize| dim.is_none() && !size.is_multiple_of(stride);
    if misses(declared.0, width) || misses(declared.1, height) {
        return Err(ContractError::Size { width, height, stride });
    }
    Ok((width, height))
}

/// What networks with a head of this kind are usually fed.
fn usual_spec(head: HeadKind, shape: &ImageShape) -> InputSpec {
    let yolox = matches!(head, HeadKind::Yolox | HeadKind::YoloxDecoded);
    let resize = match head {
        HeadKind::Yolo | HeadKind::Yolov5 | HeadKind::EndToEnd => Resize::Letterbox,
        HeadKind::Yolox | HeadKind::YoloxDecoded => Resize::TopLeft,
        HeadKind::RtDetr | HeadKind::Detr | HeadKind::Paddle => Resize::Stretch,
        HeadKind::Torchvision | HeadKind::Tensorflow => Resize::Stretch,
    };
    let channels = match shape.channels {
        1 => Channels::Gray,
        _ if yolox => Channels::Bgr,
        _ => Channels::Rgb,
    };
    let bytes = shape.data_type == DataType::U8 || yolox || head == HeadKind::Tensorflow;
    let scale = [if bytes { 1.0 } else { 1.0 / 255.0 }; 3];
    InputSpec { resize, channels, layout: shape.layout, scale, ..InputSpec::new(shape.width, shape.height) }
}

/// The inputs besides the image.
fn auxiliary(inputs: &[TensorInfo], image: &ImageShape) -> Result<Vec<AuxiliaryInput>, ContractError> {
    let others = inputs.iter().enumerate().filter(|&(index, _)| index != image.index);
    others
        .map(|(index, info)| {
            let row = auxiliary_row(info, image)
                .ok_or_else(|| ContractError::UnknownInput { found: info.to_string() })?;
            Ok(AuxiliaryInput { index, data_type: info.data_type, row })
        })
        .collect()
}

fn auxiliary_row(info: &TensorInfo, image: &ImageShape) -> Option<[u16; 2]> {
    let numbers = matches!(info.data_type, DataType::F32 | DataType::I32 | DataType::I64);
    let pair = matches!(info.shape[..], [_, Some(2) | None]);
    let (width, height) = (u16::try_from(image.width).ok()?, u16::try_from(image.height).ok()?);
    let row = match info.name.as_str() {
        "orig_target_sizes" => [width, height],
        "im_shape" => [height, width],
        "scale_factor" => [1, 1],
        _ => return None,
    };
    (numbers && pair).then_some(row)
}
