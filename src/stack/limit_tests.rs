//! Tests of limits and of what belongs to the whole process, each in a child process.

use std::fs;
use std::io;
use std::panic::catch_unwind;

use corosensei::stack::Stack;
use corosensei::{Coroutine, Yielder};

use super::class::{MIN_SIZE, stride};
use super::depot::{Usage, usage};
use super::guard::guard_mode_from_env;
use super::tests::{CLASS, readable, resident_pages, take, usable, write};
use super::*;
use crate::sys::mem::{max_map_count, page_size};
use crate::sys::reexec::in_child;

fn mappings() -> usize {
    fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

#[test]
fn a_dropped_stack_goes_to_the_shared_depot() {
    // In a child: no other test disturbs the numbers.
    let ended = in_child(&[], || {
        let mut cache = StackCache::new();
        let stack = cache.take(CLASS).unwrap();
        let limit = stack.limit();
        assert_eq!(usage(), Usage { made: 1, warm: 0, cold: 0 });
        drop(stack);
        assert_eq!(usage(), Usage { made: 1, warm: 1, cold: 0 });
        // Another worker prefers it to a fresh one. This one uses up its fresh slots first.
        assert_eq!(StackCache::new().take(CLASS).unwrap().limit(), limit);
        drop(cache);
        // The unused slots of the ended cache are not lost.
        let mut other = StackCache::new();
        let rest = take(&mut other, 64);
        let limits = || rest.iter().map(|stack| stack.limit().get());
        let span = limits().max().unwrap() - limits().min().unwrap();
        assert_eq!(span, 63 * stride(CLASS), "all of them are of the first slab");
        assert_eq!(usage(), Usage { made: 64, warm: 0, cold: 0 });
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_hundred_thousand_stacks_take_few_mappings() {
    let ended = in_child(&[("GREENROOM_STACK_GUARD", "auto")], || {
        let mut cache = StackCache::new();
        let before = mappings();
        match (0..100_000).map(|_| cache.take(CLASS)).collect::<io::Result<Vec<_>>>() {
            Ok(stacks) => {
                let more = mappings() - before;
                assert!(more < 40, "{more} more mappings");
                // Spot checks: checking each takes long.
                assert!(stacks.iter().step_by(997).all(|stack| !readable(stack.guard().start)));
            }
            // A kernel before 6.13.
            Err(error) => assert!(error.to_string().contains("vm.max_map_count"), "{error}"),
        }
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn mprotect_stops_at_its_bound_with_an_error_that_names_the_sysctl() {
    let ended = in_child(&[("GREENROOM_STACK_GUARD", "mprotect")], || {
        let mut cache = StackCache::new();
        let limit = max_map_count().unwrap();
        if limit > 1 << 20 {
            return; // Raised so far that hitting the bound would take minutes.
        }
        let mut stacks = Vec::new();
        let error = loop {
            match cache.take(CLASS) {
                Ok(stack) => stacks.push(stack),
                Err(error) => break error,
            }
        };
        assert_eq!(stacks.len(), (limit - 4096) / 2);
        let text = error.to_string();
        assert!(text.contains(&format!("vm.max_map_count allows this process {limit}")), "{text}");
        // The rest of the program still gets mappings, and given back stacks serve again.
        drop(std::thread::spawn(|| {}));
        assert!(stacks.iter().step_by(997).all(|stack| !readable(stack.guard().start)));
        cache.give(stacks.pop().unwrap());
        cache.take(CLASS).unwrap();
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_rubbish_guard_mode_is_an_error_and_not_a_guess() {
    let ended = in_child(&[("GREENROOM_STACK_GUARD", "maybe")], || {
        let error = StackCache::new().take(CLASS).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), guard_mode_from_env().unwrap_err());
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn without_address_space_the_error_says_so_and_stacks_taken_stay_good() {
    let ended = in_child(&[], || {
        let limit = libc::rlimit { rlim_cur: 4 << 30, rlim_max: 4 << 30 };
        // SAFETY: setrlimit only reads the structure.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
        let mut cache = StackCache::new();
        let mut stacks = Vec::with_capacity(20_000);
        let error = loop {
            match cache.take(CLASS) {
                Ok(stack) => stacks.push(stack),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("ulimit -v"), "{error}");
        // Halving to one slot uses nearly all there was.
        assert!(stacks.len() > 15_000, "only {}", stacks.len());
        stacks.iter().for_each(|stack| write(usable(stack).start, 1));
        stacks.into_iter().for_each(|stack| cache.give(stack));
        cache.take(CLASS).unwrap();
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn the_smallest_stack_holds_a_panic_with_a_backtrace_twice_over() {
    let ended = in_child(&[("RUST_BACKTRACE", "full")], || {
        let smallest = SizeClass::for_size(0).unwrap();
        let stack = StackCache::new().take(smallest).unwrap();
        let range = usable(&stack);
        let mut coroutine = Coroutine::with_stack(stack, |_: &Yielder<(), ()>, ()| {
            catch_unwind(|| panic!("{:?} and {:.1}", vec![Some("text"), None], 1.5)).is_err()
        });
        assert_eq!(coroutine.resume(()).as_return(), Some(true));
        assert!(resident_pages(range) * page_size() <= MIN_SIZE / 2);
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("[Some(\"text\"), None] and 1.5"), "{ended:?}");
    assert!(ended.stderr.contains("stack backtrace:"), "{ended:?}");
}

#[test]
fn what_is_reserved_above_a_stack_survives_trimming() {
    let ended = in_child(&[], || {
        assert!(super::reserve(5000));
        let mut cache = StackCache::new();
        let stacks = take(&mut cache, 64);
        let ends: Vec<_> = stacks.iter().map(|stack| stack.end() - 8).collect();
        ends.iter().for_each(|end| write(*end, 7));
        stacks.into_iter().for_each(|stack| cache.give(stack));
        let mut now = std::time::Instant::now();
        while let Some(again) = cache.trim(now) {
            now = again;
        }
        assert!(ends.iter().all(|end| super::tests::read(*end) == 7));
        assert!(super::reserve(5001), "as many pages");
        assert!(!super::reserve(1), "there are stacks with more");
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
