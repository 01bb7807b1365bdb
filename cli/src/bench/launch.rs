//! Pipelines from launch lines, played to their end.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;

/// The name of the message that ends a run before the stream does.
pub const ENOUGH: &str = "enough-frames";

/// How long a pipeline may be silent.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(600);

/// Parses `line`.
///
/// # Errors
/// When the line is wrong or an element is missing.
pub fn pipeline(line: &str) -> Result<gst::Pipeline> {
    let element = gst::parse::launch(line)?;
    element.downcast().map_err(|_| anyhow!("not a pipeline: {line}"))
}

/// `path` as a value in a launch line.
///
/// # Errors
/// When it is not UTF-8.
pub fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().context("the path is not UTF-8")?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Why a pipeline came to a halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream ended.
    Eos,
    /// The segment ended: it can be played again.
    Segment,
    /// [`ENOUGH`] was posted.
    Enough,
}

/// Waits until `pipeline` comes to a halt.
///
/// # Errors
/// The first error on its bus, or that nothing happens any more.
pub fn wait(pipeline: &gst::Pipeline) -> Result<End> {
    let bus = pipeline.bus().context("the pipeline has no bus")?;
    for message in bus.iter_timed(PATIENCE) {
        match message.view() {
            gst::MessageView::Error(error) => {
                bail!("{}: {}", error.error(), error.debug().unwrap_or_default())
            }
            gst::MessageView::Eos(_) => return Ok(End::Eos),
            gst::MessageView::SegmentDone(_) => return Ok(End::Segment),
            gst::MessageView::Application(_) if message.has_name(ENOUGH) => return Ok(End::Enough),
            _ => {}
        }
    }
    bail!("the pipeline has said nothing for {PATIENCE}")
}

/// Ends [`wait`] from a streaming thread.
pub fn post_enough(pad: &gst::Pad) {
    if let Some(element) = pad.parent_element() {
        let message =
            gst::message::Application::builder(gst::Structure::new_empty(ENOUGH)).src(&element).build();
        // Without a bus nobody waits.
        let _ = element.post_message(message);
    }
}
