//! What the facts mean: pure functions from facts to findings.

mod gpu;
mod gstreamer;
mod host;
mod inference;
mod media;

use serde::Serialize;

use super::facts::{Answer, Facts};
use super::remedy::Remedy;

/// What a finding comes to, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Good to know; nothing depends on it.
    Info,
    /// The results are the same, but come later.
    Slower,
    /// Could not be found out.
    Unknown,
    /// A pipeline cannot run without it, GPU or not.
    Missing,
}

/// Headings, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// System, memory, limits.
    Machine,
    /// Driver and devices.
    Gpu,
    /// Which side reads which memory.
    Memory,
    /// Engines for video and JPEG.
    Media,
    /// Plugins and elements.
    Gstreamer,
    /// What runs networks and searches.
    Inference,
    /// Folders that are written to.
    Folders,
}

/// One line of the page.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Stays the same from version to version.
    pub id: String,
    /// Where it stands on the page.
    pub area: Area,
    /// What was looked at.
    pub title: String,
    /// What it comes to.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// More of it, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Why that is not as it should be.
    pub cause: Option<String>,
    /// What mends it.
    pub remedy: Option<Remedy>,
}

impl Finding {
    fn new(area: Area, id: &str, title: &str, status: Status, found: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            area,
            title: title.to_owned(),
            status,
            found: found.into(),
            details: Vec::new(),
            cause: None,
            remedy: None,
        }
    }

    fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    fn mended_by(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

/// All findings, in the order of the page.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = unanswered(facts);
    if let Some(host) = &facts.host.facts {
        findings.extend(host::judge(host, has_gpu(facts)));
    }
    findings.extend(gpu::judge(facts));
    findings.extend(media::judge(facts));
    findings.extend(gstreamer::judge(facts));
    findings.extend(inference::judge(facts));
    // Stable: findings of one area stay in their order.
    findings.sort_by_key(|finding| finding.area);
    findings
}

/// Whether CUDA can be used: what is there for the GPU only matters then.
fn has_gpu(facts: &Facts) -> bool {
    facts.gpu.facts.as_ref().is_some_and(|gpu| !gpu.devices.is_empty())
}

/// Probes that did not end. One that lacks its last part while the driver hangs has waited for the driver.
fn unanswered(facts: &Facts) -> Vec<Finding> {
    let one = |area, name: &str, what: &str, problem: &Option<String>, remedy: &str| {
        let finding = |problem: &String| {
            let found = format!("asking {what} failed: {problem}");
            Finding::new(area, &format!("{name}.answer"), "answer", Status::Unknown, found)
                .because("what is listed here may be incomplete")
                .mended_by(Remedy::everywhere(remedy))
        };
        problem.as_ref().map(finding)
    };
    let driver_hangs = facts.gpu.problem.is_some();
    let gstreamer =
        facts.gstreamer.problem.clone().filter(|_| !driver_hangs || facts.gstreamer.facts.is_none());
    let onnxruntime =
        facts.onnxruntime.problem.clone().filter(|_| !driver_hangs || facts.onnxruntime.facts.is_none());
    [
        one(Area::Machine, "machine", "the system", &facts.host.problem, "gst-osha doctor --probe host"),
        one(Area::Gpu, "gpu", "the driver", &facts.gpu.problem, "sudo dmesg | grep -i nvrm; nvidia-smi"),
        one(
            Area::Gstreamer,
            "gstreamer",
            "GStreamer",
            &gstreamer,
            "gst-inspect-1.0 >/dev/null   (a first scan of all plugins takes long; then ask again)",
        ),
        one(
            Area::Inference,
            "onnxruntime",
            "ONNX Runtime",
            &onnxruntime,
            "gst-osha doctor --probe onnxruntime   (a first start reads gigabytes; then ask again)",
        ),
        one(
            Area::Inference,
            "libraries",
            "other libraries",
            &facts.libraries.problem,
            "gst-osha doctor --probe libraries",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The facts, or none where the probe failed.
fn known<T: Clone + Default>(answer: &Answer<T>) -> T {
    answer.facts.clone().unwrap_or_default()
}

/// Bytes as people write them.
fn mib(bytes: u64) -> String {
    match bytes >> 20 {
        mib if mib >= 10 << 10 => format!("{:.1} GiB", mib as f64 / 1024.0),
        mib => format!("{mib} MiB"),
    }
}

#[cfg(test)]
pub(super) mod tests;
