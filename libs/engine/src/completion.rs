//! A one-shot hand-over of a batch's outcome from the engine to whoever submitted it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::{EngineError, Outcome, lock};

#[derive(Default)]
struct Slot {
    outcome: Mutex<Option<Outcome>>,
    filled: Condvar,
}

impl Slot {
    /// The first outcome stays.
    fn fill(&self, outcome: Outcome) {
        lock(&self.outcome).get_or_insert(outcome);
        self.filled.notify_one();
    }
}

/// The submitter's end.
#[must_use = "the outcome, with the input tensors, is lost when its completion is dropped"]
pub struct Completion(Arc<Slot>);

impl Completion {
    /// Whether [`Self::wait`] would return at once.
    pub fn is_ready(&self) -> bool {
        lock(&self.0.outcome).is_some()
    }

    /// Blocks until the engine is done with the batch, successfully or not.
    pub fn wait(self) -> Outcome {
        let mut outcome = lock(&self.0.outcome);
        loop {
            match outcome.take() {
                Some(outcome) => return outcome,
                None => outcome = self.0.filled.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// The engine's end. Dropped without an outcome, it completes with [`EngineError::Stopped`].
pub struct Promise(Arc<Slot>);

impl Promise {
    /// Hands the outcome over.
    pub fn fulfil(self, outcome: Outcome) {
        self.0.fill(outcome);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let stopped =
            Outcome { inputs: Vec::new(), outputs: Err(EngineError::Stopped), elapsed: Duration::ZERO };
        self.0.fill(stopped);
    }
}

/// The two ends of one hand-over.
pub fn pair() -> (Promise, Completion) {
    let slot = Arc::new(Slot::default());
    (Promise(Arc::clone(&slot)), Completion(slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(reason: &str) -> Outcome {
        let outputs = Err(EngineError::Inference { reason: reason.to_owned() });
        Outcome { inputs: Vec::new(), outputs, elapsed: Duration::from_millis(3) }
    }

    #[test]
    fn becomes_ready_once_fulfilled() {
        let (promise, completion) = pair();
        assert!(!completion.is_ready());
        promise.fulfil(failed("first"));
        assert!(completion.is_ready());
        let outcome = completion.wait();
        assert_eq!(outcome.outputs.err(), Some(EngineError::Inference { reason: "first".to_owned() }));
        assert_eq!(outcome.elapsed, Duration::from_millis(3));
    }

    #[test]
    fn wait_blocks_until_another_thread_fulfils() {
        let (promise, completion) = pair();
        let waiter = std::thread::spawn(move || completion.wait());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waiter.is_finished());
        promise.fulfil(failed("late"));
        assert!(waiter.join().unwrap().outputs.is_err());
    }

    #[test]
    fn a_dropped_promise_completes() {
        let (promise, completion) = pair();
        drop(promise);
        assert_eq!(completion.wait().outputs.err(), Some(EngineError::Stopped));
    }
}
