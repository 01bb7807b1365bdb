//! Programs in processes of their own, with and without the tracer.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use gstsupport::flow::{PipelineReport, Report};

use super::Args;
use super::figures::{Figures, Stage};
use crate::plugins;

/// Runs `stage` in a process of its own.
///
/// # Errors
/// When it fails; the reason is the stage's own.
pub fn figures(stage: Stage, args: &Args) -> Result<Figures> {
    run(stage, args, None)
}

/// As [`figures`], with the tracer, whose report goes to `file`.
///
/// # Errors
/// When it fails.
pub fn with_tracer(stage: Stage, args: &Args, file: &Path) -> Result<Figures> {
    run(stage, args, Some(file))
}

/// What the tracer says of the pipeline of `stage`.
///
/// # Errors
/// When the program fails, or the tracer is not installed.
pub fn report(stage: Stage, args: &Args, file: &Path) -> Result<PipelineReport> {
    with_tracer(stage, args, file)?;
    let text = std::fs::read_to_string(file).context(
        "the tracer zcopies wrote no report: is libgstzcopies.so beside the other plugins? Try gst-inspect-1.0 zcopies",
    )?;
    let last = text.lines().last().context("the tracer's report is empty")?;
    let report: Report = serde_json::from_str(last).context("the tracer's report")?;
    report.pipelines.into_iter().last().context("the tracer saw no pipeline")
}

fn run(stage: Stage, args: &Args, tracer: Option<&Path>) -> Result<Figures> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["bench", "--stage", &stage.name(), "--frames", &args.frames.to_string()])
        .args(["--threads", &args.threads.to_string(), "--streams", &args.streams.to_string()])
        .arg("--model")
        .arg(&args.model)
        .arg("--input")
        .arg(args.input_path())
        .env_remove("GST_TRACERS")
        .env("GST_PLUGIN_PATH", std::env::join_paths(plugins::folders())?)
        .stderr(Stdio::piped());
    if let Some(decoder) = &args.decoder {
        command.args(["--decoder", decoder]);
    }
    if let Some(elements) = &args.insert {
        command.args(["--insert", elements]);
    }
    if args.count {
        command.arg("--count");
    }
    if let Some(network) = &args.network {
        command.args(["--network", &serde_json::to_string(network)?]);
    }
    if let Some(file) = tracer {
        let file = file.to_str().context("the path is not UTF-8")?;
        command.env("GST_TRACERS", format!("zcopies(file=\"{file}\",format=json,socket=none)"));
    }
    let output = command.output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let reason = text.trim().lines().last().unwrap_or_default().trim_start_matches("gst-osha: ");
        bail!("'{}' failed: {reason}", stage.title());
    }
    // Elements of the pipeline may have printed something before.
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .with_context(|| format!("stage '{}' printed no figures", stage.title()))
}
