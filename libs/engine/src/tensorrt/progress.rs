//! How far a build is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::log::{self, Severity};

/// How far a build is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What the builder does, in its own words.
    pub phase: String,
    /// How much of it is done, 0 to 100. It never falls.
    pub percent: u8,
    /// How long it took so far.
    pub elapsed: Duration,
    /// How long it will go on, judged by the last build of the model or else by what is done; `None` at first.
    pub remaining: Option<Duration>,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "building the engine: {} %, {}, {} s so far",
            self.percent,
            self.phase,
            self.elapsed.as_secs()
        )?;
        match self.remaining {
            Some(remaining) => write!(f, ", about {} s to go", remaining.as_secs()),
            None => Ok(()),
        }
    }
}

/// Takes progress. Called from threads of the builder; it must neither panic nor block.
pub type Observer = Arc<dyn Fn(&Progress) + Send + Sync>;

/// Takes what goes wrong, in words. Called as an [`Observer`] is.
pub type Warner = Arc<dyn Fn(&str) + Send + Sync>;

/// The caller's end of a load that may have to build.
#[derive(Clone, Default)]
pub struct Watch {
    /// Told how far a build is.
    pub observer: Option<Observer>,
    /// Told what goes wrong while the work goes on; without it, the log is.
    pub warn: Option<Warner>,
    /// Set to give up. The load returns within a fraction of a second; the builder itself stops when it next looks.
    pub cancel: Arc<AtomicBool>,
}

impl Watch {
    /// Whether to give up.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    pub(super) fn warn(&self, text: &str) {
        match &self.warn {
            Some(warn) => warn(text),
            None => log::emit(Severity::Warning, text),
        }
    }

    /// Another process builds the engine; it is waited for since `started`. Answers whether to go on.
    pub(super) fn wait(&self, started: Instant, last_build: Option<Duration>) -> bool {
        if let Some(observer) = &self.observer {
            let (phase, elapsed) = ("another process builds it".to_owned(), started.elapsed());
            let remaining = remaining(elapsed, 0.0, last_build);
            observer(&Progress { phase, percent: 0, elapsed, remaining });
        }
        !self.is_cancelled()
    }
}

/// A part of a build that has steps and may have parts of its own.
#[derive(Debug)]
struct Phase {
    name: String,
    steps: u32,
    done: u32,
}

/// The share of everything that is done: each phase counts as one step of the one around it.
fn share(phases: &[Phase]) -> f64 {
    let mut scale = 1.0;
    phases.iter().fold(0.0, |share, phase| {
        let steps = f64::from(phase.steps.max(1));
        let share = share + scale * (f64::from(phase.done) / steps).min(1.0);
        scale /= steps;
        share
    })
}

/// How long it will go on after `elapsed`.
fn remaining(elapsed: Duration, share: f64, last: Option<Duration>) -> Option<Duration> {
    /// Less done than this tells nothing.
    const TELLING: f64 = 0.05;
    match last {
        Some(last) if last > elapsed => Some(last - elapsed),
        _ if share >= TELLING => Some(elapsed.mul_f64((1.0 - share).max(0.0) / share)),
        _ => None,
    }
}

#[derive(Debug, Default)]
struct State {
    /// From the outermost to the innermost.
    phases: Vec<Phase>,
    percent: u8,
}

/// Follows one build.
pub(super) struct Tracker {
    watch: Watch,
    started: Instant,
    last_build: Option<Duration>,
    state: Mutex<State>,
}

impl Tracker {
    /// Starts now. `last_build` is how long the model's last build took.
    pub fn new(watch: &Watch, last_build: Option<Duration>) -> Self {
        Self { watch: watch.clone(), started: Instant::now(), last_build, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        crate::lock(&self.state)
    }

    /// A phase begins inside of `parent`.
    pub fn begin(&self, name: &str, parent: Option<&str>, steps: u32) {
        {
            let phases = &mut self.state().phases;
            let depth = parent.and_then(|parent| phases.iter().position(|phase| phase.name == parent));
            phases.truncate(depth.map_or(0, |depth| depth + 1));
            phases.push(Phase { name: name.to_owned(), steps, done: 0 });
        }
        self.tell();
    }

    /// `step` of phase `name` is done. Answers whether to go on.
    pub fn advance(&self, name: &str, step: u32) -> bool {
        if let Some(phase) = self.state().phases.iter_mut().find(|phase| phase.name == name) {
            phase.done = step.saturating_add(1);
        }
        self.tell();
        !self.watch.is_cancelled()
    }

    /// Phase `name` has ended.
    pub fn end(&self, name: &str) {
        let phases = &mut self.state().phases;
        if let Some(depth) = phases.iter().position(|phase| phase.name == name) {
            phases.truncate(depth);
        }
    }

    fn tell(&self) {
        let Some(observer) = &self.watch.observer else { return };
        let progress = {
            let mut state = self.state();
            let share = share(&state.phases);
            state.percent = state.percent.max((share * 100.0) as u8);
            let elapsed = self.started.elapsed();
            let names: Vec<_> = state.phases.iter().map(|phase| phase.name.as_str()).collect();
            Progress {
                phase: names.join(": "),
                percent: state.percent,
                elapsed,
                remaining: remaining(elapsed, share, self.last_build),
            }
        };
        observer(&progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_a_step_of_the_one_around_it() {
        let phase = |steps, done| Phase { name: String::new(), steps, done };
        assert_eq!(share(&[]), 0.0);
        assert_eq!(share(&[phase(4, 1)]), 0.25);
        assert_eq!(share(&[phase(4, 1), phase(2, 1)]), 0.375);
        assert_eq!(share(&[phase(0, 9)]), 1.0);
    }

    #[test]
    fn the_last_build_tells_more_than_what_is_done() {
        let seconds = Duration::from_secs;
        assert_eq!(remaining(seconds(10), 0.5, Some(seconds(60))), Some(seconds(50)));
        assert_eq!(remaining(seconds(10), 0.5, Some(seconds(9))), Some(seconds(10)));
        assert_eq!(remaining(seconds(10), 0.01, None), None);
    }

    #[test]
    fn percent_never_falls_and_a_cancelled_build_is_told_so() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&seen);
        let observer: Observer = Arc::new(move |progress| taken.lock().unwrap().push(progress.percent));
        let watch = Watch { observer: Some(observer), ..Watch::default() };
        let tracker = Tracker::new(&watch, None);
        tracker.begin("build", None, 2);
        assert!(tracker.advance("build", 0));
        tracker.begin("tune", Some("build"), 4);
        assert!(tracker.advance("tune", 1));
        tracker.end("tune");
        tracker.begin("another", None, 10);
        watch.cancel.store(true, Ordering::Relaxed);
        assert!(!tracker.advance("unknown", u32::MAX));
        assert_eq!(*seen.lock().unwrap(), [0, 50, 50, 75, 75, 75]);
    }
}
