//! What the element tells of its own work.

use std::time::Duration;

use gpu::cuda::copies::{self, Direction};

/// Durations of one stage: the last [`Samples::WINDOW`] of them.
#[derive(Debug, Default)]
pub(super) struct Samples {
    window: Vec<Duration>,
    next: usize,
}

impl Samples {
    const WINDOW: usize = 4096;

    /// Takes one more duration in; the oldest one leaves a full window.
    pub fn add(&mut self, duration: Duration) {
        if self.window.len() < Self::WINDOW {
            self.window.push(duration);
        } else {
            self.window[self.next] = duration;
        }
        self.next = (self.next + 1) % Self::WINDOW;
    }

    fn structure(&self, name: &str) -> gst::Structure {
        let mut sorted: Vec<f64> = self.window.iter().map(|sample| sample.as_secs_f64() * 1e3).collect();
        sorted.sort_by(f64::total_cmp);
        let mean = sorted.iter().fold(0.0, |sum, sample| sum + sample) / sorted.len().max(1) as f64;
        gst::Structure::builder(name)
            .field("mean", mean)
            .field("p50", percentile(&sorted, 0.50))
            .field("p95", percentile(&sorted, 0.95))
            .field("p99", percentile(&sorted, 0.99))
            .build()
    }
}

/// Nearest-rank percentile of ascending values; 0 of none.
fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let rank = (fraction * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Counters and durations since the element started.
#[derive(Debug, Default)]
pub(super) struct Stats {
    /// Frames that came in.
    pub frames_in: u64,
    /// Frames that the network saw.
    pub inferred: u64,
    /// Frames that went out.
    pub frames_out: u64,
    /// Detections that were attached.
    pub detections: u64,
    /// Frame to input tensor.
    pub preprocess: Samples,
    /// The network itself, per batch.
    pub inference: Samples,
    /// Output tensors to detections.
    pub postprocess: Samples,
    /// Sink pad to source pad.
    pub total: Samples,
}

impl Stats {
    /// As the property `stats` shows it.
    pub fn structure(&self, engine: &str, refused: &str) -> gst::Structure {
        gst::Structure::builder("trtinfer-stats")
            .field("engine", engine)
            .field("refused", refused)
            .field("frames-in", self.frames_in)
            .field("frames-inferred", self.inferred)
            .field("frames-out", self.frames_out)
            .field("detections", self.detections)
            .field("preprocess-ms", self.preprocess.structure("preprocess"))
            .field("inference-ms", self.inference.structure("inference"))
            .field("postprocess-ms", self.postprocess.structure("postprocess"))
            .field("total-ms", self.total.structure("total"))
            .field("bytes-host-to-device", bytes(Direction::HostToDevice))
            .field("bytes-device-to-host", bytes(Direction::DeviceToHost))
            .field("bytes-device-to-device", bytes(Direction::DeviceToDevice))
            .build()
    }
}

/// Bytes that were copied for inference in this process.
fn bytes(direction: Direction) -> u64 {
    let users = ["inference:", "preprocess:"];
    let ours = copies::all().into_iter().filter(|copies| {
        copies.direction == direction && users.iter().any(|user| copies.purpose.starts_with(user))
    });
    ours.map(|copies| copies.bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&values, 0.5), percentile(&values, 0.99)), (50.0, 99.0));
        assert_eq!((percentile(&[7.0], 0.99), percentile(&[], 0.5)), (7.0, 0.0));
    }

    #[test]
    fn a_full_window_forgets_the_oldest() {
        let mut samples = Samples::default();
        for index in 0..Samples::WINDOW + 10 {
            samples.add(Duration::from_millis(index as u64));
        }
        assert_eq!(samples.window.len(), Samples::WINDOW);
        assert!(!samples.window.contains(&Duration::from_millis(9)));
        assert!(samples.window.contains(&Duration::from_millis(10)));
    }
}
