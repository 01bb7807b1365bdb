//! How one waits for a device.

use std::hint;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use gpu::cuda::{Error, Timer};

use crate::lock;
use crate::options::Goal;

/// How long before the usual end a waiting thread gets up, and how long after it goes back to sleep. To be woken by the
/// device takes longer than a look at it: 0.17 ms on an H100.
const MARGIN: Duration = Duration::from_micros(250);

/// How one waits for the batches of a stream.
pub(crate) struct Patience {
    goal: Goal,
    /// What the last batch took.
    usual: Mutex<Duration>,
}

impl Patience {
    pub fn new(goal: Goal) -> Self {
        Self { goal, usual: Mutex::default() }
    }

    /// Waits for the end of the work that was started `at` and returns how long the device took.
    ///
    /// # Errors
    /// When the device's work failed.
    pub fn wait(&self, timer: &Timer, at: Instant) -> Result<Duration, Error> {
        if self.goal == Goal::Latency {
            self.look_out(timer, at + *lock(&self.usual))?;
        }
        let elapsed = Duration::from_secs_f32(timer.elapsed()?.max(0.0) * 1e-6);
        *lock(&self.usual) = elapsed;
        Ok(elapsed)
    }

    /// Sleeps until shortly before `end`, when the work should be done, and then looks again and again whether it is.
    fn look_out(&self, timer: &Timer, end: Instant) -> Result<(), Error> {
        thread::sleep(end.saturating_duration_since(Instant::now() + MARGIN));
        while Instant::now() < end + MARGIN && !timer.has_ended()? {
            hint::spin_loop();
        }
        Ok(())
    }
}
