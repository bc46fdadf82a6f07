//! `tracing`'s spans and green threads, feature `tracing`.

use crate::green::{spans, storage};

/// From now on spans follow green threads, for the rest of the program:
///
/// * What a green thread spawns begins in the span that the spawning thread is in,
///   and keeps that open: `spawn` in all its forms, scopes, groups, pools, and
///   patched `std::thread::spawn`. Jobs for OS threads do not: see [`carry`].
/// * A span that a green thread has entered stays its own while it waits. With
///   [thread-locals of its own](crate::ThreadLocals::Own) that needs no help; with
///   shared ones, it leaves its spans before each switch, and enters them again
///   after it, for some nanoseconds and what the subscriber takes.
///
/// A subscriber's `enter` and `exit` are then called amid waits: they must not
/// take a lock which the subscriber holds while it writes. With shared
/// thread-locals only the global subscriber is right: one that was set for a
/// thread alone is set for its worker.
///
/// Without a call of this, nothing is different and nothing is slower.
///
/// ```
/// greenroom::inspect::spans::follow();
/// let request = tracing::info_span!("request", id = 7).entered();
/// let name = || tracing::Span::current().metadata().map(|span| span.name());
/// let child = greenroom::spawn(move || name());
/// assert_eq!(child.join().unwrap(), name());
/// # drop(request);
/// ```
pub fn follow() {
    storage::inherits();
    spans::follow();
}

/// `f`, but called in the span that the caller of `carry` is in now, on whatever
/// thread.
///
/// ```
/// let request = tracing::info_span!("request").entered();
/// let job = greenroom::inspect::spans::carry(|| tracing::info!("on an OS thread"));
/// greenroom::offload(job);
/// # drop(request);
/// ```
pub fn carry<F, T>(f: F) -> impl FnOnce() -> T
where
    F: FnOnce() -> T,
{
    let span = tracing::Span::current();
    move || span.in_scope(f)
}
