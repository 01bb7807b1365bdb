//! Engines of the GPU for video and JPEG.

use super::{Area, Finding, Status, known};
use crate::doctor::facts::Facts;
use crate::doctor::facts::gpu::DeviceFacts;
use crate::doctor::facts::host::Host;
use crate::doctor::facts::libraries::Library;
use crate::doctor::remedy::{Need, Remedy};

/// Judges the engines of the first device of each kind: like devices have like engines.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let (gpu, host) = (known(&facts.gpu), known(&facts.host));
    let libraries = known(&facts.libraries);
    let mut names: Vec<&str> = Vec::new();
    let mut findings = Vec::new();
    for device in &gpu.devices {
        if !names.contains(&device.device.name.as_str()) {
            names.push(&device.device.name);
            findings.extend([
                nvdec(device, &host),
                nvenc(device, &host, libraries.get("NVENC")),
                nvjpg(device),
            ]);
        }
    }
    findings
}

fn nvdec(facts: &DeviceFacts, host: &Host) -> Finding {
    let id = format!("media.nvdec.{}", facts.device.ordinal);
    let finding = |status, found: String| Finding::new(Area::Media, &id, "NVDEC", status, found);
    match (&facts.decoders, &facts.problem) {
        (Some(decoders), _) if !decoders.is_empty() => {
            let most = decoders.iter().map(|decoder| decoder.engines).max().unwrap_or(0);
            finding(Status::Ok, count(most)).with_details(limits(facts))
        }
        (Some(_), _) => finding(Status::Slower, "no decoder".into())
            .because("this GPU, or the part of it that this process may use, has none: video is decoded on the CPU")
            .mended_by(Remedy::packages(&["gstreamer1.0-libav"])),
        (None, Some(problem)) => finding(Status::Slower, "cannot be used: video is decoded on the CPU".into())
            .because(cause(problem, host))
            .mended_by(video_libraries(host)),
        (None, None) => finding(Status::Unknown, "was not asked".into())
            .because("asking the driver took too long")
            .mended_by(Remedy::everywhere("gst-osha doctor --probe gpu")),
    }
}

fn video_libraries(host: &Host) -> Remedy {
    Remedy::install(if host.container { Need::Container } else { Need::VideoLibraries })
}

fn cause(problem: &str, host: &Host) -> String {
    match &host.driver_capabilities {
        Some(granted) if !granted.contains("video") && !granted.contains("all") => {
            format!("NVIDIA_DRIVER_CAPABILITIES={granted} leaves `video` out ({problem})")
        }
        _ => problem.to_owned(),
    }
}

fn count(engines: u32) -> String {
    match engines {
        0 => "engines that the driver does not count".to_owned(),
        1 => "1 engine".to_owned(),
        more => format!("{more} engines"),
    }
}

/// One line for each codec and depth.
fn limits(facts: &DeviceFacts) -> Vec<String> {
    let line = |decoder: &gpu::cuda::Decoder| {
        let ((width, height), (least_width, least_height)) = (decoder.largest, decoder.smallest);
        let kind = format!("{} {} bits", decoder.codec, decoder.bits);
        let most = f64::from(decoder.macroblocks) * 256.0 / 1e6;
        format!(
            "{kind:<16}{least_width}x{least_height} to {width}x{height}, at most {most:.1} megapixels a picture"
        )
    };
    facts.decoders.iter().flatten().map(line).collect()
}

fn nvenc(facts: &DeviceFacts, host: &Host, library: Option<&Library>) -> Finding {
    let id = format!("media.nvenc.{}", facts.device.ordinal);
    let finding = |status, found: String| Finding::new(Area::Media, &id, "NVENC", status, found);
    let engines = facts.engines.as_ref();
    let counted = engines.and_then(|engines| engines.counts).map(|(_, encoders, _)| encoders);
    match engines.and_then(|engines| engines.encoders.as_ref()) {
        _ if counted == Some(0) => {
            finding(Status::Info, "this GPU has none: x264enc encodes on the CPU".into())
        }
        Some(codecs) if codecs.is_empty() => {
            finding(Status::Info, "this GPU has none: x264enc encodes on the CPU".into())
        }
        Some(codecs) => match library {
            Some(Library { path: None, problem: Some(problem), .. }) => {
                finding(Status::Slower, format!("{}, but not from here: x264enc encodes", codecs.join(", ")))
                    .because(cause(problem, host))
                    .mended_by(video_libraries(host))
            }
            _ => finding(Status::Ok, codecs.join(", ")),
        },
        None => finding(Status::Info, "the driver does not tell".into()),
    }
}

fn nvjpg(facts: &DeviceFacts) -> Finding {
    let id = format!("media.nvjpg.{}", facts.device.ordinal);
    let finding = |status, found: String| Finding::new(Area::Media, &id, "NVJPG", status, found);
    let engines = facts.engines.as_ref();
    match (engines.and_then(|engines| engines.counts), engines.and_then(|engines| engines.jpeg)) {
        (Some((_, _, engines)), _) if engines > 0 => finding(Status::Ok, count(engines)),
        (_, Some(true)) => finding(Status::Ok, "there; the driver does not count its engines".into()),
        (Some(_), _) | (_, Some(false)) => finding(Status::Info, "this GPU has none".into()),
        (None, None) => finding(Status::Info, "the driver does not tell".into()),
    }
}
