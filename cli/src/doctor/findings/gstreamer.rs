//! GStreamer, its elements, and the traps of its NVIDIA plugin.

use std::path::Path;

use super::{Area, Finding, Status, has_gpu, known};
use crate::doctor::facts::Facts;
use crate::doctor::facts::gstreamer::{GStreamer, OURS};
use crate::doctor::facts::libraries::{Libraries, NVRTC_OF_GSTREAMER};
use crate::doctor::platform::System;
use crate::doctor::remedy::{Need, Remedy};

/// Elements of every pipeline, and the packages that bring them.
const BASIC: [(&str, &str); 6] = [
    ("filesrc", "libgstreamer1.0-0"),
    ("queue", "libgstreamer1.0-0"),
    ("decodebin3", "gstreamer1.0-plugins-base"),
    ("videoconvert", "gstreamer1.0-plugins-base"),
    ("qtdemux", "gstreamer1.0-plugins-good"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
];

/// Decoders in hardware: these keep a picture on the device.
const HARDWARE: [&str; 3] = ["nvh264dec", "nvh265dec", "nvv4l2decoder"];

/// Judges GStreamer.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let Some(gst) = &facts.gstreamer.facts else {
        return Vec::new();
    };
    if let Some(missing) = &gst.missing {
        return vec![
            finding("version", "GStreamer", Status::Missing, "does not start")
                .because(missing)
                .mended_by(Remedy::packages(&["gstreamer1.0-tools", "gstreamer1.0-plugins-base"])),
        ];
    }
    let mut findings =
        vec![version(gst), own_elements(gst), basic_elements(gst), software_decoder(gst), encoder(gst)];
    findings.extend(blacklisted(gst));
    if has_gpu(facts) {
        findings.push(gstcuda(gst));
        findings.extend(hardware_decoder(facts, gst));
        findings.extend(converter(gst, &known(&facts.libraries)));
        findings.extend(gst.decoders.iter().filter_map(|(codec, decoders)| choice(codec, decoders)));
    }
    findings
}

fn finding(id: &str, title: &str, status: Status, found: impl Into<String>) -> Finding {
    Finding::new(Area::Gstreamer, &format!("gstreamer.{id}"), title, status, found)
}

fn version(gst: &GStreamer) -> Finding {
    let (major, minor, micro) = gst.version;
    let found = format!("{major}.{minor}.{micro}");
    if (major, minor) >= (1, 24) {
        return finding("version", "GStreamer", Status::Ok, found);
    }
    finding("version", "GStreamer", Status::Missing, found)
        .because("1.24 or newer is needed: Debian 13, Ubuntu 24.04, DGX OS 7 or JetPack 7 have it")
        .mended_by(Remedy::everywhere("scripts/bootstrap   (on Debian 12; upgrade other systems)"))
}

fn absent<'a>(gst: &GStreamer, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    names.into_iter().filter(|name| !gst.elements.contains_key(*name)).collect()
}

fn own_elements(gst: &GStreamer) -> Finding {
    let missing = absent(gst, OURS);
    let finding = |status, found: String| finding("own-elements", "gst-osha", status, found);
    let Some(first) = missing.first() else {
        return finding(Status::Ok, OURS.join(", "));
    };
    let finding = finding(Status::Missing, format!("GStreamer does not know {}", missing.join(", ")));
    let name = format!("libgst{first}.so");
    let is_it = |file: &&std::path::PathBuf| file.file_name().is_some_and(|file| *file == *name);
    if let Some(file) = gst.blacklisted.iter().find(is_it) {
        return finding
            .because(format!("{} did not load when it was scanned", file.display()))
            .mended_by(rescan(gst));
    }
    match gst.own_files.iter().find(is_it) {
        Some(file) => {
            let folder = file.parent().unwrap_or(Path::new("/")).display();
            finding
                .because(format!(
                    "{} is not where GStreamer looks for plugins, or was built while it looked",
                    file.display()
                ))
                .mended_by(Remedy::everywhere(format!(
                    "export GST_PLUGIN_PATH={folder}; {}",
                    remove_registry(gst)
                )))
        }
        None => finding
            .because(format!("{name} is neither in GST_PLUGIN_PATH nor beside this program"))
            .mended_by(Remedy::everywhere("make build && export GST_PLUGIN_PATH=$PWD/build/plugins")),
    }
}

fn remove_registry(gst: &GStreamer) -> String {
    let file = gst
        .registry
        .as_ref()
        .map_or("~/.cache/gstreamer-1.0/registry.*.bin".into(), |f| f.display().to_string());
    format!("rm -f {file}")
}

/// Lets GStreamer scan all plugins anew.
fn rescan(gst: &GStreamer) -> Remedy {
    Remedy::everywhere(format!("{} && gst-inspect-1.0 -b", remove_registry(gst)))
}

fn basic_elements(gst: &GStreamer) -> Finding {
    let missing = absent(gst, BASIC.map(|(name, _)| name));
    if missing.is_empty() {
        return finding("elements", "basic elements", Status::Ok, BASIC.map(|(name, _)| name).join(", "));
    }
    let mut packages: Vec<_> =
        BASIC.iter().filter(|(name, _)| missing.contains(name)).map(|(_, p)| *p).collect();
    packages.dedup();
    finding("elements", "basic elements", Status::Missing, format!("no {}", missing.join(", ")))
        .because("plugins are not installed, or GST_PLUGIN_SYSTEM_PATH points elsewhere")
        .mended_by(Remedy::packages(&packages))
}

/// Decoders that write to host memory: what remains when the GPU's fail.
fn software_decoder(gst: &GStreamer) -> Finding {
    let finding = |status, found: &str| finding("software-decoder", "CPU decoder", status, found);
    let remedy = || Remedy::packages(&["gstreamer1.0-libav"]);
    let has = |name| gst.elements.contains_key(name);
    let other =
        gst.decoders.get("H.264").into_iter().flatten().find(|name| !HARDWARE.contains(&name.as_str()));
    match (has("avdec_h264"), other) {
        (true, _) if has("avdec_h265") => finding(Status::Ok, "avdec_h264, avdec_h265"),
        (true, _) => finding(Status::Ok, "avdec_h264"),
        (false, Some(other)) => finding(Status::Slower, other)
            .because(format!("avdec_h264 is missing; {other} uses one core and does not know every profile"))
            .mended_by(remedy()),
        (false, None) => finding(Status::Missing, "none for H.264")
            .because("without a GPU, no H.264 video can be read")
            .mended_by(remedy()),
    }
}

fn encoder(gst: &GStreamer) -> Finding {
    let found: Vec<_> = ["nvh264enc", "x264enc", "openh264enc"]
        .into_iter()
        .filter(|name| gst.elements.contains_key(*name))
        .collect();
    let writes = gst.elements.contains_key("mp4mux");
    if !found.is_empty() && writes {
        return finding("encoder", "encoder", Status::Ok, found.join(", "));
    }
    let (found, package) = if writes {
        ("none for H.264", "gstreamer1.0-plugins-ugly")
    } else {
        ("no mp4mux", "gstreamer1.0-plugins-good")
    };
    finding("encoder", "encoder", Status::Info, found)
        .because("annotated video cannot be written as MP4; events, messages and metadata need no encoder")
        .mended_by(Remedy::packages(&[package]))
}

fn blacklisted(gst: &GStreamer) -> Option<Finding> {
    let names: Vec<_> = gst.blacklisted.iter().map(|file| file.display().to_string()).collect();
    let finding = || {
        finding("blacklisted", "blacklist", Status::Slower, format!("{} plugins do not load", names.len()))
            .because("a library that they need is missing, or they crashed when they were scanned")
            .mended_by(rescan(gst))
            .with_details(names.clone())
    };
    (!names.is_empty()).then(finding)
}

fn gstcuda(gst: &GStreamer) -> Finding {
    let finding = |status, found: &str| finding("libgstcuda", "libgstcuda", status, found);
    if gst.gstcuda {
        return finding(Status::Ok, "frames can lie in CUDA memory");
    }
    let Some(cause) = &gst.gstcuda_problem else {
        return finding(Status::Unknown, "was not asked")
            .because("asking the driver took too long")
            .mended_by(Remedy::everywhere("gst-osha doctor --probe gstreamer"));
    };
    let remedy = if cause.contains("driver's functions") {
        Remedy::install(Need::Driver)
    } else {
        Remedy::packages(&["libgstreamer-plugins-bad1.0-0", "gstreamer1.0-plugins-bad"])
    };
    finding(Status::Slower, "cannot be used: all frames go through host memory")
        .because(cause)
        .mended_by(remedy)
}

fn hardware_decoder(facts: &Facts, gst: &GStreamer) -> Option<Finding> {
    let host = known(&facts.host);
    if host.platform.system == System::JetPack {
        return Some(jetson_decoder(gst));
    }
    let decoders: Vec<_> =
        known(&facts.gpu).devices.into_iter().filter_map(|device| device.decoders).flatten().collect();
    let decodes = |codec: &str| decoders.iter().any(|decoder| decoder.codec == codec);
    let wanted =
        [("H.264", "nvh264dec"), ("H.265", "nvh265dec")].into_iter().filter(|(codec, _)| decodes(codec));
    let wanted: Vec<_> = wanted.map(|(_, element)| element).collect();
    if wanted.is_empty() {
        // The engines' own finding tells why.
        return None;
    }
    let missing = absent(gst, wanted.iter().copied());
    let finding = |status, found: String| finding("nvcodec", "GPU decoder", status, found);
    if missing.is_empty() {
        return Some(finding(Status::Ok, wanted.join(", ")));
    }
    let (cause, remedy) = why_no_nvcodec(gst);
    Some(
        finding(
            Status::Slower,
            format!("no {}: the GPU decodes, but GStreamer does not let it", missing.join(", ")),
        )
        .because(cause)
        .mended_by(remedy),
    )
}

/// The GPU can decode, GStreamer's plugin offers nothing: what stands between.
fn why_no_nvcodec(gst: &GStreamer) -> (String, Remedy) {
    let is_it = |file: &&std::path::PathBuf| file.file_name().is_some_and(|name| name == "libgstnvcodec.so");
    if let Some(file) = gst.blacklisted.iter().find(is_it) {
        return (format!("{} is on GStreamer's blacklist", file.display()), rescan(gst));
    }
    match &gst.nvcodec {
        None => {
            ("the plugin nvcodec is not installed".into(), Remedy::packages(&["gstreamer1.0-plugins-bad"]))
        }
        Some(plugin) => {
            let said = match plugin.messages.first() {
                Some(message) => format!(" (it said: {message})"),
                None => String::new(),
            };
            (
                format!(
                    "GStreamer's list of plugins is stale: it was made when the driver did not work{said}"
                ),
                rescan(gst),
            )
        }
    }
}

fn jetson_decoder(gst: &GStreamer) -> Finding {
    if gst.elements.contains_key("nvv4l2decoder") {
        return finding("nvv4l2decoder", "GPU decoder", Status::Info, "nvv4l2decoder")
            .because("its NVMM memory is not read in place yet: frames come through nvvidconv")
            .mended_by(Remedy::everywhere(
                "… ! nvv4l2decoder ! nvvidconv ! 'video/x-raw,format=NV12' ! trtinfer …",
            ));
    }
    finding("nvv4l2decoder", "GPU decoder", Status::Slower, "no nvv4l2decoder")
        .because("video is decoded on the CPU")
        .mended_by(Remedy::packages(&["nvidia-l4t-gstreamer"]))
}

/// GStreamer compiles `cudaconvert` when it scans, for an architecture that NVRTC 13 no longer knows.
fn converter(gst: &GStreamer, libraries: &Libraries) -> Option<Finding> {
    if gst.nvcodec.is_none() || !gst.elements.contains_key("cudaupload") {
        return None;
    }
    let finding = |status, found: &str| finding("cudaconvert", "cudaconvert", status, found);
    if gst.elements.contains_key("cudaconvert") {
        return Some(finding(Status::Ok, "there, though nothing here needs it"));
    }
    let asked = libraries.get(NVRTC_OF_GSTREAMER);
    let cause = match asked.and_then(|library| library.path.as_ref()) {
        Some(path) if path.to_string_lossy().contains(".so.13") => {
            format!(
                "{} is NVRTC 13, which no longer compiles for the architecture that GStreamer asks for",
                path.display()
            )
        }
        Some(path) => {
            format!("{} did not compile GStreamer's kernels when the plugin was scanned", path.display())
        }
        None => {
            let why = asked
                .and_then(|library| library.problem.clone())
                .unwrap_or_else(|| "libnvrtc.so is missing".into());
            format!("GStreamer asks for NVRTC by the name of the developer's package ({why})")
        }
    };
    let has_12 = libraries.get("NVRTC").and_then(|library| library.path.as_ref());
    let remedy = match has_12.filter(|path| path.to_string_lossy().contains(".so.12")) {
        Some(_) => Remedy::everywhere("export GST_CUDA_NVRTC_LIBNAME=libnvrtc.so.12"),
        None => Remedy::install(Need::Nvrtc),
    }
    .then(&remove_registry(gst));
    let found = "missing: pipelines that convert in CUDA memory fall back to host memory; trtinfer and oshaannotate do not need it";
    Some(finding(Status::Info, found).because(cause).mended_by(remedy))
}

/// `decodebin3` takes the decoder with the highest rank, whatever memory comes after it.
fn choice(codec: &str, decoders: &[String]) -> Option<Finding> {
    let chosen = decoders.first()?;
    let hardware = decoders.iter().find(|name| HARDWARE.contains(&name.as_str()))?;
    let id = format!("choice.{}", codec.to_lowercase().replace('.', ""));
    let title = format!("{codec} decoder");
    if HARDWARE.contains(&chosen.as_str()) {
        let found = format!("decodebin3 takes {chosen}");
        return Some(finding(&id, &title, Status::Ok, found));
    }
    Some(
        finding(&id, &title, Status::Slower, format!("decodebin3 takes {chosen}, though there is {hardware}"))
            .because(format!(
                "{chosen} has the higher rank (GST_PLUGIN_FEATURE_RANK, or another plugin); where what follows takes ANY \
                 caps, nothing but the rank decides"
            ))
            .mended_by(Remedy::everywhere(format!("export GST_PLUGIN_FEATURE_RANK={hardware}:MAX"))),
    )
}
