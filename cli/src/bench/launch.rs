//! Pipelines from launch lines, played to their end.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use gpu::gstcuda::CudaContext;
use gst::prelude::*;

/// The name of the message that ends a run before the stream does.
pub const ENOUGH: &str = "enough-frames";

/// The name of the message that says that the frames before do not count any more.
pub const WARM: &str = "warmed-up";

/// How long the first frames may take, where many streams start at a time.
pub const FIRST: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// How long a pipeline may be silent.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(600);

/// Parses `line`.
///
/// # Errors
/// When the line is wrong or an element is missing.
pub fn pipeline(line: &str) -> Result<gst::Pipeline> {
    let element = gst::parse::launch(line)?;
    let pipeline: gst::Pipeline = element.downcast().map_err(|_| anyhow!("not a pipeline: {line}"))?;
    pipeline.iterate_recurse().into_iter().flatten().for_each(|element| select_video(&element));
    Ok(pipeline)
}

/// Lets `element` decode a file's first video alone, if it is a `decodebin3`: otherwise a link may get the sound.
fn select_video(element: &gst::Element) {
    if element.factory().is_some_and(|factory| factory.name() == "decodebin3") {
        element.connect("select-stream", false, |values| {
            let collection = values.get(1)?.get::<gst::StreamCollection>().ok()?;
            let stream = values.get(2)?.get::<gst::Stream>().ok()?;
            let first =
                collection.iter().find(|stream| stream.stream_type().contains(gst::StreamType::VIDEO));
            Some(i32::from(first.is_some_and(|first| first.stream_id() == stream.stream_id())).to_value())
        });
    }
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

/// Gets the first frame of `pipeline` through within `patience`, and lets it wait there.
///
/// # Errors
/// The first error on its bus, or that no frame comes.
pub fn preroll(pipeline: &gst::Pipeline, patience: gst::ClockTime) -> Result<()> {
    let bus = pipeline.bus().context("the pipeline has no bus")?;
    if pipeline.set_state(gst::State::Paused) == Ok(gst::StateChangeSuccess::Success) {
        return Ok(());
    }
    let kinds = [gst::MessageType::Error, gst::MessageType::AsyncDone];
    let message = bus.timed_pop_filtered(patience, &kinds);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(reason(error)),
        Some(_) => Ok(()),
        None => bail!("no frame has come within {} s: is the file whole?", patience.seconds()),
    }
}

/// Plays `pipeline`, which has a sink called `out`, and shows `each` what arrives there until it returns false. The first has
/// to come within `patience`.
///
/// # Errors
/// As [`wait`].
pub fn play(
    pipeline: &gst::Pipeline,
    patience: gst::ClockTime,
    each: impl Fn(&gst::Pad, &gst::BufferRef) -> bool + Send + Sync + 'static,
) -> Result<()> {
    let pad = pipeline.by_name("out").and_then(|sink| sink.static_pad("sink")).context("no sink")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if info.buffer().is_some_and(|buffer| !each(pad, buffer)) {
            post(pad, ENOUGH);
        }
        gst::PadProbeReturn::Ok
    });
    let played = || {
        preroll(pipeline, patience)?;
        pipeline.set_state(gst::State::Playing)?;
        wait(pipeline)
    };
    let ended = played();
    pipeline.set_state(gst::State::Null)?;
    ended.map(drop)
}

/// What an element says of its failure, in one line.
fn reason(error: &gst::message::Error) -> anyhow::Error {
    let (name, text) = (error.src().map(|source| source.name()).unwrap_or_default(), error.error());
    // The first line of the details is a place in the element's source code.
    match error.debug().as_deref().and_then(|details| details.lines().skip(1).last()) {
        Some(details) => anyhow!("{name}: {text} ({details})"),
        None => anyhow!("{name}: {text}"),
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
            gst::MessageView::Error(error) => return Err(reason(error)),
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
