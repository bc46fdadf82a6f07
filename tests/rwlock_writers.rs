//! C's read-write locks that prefer writers, between green and OS threads.

#[macro_use]
mod common_net;

use common_net::{alone, done, ms, os_done, os_thread, patched, until};
use std::cell::UnsafeCell;
use std::mem::zeroed;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

struct Lock(UnsafeCell<libc::pthread_rwlock_t>);
// SAFETY: a lock is for all threads.
unsafe impl Sync for Lock {}

unsafe extern "C" {
    fn pthread_rwlockattr_setkind_np(attr: *mut libc::pthread_rwlockattr_t, kind: i32) -> i32;
    fn pthread_rwlock_timedwrlock(
        lock: *mut libc::pthread_rwlock_t,
        until: *const libc::timespec,
    ) -> i32;
}

/// A reader that came behind a waiting writer gets in when that gives up, while
/// another reader still holds the lock.
#[test]
fn a_writer_that_gives_up_lets_readers_in() {
    patched(1);
    let _alone = alone();
    static LOCK: Lock = Lock(UnsafeCell::new(libc::PTHREAD_RWLOCK_INITIALIZER));
    static WAITS: AtomicBool = AtomicBool::new(false);
    const PREFER_WRITER_NONRECURSIVE: i32 = 2;
    let lock = || LOCK.0.get();
    // SAFETY: set up before anybody else knows it.
    unsafe {
        let mut attr = zeroed();
        libc::pthread_rwlockattr_init(&mut attr);
        assert_eq!(pthread_rwlockattr_setkind_np(&mut attr, PREFER_WRITER_NONRECURSIVE), 0);
        assert_eq!(libc::pthread_rwlock_init(lock(), &attr), 0);
    }
    assert_eq!(c!(libc::pthread_rwlock_rdlock(lock())), 0);
    let writer = os_thread(move || {
        // SAFETY: all zero is a valid time.
        let mut at: libc::timespec = unsafe { zeroed() };
        c!(libc::clock_gettime(libc::CLOCK_REALTIME, &mut at));
        at.tv_sec += 1;
        WAITS.store(true, SeqCst);
        c!(pthread_rwlock_timedwrlock(lock(), &at))
    });
    until(|| WAITS.load(SeqCst));
    thread::sleep(ms(50));
    let reader = greenroom::spawn(move || {
        let read = c!(libc::pthread_rwlock_rdlock(lock()));
        read + c!(libc::pthread_rwlock_unlock(lock()))
    });
    assert_eq!(os_done(writer), i64::from(libc::ETIMEDOUT));
    assert_eq!(done(reader), 0);
    assert_eq!(c!(libc::pthread_rwlock_unlock(lock())), 0);
}
