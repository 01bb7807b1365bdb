//! What the operating system knows of this process.

use anyhow::{Context, Result};

/// The unit of times in /proc: the same on every architecture that Linux still supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// High water of this process's resident memory in MiB.
pub fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("no /proc/self/status")?;
    let line =
        status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    let kib: f64 = line.split_whitespace().nth(1).context("VmHWM without a value")?.parse()?;
    Ok(kib / 1024.0)
}

/// Seconds of one core that this process has used, all threads together.
pub fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("no /proc/self/stat")?;
    ticks(&stat).map(|ticks| ticks / TICKS_PER_SECOND).context("/proc/self/stat is not as expected")
}

/// User and system time. The name before them may hold spaces and brackets.
fn ticks(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20";
        assert_eq!(ticks(stat), Some(42.0));
        assert_eq!(ticks("7 (a) S 1"), None);
        assert!(cpu_seconds().unwrap() >= 0.0 && peak_mib().unwrap() > 0.0);
    }
}
