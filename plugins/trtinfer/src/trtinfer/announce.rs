//! Tells the elements downstream which network looks at the frames, so that a result can be traced to it.

use std::path::Path;

use osha::hash::Hash;
use osha::provenance::hash_of_labels;

/// A sticky event `gst-osha/model` with the fields `model` (the file's name), `sha256` (of the file), `labels` (the class
/// names), `labels-sha256` (of them, one a line) and `backend` (engine and model in words).
///
/// # Errors
/// When the model file cannot be read.
pub(super) fn model(path: &Path, labels: &[String], backend: &str) -> std::io::Result<gst::Event> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let structure = gst::Structure::builder("gst-osha/model")
        .field("model", name.as_ref())
        .field("sha256", Hash::of_file(path)?.to_string())
        .field("labels", gst::Array::new(labels))
        .field("labels-sha256", hash_of_labels(labels).to_string())
        .field("backend", backend)
        .build();
    Ok(gst::event::CustomDownstreamSticky::new(structure))
}
