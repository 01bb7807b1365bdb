//! The thread that runs a session's batches one after another.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ort::session::Session;

use super::cuda::{CudaSession, Running};
use super::session::{check_batch, run};
use crate::{Completion, EngineError, InputTensor, ModelInfo, Outcome, Promise, completion};

/// What runs batches.
pub(super) enum Runner {
    /// On the CPU, one after the other.
    Cpu(Session),
    /// On a device, which has the next batch in its stream before the last one is done.
    Cuda(Box<CudaSession>),
}

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
    /// Starts the thread, which owns `runner` from here on.
    pub(super) fn start(runner: Runner, model: Arc<ModelInfo>) -> Result<Self, EngineError> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("osha-inference".to_owned())
            .spawn(move || serve(runner, &model, &queue))
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

fn serve(runner: Runner, model: &ModelInfo, queue: &Receiver<Job>) {
    match runner {
        Runner::Cpu(session) => serve_on_cpu(session, model, queue),
        Runner::Cuda(session) => {
            let (started, running) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(move || finish(&running));
                serve_on_device(*session, model, queue, &started);
                drop(started);
            });
        }
    }
}

fn serve_on_cpu(mut session: Session, model: &ModelInfo, queue: &Receiver<Job>) {
    for Job { inputs, promise } in queue {
        let start = Instant::now();
        let outputs = check_batch(model, &inputs).and_then(|()| run(&mut session, &inputs));
        promise.fulfil(Outcome { inputs, outputs, elapsed: start.elapsed() });
    }
}

/// A batch in the device's stream.
struct Started {
    job: Job,
    running: Result<Running, EngineError>,
    at: Instant,
}

fn serve_on_device(
    mut session: CudaSession,
    model: &ModelInfo,
    queue: &Receiver<Job>,
    started: &Sender<Started>,
) {
    for mut job in queue {
        let at = Instant::now();
        let running = check_batch(model, &job.inputs).and_then(|()| session.start(&mut job.inputs));
        // It ends after this thread.
        let _ = started.send(Started { job, running, at });
    }
}

/// Hands over what the device is done with, in order.
fn finish(queue: &Receiver<Started>) {
    let mut last = Instant::now();
    for Started { job: Job { inputs, promise }, running, at } in queue {
        let outputs = running.and_then(|Running { outputs, done }| {
            done.synchronize()?;
            Ok(outputs)
        });
        let begin = at.max(last);
        last = Instant::now();
        promise.fulfil(Outcome { inputs, outputs, elapsed: last - begin });
    }
}
