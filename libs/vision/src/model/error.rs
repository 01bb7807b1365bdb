//! What can be wrong with a model.

use crate::head::LayoutError;

/// A model is none that can be run here. The text says what was expected, what was found and what to do; it does not
/// name the model's file, which the caller knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// It does something else than detection.
    #[error("the model's task is `{task}`, but only `detect` is supported: export a detection model")]
    Task {
        /// What the metadata say.
        task: String,
    },
    /// No input takes an image.
    #[error(
        "expected an image input [N, 3, H, W] or [N, H, W, 3] (or with 1 channel) of float32, float16 or uint8, found \
         {found}: re-export the model with such an input"
    )]
    ImageInput {
        /// The inputs.
        found: String,
    },
    /// An input besides the image is none that is known.
    #[error(
        "input {found} is not known: expected none but the image and `orig_target_sizes`, `im_shape` or \
         `scale_factor` of shape [N, 2]; re-export the model without it"
    )]
    UnknownInput {
        /// Name, type and shape.
        found: String,
    },
    /// The sidecar file contradicts an input's declared size.
    #[error(
        "the sidecar file asks for `{key} = {asked}`, but input {input} says otherwise: correct the sidecar file"
    )]
    Contradiction {
        /// Key in the sidecar file.
        key: &'static str,
        /// Its value.
        asked: String,
        /// Name, type and shape.
        input: String,
    },
    /// The network cannot take an input of that size.
    #[error("an input of {width}x{height} was asked for, but width and height must be multiples of {stride}")]
    Size {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// What both must be multiples of.
        stride: usize,
    },
    /// A metadata entry cannot be read.
    #[error("metadata `{key}` is `{found}`: {problem}; re-export the model or correct the entry")]
    Metadata {
        /// Key of the entry.
        key: &'static str,
        /// What it is.
        found: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The outputs are no detector's.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// There are more or fewer class names than classes.
    #[error(
        "expected {expected} class names, as {reason}, found {found} in {source_of_labels}: correct the labels"
    )]
    Labels {
        /// How many classes the model has.
        expected: usize,
        /// Where that number comes from.
        reason: &'static str,
        /// How many names there are.
        found: usize,
        /// Where the names come from.
        source_of_labels: &'static str,
    },
}
