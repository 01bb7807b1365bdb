//! What is reported of a pipeline: for people as a table, for programs as JSON.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// Name and version of the JSON form.
pub const SCHEMA: &str = "gst-osha.links/1";

/// What an element did to a frame that it should have passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// From host to device memory.
    Upload,
    /// From device to host memory.
    Download,
    /// Other memory of the same kind.
    NewMemory,
    /// The CPU mapped device memory, which brought it to the host.
    HostRead,
}

impl Change {
    /// From memory of kind `before` to kind `after`.
    pub(super) fn between(before: &str, after: &str) -> Self {
        match (before == "SystemMemory", after == "SystemMemory") {
            (true, false) => Self::Upload,
            (false, true) => Self::Download,
            _ => Self::NewMemory,
        }
    }

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Upload => "host to device",
            Self::Download => "device to host",
            Self::NewMemory => "new memory",
            Self::HostRead => "device memory mapped by the CPU",
        }
    }
}

/// What went over one link in one memory and format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReport {
    /// `element:pad` that pushes.
    pub from: String,
    /// `element:pad` that receives.
    pub to: String,
    /// Media type.
    pub media: String,
    /// Pixel format and size, if there are any.
    pub format: String,
    /// Kind of memory that the caps name.
    pub memory: String,
    /// Buffers so far.
    pub buffers: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// The copies of one kind that one element made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyReport {
    /// The element's name.
    pub element: String,
    /// Its factory's.
    pub factory: String,
    /// What was done.
    pub change: Change,
    /// Memory and format before the first.
    pub before: String,
    /// Memory and format after the first.
    pub after: String,
    /// The link that the first left on.
    pub link: String,
    /// Frames so far.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// What an element says of itself in its property `stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElementReport {
    /// The element's name.
    pub name: String,
    /// Its factory's.
    pub factory: String,
    /// The fields of `stats` that are numbers or texts; those of structures within are named `outer.inner`.
    pub stats: serde_json::Map<String, serde_json::Value>,
}

/// One pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PipelineReport {
    /// Its name.
    pub name: String,
    /// Seconds since its first buffer.
    pub seconds: f64,
    /// Where it plays, in seconds.
    pub position_s: Option<f64>,
    /// How long the stream is, in seconds.
    pub duration_s: Option<f64>,
    /// Every link, from sources to sinks; more than once where its memory or format changed.
    pub links: Vec<LinkReport>,
    /// Every element that copied frames.
    pub copies: Vec<CopyReport>,
    /// Every element with a property `stats`.
    pub elements: Vec<ElementReport>,
}

/// Every pipeline of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Process number.
    pub process: u32,
    /// Every pipeline that ran.
    pub pipelines: Vec<PipelineReport>,
}

impl Report {
    /// Of this process.
    pub fn new(pipelines: Vec<PipelineReport>) -> Self {
        Self { schema: SCHEMA.to_owned(), process: std::process::id(), pipelines }
    }
}

impl PipelineReport {
    /// As a table for people, one line a link, then one a copying element.
    pub fn table(&self) -> String {
        let mut out = format!("zcopies: {}, {:.2} s\n", self.name, self.seconds);
        let width = |text: fn(&LinkReport) -> &String, least: usize| {
            self.links.iter().map(|link| text(link).chars().count()).max().unwrap_or(0).max(least)
        };
        let (from, to) = (width(|link| &link.from, 4), width(|link| &link.to, 2));
        let (memory, format) = (width(|link| &link.memory, 6), width(|link| &link.format, 6));
        let mut row = |cells: [&str; 6]| {
            let [a, b, c, d, e, f] = cells;
            let _ = writeln!(out, "  {a:<from$}  {b:<to$}  {c:<memory$}  {d:<format$}  {e:>8}  {f:>10}");
        };
        row(["from", "to", "memory", "format", "buffers", "MiB"]);
        for link in &self.links {
            let format = if link.format.is_empty() { &link.media } else { &link.format };
            let mib = format!("{:.2}", mib(link.bytes));
            row([&link.from, &link.to, &link.memory, format, &link.buffers.to_string(), &mib]);
        }
        self.copies.iter().for_each(|copy| {
            let _ = writeln!(out, "  COPY {}", copy.text());
        });
        if self.copies.is_empty() {
            out.push_str("  no frame was copied between elements\n");
        }
        out
    }
}

impl CopyReport {
    /// Who copied what, where, in one line.
    pub fn text(&self) -> String {
        let Self { element, factory, change, before, after, link, frames, .. } = self;
        let (mib, change) = (mib(self.bytes), change.text());
        format!(
            "{element} ({factory}): {frames} frames, {mib:.2} MiB, {change}: {before} to {after}, on {link}"
        )
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_follow_the_kinds() {
        assert_eq!(Change::between("SystemMemory", "CUDAMemory"), Change::Upload);
        assert_eq!(Change::between("CUDAMemory", "SystemMemory"), Change::Download);
        assert_eq!(Change::between("SystemMemory", "SystemMemory"), Change::NewMemory);
        assert_eq!(Change::between("CUDAMemory", "GLMemory"), Change::NewMemory);
    }

    #[test]
    fn the_table_names_the_copying_element() {
        let link = LinkReport { from: "a:src".into(), to: "convert:sink".into(), ..LinkReport::default() };
        let mut report = PipelineReport { name: "p".into(), links: vec![link], ..PipelineReport::default() };
        assert!(report.table().contains("no frame was copied"));
        report.copies.push(CopyReport {
            element: "convert".into(),
            factory: "videoconvert".into(),
            change: Change::NewMemory,
            before: "SystemMemory I420 2x2".into(),
            after: "SystemMemory RGB 2x2".into(),
            link: "convert:src -> sink:sink".into(),
            frames: 3,
            bytes: 36,
        });
        let table = report.table();
        assert!(
            table.contains("COPY convert (videoconvert): 3 frames")
                && table.contains("convert:src -> sink:sink")
        );
    }
}
