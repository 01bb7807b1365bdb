//! Frames that are inferred together.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::{Completion, EngineError, InferenceEngine, InputTensor, Outcome, Outputs, Search, Waiting};
use gstsupport::lock;

enum State {
    /// Slots are being written.
    Filling(Vec<InputTensor>),
    /// The engine has it.
    Running(Completion),
    /// Somebody waits for the engine, or an earlier wait failed.
    Gone,
    /// The results are here.
    Done(Arc<Results>),
}

struct Inner {
    state: State,
    used: usize,
}

/// What a batch came to.
pub(super) struct Results {
    /// Output tensors for the whole batch.
    pub outputs: Result<Outputs, EngineError>,
    /// Time that the engine took, where it was measured.
    pub elapsed: Option<Duration>,
}

/// One batch on its way through its engine.
pub(super) struct Batch {
    engine: Arc<dyn InferenceEngine>,
    inner: Mutex<Inner>,
    changed: Condvar,
    capacity: usize,
    search: Option<Search>,
}

impl Batch {
    /// An empty batch of `capacity` frames over `inputs` of `engine`, in whose outputs `search` is all that is wanted.
    pub fn new(
        engine: Arc<dyn InferenceEngine>,
        inputs: Vec<InputTensor>,
        capacity: usize,
        search: Option<Search>,
    ) -> Self {
        let inner = Inner { state: State::Filling(inputs), used: 0 };
        Self { engine, inner: Mutex::new(inner), changed: Condvar::new(), capacity, search }
    }

    /// Lets `write` fill the next free slot and hands a full batch to the engine. Returns the slot's index, or `None` if
    /// the batch has left already.
    ///
    /// # Errors
    /// What `write` returns; the slot stays free.
    pub fn fill<E>(
        &self,
        write: impl FnOnce(&mut [InputTensor], usize) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        let mut inner = lock(&self.inner);
        let slot = inner.used;
        let State::Filling(inputs) = &mut inner.state else { return Ok(None) };
        write(inputs, slot)?;
        inner.used += 1;
        if inner.used == self.capacity {
            self.send(&mut inner);
        }
        Ok(Some(slot))
    }

    /// Hands the batch to the engine as it is, unless it is empty or has left already.
    pub fn submit(&self) {
        let mut inner = lock(&self.inner);
        if inner.used > 0 {
            self.send(&mut inner);
        }
    }

    fn send(&self, inner: &mut Inner) {
        inner.state = match std::mem::replace(&mut inner.state, State::Gone) {
            State::Filling(inputs) => State::Running(self.engine.submit_for(inputs, self.search)),
            other => other,
        };
        self.changed.notify_all();
    }

    /// Whether no frame fits any more.
    pub fn is_closed(&self) -> bool {
        !matches!(lock(&self.inner).state, State::Filling(_))
    }

    /// Waits for the results in the way that `waiting` says, and for at most `linger` for an incomplete batch to fill up. The
    /// first to get them hands the input tensors to `recycle`. To be called by one thread.
    pub fn wait(
        &self,
        linger: Duration,
        waiting: Waiting,
        recycle: impl FnOnce(Vec<InputTensor>),
    ) -> Option<Arc<Results>> {
        self.await_submission(linger);
        self.submit();
        let completion = {
            let mut inner = lock(&self.inner);
            match std::mem::replace(&mut inner.state, State::Gone) {
                State::Running(completion) => completion,
                State::Done(results) => {
                    inner.state = State::Done(Arc::clone(&results));
                    return Some(results);
                }
                State::Filling(_) | State::Gone => return None,
            }
        };
        let Outcome { inputs, outputs, elapsed } = completion.wait_in(waiting);
        recycle(inputs);
        let results = Arc::new(Results { outputs, elapsed });
        lock(&self.inner).state = State::Done(Arc::clone(&results));
        Some(results)
    }

    fn await_submission(&self, linger: Duration) {
        let deadline = Instant::now() + linger;
        let mut inner = lock(&self.inner);
        while matches!(inner.state, State::Filling(_)) {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return;
            };
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
