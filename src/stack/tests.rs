//! Tests with real memory: that guards hold, pages come and go, and many stacks stay cheap.

use std::ptr::with_exposed_provenance_mut;
use std::time::{Duration, Instant};

use corosensei::stack::Stack;
use corosensei::{Coroutine, CoroutineResult};

use super::cache::tests::lone_cache;
use super::class::usable_range;
use super::depot::PERIOD;
use super::*;
use crate::sys::mem::page_size;

pub(super) const CLASS: SizeClass = SizeClass::DEFAULT;

pub(super) fn usable(stack: &GreenStack) -> std::ops::Range<usize> {
    usable_range(stack.limit().get(), stack.class())
}

pub(super) fn write(addr: usize, value: u8) {
    // SAFETY: tests pass addresses in stacks they own, or mean to fault.
    unsafe { with_exposed_provenance_mut::<u8>(addr).write_volatile(value) };
}

pub(super) fn read(addr: usize) -> u8 {
    // SAFETY: tests pass addresses in stacks they own.
    unsafe { with_exposed_provenance_mut::<u8>(addr).read_volatile() }
}

/// Whether the kernel can read the byte at `addr`: no fault, it says EFAULT.
pub(super) fn readable(addr: usize) -> bool {
    let (mut ends, mut byte) = ([0; 2], 0_u8);
    // SAFETY: the descriptors are this function's own, and the kernel checks the address.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let wrote = libc::write(ends[1], with_exposed_provenance_mut(addr), 1);
        assert!(wrote != 1 || libc::read(ends[0], (&raw mut byte).cast(), 1) == 1);
        for end in ends {
            libc::close(end);
        }
        wrote == 1
    }
}

/// Takes `count` stacks and keeps them.
pub(super) fn take(cache: &mut StackCache, count: usize) -> Vec<GreenStack> {
    (0..count).map(|_| cache.take(CLASS).unwrap()).collect()
}

/// Calls `trim` until there is nothing more to do at `now`.
fn trim(cache: &mut StackCache, now: Instant) -> Option<Instant> {
    loop {
        match cache.trim(now) {
            Some(next) if next == now => {}
            next => return next,
        }
    }
}

#[test]
fn every_usable_byte_can_be_written_and_the_guard_cannot_be_read() {
    let mut cache = lone_cache();
    for class in [SizeClass::for_size(0).unwrap(), CLASS] {
        let stack = cache.take(class).unwrap();
        assert!(usable(&stack).len() >= class.bytes());
        usable(&stack).for_each(|addr| write(addr, 0xa5));
        assert!(usable(&stack).all(|addr| read(addr) == 0xa5));
        assert!(stack.base().get() <= usable(&stack).end);
        assert!(readable(stack.guard().end));
        assert!(!readable(stack.guard().start) && !readable(stack.guard().end - 1));
        cache.give(stack);
    }
}

#[test]
fn the_stack_given_last_is_taken_first() {
    let mut cache = lone_cache();
    let stacks = take(&mut cache, 5);
    let limits: Vec<_> = stacks.iter().map(Stack::limit).collect();
    stacks.into_iter().for_each(|stack| cache.give(stack));
    assert_eq!(cache.pooled(), 5);
    let again: Vec<_> = take(&mut cache, 5).iter().map(Stack::limit).rev().collect();
    assert_eq!(again, limits);
}

#[test]
fn stacks_do_not_overlap() {
    let mut cache = lone_cache();
    let mut stacks = take(&mut cache, 300);
    stacks.extend((0..20).map(|_| cache.take(SizeClass::for_size(1 << 20).unwrap()).unwrap()));
    stacks.sort_by_key(Stack::limit);
    assert!(stacks.is_sorted_by(|a, b| usable(a).end <= b.limit().get()));
}

#[test]
fn a_coroutine_runs_on_a_stack_and_returns_it() {
    let mut cache = lone_cache();
    let stack = cache.take(CLASS).unwrap();
    let range = usable(&stack);
    let mut coroutine = Coroutine::with_stack(stack, |yielder, first: usize| {
        let local = std::hint::black_box([first; 100]);
        local[yielder.suspend((&raw const local).addr())]
    });
    let CoroutineResult::Yield(local) = coroutine.resume(7) else { panic!("did not suspend") };
    assert!(range.contains(&local) && range.end - local < page_size());
    assert_eq!(coroutine.resume(99).as_return(), Some(7));
    cache.give(coroutine.into_stack());
    assert_eq!(cache.pooled(), 1);
}

#[test]
fn a_burst_that_ends_on_one_worker_serves_the_others() {
    let mut cache = lone_cache();
    let stacks = take(&mut cache, 5000);
    stacks.into_iter().for_each(|stack| cache.give(stack));
    assert!(cache.pooled() <= 1024, "{} stay", cache.pooled());
    let again = take(&mut cache, 5000);
    // A batch fetched for the last of them may be left, and nothing else.
    assert!(cache.pooled() < 16, "{} left", cache.pooled());
    let distinct: std::collections::BTreeSet<_> = again.iter().map(Stack::limit).collect();
    assert_eq!(distinct.len(), 5000);
}

#[test]
fn idle_stacks_give_their_memory_back_and_keep_their_guards() {
    let (mut cache, start) = (lone_cache(), Instant::now());
    let stacks = take(&mut cache, 600);
    let probes: Vec<_> = stacks
        .iter()
        .map(|stack| (stack.guard().start, [usable(stack).start, usable(stack).end - 1]))
        .collect();
    let bytes = || probes.iter().flat_map(|(_, ends)| *ends);
    bytes().for_each(|addr| write(addr, 1));
    stacks.into_iter().for_each(|stack| cache.give(stack));

    assert_eq!(cache.trim(start), Some(start + PERIOD), "the period begins");
    assert_eq!(cache.trim(start + PERIOD / 2), Some(start + PERIOD));
    let busy = cache.take(CLASS).unwrap();
    let in_busy = usable(&busy);
    cache.give(busy);
    assert!(bytes().all(|addr| read(addr) == 1), "nothing was idle so far");

    let now = start + PERIOD;
    assert_eq!(cache.trim(now), Some(now), "the work of one call is bounded");
    assert_eq!(cache.pooled(), 600 - 256);
    assert_eq!(trim(&mut cache, now), Some(now + PERIOD));
    assert_eq!(cache.pooled(), 1, "the busy one stays");
    assert!(bytes().all(|addr| read(addr) == u8::from(in_busy.contains(&addr))));
    assert!(probes.iter().all(|(guard, _)| !readable(*guard)));

    assert_eq!(trim(&mut cache, now + PERIOD), None, "nothing is left to trim");
    let again = take(&mut cache, 600);
    assert!(again.iter().all(|stack| !readable(stack.guard().start)));
}

#[test]
fn what_a_burst_left_in_the_depot_is_trimmed_too() {
    let (mut cache, start) = (lone_cache(), Instant::now());
    let stacks = take(&mut cache, 3000);
    let tops: Vec<_> = stacks.iter().map(|stack| usable(stack).end - 1).collect();
    tops.iter().for_each(|top| write(*top, 1));
    stacks.into_iter().for_each(|stack| cache.give(stack));
    assert!(cache.pooled() < 3000);
    let mut now = start;
    while let Some(next) = trim(&mut cache, now) {
        now = next;
    }
    assert!(now <= start + 3 * PERIOD);
    assert!(tops.iter().all(|top| read(*top) == 0));
}

#[test]
fn a_sleeping_frame_touches_one_page() {
    let mut cache = lone_cache();
    let stacks = take(&mut cache, 32);
    for stack in stacks {
        let range = usable(&stack);
        let mut coroutine = Coroutine::with_stack(stack, |yielder, ()| {
            // Behind a reference: a debug build would copy the array.
            let mut frame = [1_u8; 1024];
            std::hint::black_box(&mut frame);
            yielder.suspend(());
            frame[5]
        });
        assert!(coroutine.resume(()).as_yield().is_some());
        assert_eq!(resident_pages(range), 1);
        assert_eq!(coroutine.resume(()).as_return(), Some(1));
    }
}

/// How many pages of `range` are in memory.
pub(super) fn resident_pages(range: std::ops::Range<usize>) -> usize {
    let mut pages = vec![0_u8; range.len() / page_size()];
    let start = with_exposed_provenance_mut(range.start);
    // SAFETY: one byte for each page of the range.
    let result = unsafe { libc::mincore(start, range.len(), pages.as_mut_ptr()) };
    assert_eq!(result, 0);
    pages.iter().filter(|page| **page & 1 == 1).count()
}

#[test]
fn a_reused_stack_is_cheap() {
    let mut cache = lone_cache();
    let stack = cache.take(CLASS).unwrap();
    cache.give(stack);
    // Few at a time, so that some are done without a pause.
    let best = (0..500)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..400 {
                let stack = std::hint::black_box(cache.take(CLASS).unwrap());
                cache.give(stack);
            }
            start.elapsed() / 400
        })
        .min();
    // The bound is loose, for debug builds on busy machines: a syscall or a lock with a wait
    // in this path would exceed it, and the benchmarks watch the few nanoseconds.
    println!("take and give: {best:?}");
    assert!(best.is_some_and(|time| time < Duration::from_nanos(400)), "{best:?}");
}
