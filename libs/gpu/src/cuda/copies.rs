//! Counts every copy that this crate makes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From host to device memory.
    HostToDevice,
    /// From device to host memory.
    DeviceToHost,
    /// Within device memory.
    DeviceToDevice,
}

/// Copies of one direction for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Where the bytes went.
    pub direction: Direction,
    /// Who copied, and why.
    pub purpose: &'static str,
    /// Number of copies.
    pub calls: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, purpose, calls, bytes } = self;
        write!(f, "{direction:?} {purpose}: {bytes} bytes in {calls} copies")
    }
}

type Table = BTreeMap<(Direction, &'static str), (u64, u64)>;

static TABLE: Mutex<Table> = Mutex::new(BTreeMap::new());

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a copy of `bytes` bytes for `purpose`.
pub fn record(direction: Direction, purpose: &'static str, bytes: usize) {
    let mut table = table();
    let (calls, total) = table.entry((direction, purpose)).or_default();
    *calls += 1;
    *total += bytes as u64;
}

/// Every kind of copy since the process started.
pub fn all() -> Vec<Copies> {
    let copies = |(&(direction, purpose), &(calls, bytes))| Copies { direction, purpose, calls, bytes };
    table().iter().map(copies).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_add_up_by_purpose() {
        record(Direction::DeviceToHost, "test: results", 100);
        record(Direction::DeviceToHost, "test: results", 20);
        record(Direction::HostToDevice, "test: results", 7);
        let find =
            |direction| all().into_iter().find(|c| c.direction == direction && c.purpose == "test: results");
        let copies = find(Direction::DeviceToHost).unwrap();
        assert_eq!((copies.calls, copies.bytes), (2, 120));
        assert_eq!(copies.to_string(), "DeviceToHost test: results: 120 bytes in 2 copies");
        assert_eq!(find(Direction::HostToDevice).unwrap().bytes, 7);
    }
}
