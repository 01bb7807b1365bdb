//! Properties of the element: defaults and blurbs, and the bounds of a pool.

use gst::glib::{self, ParamSpec, Value};
use gst::prelude::*;
use gstsupport::copies;
use gstsupport::property::take;

use super::{Exhaustion, Memory};

/// What the user asked for. `Settings::default()` is the one source of defaults.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub memory: Memory,
    pub device_id: u32,
    pub pool_size_mb: u32,
    pub min_buffers: u32,
    pub max_buffers: u32,
    pub exhaustion: Exhaustion,
    pub fail_on_copy: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory: Memory::default(),
            device_id: 0,
            pool_size_mb: 512,
            min_buffers: 2,
            max_buffers: 0,
            exhaustion: Exhaustion::default(),
            fail_on_copy: false,
        }
    }
}

/// How many frames a pool may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub min: u32,
    pub max: u32,
}

impl Settings {
    /// The bounds of a pool of frames of `frame` bytes, `held` of which are held elsewhere at a time, in memory that has
    /// `free` bytes left. The error says what to do.
    pub fn bounds(&self, frame: usize, held: u32, free: usize) -> Result<Bounds, String> {
        let bytes = (self.pool_size_mb as usize).saturating_mul(1 << 20).min(free);
        let fitting = u32::try_from(bytes / frame.max(1)).unwrap_or(u32::MAX);
        let max = if self.max_buffers == 0 { fitting } else { fitting.min(self.max_buffers) };
        let needed = held.max(self.min_buffers).max(1);
        if max >= needed {
            return Ok(Bounds { min: self.min_buffers, max });
        }
        let (limit, remedy) = if self.max_buffers != 0 && max == self.max_buffers {
            (format!("max-buffers={max}"), "raise max-buffers".to_owned())
        } else if bytes == free {
            (format!("{} MiB of free memory", free >> 20), "free memory on the device".to_owned())
        } else {
            let megabytes = (frame * needed as usize).div_ceil(1 << 20);
            (
                format!("pool-size-mb={}", self.pool_size_mb),
                format!("set pool-size-mb to {megabytes} or more"),
            )
        };
        Err(format!(
            "{limit} allows {max} frames of {frame} bytes, but {needed} are needed at a time; {remedy}"
        ))
    }

    /// Takes over the value of property `name`.
    pub fn set(&mut self, name: &str, value: &Value) {
        match name {
            "memory" => take(&mut self.memory, value),
            "device-id" => take(&mut self.device_id, value),
            "pool-size-mb" => take(&mut self.pool_size_mb, value),
            "min-buffers" => take(&mut self.min_buffers, value),
            "max-buffers" => take(&mut self.max_buffers, value),
            "exhaustion" => take(&mut self.exhaustion, value),
            "fail-on-copy" => take(&mut self.fail_on_copy, value),
            _ => {}
        }
    }

    /// The value of property `name`; `None` for one that is no setting.
    pub fn get(&self, name: &str) -> Option<Value> {
        Some(match name {
            "memory" => self.memory.to_value(),
            "device-id" => self.device_id.to_value(),
            "pool-size-mb" => self.pool_size_mb.to_value(),
            "min-buffers" => self.min_buffers.to_value(),
            "max-buffers" => self.max_buffers.to_value(),
            "exhaustion" => self.exhaustion.to_value(),
            "fail-on-copy" => self.fail_on_copy.to_value(),
            _ => return None,
        })
    }
}

/// Every property of the element.
pub(super) fn properties() -> Vec<ParamSpec> {
    let mut all = memory_properties();
    all.extend(pool_properties());
    all
}

fn number(name: &'static str, nick: &'static str, blurb: &'static str, default: u32) -> ParamSpec {
    let number = glib::ParamSpecUInt::builder(name).nick(nick).blurb(blurb);
    number.default_value(default).mutable_ready().build()
}

fn memory_properties() -> Vec<ParamSpec> {
    let defaults = Settings::default();
    vec![
        glib::ParamSpecEnum::builder_with_default("memory", defaults.memory)
            .nick("Memory")
            .blurb(
                "Where frames lie. What is asked for by name and cannot be had is an error; auto falls back to system",
            )
            .mutable_ready()
            .build(),
        number("device-id", "Device", "Number of the CUDA device", defaults.device_id),
        copies::fail_on_copy(
            "one that upstream did not write into the pool that it was offered, or that an element upstream copied",
        ),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Buffers allocated now and in all, in use, at most in use, waits for one; frames passed on without a copy, uploaded, \
                 copied; bytes by direction; whether CPU and GPU share memory, and why",
            )
            .read_only()
            .build(),
    ]
}

fn pool_properties() -> Vec<ParamSpec> {
    let defaults = Settings::default();
    vec![
        number("pool-size-mb", "Pool size", "MiB that each pool may take at most", defaults.pool_size_mb),
        number("min-buffers", "Minimum buffers", "Buffers that a pool starts with", defaults.min_buffers),
        number(
            "max-buffers",
            "Maximum buffers",
            "Buffers that a pool has at most (0 = as many as pool-size-mb allows)",
            defaults.max_buffers,
        ),
        glib::ParamSpecEnum::builder_with_default("exhaustion", defaults.exhaustion)
            .nick("Exhaustion")
            .blurb(
                "What happens when every buffer of a pool is in use. A decoder on the GPU fills a pool of GStreamer's own, which \
                 always blocks",
            )
            .mutable_ready()
            .build(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_pool_is_bounded_by_size_number_and_free_memory() {
        let mut settings = Settings { pool_size_mb: 10, ..Settings::default() };
        assert_eq!(settings.bounds(MIB, 0, usize::MAX).unwrap(), Bounds { min: 2, max: 10 });
        assert_eq!(settings.bounds(MIB, 0, 5 * MIB).unwrap().max, 5);
        settings.max_buffers = 3;
        assert_eq!(settings.bounds(MIB, 0, usize::MAX).unwrap().max, 3);
    }

    #[test]
    fn what_does_not_fit_names_the_remedy() {
        let mut settings = Settings { pool_size_mb: 10, ..Settings::default() };
        let error = |settings: Settings, free| settings.bounds(MIB, 12, free).unwrap_err();
        assert!(error(settings, usize::MAX).ends_with("set pool-size-mb to 12 or more"));
        for free in [0, 5 * MIB] {
            assert!(error(settings, free).ends_with("free memory on the device"));
        }
        settings.max_buffers = 3;
        assert!(error(settings, usize::MAX).ends_with("raise max-buffers"));
    }
}
