//! Where the kernel refuses to run barriers for others (membarrier), as a sandbox
//! may have it do: those who sleep for a lock look again, and nobody sleeps on.

mod common;

use common::workers;
use greenroom::queue::Queue;
use greenroom::sync::{Event, Mutex, RwLock, Semaphore};
use greenroom::{sleep, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// From now on, in this thread and those that it starts.
fn refuse_membarrier() {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(LOAD_NUMBER, 0, 0, 0),
        step(JUMP_IF, 0, 1, libc::SYS_membarrier as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: a valid filter, which the kernel copies.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter), 0);
        assert_eq!(libc::syscall(libc::SYS_membarrier, 0, 0, 0), -1);
    }
}

/// Green and plain threads meet at all of them.
#[test]
fn nobody_sleeps_on() {
    workers(2, || {
        refuse_membarrier();
        const EACH: u64 = 3000;
        let (queue, sum) = (Queue::bounded(3), Arc::new(AtomicU64::new(0)));
        let (few, shared) = (Arc::new(Semaphore::new(2)), Arc::new(RwLock::new(0)));
        let all_put = Arc::new(Event::new());
        let put = || {
            let (queue, few, shared) = (queue.clone(), few.clone(), shared.clone());
            move || {
                for item in 1..=EACH {
                    let _one = few.access();
                    queue.put(item).unwrap();
                    *shared.write() += 1;
                }
            }
        };
        let get = || {
            let (queue, sum, shared) = (queue.clone(), sum.clone(), shared.clone());
            let all_put = all_put.clone();
            move || {
                while let Ok(item) = queue.get() {
                    sum.fetch_add(item, SeqCst);
                    assert!(*shared.read() <= 4 * EACH);
                    queue.task_done();
                    yield_now();
                }
                all_put.wait();
            }
        };
        let green = [spawn(put()), spawn(put()), spawn(get()), spawn(get())];
        let getters = [thread::spawn(get()), thread::spawn(get())];
        let putters = [thread::spawn(put()), thread::spawn(put())];
        let [one, other, third, fourth] = green;
        [one, other].into_iter().for_each(|t| t.join().unwrap());
        putters.into_iter().for_each(|t| t.join().unwrap());
        queue.join();
        queue.shutdown(false);
        all_put.set();
        [third, fourth].into_iter().for_each(|t| t.join().unwrap());
        getters.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(sum.load(SeqCst), 4 * EACH * (EACH + 1) / 2);
        assert_eq!(*shared.read(), 4 * EACH);
    });
}

/// The same for a mutex that is unlocked with a plain store until somebody waits:
/// each of many is waited for once, by a thread of either sort.
#[test]
fn whoever_waits_for_a_mutex_gets_it() {
    workers(2, || {
        refuse_membarrier();
        const EACH: u64 = 200;
        for _ in 0..30 {
            let count = Arc::new(Mutex::new(0));
            let add = || {
                let count = count.clone();
                move || {
                    for turn in 0..EACH {
                        if turn % 3 == 0 {
                            let soon = Duration::from_secs(60);
                            *count.try_lock_for(soon).expect("it is soon free") += 1;
                        } else {
                            *count.lock() += 1;
                        }
                    }
                }
            };
            let green = [spawn(add()), spawn(add())];
            let plain = [thread::spawn(add()), thread::spawn(add())];
            green.into_iter().for_each(|t| t.join().unwrap());
            plain.into_iter().for_each(|t| t.join().unwrap());
            assert_eq!(*count.lock(), 4 * EACH);
        }
    });
}

/// A deadline that is past counts only if it is still held then.
#[test]
fn what_was_given_up_unnoticed_is_found_at_the_deadline() {
    workers(1, || {
        refuse_membarrier();
        let mutex = Mutex::new(());
        let held = mutex.lock();
        assert!(mutex.try_lock_for(Duration::ZERO).is_none());
        assert!(mutex.try_lock_for(Duration::from_millis(3)).is_none());
        drop(held);
        assert!(mutex.try_lock_for(Duration::ZERO).is_some());
    });
}

/// Who came first gets it first, however long it is held.
#[test]
fn those_who_wait_keep_their_places() {
    workers(1, || {
        refuse_membarrier();
        spawn(|| {
            for round in 0..20 {
                let (mutex, order) = (Arc::new(Mutex::new(())), Queue::new());
                let held = mutex.lock();
                let all: Vec<_> = (0..3)
                    .map(|number| {
                        let (mutex, order) = (mutex.clone(), order.clone());
                        let waits = spawn(move || {
                            let _held = mutex.lock();
                            order.put(number).unwrap();
                        });
                        // Longer than it takes who comes first to be noticed.
                        sleep(Duration::from_micros(2000 + 130 * round));
                        waits
                    })
                    .collect();
                drop(held);
                all.into_iter().for_each(|one| one.join().unwrap());
                assert!((0..3).map(|_| order.get().unwrap()).eq(0..3));
            }
        })
        .join()
        .unwrap();
    });
}

/// One that has used it alone for long does so without the lock; then comes a thread
/// that may run no barrier, and has to wait until that is seen.
#[test]
fn a_queue_that_was_one_workers_is_shared_all_the_same() {
    workers(1, || {
        const EACH: u64 = 20_000;
        for _ in 0..20 {
            let (queue, go) = (Queue::new(), Arc::new(Event::new()));
            let (theirs, goes) = (queue.clone(), go.clone());
            let green = spawn(move || {
                for turn in 0..2000 {
                    theirs.put(turn).unwrap();
                    assert_eq!(theirs.get(), Ok(turn));
                }
                goes.set();
                (1..=EACH).for_each(|item| theirs.put(item).unwrap());
            });
            go.wait();
            let plain = thread::spawn(move || {
                refuse_membarrier();
                let mut sum = 0;
                for _ in 0..EACH {
                    sum += queue.get().unwrap();
                }
                sum
            });
            green.join().unwrap();
            assert_eq!(plain.join().unwrap(), EACH * (EACH + 1) / 2);
        }
    });
}
