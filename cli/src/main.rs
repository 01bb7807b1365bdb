//! `gst-osha`: measures and summarises what the elements do.

mod bench;
mod plot;
mod plugins;
mod style;
mod summary;
mod top;

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
    /// Measure every stage alone and in the pipeline, verify the quality guarantees
    Bench(bench::Args),
    /// Summarise a finished run: frames, detections, violations with their citations
    Summary(summary::Args),
    /// Watch running pipelines that were started with GST_TRACERS=zcopies
    Top(top::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Summary(args) => summary::run(&args),
        Command::Top(args) => top::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gst-osha: {error:#}");
            ExitCode::FAILURE
        }
    }
}
