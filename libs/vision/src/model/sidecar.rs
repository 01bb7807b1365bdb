//! What people write beside a model: settings that its file does not hold, and class names.

use serde::Deserialize;

use super::literal;
use crate::geometry::Resize;
use crate::head::HeadKind;
use crate::preprocess::Channels;

/// A TOML file beside the model (`yolo.toml` for `yolo.onnx`). Every key is optional and wins over what the model says.
///
/// ```toml
/// labels = ["person", "hard hat"]  # class names in the model's order
/// head = "yolox"                   # layout of the outputs
/// resize = "letterbox"             # or "top-left", "stretch"
/// channels = "rgb"                 # or "bgr", "gray"
/// mean = [123.675, 116.28, 103.53] # element = (byte - mean) * scale
/// scale = [0.01712, 0.01751, 0.01743]
/// pad = 114                        # byte around a letterboxed frame
/// size = [640, 384]                # width and height, where the model leaves them open
/// score_threshold = 0.3
/// iou_threshold = 0.6
/// first_class = 1                  # the class index that the first label names
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// Class names in the model's order.
    pub labels: Option<Vec<String>>,
    /// Layout of the outputs.
    pub head: Option<HeadKind>,
    /// How a frame is made to fit.
    pub resize: Option<Resize>,
    /// Colours of the input and their order.
    pub channels: Option<Channels>,
    /// Subtracted from each byte, per channel in the order of `channels`.
    pub mean: Option<[f32; 3]>,
    /// What the difference is multiplied by, per channel in the order of `channels`.
    pub scale: Option<[f32; 3]>,
    /// Byte around a letterboxed frame.
    pub pad: Option<u8>,
    /// Width and height of the input in pixels.
    pub size: Option<[usize; 2]>,
    /// Scores must exceed this, 0 to 1.
    pub score_threshold: Option<f32>,
    /// Boxes that overlap by more than this are one object, 0 to 1.
    pub iou_threshold: Option<f32>,
    /// The class index that the first label names.
    pub first_class: Option<usize>,
}

/// A sidecar file cannot be read. The text does not name the file, which the caller knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SidecarError {
    /// It is no TOML, or a key or value is unknown.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A value makes no sense.
    #[error("`{key}`: expected {expected}, found {found}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

impl Sidecar {
    /// Parses the text of a sidecar file.
    ///
    /// # Errors
    /// With line and column when it is no TOML or has unknown keys or values; when a number is out of range.
    pub fn parse(text: &str) -> Result<Self, SidecarError> {
        let sidecar: Self = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        sidecar.check().map(|()| sidecar)
    }

    fn check(&self) -> Result<(), SidecarError> {
        fraction("score_threshold", self.score_threshold)?;
        fraction("iou_threshold", self.iou_threshold)?;
        let zero = |values: &[f32; 3]| values.iter().any(|value| *value == 0.0 || !value.is_finite());
        refuse("scale", "numbers other than 0", self.scale.filter(zero))?;
        refuse("size", "a width and height of at least 1", self.size.filter(|size| size.contains(&0)))?;
        refuse("labels", "at least one class name", self.labels.as_ref().filter(|labels| labels.is_empty()))
    }
}

fn fraction(key: &'static str, value: Option<f32>) -> Result<(), SidecarError> {
    refuse(key, "a number from 0 to 1", value.filter(|value| !(0.0..=1.0).contains(value)))
}

fn refuse(
    key: &'static str,
    expected: &'static str,
    bad: Option<impl std::fmt::Debug>,
) -> Result<(), SidecarError> {
    bad.map_or(Ok(()), |found| Err(SidecarError::Value { key, expected, found: format!("{found:?}") }))
}

fn syntax(text: &str, error: &toml::de::Error) -> SidecarError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    SidecarError::Syntax { line, column, message: error.message().trim().replace('\n', "; ") }
}

/// A labels file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    /// It names no class.
    #[error("expected one class name per line or a JSON list, found none")]
    Empty,
    /// It starts like a JSON list but is none.
    #[error("expected a JSON list of class names: {0}")]
    Json(String),
}

/// Class names in the text of a labels file: one per line, blank lines and lines that start with `#` left out; or a JSON
/// list.
///
/// # Errors
/// When there is none, or the list cannot be read.
pub fn parse_labels(text: &str) -> Result<Vec<String>, LabelsError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let names = if text.starts_with('[') {
        literal::names(text).map_err(LabelsError::Json)?
    } else {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(Into::into).collect()
    };
    if names.is_empty() { Err(LabelsError::Empty) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_with_everything() {
        let text = "labels = ['a']\nhead = 'yolox-decoded'\nresize = 'top-left'\nchannels = 'bgr'\nmean = [1, 2, 3]\n\
            scale = [1.0, 1.0, 0.5]\npad = 0\nsize = [64, 32]\nscore_threshold = 0.5\niou_threshold = 1\nfirst_class = 1";
        let sidecar = Sidecar::parse(text).unwrap();
        assert_eq!((sidecar.head, sidecar.resize), (Some(HeadKind::YoloxDecoded), Some(Resize::TopLeft)));
        assert_eq!((sidecar.channels, sidecar.mean), (Some(Channels::Bgr), Some([1.0, 2.0, 3.0])));
        assert_eq!((sidecar.size, sidecar.iou_threshold), (Some([64, 32]), Some(1.0)));
        assert_eq!(Sidecar::parse("").unwrap(), Sidecar::default());
    }

    #[test]
    fn syntax_errors_have_line_and_column() {
        let error = Sidecar::parse("pad = 114\n\nhed = 'yolo'").unwrap_err().to_string();
        assert!(error.starts_with("line 3, column 1: unknown field `hed`"), "{error}");
        let error = Sidecar::parse("\n  head = 'yolo9'").unwrap_err().to_string();
        assert!(error.starts_with("line 2, column 10: unknown variant `yolo9`"), "{error}");
        assert!(Sidecar::parse("pad = ").unwrap_err().to_string().starts_with("line 1, column"));
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (text, reason) in [
            ("score_threshold = 1.5", "`score_threshold`: expected a number from 0 to 1, found 1.5"),
            ("iou_threshold = nan", "`iou_threshold`: expected a number from 0 to 1, found NaN"),
            ("scale = [1, 0, 1]", "`scale`: expected numbers other than 0"),
            ("size = [0, 640]", "`size`: expected a width and height of at least 1"),
            ("labels = []", "`labels`: expected at least one class name"),
        ] {
            let error = Sidecar::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn labels_files() {
        assert_eq!(parse_labels("# PPE\nperson\n\n  hard hat \r\n").unwrap(), ["person", "hard hat"]);
        assert_eq!(parse_labels("\u{feff}[\"person\",\n \"vest\"]\n").unwrap(), ["person", "vest"]);
        assert_eq!(parse_labels("# nothing\n"), Err(LabelsError::Empty));
        assert_eq!(parse_labels("[]"), Err(LabelsError::Empty));
        assert!(parse_labels("['a'").unwrap_err().to_string().contains("expected `,` or `]`"));
    }
}
