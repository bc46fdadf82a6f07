//! Waiting for a future.

use crate::green::cancel::{check, park_or_end, raise};
use crate::green::current;
use crate::green::park::{Unparker, give_way};
use crate::green::record::Record;
use crate::green::waker::{self, Polling};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::task::{Context, Poll, Wake, Waker};

/// Runs `future` here, and waits for what it gives: a green thread parks, an OS
/// thread blocks. A future of any executor's will do, if what it needs runs
/// somewhere: one of tokio's needs a tokio runtime, and a poll inside its
/// [`enter`](https://docs.rs/tokio/latest/tokio/runtime/struct.Handle.html#method.enter)
/// guard. With shared thread-locals that guard must not be held across a wait,
/// this one included: hold it in `poll`, or let tokio spawn the future and wait
/// for its handle.
///
/// A kill, or the end of a [`timeout`](crate::timeout) around it, drops the future.
///
/// ```
/// let parts = (greenroom::spawn(|| 40), greenroom::spawn(|| 2));
/// let sum = greenroom::block_on(async { parts.0.await.unwrap() + parts.1.await.unwrap() });
/// assert_eq!(sum, 42);
/// ```
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let future = pin!(future.into_future());
    match current::get() {
        Some(record) => on_green_thread(record, future),
        None => on_os_thread(future),
    }
}

fn on_green_thread<F: Future>(record: &Record, mut future: Pin<&mut F>) -> F::Output {
    let polling = Polling::begin(record);
    let waker = waker::of(record);
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        if polling.take_woken() {
            // It asks for another turn: the others have theirs first.
            give_way();
            check();
        } else {
            wait_until(|| polling.take_woken());
        }
    }
}

/// Parks until it was woken. Unwinds if the thread is killed, or at the end of a
/// `timeout`, unless a wake came together with it.
fn wait_until(woken: impl Fn() -> bool) {
    while !woken() {
        match park_or_end(None) {
            Ok(_) => {}
            Err(_) if woken() => return,
            Err(end) => raise(end),
        }
    }
}

/// Wakes an OS thread that waits for a future. The thread's own token will not
/// do: the poll itself may wait, and eat it.
struct Signal {
    woken: AtomicBool,
    thread: Unparker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Who comes second relies on the first. AcqRel: what either did before
        // is seen by the poll that follows.
        if !self.woken.swap(true, AcqRel) {
            self.thread.unpark();
        }
    }
}

fn on_os_thread<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    let thread = Unparker::current();
    let signal = Arc::new(Signal { woken: AtomicBool::new(false), thread });
    let waker = Waker::from(signal.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        wait_until(|| signal.woken.swap(false, AcqRel));
    }
}
