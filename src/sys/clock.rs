//! The monotonic clock in nanoseconds, the unit of every deadline inside.

use std::time::{Duration, Instant};

/// Nanoseconds of `CLOCK_MONOTONIC`; 584 years fit.
pub(crate) type Nanos = u64;

/// Now.
#[inline]
pub(crate) fn now() -> Nanos {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid out pointer; the clock always exists on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

/// `d` from now; saturates, so that `Duration::MAX` means "never".
#[inline]
pub(crate) fn after(d: Duration) -> Nanos {
    now().saturating_add(nanos(d))
}

/// `d` in nanoseconds, saturating.
#[inline]
pub(crate) fn nanos(d: Duration) -> Nanos {
    d.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(d.subsec_nanos()))
}

/// The deadline that `t` is.
pub(crate) fn at(t: Instant) -> Nanos {
    after(t.saturating_duration_since(Instant::now()))
}
