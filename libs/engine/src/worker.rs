//! The threads that run an engine's batches.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gpu::cuda::{Stream, Timer};

use crate::batch::check_batch;
use crate::device_io::DeviceCandidates;
use crate::recycling::{Recycled, Store};
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
    /// What orders its work.
    fn stream(&self) -> &Stream;

    /// Puts one batch into the stream.
    fn start(&mut self, inputs: &mut [InputTensor], search: Option<&Search>) -> Result<Answer, EngineError>;
}

/// What a device brings back.
pub(crate) enum Answer {
    All(Outputs),
    Candidates(DeviceCandidates),
}

impl Answer {
    /// The outputs, once the device has done its work.
    fn outputs(self) -> Result<Outputs, EngineError> {
        match self {
            Self::All(outputs) => Ok(outputs),
            Self::Candidates(candidates) => candidates.found(),
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
                scope.spawn(move || serve_on_device(session, model, queue));
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

fn serve_on_device(mut session: Box<dyn DeviceSession>, model: &ModelInfo, queue: &Mutex<Receiver<Job>>) {
    let timers = Store::default();
    for Job { mut inputs, search, promise } in lock(queue).iter() {
        let at = Instant::now();
        let started = check_batch(model, &inputs)
            .and_then(|()| start(&mut *session, &timers, &mut inputs, search.as_ref()));
        // Whoever wants the results waits for the device: no other thread has to be woken.
        promise.defer(move || {
            let done = started.and_then(|(answer, timer)| {
                let elapsed = Duration::from_secs_f32(timer.elapsed()?.max(0.0) * 1e-6);
                Ok((answer.outputs()?, elapsed))
            });
            match done {
                Ok((outputs, elapsed)) => Outcome { inputs, outputs: Ok(outputs), elapsed },
                Err(error) => Outcome { inputs, outputs: Err(error), elapsed: at.elapsed() },
            }
        });
    }
}

/// Puts one batch into the session's stream, between two marks.
fn start(
    session: &mut dyn DeviceSession,
    timers: &Store<Timer>,
    inputs: &mut [InputTensor],
    search: Option<&Search>,
) -> Result<(Answer, Recycled<Timer>), EngineError> {
    let timer = timers.take(|_| true, || Timer::new(session.stream().context()))?;
    timer.start(session.stream())?;
    let answer = session.start(inputs, search)?;
    timer.end(session.stream())?;
    Ok((answer, timer))
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
