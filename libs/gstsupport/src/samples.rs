//! Durations of one stage of work.

use std::time::Duration;

/// Durations of one stage: the last [`Samples::WINDOW`] of them.
#[derive(Debug, Default)]
pub struct Samples {
    window: Vec<Duration>,
    next: usize,
}

impl Samples {
    /// Durations that are kept.
    pub const WINDOW: usize = 4096;

    /// Takes one more duration in; the oldest one leaves a full window.
    pub fn add(&mut self, duration: Duration) {
        if self.window.len() < Self::WINDOW {
            self.window.push(duration);
        } else {
            self.window[self.next] = duration;
        }
        self.next = (self.next + 1) % Self::WINDOW;
    }

    /// Mean and percentiles in milliseconds, as a structure called `name`.
    pub fn structure(&self, name: &str) -> gst::Structure {
        let milliseconds = self.window.iter().map(|sample| sample.as_secs_f64() * 1e3).collect();
        let Summary { mean, p50, p95, p99 } = Summary::of(milliseconds);
        let structure = gst::Structure::builder(name).field("mean", mean).field("p50", p50);
        structure.field("p95", p95).field("p99", p99).build()
    }
}

/// Mean and percentiles of some values; zeros of none.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl Summary {
    /// Of `values` in any order.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self {
            mean: values.iter().sum::<f64>() / values.len().max(1) as f64,
            p50: percentile(&values, 0.50),
            p95: percentile(&values, 0.95),
            p99: percentile(&values, 0.99),
        }
    }

    /// What [`Samples::structure`] made; `None` if it did not.
    pub fn from_structure(structure: &gst::StructureRef) -> Option<Self> {
        let get = |name| structure.get::<f64>(name).ok();
        Some(Self { mean: get("mean")?, p50: get("p50")?, p95: get("p95")?, p99: get("p99")? })
    }
}

/// Nearest-rank percentile of ascending values; 0 of none.
fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let rank = (fraction * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&values, 0.5), percentile(&values, 0.99)), (50.0, 99.0));
        assert_eq!((percentile(&[7.0], 0.99), percentile(&[], 0.5)), (7.0, 0.0));
        let unordered = Summary::of(values.into_iter().rev().collect());
        assert_eq!((unordered.mean, unordered.p50, unordered.p95), (50.5, 50.0, 95.0));
        assert_eq!(Summary::of(Vec::new()), Summary::default());
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

    #[test]
    fn a_structure_can_be_read_back() {
        gst::init().unwrap();
        let mut samples = Samples::default();
        samples.add(Duration::from_millis(4));
        let summary = Summary::from_structure(&samples.structure("work")).unwrap();
        assert_eq!((summary.mean, summary.p99), (4.0, 4.0));
        assert_eq!(Summary::from_structure(&gst::Structure::new_empty("work")), None);
    }
}
