//! A one-shot hand-over of a batch's outcome from the engine to whoever submitted it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::{EngineError, Outcome, lock};

/// How a thread waits for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// It sleeps: the core is free meanwhile, and a tenth of a millisecond is lost to waking up.
    Asleep,
    /// It asks again and again for as long as short batches take, and sleeps then.
    Awake,
}

/// What gets an outcome: at once, or after waiting for a device.
type Getter = Box<dyn FnOnce(Waiting) -> Outcome + Send>;

#[derive(Default)]
struct Slot {
    getter: Mutex<Option<Getter>>,
    filled: Condvar,
}

impl Slot {
    /// The first getter stays.
    fn fill(&self, getter: Getter) {
        lock(&self.getter).get_or_insert(getter);
        self.filled.notify_one();
    }
}

/// The submitter's end.
#[must_use = "the outcome, with the input tensors, is lost when its completion is dropped"]
pub struct Completion(Arc<Slot>);

impl Completion {
    /// Whether [`Self::wait`] would return at once, or wait for a device alone.
    pub fn is_ready(&self) -> bool {
        lock(&self.0.getter).is_some()
    }

    /// Blocks until the engine is done with the batch, successfully or not.
    pub fn wait(self) -> Outcome {
        self.wait_in(Waiting::Asleep)
    }

    /// As [`Self::wait`]; where a device has the batch, in the way that `waiting` says.
    pub fn wait_in(self, waiting: Waiting) -> Outcome {
        self.getter()(waiting)
    }

    /// That of a batch which a device has.
    pub(crate) fn of(getter: impl FnOnce(Waiting) -> Outcome + Send + 'static) -> Self {
        Self(Arc::new(Slot { getter: Mutex::new(Some(Box::new(getter))), filled: Condvar::new() }))
    }

    fn getter(&self) -> Getter {
        let mut slot = lock(&self.0.getter);
        loop {
            match slot.take() {
                Some(getter) => return getter,
                None => slot = self.0.filled.wait(slot).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// The engine's end. Dropped without an outcome, it completes with [`EngineError::Stopped`].
pub struct Promise(Arc<Slot>);

impl Promise {
    /// Hands the outcome over.
    pub fn fulfil(self, outcome: Outcome) {
        self.0.fill(Box::new(|_| outcome));
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let stopped = |_| Outcome { inputs: Vec::new(), outputs: Err(EngineError::Stopped), elapsed: None };
        self.0.fill(Box::new(stopped));
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
    use std::time::Duration;

    fn failed(reason: &str) -> Outcome {
        let outputs = Err(EngineError::Inference { reason: reason.to_owned() });
        Outcome { inputs: Vec::new(), outputs, elapsed: Some(Duration::from_millis(3)) }
    }

    #[test]
    fn becomes_ready_once_fulfilled() {
        let (promise, completion) = pair();
        assert!(!completion.is_ready());
        promise.fulfil(failed("first"));
        assert!(completion.is_ready());
        let outcome = completion.wait();
        assert_eq!(outcome.outputs.err(), Some(EngineError::Inference { reason: "first".to_owned() }));
        assert_eq!(outcome.elapsed, Some(Duration::from_millis(3)));
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
