//! `gst-osha doctor`: what works on this machine, what does not, why, and what mends it.
//!
//! [`facts`] are collected by [`probe`]s, each a process with a time limit; [`findings`] follow from facts alone;
//! [`report`] prints them.

mod environment;
mod facts;
mod findings;
mod platform;
mod probe;
mod remedy;
mod report;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::facts::Facts;
use self::findings::{Finding, Status};
use self::probe::Probe;
use crate::style::columns;

/// Every probe has ended by then, or is given up.
const LIMIT: Duration = Duration::from_secs(4);

/// How to report.
#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 all is well, 1 something is slower than it could be, 2 something is missing that every \
    pipeline needs (or a wrong argument), 3 something could not be found out."
)]
pub struct Args {
    /// Print one JSON object with all facts
    #[arg(long)]
    json: bool,
    /// Run one probe without a time limit and print its facts as JSON
    #[arg(long, hide = true)]
    probe: Option<Probe>,
}

/// What the examination came to.
pub struct Outcome {
    /// The worst status.
    verdict: Status,
    /// How many findings have it.
    count: usize,
    /// How long it took.
    seconds: f64,
}

impl Outcome {
    fn new(findings: &[Finding], elapsed: Duration) -> Self {
        let verdict = findings.iter().map(|finding| finding.status).max().unwrap_or(Status::Unknown);
        let verdict = if verdict == Status::Info { Status::Ok } else { verdict };
        let count = findings.iter().filter(|finding| finding.status == verdict).count();
        Self { verdict, count, seconds: elapsed.as_secs_f64() }
    }

    /// What the process returns.
    fn code(&self) -> u8 {
        match self.verdict {
            Status::Ok | Status::Info => 0,
            Status::Slower => 1,
            Status::Missing => 2,
            Status::Unknown => 3,
        }
    }

    fn sentence(&self) -> String {
        let things = if self.count == 1 { "1 thing".to_owned() } else { format!("{} things", self.count) };
        match self.verdict {
            Status::Ok | Status::Info => "All is well.".to_owned(),
            Status::Slower => format!("Everything runs; {things} could be faster."),
            Status::Unknown => format!("{things} could not be found out."),
            Status::Missing => format!("{things} that every pipeline needs: missing."),
        }
    }
}

/// Examines this machine and prints what was found.
///
/// # Errors
/// When the report cannot be written.
pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(probe) = args.probe {
        probe.run();
        return Ok(ExitCode::SUCCESS);
    }
    let began = Instant::now();
    let facts = probe::run_all(LIMIT);
    let findings = findings::judge(&facts);
    let outcome = Outcome::new(&findings, began.elapsed());
    let written = if args.json {
        write_json(&facts, &findings, &outcome)
    } else {
        write_page(&facts, &findings, &outcome)
    };
    match written {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        written => written.context("standard output")?,
    }
    Ok(ExitCode::from(outcome.code()))
}

fn write_page(facts: &Facts, findings: &[Finding], outcome: &Outcome) -> std::io::Result<()> {
    let platform = facts.host.facts.as_ref().map(|host| host.platform.clone()).unwrap_or_default();
    let mut output = anstream::stdout().lock();
    report::page(&mut output, columns(report::WIDTH), findings, &platform, outcome)?;
    output.flush()
}

fn write_json(facts: &Facts, findings: &[Finding], outcome: &Outcome) -> std::io::Result<()> {
    let first = facts.gpu.facts.as_ref().and_then(|gpu| gpu.devices.first());
    let report = report::Report {
        schema: "gst-osha.doctor/1",
        version: env!("CARGO_PKG_VERSION"),
        verdict: outcome.verdict,
        exit_code: outcome.code(),
        unified_memory: first.is_some_and(|facts| facts.device.unified()),
        seconds: outcome.seconds,
        findings,
        facts,
    };
    let mut output = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, &report)?;
    writeln!(output)
}
