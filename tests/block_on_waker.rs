//! A waker that a poll was lent outlives its green thread.

mod common;

use common::{Counted, in_child, until};
use greenroom::sync::Event;
use greenroom::{Generator, block_on, spawn};
use std::alloc::{GlobalAlloc, Layout, System};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;

/// Frees nothing while `KEEPS`, but makes it such that whatever goes by it ends
/// the process.
struct Poisons;
static KEEPS: AtomicBool = AtomicBool::new(false);

// SAFETY: passes everything on, and what it writes to has been given up.
unsafe impl GlobalAlloc for Poisons {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe {
            if KEEPS.load(SeqCst) {
                at.write_bytes(1, layout.size());
            } else {
                System.dealloc(at, layout);
            }
        }
    }
}

#[global_allocator]
static ALLOCATOR: Poisons = Poisons;

/// Its generator suspends in the middle of a poll, and is forgotten while a scoped
/// thread in there has the waker.
#[test]
fn it_is_counted() {
    static WAKES: AtomicUsize = AtomicUsize::new(0);
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        KEEPS.store(true, SeqCst);
        let go = Arc::new(Event::new());
        let waits = go.clone();
        let green = spawn(move || {
            let result = Counted::new();
            let mut forgotten = Generator::<(), (), ()>::new(move |co, ()| {
                block_on(poll_fn(|context| {
                    thread::scope(|scope| {
                        let (waker, waits) = (context.waker(), &waits);
                        scope.spawn(move || {
                            waits.wait();
                            waker.wake_by_ref();
                            WAKES.fetch_add(1, SeqCst);
                        });
                        co.yield_(());
                    });
                    Poll::Ready(())
                }));
            });
            forgotten.resume(());
            std::mem::forget(forgotten);
            result
        });
        drop(green.join().unwrap());
        Counted::assert_gone(1);
        spawn(|| ()).join().unwrap(); // its worker has let it go, too
        go.set();
        until(|| WAKES.load(SeqCst) == 1);
    });
    ended.assert_success();
}
