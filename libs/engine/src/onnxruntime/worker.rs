//! The thread that runs a session's batches one after another.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ort::session::Session;

use super::session::{check_batch, run};
use crate::{Completion, EngineError, InputTensor, ModelInfo, Outcome, Promise, completion};

struct Job {
    inputs: Vec<InputTensor>,
    promise: Promise,
}

/// Owns the thread. Dropping it finishes what is queued and joins the thread.
pub(super) struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread, which owns `session` from here on.
    pub(super) fn start(session: Session, model: Arc<ModelInfo>) -> Result<Self, EngineError> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("osha-inference".to_owned())
            .spawn(move || serve(session, &model, &queue))
            .map_err(|error| EngineError::Unavailable {
                backend: "ONNX Runtime".to_owned(),
                reason: format!("no thread can be started ({error}); raise the limit on processes"),
            })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues a batch. If the thread is gone, the promise is dropped and the completion tells so.
    pub(super) fn submit(&self, inputs: Vec<InputTensor>) -> Completion {
        let (promise, completion) = completion::pair();
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Job { inputs, promise });
        }
        completion
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut session: Session, model: &ModelInfo, queue: &Receiver<Job>) {
    for Job { inputs, promise } in queue {
        let start = Instant::now();
        let outputs = check_batch(model, &inputs).and_then(|()| run(&mut session, &inputs));
        promise.fulfil(Outcome { inputs, outputs, elapsed: start.elapsed() });
    }
}
