//! `gst-osha`: measures and summarises what the elements do.

mod bench;
mod engines;
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
    /// List, check and remove the engines that were built for this machine's GPUs
    Engine(engines::Args),
    /// Summarise a finished run: frames, detections, violations with their citations
    Summary(summary::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Engine(args) => engines::run(&args),
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
