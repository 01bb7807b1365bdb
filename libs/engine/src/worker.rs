//! The threads that run an engine's batches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use gpu::cuda::{Stream, Timer};

use crate::batch::check_batch;
use crate::device_io::DeviceCandidates;
use crate::patience::Patience;
use crate::recycling::{Recycled, Store};
use crate::{
    Completion, EngineError, Goal, InputTensor, ModelInfo, Outcome, Outputs, Promise, Search, completion,
    lock,
};

/// Runs checked batches on the calling thread.
pub(crate) trait HostSession: Send {
    /// Runs one batch to its end.
    fn run(&mut self, inputs: &[InputTensor]) -> Result<Outputs, EngineError>;
}

/// Runs checked batches on a device, which has the next batch in its stream before the last one is done. It is used by one
/// thread at a time.
pub(crate) trait DeviceSession: Send {
    /// What orders its work.
    fn stream(&self) -> &Arc<Stream>;

    /// Whether what `inputs` need is recorded: then [`Self::start`] takes microseconds, on any thread.
    fn is_recorded(&self, inputs: &mut [InputTensor]) -> bool;

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
    /// Those of a lane one behind the other, in a stream of its session's. The goal tells how the device is waited for.
    Device(Vec<Box<dyn DeviceSession>>, Goal),
}

struct Job {
    inputs: Vec<InputTensor>,
    search: Option<Search>,
    promise: Promise,
}

/// Where batches wait for a thread.
struct Queue {
    jobs: Sender<Job>,
    /// The session behind it, on a device.
    lane: Option<Arc<Lane>>,
}

/// Owns the threads. Dropping it finishes what is queued and joins them.
pub(crate) struct Worker {
    /// One for all sessions of a host, one for each of a device.
    queues: Vec<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the threads, which own `runner` from here on.
    pub(crate) fn start(runner: Runner, model: Arc<ModelInfo>) -> Result<Self, EngineError> {
        let (sessions, lanes) = match runner {
            Runner::Host(sessions) => (sessions, vec![None]),
            Runner::Device(sessions, goal) => {
                let lane = |session| Some(Arc::new(Lane::new(session, Arc::clone(&model), goal)));
                (Vec::new(), sessions.into_iter().map(lane).collect())
            }
        };
        let (queues, served): (Vec<_>, Vec<_>) = lanes.into_iter().map(queue).unzip();
        let thread = thread::Builder::new()
            .name("osha-inference".to_owned())
            .spawn(move || serve(sessions, &model, &served))
            .map_err(|error| EngineError::Unavailable {
                backend: "the inference engine".to_owned(),
                reason: format!("no thread can be started ({error}); raise the limit on processes"),
            })?;
        Ok(Self { queues, thread: Some(thread) })
    }

    /// Queues a batch, or starts it if a device needs no more than a word. If the thread is gone, the promise is dropped and
    /// the completion tells so.
    pub(crate) fn submit(&self, inputs: Vec<InputTensor>, search: Option<Search>) -> Completion {
        let (promise, completion) = completion::pair();
        let lane = inputs.first().map_or(0, InputTensor::lane);
        if let Some(queue) = self.queues.get(lane % self.queues.len().max(1)) {
            queue.take(Job { inputs, search, promise });
        }
        completion
    }
}

fn queue(lane: Option<Arc<Lane>>) -> (Queue, Served) {
    let (jobs, queue) = mpsc::channel();
    (Queue { jobs, lane: lane.clone() }, Served { jobs: Mutex::new(queue), lane })
}

impl Queue {
    fn take(&self, job: Job) {
        let left = match &self.lane {
            Some(lane) => lane.start_now(job),
            None => Some(job),
        };
        if let Some(job) = left {
            let _ = self.jobs.send(job);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queues.clear();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The threads' end of a [`Queue`].
struct Served {
    jobs: Mutex<Receiver<Job>>,
    lane: Option<Arc<Lane>>,
}

/// Serves a host's `sessions`, which share the first queue, or a device's, which are in their queues.
fn serve(sessions: Vec<Box<dyn HostSession>>, model: &ModelInfo, queues: &[Served]) {
    thread::scope(|scope| {
        for session in sessions {
            scope.spawn(|| serve_on_host(session, model, &queues[0].jobs));
        }
        for Served { jobs, lane } in queues {
            if let Some(lane) = lane {
                scope.spawn(|| lock(jobs).iter().for_each(|job| lane.start_queued(job)));
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

/// A session on a device, and the order of its work.
struct Lane {
    session: Mutex<Box<dyn DeviceSession>>,
    model: Arc<ModelInfo>,
    /// Batches that its thread has to start before any other.
    queued: AtomicUsize,
    timers: Store<Timer>,
    patience: Arc<Patience>,
}

impl Lane {
    fn new(session: Box<dyn DeviceSession>, model: Arc<ModelInfo>, goal: Goal) -> Self {
        let (queued, timers) = (AtomicUsize::new(0), Store::default());
        Self { session: Mutex::new(session), model, queued, timers, patience: Arc::new(Patience::new(goal)) }
    }

    /// Starts a recorded batch on this thread, if none is before it: no other one has to be woken. Returns one that has to be
    /// queued, and counts it.
    fn start_now(&self, mut job: Job) -> Option<Job> {
        if self.queued.load(Ordering::Acquire) == 0
            && let Ok(mut session) = self.session.try_lock()
            && session.is_recorded(&mut job.inputs)
        {
            self.start(&mut **session, job);
            return None;
        }
        self.queued.fetch_add(1, Ordering::AcqRel);
        Some(job)
    }

    /// Starts a batch that was queued.
    fn start_queued(&self, job: Job) {
        let mut session = lock(&self.session);
        self.start(&mut **session, job);
        self.queued.fetch_sub(1, Ordering::AcqRel);
    }

    fn start(&self, session: &mut dyn DeviceSession, job: Job) {
        let Job { mut inputs, search, promise } = job;
        let at = Instant::now();
        let started = check_batch(&self.model, &inputs)
            .and_then(|()| self.start_timed(session, &mut inputs, search.as_ref()));
        let patience = Arc::clone(&self.patience);
        // Whoever wants the results waits for the device: no other thread has to be woken here, either.
        promise.defer(move || {
            let done = started.and_then(|(answer, timer)| {
                let elapsed = patience.wait(&timer, at)?;
                Ok((answer.outputs()?, elapsed))
            });
            match done {
                Ok((outputs, elapsed)) => Outcome { inputs, outputs: Ok(outputs), elapsed },
                Err(error) => Outcome { inputs, outputs: Err(error), elapsed: at.elapsed() },
            }
        });
    }

    /// Puts one batch into the session's stream, between two marks.
    fn start_timed(
        &self,
        session: &mut dyn DeviceSession,
        inputs: &mut [InputTensor],
        search: Option<&Search>,
    ) -> Result<(Answer, Recycled<Timer>), EngineError> {
        let timer = self.timers.take(|_| true, || Timer::new(session.stream().context()))?;
        timer.start(session.stream())?;
        let answer = session.start(inputs, search)?;
        timer.end(session.stream())?;
        Ok((answer, timer))
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
