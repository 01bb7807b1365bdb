//! Where those wait who want a buffer of an exhausted pool.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use gstsupport::lock;

/// The device gives frames back without a word: how often to look.
pub(super) const POLL: Duration = Duration::from_millis(10);

/// In a flush downstream drops its frames: how long they have to come back. Decoders take a refusal for an error, so that
/// only those are refused whose buffer somebody keeps.
pub(super) const GRACE: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct State {
    changes: u64,
    flushing_since: Option<Instant>,
}

/// Knows what has come back, and whether waiting is over.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    /// How much has come back so far, for [`Gate::wait`].
    pub fn changes(&self) -> u64 {
        lock(&self.state).changes
    }

    /// A buffer has come back.
    pub fn notify(&self) {
        let mut state = lock(&self.state);
        state.changes = state.changes.wrapping_add(1);
        self.changed.notify_all();
    }

    /// From now on nobody waits for longer than the grace, or anybody may wait again.
    pub fn set_flushing(&self, flushing: bool) {
        let mut state = lock(&self.state);
        state.flushing_since = flushing.then(|| state.flushing_since.unwrap_or_else(Instant::now));
        self.changed.notify_all();
    }

    /// Waits until more than `seen` has come back, or for a moment. False if waiting is over.
    pub fn wait(&self, seen: u64) -> bool {
        let state = lock(&self.state);
        if state.flushing_since.is_some_and(|since| since.elapsed() >= GRACE) {
            return false;
        }
        drop(self.changed.wait_timeout_while(state, POLL, |state| state.changes == seen));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_back_is_not_waited_for() {
        let gate = Gate::default();
        let seen = gate.changes();
        gate.notify();
        let started = Instant::now();
        assert!((0..1000).all(|_| gate.wait(seen)));
        assert!(started.elapsed() < POLL * 100);
    }

    #[test]
    fn a_flush_ends_waiting_after_a_while() {
        let gate = Gate::default();
        gate.set_flushing(true);
        let started = Instant::now();
        while gate.wait(gate.changes()) {
            gate.set_flushing(true);
        }
        assert!(started.elapsed() >= GRACE);
        gate.set_flushing(false);
        assert!(gate.wait(gate.changes()));
    }
}
