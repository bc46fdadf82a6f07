//! Sleeping.

use crate::green::cancel::{check, limit, park_or_end, raise, refused, sleep_or_fail};
use crate::green::current;
use crate::green::park::give_way;
use crate::green::why::{Kind, Why};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::real;
use std::time::{Duration, Instant};

/// Lets this green thread wait for `d`, and its worker run others meanwhile.
/// Never shorter; longer by what the others take. `Duration::ZERO` lets the
/// others run once. On a plain OS thread, that thread sleeps.
///
/// ```
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// let naps = (0..100).map(|_| greenroom::spawn(|| greenroom::sleep(Duration::from_millis(20))));
/// greenroom::joinall(naps.collect::<Vec<_>>());
/// assert!(start.elapsed() >= Duration::from_millis(20));
/// ```
pub fn sleep(d: Duration) {
    if d.is_zero() {
        // No timer for what is due at once.
        give_way();
        return check();
    }
    until_or_end(clock::after(d));
}

/// Waits until `t`; returns at once if that is past.
///
/// ```
/// use std::time::{Duration, Instant};
/// let t = Instant::now() + Duration::from_millis(5);
/// greenroom::spawn(move || greenroom::sleep_until(t)).join().unwrap();
/// assert!(Instant::now() >= t);
/// ```
pub fn sleep_until(t: Instant) {
    until_or_end(clock::at(t));
}

/// Waits until `deadline`, or unwinds if it is cancelled.
pub(crate) fn until_or_end(deadline: Nanos) {
    if current::get().is_none() {
        check();
        until_os(limit().map_or(deadline, |limit| limit.min(deadline)));
        return check();
    }
    let why = Why::new(Kind::Sleep, 0);
    let _said = why.say();
    loop {
        // Also when it is due already: the others run once.
        park_or_end(Some(deadline)).unwrap_or_else(|end| raise(end));
        if clock::now() >= deadline {
            return;
        }
    }
}

/// As `sleep`, for callers that may be C.
///
/// # Errors
/// As `park_or_fail`.
pub(crate) fn pause(d: Duration) -> Result<(), Errno> {
    if !d.is_zero() {
        return until(clock::after(d));
    }
    give_way();
    refused()
}

/// Waits until `deadline`; never unwinds.
///
/// # Errors
/// As `park_or_fail`.
pub(crate) fn until(deadline: Nanos) -> Result<(), Errno> {
    if current::get().is_none() {
        until_os(deadline);
        return Ok(());
    }
    let why = Why::new(Kind::Sleep, 0);
    let _said = why.say();
    loop {
        sleep_or_fail(deadline)?;
        if clock::now() >= deadline {
            return Ok(());
        }
    }
}

fn until_os(deadline: Nanos) {
    let at = libc::timespec {
        tv_sec: (deadline / 1_000_000_000) as i64,
        tv_nsec: (deadline % 1_000_000_000) as i64,
    };
    // SAFETY: a valid time, and no remainder for an absolute one. Interrupted
    // by a signal, it goes on.
    while unsafe {
        real::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &at, std::ptr::null_mut())
    } == libc::EINTR
    {}
}

/// Ticks at equal distances, the first after `period`: an iterator that waits for
/// the next one and never ends.
///
/// It does not drift: tick `n` is due `n` periods after this call, however long
/// each of the ones before it was worked on. Ticks that were due while nobody
/// waited become one, and then it goes on in the old rhythm. A `period` of zero
/// counts as a nanosecond.
///
/// ```
/// use std::time::{Duration, Instant};
/// let period = Duration::from_millis(2);
/// let start = Instant::now();
/// for (n, due) in greenroom::interval(period).take(5).enumerate() {
///     assert!(due >= start + period * (n as u32 + 1));
///     assert!(Instant::now() >= due);
/// }
/// ```
pub fn interval(period: Duration) -> Interval {
    let (start, from) = (Instant::now(), clock::now());
    let period = clock::nanos(period).max(1);
    Interval { start, from, period, next: from.saturating_add(period) }
}

/// What [`interval`] returns: each item is the time at which that tick was due.
#[derive(Debug, Clone)]
#[must_use = "it ticks for whoever waits"]
pub struct Interval {
    /// The same moment twice.
    start: Instant,
    from: Nanos,
    period: Nanos,
    next: Nanos,
}

impl Interval {
    /// When the next tick is due.
    pub(crate) fn next_at(&self) -> Nanos {
        self.next
    }

    /// It is due: the next one is the first that is not.
    pub(crate) fn ticked(&mut self) -> Instant {
        let due = self.next;
        let missed = clock::now().saturating_sub(due) / self.period;
        self.next = due.saturating_add(self.period.saturating_mul(missed + 1));
        self.start + Duration::from_nanos(due - self.from)
    }
}

impl Iterator for Interval {
    type Item = Instant;

    fn next(&mut self) -> Option<Instant> {
        until_or_end(self.next);
        Some(self.ticked())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

/// What C means by `time`; `None` if it is no time.
pub(crate) fn duration(time: libc::timespec) -> Option<Duration> {
    let valid = (0..1_000_000_000).contains(&time.tv_nsec) && time.tv_sec >= 0;
    valid.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// The deadline that a clock's `time` is now; the real-time clock may be set.
pub(crate) fn deadline(realtime: bool, time: Duration) -> Nanos {
    if !realtime {
        return clock::nanos(time);
    }
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid out pointer.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    clock::after(time.saturating_sub(duration(now).unwrap_or_default()))
}

/// `clock_nanosleep` on a green thread.
///
/// # Errors
/// EINVAL for an impossible time, and as `park_or_fail`; `None` for a clock that
/// is the kernel's to wait for (of CPU time) or to refuse.
pub(crate) fn clock_sleep(
    clock: libc::clockid_t,
    absolute: bool,
    time: libc::timespec,
) -> Option<Result<(), Errno>> {
    if !matches!(clock, libc::CLOCK_MONOTONIC | libc::CLOCK_REALTIME | libc::CLOCK_BOOTTIME) {
        return None; // a clock is refused before a time is
    }
    let Some(time) = duration(time) else { return Some(Err(Errno::INVAL)) };
    Some(match (clock, absolute) {
        (_, false) => pause(time),
        (libc::CLOCK_MONOTONIC, true) => until(clock::nanos(time)),
        (_, true) => until_on(clock, time),
    })
}

/// Until another clock than ours shows `time`: it may be set meanwhile, so we
/// look at least every second.
fn until_on(clock: libc::clockid_t, time: Duration) -> Result<(), Errno> {
    loop {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a valid out pointer.
        unsafe { libc::clock_gettime(clock, &mut now) };
        let now = Duration::new(now.tv_sec.max(0) as u64, now.tv_nsec as u32);
        match time.checked_sub(now) {
            None | Some(Duration::ZERO) => return Ok(()),
            Some(left) => pause(left.min(Duration::from_secs(1)))?,
        }
    }
}
