//! `gst-osha`: measures, summarises and checks what the elements do.

mod bench;
mod events;
mod plot;
mod plugins;
mod summary;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Companion of the GStreamer elements trtinfer and oshaannotate.
#[derive(Parser)]
#[command(name = "gst-osha", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the pipeline's speed and memory with the bare inference loop's, side by side in one run
    Bench(bench::Args),
    /// Summarise event spools by rule, zone and hour, as tables and a plot; check that they are whole
    Events(events::Args),
    /// Summarise a finished run: frames, detections, violations with their citations
    Summary(summary::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Summary(args) => summary::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gst-osha: {error:#}");
            ExitCode::FAILURE
        }
    }
}
