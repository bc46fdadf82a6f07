//! Stack overflows and other faults: who is named, and how the process ends.

mod common;

use common::{Ended, in_child, os_thread, spin_until};
use greenroom::{Builder, sleep, spawn};
use std::hint::black_box;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::time::Duration;

const TWO_WORKERS: &[(&str, &str)] = &[("GREENROOM_WORKERS", "2")];

/// Goes down for ever.
fn recurse(depth: usize) -> usize {
    let frame = black_box([depth; 64]);
    if black_box(depth) == usize::MAX { 0 } else { recurse(depth + 1) + frame[depth % 64] }
}

/// Goes down by `bytes` at least, and comes back.
fn dive(bytes: usize) -> usize {
    let frame = black_box([1u8; 1024]);
    if bytes < 1024 { 0 } else { dive(bytes - 1024) + usize::from(frame[bytes % 1024]) }
}

fn overflow(builder: Builder) {
    let _ = builder.spawn(|| recurse(0)).unwrap().join();
}

#[track_caller]
fn assert_overflowed(ended: &Ended, name: &str, size: &str) {
    ended.assert_signal(libc::SIGABRT);
    let line = format!(
        "\ngreen thread '{name}' has overflowed its stack ({size}; see Builder::stack_size)\n"
    );
    ended.assert_says(&line, 1);
    ended.assert_says("has overflowed its stack", 1);
}

#[test]
fn a_named_one() {
    let ended = in_child(TWO_WORKERS, || overflow(Builder::new().name("deep diver".into())));
    assert_overflowed(&ended, "deep diver", "256 KiB");
}

#[test]
fn one_without_a_name() {
    let ended = in_child(TWO_WORKERS, || drop(spawn(|| recurse(0)).join()));
    assert_overflowed(&ended, "<unnamed>", "256 KiB");
}

#[test]
fn a_larger_stack() {
    let ended = in_child(TWO_WORKERS, || {
        let large = || Builder::new().name("large".into()).stack_size(3 << 20);
        // What is less than asked for is no overflow.
        assert!(large().spawn(|| dive(3 << 20)).unwrap().join().unwrap() > 0);
        overflow(large());
    });
    assert_overflowed(&ended, "large", "4096 KiB");
}

/// Less than the minimum is rounded up to it.
#[test]
fn the_smallest_stack() {
    let ended =
        in_child(TWO_WORKERS, || overflow(Builder::new().name("tiny".into()).stack_size(1)));
    assert_overflowed(&ended, "tiny", "64 KiB");
}

/// The very first green thread gets what the environment says, too.
#[test]
fn a_size_from_the_environment() {
    let vars = [("GREENROOM_STACK_SIZE", "1048576")];
    let ended = in_child(&vars, || drop(spawn(|| recurse(0)).join()));
    assert_overflowed(&ended, "<unnamed>", "1024 KiB");
}

#[test]
fn the_least_size_from_the_environment() {
    let vars = [("GREENROOM_STACK_SIZE", "0")];
    let ended = in_child(&vars, || drop(spawn(|| recurse(0)).join()));
    assert_overflowed(&ended, "<unnamed>", "64 KiB");
}

#[test]
fn a_size_from_the_code() {
    let ended = in_child(&[("GREENROOM_STACK_SIZE", "65536")], || {
        greenroom::Config::new().stack_size(500_000).install().unwrap();
        drop(spawn(|| recurse(0)).join());
    });
    assert_overflowed(&ended, "<unnamed>", "512 KiB");
}

/// On the worker that did not start first, while the other one computes.
#[test]
fn on_the_second_worker() {
    let ended = in_child(TWO_WORKERS, || {
        static OTHER: AtomicI32 = AtomicI32::new(0);
        let hog = spawn(|| {
            let stolen = Builder::new().name("stolen".into());
            let _detached = stolen.spawn(|| {
                OTHER.store(os_thread(), SeqCst);
                recurse(0)
            });
            spin_until(|| OTHER.load(SeqCst) != 0);
            assert_ne!(OTHER.load(SeqCst), os_thread());
            spin_until(|| false);
        });
        hog.join().unwrap();
    });
    assert_overflowed(&ended, "stolen", "256 KiB");
}

/// After it has been parked and resumed, and others have run.
#[test]
fn after_some_switches() {
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        let others = (0..10).map(|_| spawn(|| sleep(Duration::MAX)));
        others.for_each(drop);
        let late = Builder::new().name("late".into());
        let late = late.spawn(|| {
            (0..5).for_each(|_| sleep(Duration::from_millis(1)));
            recurse(0)
        });
        let _ = late.unwrap().join();
    });
    assert_overflowed(&ended, "late", "256 KiB");
}

/// On kernels without MADV_GUARD_INSTALL.
#[test]
fn with_a_guard_by_mprotect() {
    let vars = [("GREENROOM_STACK_GUARD", "mprotect")];
    let ended = in_child(&vars, || overflow(Builder::new().name("guarded".into())));
    assert_overflowed(&ended, "guarded", "256 KiB");
}

/// Writes where nothing is.
fn fault() {
    let nowhere = std::ptr::without_provenance_mut::<u8>(16);
    // SAFETY: it is not: this is meant to end the process.
    unsafe { nowhere.write_volatile(1) };
}

#[test]
fn another_fault_is_no_overflow() {
    let ended = in_child(TWO_WORKERS, || drop(spawn(fault).join()));
    ended.assert_signal(libc::SIGSEGV);
    ended.assert_says("has overflowed its stack", 0);
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

/// A handler that the program had before the start gets the faults that are
/// not ours.
#[test]
fn another_fault_goes_to_the_programs_handler() {
    extern "C" fn handler(_signal: i32) {
        const TEXT: &[u8] = b"the program's own handler\n";
        // SAFETY: write and _exit are async-signal-safe.
        unsafe {
            libc::write(2, TEXT.as_ptr().cast(), TEXT.len());
            libc::_exit(33);
        }
    }
    let ended = in_child(TWO_WORKERS, || {
        let handler: extern "C" fn(i32) = handler;
        // SAFETY: the handler does async-signal-safe things only.
        unsafe { libc::signal(libc::SIGSEGV, handler as libc::sighandler_t) };
        drop(spawn(fault).join());
    });
    assert_eq!(ended.status.code(), Some(33), "{ended}");
    ended.assert_says("the program's own handler", 1);
}

/// OS threads are std's to report, although greenroom runs.
#[test]
fn an_os_thread_is_reported_by_std() {
    let ended = in_child(TWO_WORKERS, || {
        spawn(|| ()).join().unwrap();
        let os = std::thread::Builder::new().name("os-thread".into());
        let _ = os.spawn(|| recurse(0)).unwrap().join();
    });
    ended.assert_signal(libc::SIGABRT);
    ended.assert_says("thread 'os-thread'", 1);
    ended.assert_says("has overflowed its stack", 1);
    ended.assert_says("green thread", 0);
}
