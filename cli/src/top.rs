//! `gst-osha top`: pipelines that run under the tracer `zcopies`, live.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gstsupport::flow::{ElementReport, PipelineReport, Report};
use gstsupport::socket;

use crate::style::{Tone, paint};

/// Whom to watch.
#[derive(clap::Args)]
pub struct Args {
    /// Socket of one process; unset: every process of this user that runs with GST_TRACERS=zcopies
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Seconds between two looks
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    interval: f64,
    /// Looks, then the end (0 = until the pipelines end)
    #[arg(long, default_value_t = 0)]
    count: u64,
    /// Print each look as one line of JSON for each process
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds.ok_or_else(|| format!("'{text}' is not between 0.05 and 3600"))
}

/// How long a process may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A process that answers.
struct Process {
    path: PathBuf,
    requests: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Process {
    fn connect(path: &Path) -> Result<Self> {
        let connected = || {
            let requests = UnixStream::connect(path)?;
            requests.set_read_timeout(Some(PATIENCE))?;
            let answers = BufReader::new(requests.try_clone()?);
            Ok::<_, std::io::Error>(Self { path: path.to_owned(), requests, answers })
        };
        connected().with_context(|| format!("--socket {}", path.display()))
    }

    /// What it says of its pipelines, as JSON; `None` if it has ended, or says nothing, which is told.
    fn ask(&mut self) -> Option<String> {
        self.requests.write_all(b"\n").ok()?;
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(read) => (read > 0).then(|| line.trim_end().to_owned()),
            Err(error) => {
                if error.kind() == ErrorKind::WouldBlock {
                    let (path, seconds) = (self.path.display(), PATIENCE.as_secs());
                    eprintln!(
                        "gst-osha: {path}: no answer within {seconds} s. Its process is stopped or hangs"
                    );
                }
                None
            }
        }
    }
}

/// Counts of the last look, for speeds: by process, pipeline and name.
#[derive(Default)]
struct Earlier {
    at: Option<Instant>,
    counts: HashMap<(u32, String, String), u64>,
}

impl Earlier {
    /// How much the count called `name` grows in a second; since the pipeline's start at the first look.
    fn rate(&mut self, process: u32, pipeline: &PipelineReport, name: &str, count: u64) -> f64 {
        let key = (process, pipeline.name.clone(), name.to_owned());
        match (self.counts.insert(key, count), self.at) {
            (Some(before), Some(at)) => {
                count.saturating_sub(before) as f64 / at.elapsed().as_secs_f64().max(1e-3)
            }
            _ => count as f64 / pipeline.seconds.max(1e-3),
        }
    }
}

/// Shows the pipelines until they end.
///
/// # Errors
/// When nobody runs with the tracer, or the named socket does not answer.
pub fn run(args: &Args) -> Result<()> {
    let mut processes: Vec<Process> = Vec::new();
    let mut earlier = Earlier::default();
    let is_live = std::io::stdout().is_terminal() && !args.json;
    for look in 1.. {
        connect(args, &mut processes)?;
        if processes.is_empty() {
            if look > 1 {
                return Ok(());
            }
            bail!(
                "no process of this user runs with GST_TRACERS=zcopies. Start one: GST_TRACERS=zcopies gst-launch-1.0 …"
            );
        }
        let mut screen = String::new();
        processes.retain_mut(|process| {
            let answer = process.ask();
            answer.is_some_and(|json| show(&json, args.json, &mut earlier, &mut screen))
        });
        earlier.at = Some(Instant::now());
        let clear = if is_live { "\x1b[H\x1b[2J" } else { "" };
        let mut out = std::io::stdout().lock();
        match write!(out, "{clear}{screen}").and_then(|()| out.flush()) {
            // Whoever reads this has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("standard output")?,
        }
        if look == args.count {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs_f64(args.interval));
    }
    Ok(())
}

/// Adds processes that have come. One that is named must be there at first, and is not waited for again.
fn connect(args: &Args, processes: &mut Vec<Process>) -> Result<()> {
    let paths = match &args.socket {
        Some(path) if processes.is_empty() && socket::is_stale(path) => {
            bail!("--socket {}: nobody listens", path.display())
        }
        Some(path) if processes.is_empty() && path.exists() => vec![path.clone()],
        Some(path) if processes.is_empty() => bail!("--socket {}: there is no such socket", path.display()),
        Some(_) => Vec::new(),
        None => socket::list(&socket::folder()?)?,
    };
    let known: Vec<PathBuf> = processes.iter().map(|process| process.path.clone()).collect();
    for path in paths.iter().filter(|path| !known.contains(path)) {
        match (Process::connect(path), &args.socket) {
            (Ok(process), _) => processes.push(process),
            (Err(error), Some(_)) => return Err(error),
            // It ended just now.
            (Err(_), None) => {}
        }
    }
    Ok(())
}

/// Adds what one process says to `screen`. False if it is not understood.
fn show(json: &str, as_json: bool, earlier: &mut Earlier, screen: &mut String) -> bool {
    if as_json {
        let _ = writeln!(screen, "{json}");
        return true;
    }
    let Ok(report) = serde_json::from_str::<Report>(json) else {
        let _ = writeln!(screen, "a process answers in another form than {}", gstsupport::flow::SCHEMA);
        return false;
    };
    for pipeline in &report.pipelines {
        screen.push_str(&view(report.process, pipeline, earlier));
    }
    true
}

/// One pipeline: where it plays, its links of raw frames, its elements.
fn view(process: u32, pipeline: &PipelineReport, earlier: &mut Earlier) -> String {
    let heading = format!("{} (process {process})", pipeline.name);
    let mut out = format!("{}  {}\n", paint(&heading, Tone::Title), progress(pipeline));
    for link in pipeline.links.iter().filter(|link| link.media == "video/x-raw") {
        let carried = format!("{} {} {}", link.from, link.memory, link.format);
        let fps = earlier.rate(process, pipeline, &carried, link.buffers);
        let (from, to) = (&link.from, &link.to);
        let _ =
            writeln!(out, "  {from:<28} -> {to:<28} {:<13} {:<18} {fps:>8.1} fps", link.memory, link.format);
    }
    let copied: u64 = pipeline.copies.iter().map(|copy| copy.frames).sum();
    let rate = earlier.rate(process, pipeline, "copies", copied);
    let tone = if copied == 0 { Tone::Good } else { Tone::Bad };
    let _ = writeln!(out, "  {}", paint(&format!("copies: {rate:.1} frames/s, {copied} in all"), tone));
    for copy in &pipeline.copies {
        let _ = writeln!(out, "    {}", copy.text());
    }
    pipeline.elements.iter().filter_map(element).for_each(|line| {
        let _ = writeln!(out, "  {line}");
    });
    out.push('\n');
    out
}

/// A bar of where the stream is, if that is known.
fn progress(pipeline: &PipelineReport) -> String {
    match (pipeline.position_s, pipeline.duration_s) {
        (Some(position), Some(duration)) if duration > 0.0 => {
            format!("{} {position:.1} of {duration:.1} s", bar(position / duration, 24))
        }
        (Some(position), _) => format!("{position:.1} s"),
        _ => format!("running for {:.1} s", pipeline.seconds),
    }
}

fn bar(fraction: f64, width: usize) -> String {
    let full = (fraction.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!("[{}{}]", "#".repeat(full), "-".repeat(width - full))
}

/// What matters most of an element's statistics.
fn element(report: &ElementReport) -> Option<String> {
    let number = |name: &str| report.stats.get(name)?.as_f64();
    let name = &report.name;
    match report.factory.as_str() {
        "trtinfer" => {
            let stage = |stage: &str| number(&format!("{stage}-ms.p50")).unwrap_or_default();
            Some(format!(
                "{name}: latency p50 {:.1} ms, p99 {:.1} ms (preprocess {:.2}, inference {:.2}, postprocess {:.2}), {} detections",
                stage("total"),
                number("total-ms.p99")?,
                stage("preprocess"),
                stage("inference"),
                stage("postprocess"),
                number("detections")?
            ))
        }
        "zcbufferpool" => {
            let (used, all) = (number("buffers-in-use")?, number("buffers-allocated")?);
            let fill = bar(used / all.max(1.0), 12);
            Some(format!("{name}: pool {fill} {used} of {all} buffers, {} waits", number("waits")?))
        }
        "oshaannotate" => Some(format!(
            "{name}: {} violations, {} open, drawn in place {}, on a copy {}",
            number("violations")?,
            number("violations-open")?,
            number("frames-drawn-in-place")?,
            number("frames-drawn-on-copy")?
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_their_width() {
        assert_eq!(bar(0.5, 4), "[##--]");
        assert_eq!([bar(-1.0, 2), bar(9.0, 2), bar(f64::NAN, 2)], ["[--]", "[##]", "[--]"]);
    }

    #[test]
    fn speeds_are_since_the_last_look() {
        let pipeline = PipelineReport { seconds: 10.0, ..PipelineReport::default() };
        let mut earlier = Earlier::default();
        assert_eq!(earlier.rate(1, &pipeline, "a", 50), 5.0);
        earlier.at = Some(Instant::now() - Duration::from_secs(2));
        assert!((earlier.rate(1, &pipeline, "a", 60) - 5.0).abs() < 0.1);
        assert_eq!(earlier.rate(1, &pipeline, "a", 0), 0.0, "a pipeline that started again");
    }

    #[test]
    fn another_form_is_told() {
        let mut screen = String::new();
        assert!(!show("{}", false, &mut Earlier::default(), &mut screen));
        assert!(screen.contains("another form"));
    }
}
