//! `gst-osha`: examines the machine, measures and watches the elements, reads what they write, asks the standards.

mod bench;
mod doctor;
mod engines;
mod events;
mod index;
mod output;
mod plot;
mod plugins;
mod style;
mod summary;
mod top;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Companion of the GStreamer elements zcbufferpool, trtinfer and oshaannotate.
#[derive(Parser)]
#[command(name = "gst-osha", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure every stage alone and in the pipeline, verify the quality guarantees
    Bench(bench::Args),
    /// Say what works on this machine, what does not, why, and what mends it
    Doctor(doctor::Args),
    /// Build, list, check and remove the engines for this machine's GPUs
    Engine(engines::Args),
    /// Summarise event spools by rule, zone and hour, as tables and a plot; check that they are whole
    Events(events::Args),
    /// Find the standards that fit a text, in an index of the shipped or of your own
    Index(index::Args),
    /// Summarise a finished run: frames, detections, violations with their citations
    Summary(summary::Args),
    /// Watch running pipelines that were started with GST_TRACERS=zcopies
    Top(top::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Doctor(args) => doctor::run(&args),
        Command::Engine(args) => engines::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Events(args) => events::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Index(args) => index::run(&args),
        Command::Summary(args) => summary::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Top(args) => top::run(&args).map(|()| ExitCode::SUCCESS),
    };
    match result.and_then(|code| output::outcome().map(|()| code)) {
        Ok(code) => code,
        Err(error) => {
            style::progress("");
            eprintln!("gst-osha: {error:#}");
            ExitCode::FAILURE
        }
    }
}
