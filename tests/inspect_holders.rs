//! Who holds the lock that a green thread waits for, as far as locks tell.

mod common;

use common::{in_child, until, workers};
use greenroom::inspect::{Holder, WaitsFor, dump};
use greenroom::queue::Queue;
use greenroom::sync::{Mutex, ReentrantMutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// What `id` waits for, once it does.
#[track_caller]
fn wait_of(id: u64) -> WaitsFor {
    let mut found = None;
    until(|| {
        let dump = dump();
        let it = dump.threads.into_iter().find(|t| t.id == id);
        found = it.and_then(|mut it| it.waits_for.pop());
        found.is_some()
    });
    found.unwrap()
}

#[track_caller]
fn holder_of(id: u64) -> Holder {
    match wait_of(id) {
        WaitsFor::Lock { holder, .. } => holder,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lock_that_its_holder_may_lock_again_knows_it() {
    workers(2, || {
        let mutex = Arc::new(ReentrantMutex::new(()));
        let theirs = mutex.clone();
        let holder = greenroom::spawn(move || {
            let held = theirs.lock();
            greenroom::park();
            drop(held);
        });
        until(|| mutex.try_lock().is_none());
        let theirs = mutex.clone();
        let waiter = greenroom::spawn(move || drop(theirs.lock()));
        // It says that it has it a moment after it has it.
        let its = Holder::Green(holder.thread().id());
        until(|| holder_of(waiter.thread().id()) == its);
        holder.thread().unpark();
        waiter.join().unwrap();
        let held = mutex.lock();
        let theirs = mutex.clone();
        let waiter = greenroom::spawn(move || drop(theirs.lock()));
        assert_eq!(holder_of(waiter.thread().id()), Holder::Os(None));
        drop(held);
        waiter.join().unwrap();
    });
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    workers(1, || {
        let lock = Arc::new(RwLock::new(()));
        let held = lock.read();
        let theirs = lock.clone();
        let writer = greenroom::spawn(move || drop(theirs.write()));
        assert_eq!(holder_of(writer.thread().id()), Holder::Unknown);
        assert!(dump().to_string().contains("held by nobody knows whom"));
        drop(held);
        writer.join().unwrap();
    });
}

#[test]
fn one_that_forgot_its_guard_has_ended() {
    workers(1, || {
        let mutex = Arc::new(Mutex::new(()));
        let theirs = mutex.clone();
        let gone = greenroom::spawn(move || std::mem::forget(theirs.lock()));
        let _memory_of_it = gone.thread().clone(); // which nobody else gets
        gone.join().unwrap();
        let theirs = mutex.clone();
        let waiter = greenroom::spawn(move || drop(theirs.lock()));
        assert_eq!(holder_of(waiter.thread().id()), Holder::Ended);
        waiter.kill();
    });
}

/// Who is seen to hold a lock may be gone before a dump comes to him.
#[test]
fn who_ends_after_giving_a_lock_up_has_not_forgotten_it() {
    workers(2, || {
        let mutex = Arc::new(Mutex::new(()));
        let stop = Arc::new(AtomicBool::new(false));
        let makers = (0..2).map(|_| {
            let (mutex, stop) = (mutex.clone(), stop.clone());
            greenroom::spawn(move || {
                while !stop.load(SeqCst) {
                    let some = (0..9).map(|_| {
                        let mutex = mutex.clone();
                        greenroom::spawn(move || {
                            let held = mutex.lock();
                            greenroom::yield_now();
                            drop(held);
                        })
                    });
                    greenroom::joinall(some.collect::<Vec<_>>());
                }
            })
        });
        let makers: Vec<_> = makers.collect();
        let (mut seen, start) = (0, Instant::now());
        until(|| {
            let waits = dump().threads.into_iter().flat_map(|thread| thread.waits_for);
            for waits in waits.filter(|waits| matches!(waits, WaitsFor::Lock { .. })) {
                assert!(!matches!(waits, WaitsFor::Lock { holder: Holder::Ended, .. }), "{waits}");
                seen += 1;
            }
            seen > 1000 && start.elapsed() > Duration::from_secs(2)
        });
        stop.store(true, SeqCst);
        greenroom::joinall(makers).into_iter().for_each(|r| r.unwrap());
    });
}

#[test]
fn the_two_waits_at_a_queue_are_told_apart() {
    workers(1, || {
        let queue = Queue::bounded(1);
        let theirs = queue.clone();
        let getter = greenroom::spawn(move || theirs.get().unwrap());
        assert!(matches!(wait_of(getter.thread().id()), WaitsFor::Item(_)));
        queue.put(1).unwrap();
        assert_eq!(getter.join().unwrap(), 1);
        queue.put(2).unwrap();
        let theirs = queue.clone();
        let putter = greenroom::spawn(move || theirs.put(3).unwrap());
        assert!(matches!(wait_of(putter.thread().id()), WaitsFor::Room(_)));
        assert_eq!(queue.get(), Ok(2));
        putter.join().unwrap();
    });
}

#[test]
fn select_and_parents() {
    workers(1, || {
        let parent = greenroom::spawn(|| {
            let child = greenroom::spawn(|| {
                let (a, b) = (Queue::<u8>::new(), Queue::<u8>::new());
                greenroom::select! {
                    _ = get(a) => {}
                    _ = get(b) => {}
                    _ = after(std::time::Duration::from_secs(3600)) => {}
                }
            });
            let me = greenroom::current().unwrap().id();
            let id = child.thread().id();
            assert_eq!(wait_of(id), WaitsFor::First(3));
            let dump = dump();
            let it = dump.threads.iter().find(|t| t.id == id).unwrap();
            assert_eq!(it.parent, Some(me));
            assert!(it.to_string().ends_with(&format!(" by #{me}")), "{it}");
            assert!(it.deadline.is_some());
            child.kill();
        });
        parent.join().unwrap();
    });
}

/// A mutex of C's, as other people's libraries have them.
struct CMutex(Box<std::cell::UnsafeCell<libc::pthread_mutex_t>>);

// SAFETY: made to be used by several threads.
unsafe impl Sync for CMutex {}
// SAFETY: as above; boxed, it stays where it is.
unsafe impl Send for CMutex {}

impl CMutex {
    fn new() -> Arc<CMutex> {
        Arc::new(CMutex(Box::new(libc::PTHREAD_MUTEX_INITIALIZER.into())))
    }

    fn lock(&self) {
        // SAFETY: initialised.
        assert_eq!(unsafe { libc::pthread_mutex_lock(self.0.get()) }, 0);
    }

    fn unlock(&self) {
        // SAFETY: the caller has it.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(self.0.get()) }, 0);
    }
}

/// C's calls are caught only with own thread-locals.
#[test]
fn a_mutex_of_c_names_green_threads_and_os_threads() {
    let vars = [("GREENROOM_WORKERS", "2"), ("GREENROOM_THREAD_LOCALS", "own")];
    in_child(&vars, || {
        greenroom::patch_all().unwrap();
        let mutex = CMutex::new();
        mutex.lock();
        let at = mutex.0.get().addr();
        let theirs = mutex.clone();
        let first = greenroom::spawn(move || {
            theirs.lock();
            greenroom::park();
            theirs.unlock();
        });
        // SAFETY: asks for nothing.
        let me = unsafe { libc::gettid() } as u32;
        match wait_of(first.thread().id()) {
            WaitsFor::Lock { at: its, holder, .. } => {
                assert_eq!((its, holder), (at, Holder::Os(Some(me))));
            }
            other => panic!("{other:?}"),
        }
        mutex.unlock();
        until(|| wait_of(first.thread().id()) == WaitsFor::Unpark);
        let theirs = mutex.clone();
        let second = greenroom::spawn(move || {
            theirs.lock();
            theirs.unlock();
        });
        assert_eq!(holder_of(second.thread().id()), Holder::Green(first.thread().id()));
        let json = dump().to_json();
        let expected = format!("{{\"lock\":{at},\"holder\":{}}}", first.thread().id());
        assert!(json.contains(&expected), "{json}");
        first.thread().unpark();
        first.join().unwrap();
        second.join().unwrap();
    })
    .assert_success();
}
