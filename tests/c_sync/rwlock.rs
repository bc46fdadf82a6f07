//! Read-write locks.

use super::objects::*;
use super::{MS, SORTS, Sort, alone, give_way, together};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use std::thread;

#[test]
fn writers_are_alone() {
    for sort in SORTS {
        let lock = RwLock::new();
        let (value, readers) = (Plain::new(0), AtomicU32::new(0));
        let come = AtomicU32::new(0);
        together(sort, 12, |i| {
            come.fetch_add(1, SeqCst);
            while come.load(SeqCst) < 12 {
                thread::sleep(MS);
            }
            for _ in 0..200 {
                if i < 4 {
                    assert_eq!(lock.wrlock(), 0);
                    assert_eq!(readers.load(SeqCst), 0);
                    let before = value.get();
                    give_way();
                    value.set(before + 1);
                } else {
                    assert_eq!(lock.rdlock(), 0);
                    readers.fetch_add(1, SeqCst);
                    let before = value.get();
                    give_way();
                    assert_eq!(value.get(), before);
                    readers.fetch_sub(1, SeqCst);
                }
                assert_eq!(lock.unlock(), 0);
            }
        });
        assert_eq!(value.get(), 800, "{sort:?}");
    }
}

/// All readers get in as soon as the writer has left, although one of them
/// keeps the lock.
#[test]
fn readers_let_each_other_in() {
    for sort in SORTS {
        let lock = RwLock::new();
        let inside = AtomicUsize::new(0);
        together(sort, 11, |i| {
            if i == 0 {
                assert_eq!(lock.wrlock(), 0);
                thread::sleep(20 * MS);
            } else {
                thread::sleep(5 * MS);
                assert_eq!(lock.rdlock(), 0);
                inside.fetch_add(1, SeqCst);
                while inside.load(SeqCst) < 10 {
                    thread::sleep(MS);
                }
            }
            assert_eq!(lock.unlock(), 0);
        });
    }
}

#[test]
fn what_a_read_write_lock_answers() {
    alone(|| {
        let lock = RwLock::new();
        assert_eq!((lock.wrlock(), lock.wrlock()), (0, libc::EDEADLK));
        assert_eq!(lock.rdlock(), libc::EDEADLK);
        together(Sort::Both, 2, |_| {
            for (clock, write) in [(None, true), (None, false), (Some(1), true), (Some(1), false)] {
                let at = after(5 * MS, clock.unwrap_or(libc::CLOCK_REALTIME));
                assert_eq!(lock.timed(clock, write, at), libc::ETIMEDOUT);
            }
            let none = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
            assert_eq!(lock.timed(None, true, none), libc::EINVAL);
        });
        assert_eq!((lock.unlock(), lock.rdlock(), lock.rdlock()), (0, 0, 0));
        let soon = after(5 * MS, libc::CLOCK_REALTIME);
        together(Sort::Both, 2, |_| assert_eq!(lock.timed(None, true, soon), libc::ETIMEDOUT));
        assert_eq!((lock.unlock(), lock.unlock(), lock.wrlock(), lock.unlock()), (0, 0, 0, 0));
    });
}
