//! `gst-osha events`: what a spool of events holds, and whether it is whole.

pub mod incident;
mod overview;
mod plot;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use osha::hash::Hash;
use osha::spool::{self, Report};

use incident::Reading;
use overview::{Overview, Row};

use crate::output::println;

/// What to read, and what to make of it.
#[derive(clap::Args)]
pub struct Args {
    /// Event spools that oshaannotate wrote; the files that were rotated out of each are found beside it
    #[arg(required = true, value_name = "SPOOL")]
    spools: Vec<PathBuf>,
    /// Check that no event was altered, removed, added or moved; fails if one was
    #[arg(long)]
    check: bool,
    /// With --check: a hash that was noted earlier and must be that of an event
    #[arg(long, value_name = "SHA256", requires = "check")]
    noted: Option<Hash>,
    /// Draw the figures into a .png or .svg file
    #[arg(long, value_name = "FILE", value_parser = crate::plot::path)]
    plot: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Summarises the spools, and checks them if asked for.
///
/// # Errors
/// When a file cannot be read or written, or a check finds something.
pub fn run(args: &Args) -> Result<()> {
    let spools = spools(&args.spools)?;
    let mut reading = Reading::default();
    for path in spools.iter().flatten() {
        reading.read(path)?;
    }
    let overview = Overview::of(&reading);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&overview)?);
    } else {
        print(&overview);
    }
    for complaint in &reading.complaints {
        eprintln!("gst-osha: {complaint}");
    }
    if let Some(path) = &args.plot {
        plot::draw(&overview, path).with_context(|| path.display().to_string())?;
    }
    if args.check { check(&spools, args.noted.as_ref()) } else { Ok(()) }
}

/// The files of each spool. A rotated file that is named beside its spool is not read twice.
fn spools(paths: &[PathBuf]) -> Result<Vec<Vec<PathBuf>>> {
    let files = |path: &PathBuf| spool::files(path).with_context(|| path.display().to_string());
    let mut all: Vec<Vec<PathBuf>> = paths.iter().map(files).collect::<Result<_>>()?;
    all.sort_by_key(|files| std::cmp::Reverse(files.len()));
    let mut spools: Vec<Vec<PathBuf>> = Vec::new();
    for files in all {
        if !files.iter().all(|file| spools.iter().flatten().any(|known| known == file)) {
            spools.push(files);
        }
    }
    Ok(spools)
}

fn check(spools: &[Vec<PathBuf>], noted: Option<&Hash>) -> Result<()> {
    let (mut problems, mut found) = (0, false);
    for files in spools {
        let report = spool::check(files, noted)?;
        problems += report.problems.len();
        found |= report.noted;
        explain(files.last().map(PathBuf::as_path).unwrap_or(Path::new("")), &report);
    }
    ensure!(problems == 0, "{problems} of the lines are not what was written");
    if let Some(noted) = noted.filter(|_| !found) {
        bail!("no event has the hash {noted}: events were removed, or written anew");
    }
    Ok(())
}

/// Goes to the standard error, so that `--json` stays JSON.
fn explain(path: &Path, report: &Report) {
    for problem in &report.problems {
        eprintln!("{problem}");
    }
    let path = path.display();
    let verdict = if report.problems.is_empty() { "intact" } else { "NOT intact" };
    match (report.first, report.last) {
        (Some(first), Some(last)) => {
            eprintln!("{path}: {verdict}, events {first} to {}, last hash {}", last.sequence, last.hash);
        }
        _ => eprintln!("{path}: {verdict}, no events"),
    }
    if let Some(first) = report.first.filter(|first| *first > 1) {
        eprintln!("{path}: events before {first} are not here");
    }
}

fn print(overview: &Overview) {
    let files = if overview.files == 1 { "file" } else { "files" };
    println!("{:<12} {} in {} {files}", "events", overview.events, overview.files);
    if let (Some(first), Some(last)) = (&overview.first, &overview.last) {
        println!("{:<12} {first} to {last}", "time");
    }
    println!("{:<12} {}", "violations", overview.violations);
    for (title, rows) in [("rule", &overview.rules), ("zone", &overview.zones), ("hour", &overview.hours)] {
        print_table(title, rows);
    }
}

fn print_table(title: &str, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(title.len());
    println!("\n{title:<width$}  violations  review  open  seconds  longest");
    for Row { name, violations, review, open, seconds, longest_s, .. } in rows {
        println!(
            "{name:<width$}  {violations:>10}  {review:>6}  {open:>4}  {seconds:>7.1}  {longest_s:>7.1}"
        );
    }
}

#[cfg(test)]
mod tests;
