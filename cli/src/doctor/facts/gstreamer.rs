//! GStreamer: version, plugins, elements, and which decoder it would choose.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gst::glib::prelude::*;
use gst::prelude::*;
use serde::{Deserialize, Serialize};

use crate::doctor::environment::Environment;

/// The elements of this project.
pub const OURS: [&str; 3] = ["zcbufferpool", "trtinfer", "oshaannotate"];

/// Elements that are looked for besides.
const WANTED: [&str; 21] = [
    "filesrc",
    "filesink",
    "decodebin3",
    "queue",
    "videoconvert",
    "qtdemux",
    "mp4mux",
    "h264parse",
    "h265parse",
    "avdec_h264",
    "avdec_h265",
    "openh264dec",
    "x264enc",
    "openh264enc",
    "nvh264dec",
    "nvh265dec",
    "nvh264enc",
    "nvv4l2decoder",
    "cudaupload",
    "cudadownload",
    "cudaconvert",
];

/// Kinds of video whose decoder is asked for.
const CODECS: [(&str, &str); 2] = [("H.264", "video/x-h264"), ("H.265", "video/x-h265")];

/// What GStreamer says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GStreamer {
    /// Why it does not start.
    pub missing: Option<String>,
    /// Major, minor, micro.
    pub version: (u32, u32, u32),
    /// Elements that there are.
    pub elements: BTreeMap<String, Element>,
    /// Decoders of each codec, the one that is chosen first.
    pub decoders: BTreeMap<String, Vec<String>>,
    /// Files of plugins that do not load.
    pub blacklisted: Vec<PathBuf>,
    /// The plugin of NVIDIA's decoders, where it is installed.
    pub nvcodec: Option<Plugin>,
    /// Our plugins' files that lie where plugins are looked for, whether or not GStreamer knows them.
    pub own_files: Vec<PathBuf>,
    /// The list of plugins that GStreamer keeps.
    pub registry: Option<PathBuf>,
    /// The default of `zcbufferpool pool-size-mb`.
    pub pool_size_mb: Option<u32>,
    /// Why GStreamer's CUDA library cannot be used; `None` if it can, or was not asked.
    pub gstcuda_problem: Option<String>,
    /// Whether GStreamer's CUDA library can be used.
    pub gstcuda: bool,
}

/// An element that can be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Element {
    /// Higher ones are chosen first.
    pub rank: i32,
    /// The plugin's file.
    pub file: Option<PathBuf>,
}

/// A plugin and what it complained of when it was scanned.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Plugin {
    /// Its file.
    pub file: Option<PathBuf>,
    /// What it said.
    pub messages: Vec<String>,
}

/// Asks the registry, which scans what is new: with the user's settings alone, as `gst-launch-1.0` does.
pub fn collect(environment: &Environment, report: &mut dyn FnMut(&GStreamer)) {
    if let Err(error) = gst::init() {
        return report(&GStreamer { missing: Some(error.to_string()), ..GStreamer::default() });
    }
    let (major, minor, micro, _) = gst::version();
    let mut facts = GStreamer {
        version: (major, minor, micro),
        elements: WANTED
            .iter()
            .chain(&OURS)
            .filter_map(|name| Some(((*name).to_owned(), element(name)?)))
            .collect(),
        decoders: CODECS.iter().map(|(codec, media)| ((*codec).to_owned(), decoders(media))).collect(),
        blacklisted: blacklisted(),
        nvcodec: gst::Registry::get().find_plugin("nvcodec").map(|plugin| describe(&plugin)),
        own_files: own_files(),
        registry: registry_file(environment),
        pool_size_mb: pool_size_mb(),
        ..GStreamer::default()
    };
    report(&facts);
    match gpu::gstcuda::status() {
        Ok(()) => facts.gstcuda = true,
        Err(missing) => facts.gstcuda_problem = Some(missing.to_string()),
    }
    report(&facts);
}

fn element(name: &str) -> Option<Element> {
    let factory = gst::ElementFactory::find(name)?;
    let file = factory.plugin().and_then(|plugin| plugin.filename());
    Some(Element { rank: factory.rank().into(), file })
}

/// Decoders that `decodebin3` tries for `media`, in its order.
fn decoders(media: &str) -> Vec<String> {
    let kind = gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO;
    let mut found: Vec<_> =
        gst::ElementFactory::factories_with_type(kind, gst::Rank::MARGINAL).into_iter().collect();
    found.retain(|factory| factory.can_sink_any_caps(&gst::Caps::new_empty_simple(media)));
    found.sort_by(|a, b| b.rank().cmp(&a.rank()).then_with(|| a.name().cmp(&b.name())));
    found.into_iter().map(|factory| factory.name().into()).collect()
}

fn blacklisted() -> Vec<PathBuf> {
    let is_blacklisted = |plugin: &gst::Plugin| plugin.plugin_flags().contains(gst::PluginFlags::BLACKLISTED);
    gst::Registry::get()
        .plugins()
        .iter()
        .filter(|plugin| is_blacklisted(plugin))
        .filter_map(|p| p.filename())
        .collect()
}

fn describe(plugin: &gst::Plugin) -> Plugin {
    let messages = plugin.status_errors().into_iter().chain(plugin.status_warnings());
    Plugin { file: plugin.filename(), messages: messages.map(|text| text.trim().to_owned()).collect() }
}

fn own_files() -> Vec<PathBuf> {
    let file = |folder: PathBuf| OURS.map(|name| folder.join(format!("libgst{name}.so")));
    let files = crate::plugins::folders().into_iter().flat_map(file).filter(|file| file.is_file());
    let mut files: Vec<_> = files.filter_map(|file| file.canonicalize().ok()).collect();
    files.sort();
    files.dedup();
    files
}

/// Where GStreamer keeps its list of plugins.
fn registry_file(environment: &Environment) -> Option<PathBuf> {
    let named = ["GST_REGISTRY_1_0", "GST_REGISTRY"].iter().find_map(|name| environment.variable(name));
    let name = format!("gstreamer-1.0/registry.{}.bin", std::env::consts::ARCH);
    named.map(PathBuf::from).or_else(|| Some(environment.cache()?.join(name)))
}

fn pool_size_mb() -> Option<u32> {
    let element = gst::ElementFactory::make("zcbufferpool").build().ok()?;
    element.find_property("pool-size-mb")?.default_value().get().ok()
}
