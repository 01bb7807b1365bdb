//! Pipelines that run, and what is reported of them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use gst::glib;
use gst::prelude::*;
use gstsupport::flow::{Ledger, PipelineReport, Report};
use gstsupport::lock;

use super::elements;
use super::settings::Settings;

/// A pipeline from READY to READY.
struct Run {
    pipeline: glib::WeakRef<gst::Pipeline>,
    started: Instant,
}

/// What the hooks and the server share.
#[derive(Default)]
pub(super) struct Recorder {
    ledger: Mutex<Ledger>,
    runs: Mutex<Vec<Run>>,
    file: Mutex<Option<File>>,
}

impl Recorder {
    /// `buffer` leaves `pad`.
    pub fn pushed(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        lock(&self.ledger).pushed(pad, buffer);
    }

    /// `pipeline` starts.
    pub fn start(&self, pipeline: &gst::Pipeline) {
        let run = Run { pipeline: pipeline.downgrade(), started: Instant::now() };
        lock(&self.runs).push(run);
    }

    /// `pipeline` stops: what is reported of it. `None` if it did not start.
    pub fn stop(&self, pipeline: &gst::Pipeline) -> Option<PipelineReport> {
        let run = {
            let mut runs = lock(&self.runs);
            runs.retain(|run| run.pipeline.upgrade().is_some());
            let index = runs.iter().position(|run| run.pipeline == *pipeline)?;
            runs.swap_remove(index)
        };
        let report = self.report(pipeline, run.started);
        lock(&self.ledger).forget(pipeline.upcast_ref());
        Some(report)
    }

    fn report(&self, pipeline: &gst::Pipeline, started: Instant) -> PipelineReport {
        let seconds = started.elapsed().as_secs_f64();
        let report = lock(&self.ledger).report(pipeline.upcast_ref(), seconds);
        PipelineReport { elements: elements::reports(pipeline.upcast_ref()), ..report }
    }

    /// Every pipeline that runs, as it stands now.
    pub fn snapshot(&self) -> Report {
        let running = |run: &Run| Some((run.pipeline.upgrade()?, run.started));
        let runs: Vec<_> = lock(&self.runs).iter().filter_map(running).collect();
        let pipelines = runs.into_iter().map(|(pipeline, started)| {
            let seconds = |time: Option<gst::ClockTime>| time.map(|time| time.seconds_f64());
            PipelineReport {
                position_s: seconds(pipeline.query_position()),
                duration_s: seconds(pipeline.query_duration()),
                ..self.report(&pipeline, started)
            }
        });
        Report::new(pipelines.collect())
    }

    /// Every pipeline that has not stopped, when the process ends in good order.
    pub fn left(&self) -> Vec<gst::Pipeline> {
        lock(&self.runs).iter().filter_map(|run| run.pipeline.upgrade()).collect()
    }

    /// Writes `report` to where `settings` says.
    pub fn write(&self, report: PipelineReport, settings: &Settings) {
        if let Err(error) = self.try_write(report, settings) {
            let path = settings.file.as_deref().unwrap_or(Path::new("standard error"));
            eprintln!("zcopies: file={}: {error}. Choose a file that can be written", path.display());
        }
    }

    fn try_write(&self, report: PipelineReport, settings: &Settings) -> io::Result<()> {
        let text = match settings.json {
            true => serde_json::to_string(&Report::new(vec![report]))? + "\n",
            false => report.table(),
        };
        let Some(path) = &settings.file else { return io::stderr().write_all(text.as_bytes()) };
        let mut file = lock(&self.file);
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(File::create(path)?),
        };
        file.write_all(text.as_bytes())
    }
}
