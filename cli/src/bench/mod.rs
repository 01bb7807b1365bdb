//! `gst-osha bench`: each stage in a process of its own, several rounds, medians.

mod stage;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What to measure.
#[derive(clap::Args)]
pub struct Args {
    /// Frames per round; the clip is played again from its start where it is shorter
    #[arg(long, default_value_t = 300)]
    frames: u64,
    /// Rounds; medians are printed
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// ONNX model
    #[arg(long, default_value = "models/ppe-demo.onnx")]
    model: PathBuf,
    /// Video file
    #[arg(long, default_value = "tests/data/site.mp4")]
    input: PathBuf,
    /// CPU threads for one inference (0 = all cores)
    #[arg(long, default_value_t = 0)]
    threads: u32,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Run this stage in this process and print its figures as JSON
    #[arg(long, hide = true)]
    stage: Option<Stage>,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// The same model in a plain loop, no decoding: the ceiling.
    Bare,
    /// decode ! fakesink
    Decode,
    /// decode ! trtinfer ! fakesink
    Infer,
    /// decode ! trtinfer ! oshaannotate ! fakesink
    Annotate,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Bare, Self::Decode, Self::Infer, Self::Annotate];

    fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare ONNX Runtime loop",
            Self::Decode => "decode ! fakesink",
            Self::Infer => "decode ! trtinfer ! fakesink",
            Self::Annotate => "decode ! trtinfer ! oshaannotate ! fakesink",
        }
    }
}

/// What one round of one stage came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Figures {
    stage: Stage,
    frames: u64,
    fps: f64,
    /// High water of resident memory.
    peak_mib: f64,
}

/// Runs the benchmark.
///
/// # Errors
/// When a stage cannot be run: the reason is the stage's own.
pub fn run(args: &Args) -> Result<()> {
    if let Some(stage) = args.stage {
        println!("{}", serde_json::to_string(&stage::run(stage, args)?)?);
        return Ok(());
    }
    let rounds: Vec<Vec<Figures>> = (0..args.rounds.max(1)).map(|_| round(args)).collect::<Result<_>>()?;
    let medians: Vec<Figures> = (0..Stage::ALL.len()).map(|stage| median(&rounds, stage)).collect();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&medians)?);
    } else {
        print_table(args, &medians);
    }
    Ok(())
}

fn round(args: &Args) -> Result<Vec<Figures>> {
    Stage::ALL.into_iter().map(|stage| in_own_process(stage, args)).collect()
}

fn in_own_process(stage: Stage, args: &Args) -> Result<Figures> {
    let name = stage.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let output = Command::new(std::env::current_exe()?)
        .args(["bench", "--stage", &name, "--frames", &args.frames.to_string()])
        .args(["--threads", &args.threads.to_string()])
        .arg("--model")
        .arg(&args.model)
        .arg("--input")
        .arg(&args.input)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("stage '{}' failed", stage.title());
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("stage '{}' printed no figures", stage.title()))
}

/// The round of `stage` whose speed is in the middle.
fn median(rounds: &[Vec<Figures>], stage: usize) -> Figures {
    let mut of_stage: Vec<Figures> = rounds.iter().map(|round| round[stage].clone()).collect();
    of_stage.sort_by(|a, b| a.fps.total_cmp(&b.fps));
    of_stage.swap_remove(of_stage.len() / 2)
}

fn print_table(args: &Args, medians: &[Figures]) {
    println!("{} frames, median of {} rounds, model {}", args.frames, args.rounds, args.model.display());
    println!("{:<46} {:>9} {:>9} {:>9} {:>9}", "", "frames/s", "ms/frame", "of bare", "peak MiB");
    let bare = medians[0].fps;
    for figures in medians {
        println!(
            "{:<46} {:>9.1} {:>9.2} {:>9.2} {:>9.0}",
            figures.stage.title(),
            figures.fps,
            1e3 / figures.fps,
            figures.fps / bare,
            figures.peak_mib
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(fps: f64) -> Vec<Figures> {
        vec![Figures { stage: Stage::Bare, frames: 1, fps, peak_mib: fps }]
    }

    #[test]
    fn the_median_is_a_round_that_was_run() {
        let rounds = [figures(30.0), figures(10.0), figures(20.0)];
        assert_eq!((median(&rounds, 0).fps, median(&rounds, 0).peak_mib), (20.0, 20.0));
    }
}
