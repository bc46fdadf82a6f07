//! A real overflow, in a child process that does not survive it.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use corosensei::{Coroutine, Yielder};

use super::{MESSAGE_LEN, message};
use crate::stack::{SizeClass, StackCache};
use crate::sys::fault::{Fault, ensure_alt_stack, install};
use crate::sys::reexec::{Ended, in_child};

static GUARD_START: AtomicUsize = AtomicUsize::new(0);
static GUARD_END: AtomicUsize = AtomicUsize::new(0);
const SIZE: usize = 64 << 10;

fn report(fault: &Fault) -> bool {
    let guard = GUARD_START.load(Ordering::Relaxed)..GUARD_END.load(Ordering::Relaxed);
    if !guard.contains(&fault.address) {
        return false;
    }
    let mut buf = [0; MESSAGE_LEN];
    let len = message(&mut buf, "green thread", "deep", SIZE);
    // SAFETY: the bytes are the buffer's.
    unsafe { libc::write(2, buf.as_ptr().cast(), len) };
    true
}

fn recurse(depth: usize) -> usize {
    let frame = black_box([depth; 32]);
    if depth == 0 { 0 } else { recurse(depth + 1) + frame[depth % 32] }
}

fn overflow_on_a_green_stack() {
    install(report).unwrap();
    let worker = std::thread::spawn(|| {
        let _alt = ensure_alt_stack().unwrap();
        let stack = StackCache::new().take(SizeClass::for_size(SIZE).unwrap()).unwrap();
        GUARD_START.store(stack.guard().start, Ordering::Relaxed);
        GUARD_END.store(stack.guard().end, Ordering::Relaxed);
        Coroutine::with_stack(stack, |_: &Yielder<(), ()>, ()| recurse(1)).resume(()).as_return()
    });
    let _ = worker.join();
}

fn assert_reported(ended: &Ended) {
    assert_eq!(ended.signal, Some(libc::SIGABRT), "{ended:?}");
    let line = "green thread 'deep' has overflowed its stack (64 KiB; see Builder::stack_size)";
    assert_eq!(ended.stderr.matches(line).count(), 1, "{ended:?}");
}

#[test]
fn an_overflow_hits_the_guard_and_aborts_with_the_message() {
    assert_reported(&in_child(&[], || {
        overflow_on_a_green_stack();
    }));
}

#[test]
fn an_overflow_hits_an_mprotect_guard_too() {
    let vars = [("GREENROOM_STACK_GUARD", "mprotect")];
    assert_reported(&in_child(&vars, || {
        overflow_on_a_green_stack();
    }));
}
