//! What came of it, as text.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::clients::Talked;
use crate::threads::Threads;

pub(crate) struct Report {
    pub(crate) threads: Threads,
    pub(crate) payload: usize,
    pub(crate) talked: Talked,
    pub(crate) memory: Vec<Share>,
    /// What went wrong, with the connection's number.
    pub(crate) failures: Vec<String>,
    pub(crate) total: Duration,
}

/// What one process needed for its threads.
pub(crate) struct Share {
    pub(crate) of: &'static str,
    pub(crate) threads: usize,
    /// `None` where the system does not tell.
    pub(crate) bytes: Option<u64>,
}

impl Report {
    /// Whether every byte came back as it was sent.
    pub(crate) fn perfect(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let talked = &self.talked;
        let trips = talked.round_trips;
        let per_second = trips as f64 / talked.took.as_secs_f64();
        let checked = if self.perfect() { ", every byte checked" } else { "" };
        let threads = self.memory.iter().map(|share| share.threads).sum();

        writeln!(f, "connections  {}, all open at the same time", thousands(talked.connected))?;
        writeln!(f, "threads      {} {}s", thousands(threads), self.threads)?;
        writeln!(f, "round trips  {} of {} bytes{checked}", thousands(trips), self.payload)?;
        writeln!(f, "             {} per second", thousands(per_second as usize))?;
        let [p50, p99, max] = [talked.p50, talked.p99, talked.max].map(short);
        writeln!(f, "latency      p50 {p50}, p99 {p99}, max {max}")?;
        for (share, label) in self.memory.iter().zip(["memory", ""]) {
            writeln!(f, "{label:<12} {} per {}{}", share.each(), self.threads, share.of)?;
        }
        if self.threads == Threads::Os {
            writeln!(f, "             and a kernel stack each, which is not counted here")?;
        }
        writeln!(f, "total time   {}", short(self.total))?;
        self.fmt_failures(f)
    }
}

impl Report {
    fn fmt_failures(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        if self.perfect() {
            return Ok(());
        }
        writeln!(f, "FAILED       {} connections", thousands(self.failures.len()))?;
        for failure in self.failures.iter().take(SHOWN) {
            writeln!(f, "             {failure}")?;
        }
        if self.failures.len() > SHOWN {
            writeln!(f, "             and so on")?;
        }
        Ok(())
    }
}

impl Share {
    fn each(&self) -> String {
        match self.bytes {
            Some(bytes) => format!("{:.1} KiB", bytes as f64 / 1024.0 / self.threads as f64),
            None => "unknown".to_owned(),
        }
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        1.0.. => format!("{seconds:.2} s"),
        0.001.. => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.1} µs", seconds * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let texts = [0, 999, 1000, 28_232, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "28,232", "1,234,567"]);
        let times = [1_500, 2_500_000, 3_210_000_000].map(|ns| short(Duration::from_nanos(ns)));
        assert_eq!(times, ["1.5 µs", "2.5 ms", "3.21 s"]);
    }
}
