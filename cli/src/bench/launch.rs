//! Pipelines from launch lines, played to their end.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use gpu::gstcuda::CudaContext;
use gst::prelude::*;

/// The name of the message that ends a run before the stream does.
pub const ENOUGH: &str = "enough-frames";

/// The name of the message that says that the frames before do not count any more.
pub const WARM: &str = "warmed-up";

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

/// Gives `pipeline` the CUDA context that our elements use, as each of them would. Without a GPU nothing happens.
pub fn share_context(pipeline: &gst::Pipeline) {
    if let Ok(context) = CudaContext::primary(0).and_then(|context| context.to_gst()) {
        pipeline.set_context(&context);
    }
}

/// Why [`wait`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream ended.
    Eos,
    /// The segment ended: it can be played again.
    Segment,
    /// [`WARM`] was posted: it goes on.
    Warm,
    /// [`ENOUGH`] was posted.
    Enough,
}

/// Waits until `pipeline` comes to a halt, or has something to say.
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
            gst::MessageView::Application(_) if message.has_name(WARM) => return Ok(End::Warm),
            _ => {}
        }
    }
    bail!("the pipeline has said nothing for {PATIENCE}")
}

/// Ends [`wait`] from a streaming thread with message `name`: [`ENOUGH`] or [`WARM`].
pub fn post(pad: &gst::Pad, name: &str) {
    if let Some(element) = pad.parent_element() {
        let message =
            gst::message::Application::builder(gst::Structure::new_empty(name)).src(&element).build();
        // Without a bus nobody waits.
        let _ = element.post_message(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_reaches_decoders_that_come_later() {
        gst::init().unwrap();
        let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/site.mp4");
        let line = format!("filesrc location={} ! decodebin3 ! fakesink sync=false", quoted(&clip).unwrap());
        let pipeline = pipeline(&line).unwrap();
        pipeline.set_context(&gst::Context::new("test.context", true));
        pipeline.set_state(gst::State::Paused).unwrap();
        pipeline.state(gst::ClockTime::from_seconds(30)).0.unwrap();
        let elements: Vec<gst::Element> = pipeline.iterate_recurse().into_iter().flatten().collect();
        let is_decoder = |element: &&gst::Element| {
            let class = element.factory().and_then(|factory| factory.metadata("klass").map(str::to_owned));
            class.is_some_and(|class| class.contains("Decoder/Video"))
        };
        let decoder = elements.iter().find(is_decoder).unwrap();
        assert!(decoder.context("test.context").is_some(), "{}", decoder.name());
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
