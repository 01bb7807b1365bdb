use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gstsupport::lock;

use super::recorder::Recorder;
use super::server::Server;
use super::settings::{self, Settings};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("zcopies", gst::DebugColorFlags::empty(), Some("Memory on every link"))
});

#[derive(Default)]
pub struct ZCopies {
    settings: Mutex<Settings>,
    recorder: Arc<Recorder>,
    server: Mutex<Option<Server>>,
}

#[glib::object_subclass]
impl ObjectSubclass for ZCopies {
    const NAME: &'static str = "GstZCopiesTracer";
    type Type = super::ZCopies;
    type ParentType = gst::Tracer;
}

impl ObjectImpl for ZCopies {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        lock(&self.settings).get(pspec.name())
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.register_hook(TracerHook::PadPushPre);
        self.register_hook(TracerHook::PadPushListPre);
        self.register_hook(TracerHook::ElementChangeStatePre);
    }

    fn dispose(&self) {
        for pipeline in self.recorder.left() {
            self.stop(&pipeline);
        }
        lock(&self.server).take();
    }
}

impl GstObjectImpl for ZCopies {}

impl TracerImpl for ZCopies {
    const USE_STRUCTURE_PARAMS: bool = true;

    fn pad_push_pre(&self, _time: u64, pad: &gst::Pad, buffer: &gst::Buffer) {
        self.recorder.pushed(pad, buffer);
    }

    fn pad_push_list_pre(&self, _time: u64, pad: &gst::Pad, list: &gst::BufferList) {
        list.iter().for_each(|buffer| self.recorder.pushed(pad, buffer));
    }

    fn element_change_state_pre(&self, _time: u64, element: &gst::Element, change: gst::StateChange) {
        let Some(pipeline) = element.downcast_ref::<gst::Pipeline>() else { return };
        match change {
            gst::StateChange::ReadyToPaused => self.start(pipeline),
            gst::StateChange::PausedToReady => self.stop(pipeline),
            _ => {}
        }
    }
}

impl ZCopies {
    fn start(&self, pipeline: &gst::Pipeline) {
        self.recorder.start(pipeline);
        let path = lock(&self.settings).socket.clone();
        let mut server = lock(&self.server);
        if server.is_some() || path.as_deref() == Some(Path::new("none")) {
            return;
        }
        match Server::start(path.as_deref(), &self.recorder) {
            Ok(started) => *server = Some(started),
            Err(error) => {
                gst::warning!(CAT, imp = self, "gst-osha top cannot see this process: socket: {error}");
            }
        }
    }

    fn stop(&self, pipeline: &gst::Pipeline) {
        let Some(report) = self.recorder.stop(pipeline) else { return };
        let settings = lock(&self.settings).clone();
        self.recorder.write(report, &settings);
    }
}
