//! The threads that run an engine's batches.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use gpu::cuda::{Event, Stream};

use crate::batch::check_batch;
use crate::device_io::DeviceCandidates;
use crate::{
    Completion, EngineError, InputTensor, ModelInfo, Outcome, Outputs, Promise, Search, completion, lock,
};

/// Runs checked batches on the calling thread.
pub(crate) trait HostSession: Send {
    /// Runs one batch to its end.
    fn run(&mut self, inputs: &[InputTensor]) -> Result<Outputs, EngineError>;
}

/// Runs checked batches on a device, which has the next batch in its stream before the last one is done. All calls come
/// from one thread.
pub(crate) trait DeviceSession: Send {
    /// Puts one batch into the stream.
    fn start(&mut self, inputs: &mut [InputTensor], search: Option<&Search>) -> Result<Running, EngineError>;
}

/// A batch that a device works on.
pub(crate) struct Running {
    answer: Answer,
    /// Happens when the answer is there.
    done: Event,
}

/// What a device brings back.
pub(crate) enum Answer {
    All(Outputs),
    Candidates(DeviceCandidates),
}

impl Running {
    /// The batch that was put into `stream` last, with its `answer`.
    pub(crate) fn new(answer: Answer, stream: &Stream) -> Result<Self, EngineError> {
        let done = Event::new(stream.context())?;
        done.record(stream)?;
        Ok(Self { answer, done })
    }

    fn wait(self) -> Result<Outputs, EngineError> {
        self.done.synchronize()?;
        match self.answer {
            Answer::All(outputs) => Ok(outputs),
            Answer::Candidates(candidates) => candidates.found(),
        }
    }
}

/// What runs batches.
pub(crate) enum Runner {
    /// As many at a time as there are sessions.
    Host(Vec<Box<dyn HostSession>>),
    /// Those of a lane one behind the other, in a stream of its session's.
    Device(Vec<Box<dyn DeviceSession>>),
}

struct Job {
    inputs: Vec<InputTensor>,
    search: Option<Search>,
    promise: Promise,
}

/// Owns the threads. Dropping it finishes what is queued and joins them.
pub(crate) struct Worker {
    /// One for all sessions of a host, one for each of a device.
    lanes: Vec<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the threads, which own `runner` from here on.
    pub(crate) fn start(runner: Runner, model: Arc<ModelInfo>) -> Result<Self, EngineError> {
        let lanes = if let Runner::Device(sessions) = &runner { sessions.len() } else { 1 };
        let (lanes, queues) = (0..lanes).map(|_| mpsc::channel()).unzip();
        let thread = thread::Builder::new()
            .name("osha-inference".to_owned())
            .spawn(move || serve(runner, &model, queues))
            .map_err(|error| EngineError::Unavailable {
                backend: "the inference engine".to_owned(),
                reason: format!("no thread can be started ({error}); raise the limit on processes"),
            })?;
        Ok(Self { lanes, thread: Some(thread) })
    }

    /// Queues a batch. If the thread is gone, the promise is dropped and the completion tells so.
    pub(crate) fn submit(&self, inputs: Vec<InputTensor>, search: Option<Search>) -> Completion {
        let (promise, completion) = completion::pair();
        let lane = inputs.first().map_or(0, InputTensor::lane);
        if let Some(jobs) = self.lanes.get(lane % self.lanes.len().max(1)) {
            let _ = jobs.send(Job { inputs, search, promise });
        }
        completion
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.lanes.clear();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(runner: Runner, model: &ModelInfo, queues: Vec<Receiver<Job>>) {
    let queues: Vec<_> = queues.into_iter().map(Mutex::new).collect();
    thread::scope(|scope| match runner {
        Runner::Host(sessions) => {
            for session in sessions {
                scope.spawn(|| serve_on_host(session, model, &queues[0]));
            }
        }
        Runner::Device(sessions) => {
            for (session, queue) in sessions.into_iter().zip(&queues) {
                let (started, running) = mpsc::channel();
                scope.spawn(move || finish(&running));
                scope.spawn(move || serve_on_device(session, model, queue, &started));
            }
        }
    });
}

fn serve_on_host(mut session: Box<dyn HostSession>, model: &ModelInfo, queue: &Mutex<Receiver<Job>>) {
    let next = || lock(queue).recv();
    while let Ok(Job { inputs, promise, .. }) = next() {
        let start = Instant::now();
        let outputs = check_batch(model, &inputs).and_then(|()| session.run(&inputs));
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
    mut session: Box<dyn DeviceSession>,
    model: &ModelInfo,
    queue: &Mutex<Receiver<Job>>,
    started: &Sender<Started>,
) {
    for mut job in lock(queue).iter() {
        let at = Instant::now();
        let running = check_batch(model, &job.inputs)
            .and_then(|()| session.start(&mut job.inputs, job.search.as_ref()));
        // It ends after this thread.
        let _ = started.send(Started { job, running, at });
    }
}

/// Hands over what the device is done with, in order.
fn finish(queue: &Receiver<Started>) {
    let mut last = Instant::now();
    for Started { job: Job { inputs, promise, .. }, running, at } in queue {
        let outputs = running.and_then(Running::wait);
        let begin = at.max(last);
        last = Instant::now();
        promise.fulfil(Outcome { inputs, outputs, elapsed: last - begin });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    /// Does not return before so many sessions run.
    struct Meeting(Arc<Barrier>);

    impl HostSession for Meeting {
        fn run(&mut self, _: &[InputTensor]) -> Result<Outputs, EngineError> {
            self.0.wait();
            Ok(Outputs::new(Vec::new(), None))
        }
    }

    #[test]
    fn as_many_batches_run_at_a_time_as_there_are_sessions() {
        let barrier = Arc::new(Barrier::new(3));
        let sessions = (0..3).map(|_| Box::new(Meeting(Arc::clone(&barrier))) as _).collect();
        let worker = Worker::start(Runner::Host(sessions), Arc::default()).unwrap();
        let completions: Vec<_> = (0..6).map(|_| worker.submit(Vec::new(), None)).collect();
        for completion in completions {
            completion.wait().outputs.unwrap();
        }
    }
}
