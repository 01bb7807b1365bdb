//! What the tests across the plugins share: pipelines run to their end, with a deadline, and what came out of them.

pub mod evaluation;
pub mod objects;
pub mod pixels;
pub mod record;

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}

/// A file of the repository as text, for a launch line.
pub fn file(path: &str) -> String {
    repository().join(path).display().to_string()
}

/// The tiny model called `name`, as text, for a launch line.
pub fn model(name: &str) -> String {
    file(&format!("tests/golden/models/{name}.onnx"))
}

/// Why frames cannot lie in the memory of a CUDA device here; `None` if they can.
pub fn missing_cuda() -> Option<String> {
    init();
    gpu::gstcuda::status().err().map(|error| error.to_string())
}

/// As [`missing_cuda`], also for want of GStreamer's own elements, which are there only where there is a device.
pub fn missing_cuda_elements() -> Option<String> {
    let elements = || gst::ElementFactory::find("cudaupload").is_none().then(|| "no cudaupload".to_owned());
    missing_cuda().or_else(elements)
}

/// Waits until `done` says so; false if it does not within ten seconds.
pub fn eventually(done: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// Starts GStreamer with the elements of this workspace.
///
/// # Panics
/// When GStreamer or an element cannot be set up: no test would mean anything.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let started = gst::init()
            .map_err(anyhow::Error::from)
            .and_then(|()| Ok(gstzcbufferpool::plugin_register_static()?))
            .and_then(|()| Ok(gsttrtinfer::plugin_register_static()?))
            .and_then(|()| Ok(gstoshaannotate::plugin_register_static()?));
        assert!(started.is_ok(), "GStreamer does not start: {started:?}");
    });
}

/// An error message from the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusError {
    /// Name of the element that posted it.
    pub element: String,
    /// The text for the user.
    pub message: String,
    /// What was added for developers.
    pub debug: String,
}

impl BusError {
    /// Takes the message apart.
    pub fn new(error: &gst::message::Error) -> Self {
        Self {
            element: error.src().map(|source| source.name().to_string()).unwrap_or_default(),
            message: error.error().message().to_owned(),
            debug: error.debug().map(|text| text.to_string()).unwrap_or_default(),
        }
    }

    /// Message and debug text in one.
    pub fn text(&self) -> String {
        format!("{} {}", self.message, self.debug)
    }
}

/// A pipeline that is set to NULL when dropped.
pub struct Pipeline(pub gst::Pipeline);

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

impl Pipeline {
    /// Parses a launch line.
    ///
    /// # Errors
    /// When the line is wrong or an element is missing.
    pub fn new(line: &str) -> Result<Self> {
        init();
        let element = gst::parse::launch(line).with_context(|| line.to_owned())?;
        Ok(Self(element.downcast().map_err(|_| anyhow!("not a pipeline: {line}"))?))
    }

    /// The element called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn element(&self, name: &str) -> Result<gst::Element> {
        self.0.by_name(name).with_context(|| format!("no element called {name}"))
    }

    /// The pad `pad` of the element called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn pad(&self, name: &str, pad: &str) -> Result<gst::Pad> {
        self.element(name)?.static_pad(pad).with_context(|| format!("{name} has no pad {pad}"))
    }

    /// Plays until the end of the stream. `Ok(Err(_))` is an error message on the bus.
    ///
    /// # Errors
    /// When neither the end nor an error comes within a minute: something hangs.
    pub fn play(&self) -> Result<Result<(), BusError>> {
        self.play_for(gst::ClockTime::from_seconds(60))
    }

    /// As [`Self::play`] with another deadline.
    ///
    /// # Errors
    /// When neither the end nor an error comes in time.
    pub fn play_for(&self, deadline: gst::ClockTime) -> Result<Result<(), BusError>> {
        let bus = self.0.bus().context("a pipeline without a bus")?;
        // A failed state change has posted its reason.
        let _ = self.0.set_state(gst::State::Playing);
        let message = bus.timed_pop_filtered(deadline, &[gst::MessageType::Eos, gst::MessageType::Error]);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Ok(Err(BusError::new(error))),
            Some(_) => Ok(Ok(())),
            None => bail!("the pipeline hangs"),
        }
    }
}

/// What a pipeline delivered before it ended.
pub struct Delivered {
    /// Samples in order.
    pub samples: Vec<gst::Sample>,
    /// The error that ended it, if one did.
    pub error: Option<BusError>,
}

/// Plays `line` to its end and keeps what its appsink `out` got.
///
/// # Errors
/// When the line is wrong or the pipeline hangs.
pub fn collect(line: &str) -> Result<Delivered> {
    let (mut samples, error) = collect_from(&Pipeline::new(line)?, &["out"])?;
    Ok(Delivered { samples: samples.remove(0), error })
}

/// Plays `pipeline` to its end and keeps what each of its appsinks called `sinks` got; with it the error that ended it.
///
/// # Errors
/// When one is no appsink or the pipeline hangs.
pub fn collect_from(
    pipeline: &Pipeline,
    sinks: &[&str],
) -> Result<(Vec<Vec<gst::Sample>>, Option<BusError>)> {
    let received: Vec<_> = sinks.iter().map(|name| receive(pipeline, name)).collect::<Result<_>>()?;
    let error = pipeline.play()?.err();
    let _ = pipeline.0.set_state(gst::State::Null);
    Ok((received.iter().map(|samples| samples.try_iter().collect()).collect(), error))
}

/// What the appsink `name` gets, as fast as it comes.
fn receive(pipeline: &Pipeline, name: &str) -> Result<std::sync::mpsc::Receiver<gst::Sample>> {
    let sink = pipeline.element(name)?.downcast::<gst_app::AppSink>();
    let sink = sink.map_err(|_| anyhow!("{name} is no appsink"))?;
    sink.set_property("sync", false);
    let (sender, receiver) = std::sync::mpsc::channel();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                sender.send(sample).map_err(|_| gst::FlowError::Error)?;
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    Ok(receiver)
}
