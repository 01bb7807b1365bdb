//! What runs an engine's batches: threads, or a device.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gpu::cuda::{Stream, Timer};

use crate::batch::check_batch;
use crate::device_io::DeviceCandidates;
use crate::recycling::{Recycled, Store};
use crate::{
    Completion, EngineError, InputTensor, ModelInfo, Outcome, Outputs, Promise, Search, Waiting, completion,
    lock,
};

/// Longer batches are waited for asleep: a tenth of a millisecond matters less to them than a core.
const LONGEST_SPIN: Duration = Duration::from_millis(5);

/// Batches of a lane that are measured follow each other no faster: to measure one takes some 15 us of the CPU.
const BETWEEN_MEASUREMENTS: Duration = Duration::from_millis(10);

/// Runs checked batches on the calling thread.
pub(crate) trait HostSession: Send {
    /// Runs one batch to its end.
    fn run(&mut self, inputs: &[InputTensor]) -> Result<Outputs, EngineError>;
}

/// Runs checked batches on a device, which has the next batch in its stream before the last one is done. One call at a time
/// is made, from whichever thread.
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

/// Runs an engine's batches.
pub(crate) enum Worker {
    /// On threads of its own, as many at a time as there are sessions.
    Host(HostThreads),
    /// On a device, those of a lane one behind the other. Whoever submits a batch puts it into its stream, which takes less than
    /// waking up a thread would.
    Device { lanes: Vec<Mutex<Lane>>, model: Arc<ModelInfo> },
}

impl Worker {
    /// Starts a thread for each of `sessions` of `model`.
    pub(crate) fn on_host(
        sessions: Vec<Box<dyn HostSession>>,
        model: Arc<ModelInfo>,
    ) -> Result<Self, EngineError> {
        HostThreads::start(sessions, model).map(Self::Host)
    }

    /// Takes over `sessions` of `model`, each a lane.
    pub(crate) fn on_device(sessions: Vec<Box<dyn DeviceSession>>, model: Arc<ModelInfo>) -> Self {
        let lane = |session| Mutex::new(Lane::new(session));
        Self::Device { lanes: sessions.into_iter().map(lane).collect(), model }
    }

    /// Queues a batch, or puts it into a device's stream.
    pub(crate) fn submit(&self, inputs: Vec<InputTensor>, search: Option<Search>) -> Completion {
        match self {
            Self::Host(threads) => threads.submit(inputs),
            Self::Device { lanes, model } => {
                let lane = inputs.first().map_or(0, InputTensor::lane) % lanes.len().max(1);
                // Without a lane the promise is dropped and the completion tells so.
                let none = || completion::pair().1;
                lanes.get(lane).map_or_else(none, |lane| lock(lane).submit(model, inputs, search.as_ref()))
            }
        }
    }
}

struct Job {
    inputs: Vec<InputTensor>,
    promise: Promise,
}

/// The threads of a host's sessions. Dropping it finishes what is queued and joins them.
pub(crate) struct HostThreads {
    /// There until it is dropped.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl HostThreads {
    fn start(sessions: Vec<Box<dyn HostSession>>, model: Arc<ModelInfo>) -> Result<Self, EngineError> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("osha-inference".to_owned())
            .spawn(move || serve(sessions, &model, &Mutex::new(queue)))
            .map_err(|error| EngineError::Unavailable {
                backend: "the inference engine".to_owned(),
                reason: format!("no thread can be started ({error}); raise the limit on processes"),
            })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// If the threads are gone, the promise is dropped and the completion tells so.
    fn submit(&self, inputs: Vec<InputTensor>) -> Completion {
        let (promise, completion) = completion::pair();
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Job { inputs, promise });
        }
        completion
    }
}

impl Drop for HostThreads {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(sessions: Vec<Box<dyn HostSession>>, model: &ModelInfo, queue: &Mutex<Receiver<Job>>) {
    thread::scope(|scope| {
        for session in sessions {
            scope.spawn(|| serve_one(session, model, queue));
        }
    });
}

fn serve_one(mut session: Box<dyn HostSession>, model: &ModelInfo, queue: &Mutex<Receiver<Job>>) {
    let next = || lock(queue).recv();
    while let Ok(Job { inputs, promise }) = next() {
        let start = Instant::now();
        let outputs = check_batch(model, &inputs).and_then(|()| session.run(&inputs));
        promise.fulfil(Outcome { inputs, outputs, elapsed: Some(start.elapsed()) });
    }
}

/// A session on a device, whose batches run one behind the other.
pub(crate) struct Lane {
    session: Box<dyn DeviceSession>,
    timers: Store<Timer>,
    /// When a batch was measured last.
    measured: Option<Instant>,
}

/// A batch in a device's stream.
struct Started {
    answer: Answer,
    timer: Recycled<Timer>,
    is_measured: bool,
}

impl Lane {
    fn new(session: Box<dyn DeviceSession>) -> Self {
        Self { session, timers: Store::default(), measured: None }
    }

    fn submit(
        &mut self,
        model: &ModelInfo,
        mut inputs: Vec<InputTensor>,
        search: Option<&Search>,
    ) -> Completion {
        let started = check_batch(model, &inputs).and_then(|()| self.start(&mut inputs, search));
        Completion::of(move |waiting| match started.and_then(|started| started.finish(waiting)) {
            Ok((outputs, elapsed)) => Outcome { inputs, outputs: Ok(outputs), elapsed },
            Err(error) => Outcome { inputs, outputs: Err(error), elapsed: None },
        })
    }

    /// Puts one batch into the session's stream.
    fn start(&mut self, inputs: &mut [InputTensor], search: Option<&Search>) -> Result<Started, EngineError> {
        let is_measured = self.measured.is_none_or(|last| last.elapsed() >= BETWEEN_MEASUREMENTS);
        let Self { session, timers, measured } = self;
        let timer = timers.take(|_| true, || Timer::new(session.stream().context()))?;
        if is_measured {
            *measured = Some(Instant::now());
            timer.start(session.stream())?;
        }
        let answer = session.start(inputs, search)?;
        timer.end(session.stream())?;
        Ok(Started { answer, timer, is_measured })
    }
}

impl Started {
    /// Waits for the device. Returns the outputs and the time that it took for them, if that was measured.
    fn finish(self, waiting: Waiting) -> Result<(Outputs, Option<Duration>), EngineError> {
        let Self { answer, timer, is_measured } = self;
        if waiting == Waiting::Awake {
            timer.spin(LONGEST_SPIN)?;
        }
        timer.wait()?;
        let microseconds = is_measured.then(|| timer.elapsed()).transpose()?;
        let elapsed = microseconds.map(|number| Duration::from_secs_f32(number.max(0.0) * 1e-6));
        Ok((answer.outputs()?, elapsed))
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
        let worker = Worker::on_host(sessions, Arc::default()).unwrap();
        let completions: Vec<_> = (0..6).map(|_| worker.submit(Vec::new(), None)).collect();
        for completion in completions {
            completion.wait().outputs.unwrap();
        }
    }
}
