//! What requests ask for, and figures about this process.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// The first byte of a request for which the server computes.
pub const HEAVY: u8 = 1;
/// The first byte of every other.
pub const LIGHT: u8 = 42;
/// How long the server computes for a heavy one.
const EFFORT: Duration = Duration::from_micros(200);

/// What the server does before it answers.
#[inline]
pub fn consider(request: &[u8]) {
    if request.first() == Some(&HEAVY) {
        compute(EFFORT);
    }
}

/// Keeps the core busy.
pub(crate) fn compute(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// What `wanted` operations would have taken if `done` took `took`.
pub fn scaled(took: Duration, wanted: u64, done: u64) -> Duration {
    took.mul_f64(wanted as f64 / done as f64)
}

/// Bytes of this process that are in memory.
///
/// # Errors
/// The kernel does not say.
pub fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|n| n * 1024).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_heavy_requests_cost() {
        let start = Instant::now();
        consider(&[HEAVY, 0]);
        assert!(start.elapsed() >= EFFORT);
        consider(&[]);
        assert_eq!(scaled(Duration::from_secs(2), 10, 20), Duration::from_secs(1));
        assert!(resident().unwrap() > 100_000);
    }
}
