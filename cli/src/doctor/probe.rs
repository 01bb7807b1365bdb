//! Probes. Each runs in a process of its own, so that a driver that hangs or crashes costs that probe only. A probe writes
//! its facts as a line of JSON, and again whenever it knows more; the last line counts.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::environment::Environment;
use super::facts::{Answer, Facts, gpu, gstreamer, host, libraries, onnxruntime, tensorrt};

/// What is examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Probe {
    /// System, memory, limits, folders.
    Host,
    /// Driver, devices, media engines.
    Gpu,
    /// Version, elements, plugins.
    Gstreamer,
    /// The library that runs networks.
    Onnxruntime,
    /// NVIDIA's library that runs networks.
    Tensorrt,
    /// Other libraries.
    Libraries,
}

impl Probe {
    /// Examines in this process and writes what is found to standard output.
    pub fn run(self) {
        let environment = Environment::here();
        match self {
            Self::Host => print(&host::collect(&environment)),
            Self::Gpu => gpu::collect(&mut |facts| print(facts)),
            Self::Gstreamer => gstreamer::collect(&environment, &mut |facts| print(facts)),
            Self::Onnxruntime => onnxruntime::collect(&mut |facts| print(facts)),
            Self::Tensorrt => tensorrt::collect(&mut |facts| print(facts)),
            Self::Libraries => libraries::collect(&environment, &mut |facts| print(facts)),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Whoever reads has gone if this fails.
fn print(facts: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(facts) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// Runs all probes side by side, none longer than `limit`.
pub fn run_all(limit: Duration) -> Facts {
    let deadline = Instant::now() + limit;
    let probes =
        [Probe::Host, Probe::Gpu, Probe::Gstreamer, Probe::Onnxruntime, Probe::Tensorrt, Probe::Libraries];
    let [host, gpu, gstreamer, onnxruntime, tensorrt, libraries] = probes.map(Running::start);
    Facts {
        host: answer(host, deadline, limit),
        gpu: answer(gpu, deadline, limit),
        gstreamer: answer(gstreamer, deadline, limit),
        onnxruntime: answer(onnxruntime, deadline, limit),
        tensorrt: answer(tensorrt, deadline, limit),
        libraries: answer(libraries, deadline, limit),
    }
}

/// A probe under way, or why it could not be started.
type Start = std::io::Result<Running>;

struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(probe: Probe) -> Start {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["doctor", "--probe", &probe.name()]);
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Start {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let lines = read(child.stdout.take());
        Ok(Self { child, lines })
    }
}

/// Reads on a thread of its own: what a probe started may keep the pipe open after its end.
fn read(output: Option<ChildStdout>) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
        lines.map_while(Result::ok).all(|line| sender.send(line).is_ok())
    });
    lines
}

fn answer<T: DeserializeOwned>(start: Start, deadline: Instant, limit: Duration) -> Answer<T> {
    match start {
        Ok(running) => running.finish(deadline, limit),
        Err(error) => Answer { facts: None, problem: Some(format!("cannot be started: {error}")) },
    }
}

impl Running {
    fn finish<T: DeserializeOwned>(mut self, deadline: Instant, limit: Duration) -> Answer<T> {
        let mut facts = None;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                // A library may write to standard output as well.
                Ok(line) => facts = serde_json::from_str(&line).ok().or(facts),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Answer { facts, problem: Some(self.stop(limit)) },
            }
        }
        let problem = self.outcome(deadline, limit);
        let nothing = || facts.is_none().then(|| "it found nothing out".to_owned());
        Answer { problem: problem.or_else(nothing), facts }
    }

    /// Why the probe did not end well. It is not waited for beyond the deadline: a process that hangs in the driver cannot
    /// even be killed.
    fn outcome(&mut self, deadline: Instant, limit: Duration) -> Option<String> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return None,
                Ok(Some(status)) => return Some(format!("it ended early: {status}")),
                Err(error) => return Some(error.to_string()),
                Ok(None) if Instant::now() >= deadline => return Some(self.stop(limit)),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn stop(&mut self, limit: Duration) -> String {
        // It may have ended meanwhile.
        let _ = self.child.kill();
        format!("it did not end within {:.1} s", limit.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> Answer<u32> {
        let start = Running::spawn(Command::new("sh").args(["-c", script]));
        answer(start, Instant::now() + limit, limit)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn the_last_line_counts_and_chatter_does_not() {
        let answer = run("echo 1; echo 2; echo a library says hello", LONG);
        assert_eq!((answer.facts, answer.problem), (Some(2), None));
    }

    #[test]
    fn a_probe_that_hangs_is_cut_short_and_keeps_what_it_said() {
        let began = Instant::now();
        let answer = run("echo 7; sleep 60 & sleep 60", Duration::from_millis(300));
        assert_eq!(answer.facts, Some(7));
        assert!(answer.problem.unwrap().contains("within 0.3 s") && began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_probe_that_crashes_says_so() {
        let answer = run("echo 3; kill -SEGV $$", LONG);
        assert!(answer.facts == Some(3) && answer.problem.unwrap().contains("signal: 11"));
        assert_eq!(run("exit 0", LONG).problem.as_deref(), Some("it found nothing out"));
    }

    #[test]
    fn a_probe_that_closes_its_output_and_stays_is_not_waited_for() {
        let answer = run("exec >&-; sleep 60", Duration::from_millis(300));
        assert!(answer.problem.unwrap().contains("did not end"));
    }

    #[test]
    fn a_program_that_is_not_there_is_a_problem() {
        let start = Running::spawn(&mut Command::new("/nonexistent/gst-osha"));
        let answer: Answer<u32> = answer(start, Instant::now() + LONG, LONG);
        assert!(answer.problem.unwrap().contains("cannot be started"));
    }
}
