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

    fn receive(&self, thread: RecordRef) {
        self.enqueue(thread);
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
    let (thread, handle) = new(|| vec![1, 2], Birth::usual(Some("x".into()))).unwrap();
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
    let (thread, handle) = new(move || b, Birth::usual(None)).unwrap();
    // SAFETY: made for this type, one handle.
    drop(unsafe { JoinHandle::<std::sync::Arc<i32>>::new(GreenThread(handle)) });
    ends(thread);
    assert_eq!(std::sync::Arc::strong_count(&a), 1);
}

/// The scheduler's reference goes through `unpark` and is the last one.
#[test]
fn miri_woken_and_freed_by_the_scheduler() {
    static SHELF: Shelf = Shelf(Mutex::new(Vec::new()));
    let (thread, handle) = new(|| vec![1], Birth::usual(Some("x".into()))).unwrap();
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
    let (thread, handle) = new(|| vec![1], Birth::usual(None)).unwrap();
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

/// A fresh one that holds `value`, and its handle.
fn holds<T: Send + 'static>(value: T) -> (RecordRef, JoinHandle<T>) {
    let (thread, handle) = new(move || value, Birth::usual(None)).unwrap();
    // SAFETY: made for this type, one handle.
    (thread, unsafe { JoinHandle::new(GreenThread(handle)) })
}

/// Wakers of one that has ended are the last to go, from other threads.
#[test]
fn miri_wakers_outlive_what_they_wake() {
    let (thread, handle) = holds(vec![1]);
    crate::green::current::enter(&thread);
    let own = crate::green::waker::of(&thread);
    let wakers = [own.clone(), own.clone(), own.clone()];
    crate::green::current::leave();
    wakers[0].wake_by_ref();
    assert!(thread.state.take_woken() && thread.state.take_notice());
    ends(thread);
    assert_eq!(handle.join().unwrap(), [1]);
    let [one, two, three] = wakers;
    let other = std::thread::spawn(move || (two.wake(), drop(three)));
    assert!(one.will_wake(&own));
    one.wake_by_ref();
    drop(one);
    other.join().unwrap();
}

#[test]
fn miri_its_end_is_awaited() {
    for early in [false, true] {
        let (thread, handle) = holds(vec![1]);
        let mut thread = Some(thread);
        if early {
            ends(thread.take().unwrap());
        }
        let other = std::thread::spawn(move || thread.into_iter().for_each(ends));
        assert_eq!(crate::task::block_on::block_on(handle).unwrap(), [1]);
        other.join().unwrap();
    }
}

#[test]
fn miri_a_future_of_its_end_is_dropped() {
    let (thread, handle) = holds(vec![1]);
    let mut future = Box::pin(handle.into_future());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    assert!(future.as_mut().poll(&mut context).is_pending());
    drop(future);
    ends(thread);
}

/// What a thread selects from while others give.
#[test]
fn miri_one_of_two_ends_is_selected() {
    for quiet in 0..2 {
        let [(a, mut first), (b, mut second)] = [holds(vec![1]), holds(vec![2])];
        let (ends_now, ends_later) = if quiet == 0 { (b, a) } else { (a, b) };
        let other = std::thread::spawn(move || ends(ends_now));
        let chosen = crate::select! {
            _ = join(first) => 1,
            _ = join(second) => 0,
        };
        assert_eq!(chosen, quiet);
        other.join().unwrap();
        ends(ends_later);
    }
}
