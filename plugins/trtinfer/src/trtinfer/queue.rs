//! What is on its way from the sink to the source pad, in order.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::{FlowError, FlowSuccess};
use gstsupport::lock;

/// One thing that leaves by the source pad.
pub(super) enum Item<F> {
    /// A frame, with or without results to wait for.
    Frame(F),
    /// A serialized event.
    Event(gst::Event),
}

impl<F> Item<F> {
    /// Whether frames are welcome again after it, though downstream had enough or the stream had ended.
    fn is_beginning(&self) -> bool {
        use gst::EventType::{Segment, StreamStart};
        matches!(self, Self::Event(event) if matches!(event.type_(), StreamStart | Segment))
    }

    fn is_frame(&self) -> bool {
        matches!(self, Self::Frame(_))
    }
}

/// Lets frames leave several at a time: what a core does again at once takes it less time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gathering {
    /// So many are waited for; all but the newest, whose results are the furthest away, leave then.
    pub frames: usize,
    /// How long they are waited for. Where frames come too slowly for that, none is.
    pub at_most: Duration,
}

impl Gathering {
    /// Each frame leaves as soon as it can.
    pub const NONE: Self = Self { frames: 1, at_most: Duration::ZERO };
}

struct Inner<F> {
    items: VecDeque<Item<F>>,
    frames: usize,
    /// Items that leave one after the other, without waiting for more.
    gathered: usize,
    /// When the newest frame came, and how long after the one before it.
    newest: Option<Instant>,
    interval: Duration,
    /// What the source pad's task waits for, if it does.
    awaited: Option<Gathering>,
    /// Threads that wait for room, or until everything has left.
    waiting: usize,
    /// Those that wait until everything has left.
    draining: usize,
    /// The source task is handling an item that it took.
    busy: bool,
    flushing: bool,
    eos: bool,
    result: Result<FlowSuccess, FlowError>,
}

impl<F> Inner<F> {
    /// Downstream wants no frames any more until something begins anew; events still reach it.
    fn downstream_ended(&mut self) {
        let beginning = self.items.iter().position(Item::is_beginning);
        let welcome = self.items.split_off(beginning.unwrap_or(self.items.len()));
        self.items.retain(|item| !item.is_frame());
        self.items.extend(welcome);
        self.frames = self.items.iter().filter(|item| item.is_frame()).count();
        if beginning.is_none() {
            self.result = Err(FlowError::Eos);
        }
    }

    fn frame_came(&mut self, now: Instant) {
        self.frames += 1;
        self.interval = self.newest.map_or(Duration::MAX, |newest| now.saturating_duration_since(newest));
        self.newest = Some(now);
    }

    /// How long to wait for `gathering`.
    fn patience(&self, gathering: Gathering) -> Duration {
        let frames = u32::try_from(gathering.frames).unwrap_or(u32::MAX);
        let expected = self.interval.saturating_mul(frames);
        if expected <= gathering.at_most { gathering.at_most } else { Duration::ZERO }
    }

    /// Whether what is here is to leave now.
    fn is_urgent(&self) -> bool {
        self.flushing || self.draining > 0 || self.items.iter().any(|item| !item.is_frame())
    }

    fn begin(&mut self) {
        self.eos = false;
        if self.result == Err(FlowError::Eos) {
            self.result = Ok(FlowSuccess::Ok);
        }
    }

    fn accepts(&self, item: &Item<F>) -> Result<(), FlowError> {
        match self.result {
            Err(FlowError::Eos) if !item.is_frame() => {}
            result => result.map(|_| ())?,
        }
        if self.eos { Err(FlowError::Eos) } else { Ok(()) }
    }
}

/// FIFO between the streaming thread and the source pad's task, bounded in frames. Nobody is woken up for nothing.
pub(super) struct Queue<F> {
    inner: Mutex<Inner<F>>,
    /// For the source pad's task.
    arrived: Condvar,
    /// For all others.
    left: Condvar,
}

impl<F> Default for Queue<F> {
    /// A queue that refuses everything until it is started.
    fn default() -> Self {
        let inner = Inner {
            items: VecDeque::new(),
            frames: 0,
            gathered: 0,
            newest: None,
            interval: Duration::MAX,
            awaited: None,
            waiting: 0,
            draining: 0,
            busy: false,
            flushing: true,
            eos: false,
            result: Err(FlowError::Flushing),
        };
        Self { inner: Mutex::new(inner), arrived: Condvar::new(), left: Condvar::new() }
    }
}

impl<F> Queue<F> {
    fn wait<'a>(&'a self, until: impl Fn(&Inner<F>) -> bool) -> MutexGuard<'a, Inner<F>> {
        let mut inner = lock(&self.inner);
        inner.waiting += 1;
        let mut inner =
            self.left.wait_while(inner, |inner| !until(inner)).unwrap_or_else(PoisonError::into_inner);
        inner.waiting -= 1;
        inner
    }

    /// Something has left, or nothing will.
    fn tell_waiting(&self, inner: &Inner<F>) {
        if inner.waiting > 0 {
            self.left.notify_all();
        }
    }

    /// Something has arrived, or is urgent now.
    fn tell_task(&self, inner: &Inner<F>) {
        let is_enough = |gathering: Gathering| inner.is_urgent() || inner.items.len() >= gathering.frames;
        if inner.awaited.is_some_and(is_enough) {
            self.arrived.notify_one();
        }
    }

    /// Accepts items from now on.
    pub fn start(&self) {
        let mut inner = lock(&self.inner);
        inner.flushing = false;
        inner.eos = false;
        inner.result = Ok(FlowSuccess::Ok);
    }

    /// Drops everything and wakes whoever waits.
    pub fn flush(&self) {
        let mut inner = lock(&self.inner);
        inner.items.clear();
        inner.frames = 0;
        inner.gathered = 0;
        inner.flushing = true;
        inner.result = Err(FlowError::Flushing);
        self.tell_task(&inner);
        self.tell_waiting(&inner);
    }

    /// Waits until fewer than `depth` frames are on their way.
    ///
    /// # Errors
    /// What downstream answered if it takes no more, or `Flushing`.
    pub fn wait_for_room(&self, depth: usize) -> Result<(), FlowError> {
        self.wait(|inner| inner.frames < depth || inner.result.is_err()).result.map(|_| ())
    }

    /// Appends `item`.
    ///
    /// # Errors
    /// What downstream answered if it takes no more, `Flushing`, or `Eos` after the end of the stream. Events are taken
    /// when downstream has answered `Eos`, too.
    pub fn push(&self, item: Item<F>) -> Result<FlowSuccess, FlowError> {
        let mut inner = lock(&self.inner);
        if item.is_beginning() {
            inner.begin();
        }
        inner.accepts(&item)?;
        match &item {
            Item::Frame(_) => inner.frame_came(Instant::now()),
            Item::Event(event) => inner.eos = event.type_() == gst::EventType::Eos,
        }
        inner.items.push_back(item);
        self.tell_task(&inner);
        Ok(FlowSuccess::Ok)
    }

    /// Takes the oldest item, waiting for one, and then for those that `gathering` wants; `None` when flushing.
    pub fn pop(&self, gathering: Gathering) -> Option<Item<F>> {
        let mut inner = lock(&self.inner);
        if inner.gathered == 0 || inner.items.is_empty() {
            inner = self.gather(inner, gathering);
        }
        if inner.flushing {
            return None;
        }
        inner.gathered -= 1;
        inner.busy = true;
        inner.items.pop_front()
    }

    fn gather<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner<F>>,
        gathering: Gathering,
    ) -> MutexGuard<'a, Inner<F>> {
        inner.awaited = Some(Gathering { frames: 1, ..gathering });
        let is_idle = |inner: &mut Inner<F>| inner.items.is_empty() && !inner.flushing;
        inner = self.arrived.wait_while(inner, is_idle).unwrap_or_else(PoisonError::into_inner);
        inner.awaited = Some(gathering);
        let is_short = |inner: &mut Inner<F>| !inner.is_urgent() && inner.items.len() < gathering.frames;
        let patience = inner.patience(gathering);
        let waited = self.arrived.wait_timeout_while(inner, patience, is_short);
        inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        inner.awaited = None;
        let all = inner.items.len();
        let is_full = !inner.is_urgent() && all >= gathering.frames.max(2);
        inner.gathered = if is_full { all - 1 } else { all };
        inner
    }

    /// The frame taken last has its results: another one may enter.
    pub fn release_frame(&self) {
        let mut inner = lock(&self.inner);
        inner.frames = inner.frames.saturating_sub(1);
        self.tell_waiting(&inner);
    }

    /// The item taken last is dealt with. Returns false if nothing more is to be pushed.
    pub fn finish(&self, result: Result<FlowSuccess, FlowError>) -> bool {
        let mut inner = lock(&self.inner);
        inner.busy = false;
        match result {
            Err(FlowError::Eos) if inner.result.is_ok() => inner.downstream_ended(),
            _ if inner.result.is_ok() => inner.result = result,
            _ => {}
        }
        self.tell_waiting(&inner);
        matches!(inner.result, Ok(_) | Err(FlowError::Eos))
    }

    /// Waits until everything has left; false if it never will.
    pub fn wait_until_empty(&self) -> bool {
        let mut inner = lock(&self.inner);
        inner.draining += 1;
        self.tell_task(&inner);
        drop(inner);
        let done = |inner: &Inner<F>| inner.result.is_err() || (inner.items.is_empty() && !inner.busy);
        let mut inner = self.wait(done);
        inner.draining -= 1;
        inner.result.is_ok()
    }

    /// Whether the end of the stream has been queued.
    pub fn is_eos(&self) -> bool {
        lock(&self.inner).eos
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    fn started() -> Arc<Queue<u32>> {
        let queue = Arc::new(Queue::default());
        queue.start();
        queue
    }

    #[test]
    fn refuses_before_start_and_after_flush() {
        let queue = Queue::<u32>::default();
        assert_eq!(queue.push(Item::Frame(1)), Err(FlowError::Flushing));
        queue.start();
        assert!(queue.push(Item::Frame(1)).is_ok());
        queue.flush();
        assert!(queue.pop(Gathering::NONE).is_none());
        assert_eq!(queue.wait_for_room(9), Err(FlowError::Flushing));
    }

    #[test]
    fn a_full_queue_holds_back_until_a_frame_is_released() {
        let queue = started();
        queue.push(Item::Frame(1)).unwrap();
        let waiting = Arc::clone(&queue);
        let thread = thread::spawn(move || waiting.wait_for_room(1));
        thread::sleep(Duration::from_millis(20));
        assert!(!thread.is_finished());
        assert!(matches!(queue.pop(Gathering::NONE), Some(Item::Frame(1))));
        queue.release_frame();
        assert_eq!(thread.join().unwrap(), Ok(()));
    }

    #[test]
    fn frames_leave_together_but_for_the_newest() {
        gst::init().unwrap();
        let gathering = Gathering { frames: 3, at_most: Duration::from_secs(60) };
        let queue = started();
        queue.push(Item::Frame(0)).unwrap();
        assert_eq!(frame(queue.pop(gathering)), Some(0), "nothing is known of the stream yet");
        let popping = Arc::clone(&queue);
        let thread = thread::spawn(move || [popping.pop(gathering), popping.pop(gathering)].map(frame));
        for frame in 1..=3 {
            assert!(!thread.is_finished());
            queue.push(Item::Frame(frame)).unwrap();
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(thread.join().unwrap(), [Some(1), Some(2)]);
        queue.push(Item::Frame(4)).unwrap();
        queue.push(Item::Event(gst::event::Eos::new())).unwrap();
        assert_eq!([frame(queue.pop(gathering)), frame(queue.pop(gathering))], [Some(3), Some(4)]);
        assert!(matches!(queue.pop(gathering), Some(Item::Event(_))));
    }

    #[test]
    fn frames_of_a_slow_stream_leave_alone() {
        let gathering = Gathering { frames: 3, at_most: Duration::from_millis(50) };
        let queue = started();
        for index in 0..3 {
            queue.push(Item::Frame(index)).unwrap();
            let asked = Instant::now();
            assert_eq!(frame(queue.pop(gathering)), Some(index));
            assert!(asked.elapsed() < gathering.at_most);
            thread::sleep(gathering.at_most);
        }
    }

    #[test]
    fn what_is_gathered_leaves_after_a_while_or_when_the_queue_is_emptied() {
        let queue = started();
        (1..=2).for_each(|frame| assert!(queue.push(Item::Frame(frame)).is_ok()));
        let asked = Instant::now();
        let short = Gathering { frames: 3, at_most: Duration::from_millis(300) };
        assert_eq!([frame(queue.pop(short)), frame(queue.pop(short))], [Some(1), Some(2)]);
        assert!(asked.elapsed() >= short.at_most);
        (3..=4).for_each(|frame| assert!(queue.push(Item::Frame(frame)).is_ok()));
        let long = Gathering { frames: 9, at_most: Duration::from_secs(60) };
        let popping = Arc::clone(&queue);
        let thread = thread::spawn(move || {
            let popped = [frame(popping.pop(long)), frame(popping.pop(long))];
            popping.finish(Ok(FlowSuccess::Ok));
            popped
        });
        assert!(queue.wait_until_empty());
        assert_eq!(thread.join().unwrap(), [Some(3), Some(4)]);
    }

    fn frame(item: Option<Item<u32>>) -> Option<u32> {
        item.and_then(|item| match item {
            Item::Frame(frame) => Some(frame),
            Item::Event(_) => None,
        })
    }

    #[test]
    fn a_flush_wakes_who_waits() {
        let queue = started();
        let threads = [
            thread::spawn({
                let queue = Arc::clone(&queue);
                move || queue.pop(Gathering::NONE).is_none()
            }),
            thread::spawn({
                let queue = Arc::clone(&queue);
                move || queue.wait_for_room(0).is_err()
            }),
        ];
        thread::sleep(Duration::from_millis(20));
        queue.flush();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    }

    #[test]
    fn what_downstream_answers_reaches_upstream() {
        let queue = started();
        queue.push(Item::Frame(1)).unwrap();
        queue.pop(Gathering::NONE);
        assert!(!queue.finish(Err(FlowError::NotLinked)));
        assert_eq!(queue.push(Item::Frame(2)), Err(FlowError::NotLinked));
        assert!(!queue.wait_until_empty());
    }

    #[test]
    fn nothing_but_a_new_stream_follows_the_end_of_the_stream() {
        gst::init().unwrap();
        let queue = started();
        queue.push(Item::Event(gst::event::Eos::new())).unwrap();
        assert_eq!(queue.push(Item::Frame(1)), Err(FlowError::Eos));
        assert!(queue.is_eos());
        queue.push(Item::Event(gst::event::StreamStart::new("next"))).unwrap();
        assert!(queue.push(Item::Frame(1)).is_ok());
    }

    #[test]
    fn when_downstream_ends_events_go_on() {
        gst::init().unwrap();
        let queue = started();
        let segment =
            || Item::Event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        queue.push(Item::Frame(1)).unwrap();
        queue.pop(Gathering::NONE);
        queue.push(Item::Frame(2)).unwrap();
        assert!(queue.finish(Err(FlowError::Eos)));
        assert_eq!(queue.push(Item::Frame(3)), Err(FlowError::Eos));
        queue.push(segment()).unwrap();
        queue.push(Item::Frame(4)).unwrap();
        assert!(matches!(queue.pop(Gathering::NONE), Some(Item::Event(_))));
        assert!(matches!(queue.pop(Gathering::NONE), Some(Item::Frame(4))));
    }

    #[test]
    fn when_downstream_ends_the_next_segment_stays_queued() {
        gst::init().unwrap();
        let queue = started();
        queue.push(Item::Frame(1)).unwrap();
        queue.pop(Gathering::NONE);
        queue.push(Item::Frame(2)).unwrap();
        queue.push(Item::Event(gst::event::StreamStart::new("next"))).unwrap();
        queue.push(Item::Frame(3)).unwrap();
        assert!(queue.finish(Err(FlowError::Eos)));
        assert!(matches!(queue.pop(Gathering::NONE), Some(Item::Event(_))));
        assert!(matches!(queue.pop(Gathering::NONE), Some(Item::Frame(3))));
        assert!(queue.push(Item::Frame(4)).is_ok());
    }
}
