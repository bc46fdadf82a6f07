//! When everybody waits for another, it is said who waits for what, and where.

mod common;

use common::{Ended, in_child, os_thread, until};
use greenroom::inspect::{
    MonitorConfig, StallReport, Waiter, WaitsFor, dump_on_signal, monitor, on_stall,
};
use greenroom::queue::Queue;
use greenroom::sync::{Barrier, Mutex, ReentrantMutex, RwLock};
use greenroom::{Builder, JoinHandle};
use std::io;
use std::process::exit;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

const ONE: &[(&str, &str)] = &[("GREENROOM_WORKERS", "1")];
const TWO: &[(&str, &str)] = &[("GREENROOM_WORKERS", "2")];

/// Has the report name this line, with `$what`, as the next line does.
macro_rules! expect_here {
    () => {
        println!("expect stall.rs:{}", line!() + 1)
    };
}

/// Ends the process with `code` once `check` has seen the report. One that was told
/// before, while others still ran, does not count.
fn exit_when_told(code: i32, check: impl Fn(&StallReport) + Send + Sync + 'static) {
    on_stall(move |report| {
        if !report.others_run {
            check(report);
            exit(code)
        }
    });
}

#[track_caller]
fn assert_told(ended: &Ended) {
    assert_told_of("greenroom: stalled", ended);
}

/// The process ended with 7, having reported that once, and what it expected to
/// stand in the report does.
#[track_caller]
fn assert_told_of(what: &str, ended: &Ended) {
    assert_eq!(ended.status.code(), Some(7), "{ended}");
    ended.assert_says(what, 1);
    let expected: Vec<_> =
        ended.stdout.lines().filter_map(|line| line.split_once("expect ")).collect();
    assert!(!expected.is_empty(), "{ended}");
    for (_, text) in expected {
        assert!(ended.stderr.contains(text), "{text:?} in {ended}");
    }
}

fn named<T: Send + 'static>(name: &str, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let handle: io::Result<_> = Builder::new().name(name.into()).spawn(f);
    handle.unwrap()
}

/// Two that lock the same two in different orders. The one that is joined, and the
/// other one's number.
fn cross() -> (JoinHandle<()>, u64) {
    let (a, b) = (Arc::new(Mutex::new(1)), Arc::new(ReentrantMutex::new(2)));
    let both = Arc::new(Barrier::new(2));
    let (a2, b2, both2) = (a.clone(), b.clone(), both.clone());
    let left = named("left", move || {
        let _a = a.lock();
        both.wait();
        expect_here!();
        drop(b.lock());
    });
    let right = named("right", move || {
        let _b = b2.lock();
        both2.wait();
        expect_here!();
        drop(a2.lock());
    });
    let (l, r) = (left.thread().id(), right.thread().id());
    println!("expect deadlock: #{l} 'left' waits for #{r} 'right', which waits for #{l}");
    (left, r)
}

fn assert_one_cycle_of_all(report: &StallReport) {
    let ids = report.threads.iter().map(|t| Waiter::Green(t.id)).collect::<Vec<_>>();
    assert_eq!(report.cycles, [ids]);
}

#[test]
fn two_locks_in_different_orders() {
    let ended = in_child(TWO, || {
        exit_when_told(7, assert_one_cycle_of_all);
        let (left, r) = cross();
        let l = left.thread().id();
        println!("expect held by #{l} (#{l} 'left')");
        println!("expect held by #{r} (#{r} 'right')");
        println!("expect waits for the end of #{l} (#{l} 'left')");
        left.join().unwrap();
    });
    assert_told(&ended);
}

#[test]
fn a_getter_whom_nobody_gives_anything() {
    let ended = in_child(ONE, || {
        exit_when_told(7, |report| {
            assert!(matches!(report.threads[0].waits_for[..], [WaitsFor::Item(_)]));
            assert!(report.cycles.is_empty());
        });
        let queue = Queue::<i32>::new();
        println!("expect spawned at tests/stall.rs:{}", line!() + 1);
        let getter = greenroom::spawn(move || {
            expect_here!();
            queue.get().unwrap()
        });
        println!("expect for something in the queue at 0x");
        println!("expect OS thread {} '", os_thread());
        println!("expect waits for the end of #1");
        getter.join().unwrap();
    });
    assert_told(&ended);
}

#[test]
fn a_putter_into_a_full_queue() {
    let ended = in_child(TWO, || {
        exit_when_told(7, |_| {});
        let queue = Queue::bounded(1);
        greenroom::spawn(move || {
            queue.put(1).unwrap();
            expect_here!();
            queue.put(2).unwrap()
        });
        println!("expect for room in the queue at 0x");
        // The last one out is an OS thread that waits in a channel of std.
        println!("expect for something of std's or libc's");
        let (_keep, nothing) = mpsc::channel::<()>();
        greenroom::patch::native(|| nothing.recv()).unwrap();
    });
    assert_told(&ended);
}

#[test]
fn three_that_join_each_other_round() {
    let ended = in_child(TWO, || {
        exit_when_told(7, |report| assert_eq!(report.cycles[0].len(), 3));
        // Each gets the next one's handle.
        let queues: Vec<_> = (0..3).map(|_| Queue::<JoinHandle<()>>::new()).collect();
        let handles: Vec<_> = (0..3)
            .map(|n| {
                let queue = queues[n].clone();
                named(&format!("ring-{n}"), move || {
                    let next = queue.get().unwrap();
                    expect_here!();
                    next.join().unwrap();
                })
            })
            .collect();
        let ids: Vec<_> = handles.iter().map(|h| h.thread().id()).collect();
        println!("expect #{} 'ring-0' waits for the end of #{}", ids[0], ids[1]);
        println!(
            "expect deadlock: #{0} 'ring-0' waits for #{1} 'ring-1', which waits for #{2} \
             'ring-2', which waits for #{0} 'ring-0'",
            ids[0], ids[1], ids[2]
        );
        for (n, handle) in handles.into_iter().enumerate() {
            queues[(n + 2) % 3].put(handle).unwrap();
        }
        println!("expect waits for the end of all in its scope");
        greenroom::scope(|s| drop(s.spawn(greenroom::park)));
    });
    assert_told(&ended);
}

#[test]
fn one_that_locks_again_what_it_holds() {
    let ended = in_child(ONE, || {
        exit_when_told(7, |report| assert_eq!(report.cycles[0].len(), 1));
        let twice = greenroom::spawn(|| {
            let mutex = Mutex::new(());
            let _held = mutex.lock();
            expect_here!();
            drop(mutex.lock());
        });
        println!("expect deadlock: #{} waits for itself", twice.thread().id());
        twice.join().unwrap();
    });
    assert_told(&ended);
}

#[test]
fn a_writer_a_reentrant_one_and_main_itself() {
    let ended = in_child(TWO, || {
        let main = os_thread();
        exit_when_told(7, move |report| {
            let [cycle] = &report.cycles[..] else { panic!("{report}") };
            assert!(cycle.contains(&Waiter::Os(main)));
            assert_eq!(cycle.len(), 3);
        });
        let table = Arc::new(RwLock::new(0));
        let (outer, inner) = (Arc::new(ReentrantMutex::new(())), Arc::new(Mutex::new(())));
        let all = Arc::new(Barrier::new(3));
        let _inner = inner.lock(); // main's
        let (t, i, a) = (table.clone(), inner.clone(), all.clone());
        greenroom::spawn(move || {
            let _written = t.write();
            a.wait();
            expect_here!();
            drop(i.lock());
        });
        let (o, a) = (outer.clone(), all.clone());
        greenroom::spawn(move || {
            let _outer = o.lock();
            a.wait();
            expect_here!();
            assert_eq!(*table.read(), 0);
        });
        all.wait();
        println!("expect held by the OS thread {main}");
        drop(outer.lock());
    });
    assert_told(&ended);
}

#[test]
fn locks_of_c_and_threads_of_std() {
    let vars = [("GREENROOM_WORKERS", "2"), ("GREENROOM_THREAD_LOCALS", "own")];
    let ended = in_child(&vars, || {
        struct Lock(std::cell::UnsafeCell<libc::pthread_mutex_t>);
        // SAFETY: a mutex is there to be shared.
        unsafe impl Sync for Lock {}
        static LOCKS: [Lock; 2] =
            [const { Lock(std::cell::UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER)) }; 2];
        // SAFETY: a mutex that stays.
        let lock = |n: usize| assert_eq!(unsafe { libc::pthread_mutex_lock(LOCKS[n].0.get()) }, 0);
        greenroom::patch_all().unwrap();
        exit_when_told(7, |report| assert_eq!(report.cycles[0].len(), 2));
        let both = Arc::new(std::sync::Barrier::new(2));
        let two = [0, 1].map(|n| {
            let both = both.clone();
            let builder = thread::Builder::new().name(format!("std-{n}"));
            builder.spawn(move || {
                lock(n);
                both.wait();
                expect_here!();
                lock(1 - n);
            })
        });
        println!("expect 'std-0' waits for #2 'std-1', which waits for #1 'std-0'");
        two.into_iter().for_each(|thread| thread.unwrap().join().unwrap());
    });
    assert_told(&ended);
}

/// That it gave dumps before does not mean that its handler wakes nobody now.
#[test]
fn a_signal_may_get_another_handler() {
    let ended = in_child(ONE, || {
        extern "C" fn handle(_: i32) {}
        let handler: extern "C" fn(i32) = handle;
        dump_on_signal(libc::SIGUSR1).unwrap();
        dump_on_signal(libc::SIGUSR2).unwrap();
        // SAFETY: a handler that does nothing.
        unsafe { libc::signal(libc::SIGUSR1, handler as *const () as usize) };
        exit_when_told(7, |report| assert_eq!(report.signals, [libc::SIGUSR1]));
        println!("expect unless the handler of a signal wakes one: SIGUSR1)");
        greenroom::spawn(greenroom::park).join().unwrap();
    });
    assert_told(&ended);
}

#[test]
fn a_deadlock_while_others_run() {
    let ended = in_child(TWO, || {
        on_stall(|report| {
            assert!(report.others_run);
            assert_one_cycle_of_all(report);
            exit(7)
        });
        let busy = greenroom::spawn(|| until(|| false));
        cross();
        busy.join().unwrap();
    });
    assert_told_of("greenroom: deadlock, while others still run", &ended);
}

#[test]
fn a_monitor_keeps_nobody_awake() {
    let ended = in_child(ONE, || {
        monitor(MonitorConfig::new()).unwrap().detach();
        exit_when_told(7, |report| assert_eq!(report.signals, []));
        let forgotten = named("forgotten", || {
            expect_here!();
            greenroom::park();
        });
        forgotten.join().unwrap();
    });
    assert_told(&ended);
}
