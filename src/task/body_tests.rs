//! A task without a worker and a stack; under Miri, too.

use super::*;
use crate::green::handle::GreenThread;
use crate::green::record::Home;
use crate::task::join::JoinHandle;
use std::sync::Mutex;

/// Keeps what is queued on it.
struct Shelf(Mutex<Vec<RecordRef>>);
impl Home for Shelf {
    fn enqueue(&self, thread: RecordRef) {
        self.0.lock().unwrap().push(thread);
    }
}

/// Runs without a stack, as the coroutine's main would.
fn ends(thread: RecordRef) {
    // SAFETY: fresh, once, and alive until it returns.
    unsafe { thread.run_here() };
    thread.state.finish();
}

#[test]
fn miri_a_result_reaches_the_handle() {
    let (thread, handle) = new(|| vec![1, 2], Some("x".into()), SizeClass::DEFAULT).unwrap();
    // SAFETY: made for this type, one handle.
    let handle = unsafe { JoinHandle::<Vec<i32>>::new(GreenThread(handle)) };
    let t = std::thread::spawn(move || ends(thread));
    assert_eq!(handle.join().unwrap(), [1, 2]);
    t.join().unwrap();
}

#[test]
fn miri_a_detached_result_is_dropped() {
    let a = std::sync::Arc::new(1);
    let b = a.clone();
    let (thread, handle) = new(move || b, None, SizeClass::DEFAULT).unwrap();
    // SAFETY: made for this type, one handle.
    drop(unsafe { JoinHandle::<std::sync::Arc<i32>>::new(GreenThread(handle)) });
    ends(thread);
    assert_eq!(std::sync::Arc::strong_count(&a), 1);
}

/// The scheduler's reference goes through `unpark` and is the last one.
#[test]
fn miri_woken_and_freed_by_the_scheduler() {
    static SHELF: Shelf = Shelf(Mutex::new(Vec::new()));
    let (thread, handle) = new(|| vec![1], Some("x".into()), SizeClass::DEFAULT).unwrap();
    thread.live_at(&SHELF);
    thread.state.begin_run();
    assert!(thread.state.commit_park());
    thread.into_raw();
    handle.unpark();
    let woken = SHELF.0.lock().unwrap().pop().unwrap();
    woken.state.begin_run();
    drop(handle);
    ends(woken);
}

#[test]
fn miri_counted_and_refused() {
    let (thread, handle) = new(|| vec![1], None, SizeClass::DEFAULT).unwrap();
    crate::green::current::enter(&thread);
    let counted = crate::green::current::counted().unwrap();
    crate::green::current::leave();
    thread.state.finish();
    // SAFETY: never run.
    unsafe { thread.refuse(std::io::ErrorKind::OutOfMemory.into()) };
    drop(thread);
    // SAFETY: made for this type, one handle.
    let handle = unsafe { JoinHandle::<Vec<i32>>::new(GreenThread(handle)) };
    assert!(handle.join().is_err());
    drop(counted);
}
