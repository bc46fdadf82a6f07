//! What pthreads promise to C: called as C calls them.

use super::c_api::*;
use super::patched::is_green;
use libc::{c_void, timespec};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

#[test]
fn the_value_reaches_who_joins() {
    assert_eq!(join(create(ptr::null(), plus_one, 6)), 7);
}

#[test]
fn exit_runs_destructors_and_gives_its_value() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Count;
    impl Drop for Count {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, SeqCst);
        }
    }
    fn deeper(n: u32) {
        let _count = Count;
        if n == 0 {
            // SAFETY: all frames can be unwound.
            unsafe { pthread_exit(pointer(42)) }
        }
        deeper(n - 1);
    }
    extern "C-unwind" fn start(_: *mut c_void) -> *mut c_void {
        deeper(4);
        pointer(1)
    }
    assert_eq!(join(create(ptr::null(), start, 0)), 42);
    assert_eq!(DROPPED.load(SeqCst), 5);
    // In a thread of std's it looks like a panic to who joins.
    assert!(thread::spawn(|| deeper(0)).join().is_err());
    // In one of greenroom's as well.
    assert!(greenroom::spawn(|| deeper(0)).join().unwrap_err().is_panic());
    assert_eq!(DROPPED.load(SeqCst), 7);
}

#[test]
fn handles_are_what_pthread_self_says() {
    extern "C-unwind" fn start(_: *mut c_void) -> *mut c_void {
        // SAFETY: no preconditions; its own handle.
        unsafe {
            let me = libc::pthread_self();
            assert_eq!(libc::pthread_join(me, ptr::null_mut()), libc::EDEADLK);
            assert_eq!(pthread_tryjoin_np(me, ptr::null_mut()), libc::EDEADLK);
            pointer(me as usize)
        }
    }
    let thread = create(ptr::null(), start, 0);
    assert_eq!(join(thread), thread as usize);
    greenroom::spawn(|| {
        // SAFETY: as above.
        unsafe {
            let me = libc::pthread_self();
            assert_eq!(libc::pthread_join(me, ptr::null_mut()), libc::EDEADLK);
            assert_eq!(libc::pthread_detach(me), libc::EINVAL);
        }
    })
    .join()
    .unwrap();
}

#[test]
fn timed_and_try_joins() {
    static GO: AtomicBool = AtomicBool::new(false);
    extern "C-unwind" fn start(argument: *mut c_void) -> *mut c_void {
        while !GO.load(SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        argument
    }
    let thread = create(ptr::null(), start, 30);
    let mut value = ptr::null_mut();
    // SAFETY: a handle not joined yet; valid times.
    unsafe {
        assert_eq!(pthread_tryjoin_np(thread, &mut value), libc::EBUSY);
        let at = soon(libc::CLOCK_REALTIME, 2);
        assert_eq!(pthread_timedjoin_np(thread, &mut value, &at), libc::ETIMEDOUT);
        let at = soon(libc::CLOCK_MONOTONIC, 2);
        let clock = libc::CLOCK_MONOTONIC;
        assert_eq!(pthread_clockjoin_np(thread, &mut value, clock, &at), libc::ETIMEDOUT);
        let never = timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
        assert_eq!(pthread_timedjoin_np(thread, &mut value, &never), libc::EINVAL);
        GO.store(true, SeqCst);
        let at = soon(libc::CLOCK_REALTIME, 50_000);
        assert_eq!(pthread_timedjoin_np(thread, &mut value, &at), 0);
    }
    assert_eq!(value.addr(), 30);
}

#[test]
fn detached_ones_cannot_be_joined() {
    static DONE: AtomicBool = AtomicBool::new(false);
    extern "C-unwind" fn start(argument: *mut c_void) -> *mut c_void {
        // SAFETY: its own handle.
        unsafe {
            let me = libc::pthread_self();
            if argument.is_null() {
                assert_eq!(libc::pthread_detach(me), 0);
            }
            assert_eq!(libc::pthread_detach(me), libc::EINVAL);
            let mut attr = MaybeUninit::uninit();
            assert_eq!(libc::pthread_getattr_np(me, attr.as_mut_ptr()), 0);
            let mut state = 0;
            pthread_attr_getdetachstate(attr.as_ptr(), &mut state);
            assert_eq!(state, libc::PTHREAD_CREATE_DETACHED);
        }
        DONE.store(true, SeqCst);
        while DONE.load(SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        ptr::null_mut()
    }
    let detached = attributes(|attr| {
        // SAFETY: initialised.
        unsafe { libc::pthread_attr_setdetachstate(attr, libc::PTHREAD_CREATE_DETACHED) };
    });
    for (attr, argument) in [(ptr::null(), 0), (&raw const detached, 1)] {
        let thread = create(attr, start, argument);
        while !DONE.load(SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        // SAFETY: it lives, and waits for us.
        unsafe {
            assert_eq!(libc::pthread_join(thread, ptr::null_mut()), libc::EINVAL);
            assert_eq!(libc::pthread_detach(thread), libc::EINVAL);
        }
        DONE.store(false, SeqCst);
    }
}

#[test]
fn one_with_a_stack_of_its_callers_is_an_os_thread() {
    extern "C-unwind" fn start(_: *mut c_void) -> *mut c_void {
        pointer(usize::from(is_green()))
    }
    let mut stack = vec![0u8; 1 << 20];
    let attr = attributes(|attr| {
        // SAFETY: initialised; the memory outlives the thread.
        unsafe { libc::pthread_attr_setstack(attr, stack.as_mut_ptr().cast(), stack.len()) };
    });
    assert_eq!(join(create(&attr, start, 0)), 0);
}

#[test]
fn a_handle_is_not_reused_before_it_is_joined() {
    for _ in 0..100 {
        let kept = create(ptr::null(), plus_one, 1);
        for n in 0..20 {
            let other = create(ptr::null(), plus_one, n);
            assert_ne!(other, kept);
            join(other);
        }
        assert_eq!(join(kept), 2);
    }
}

#[test]
fn an_os_thread_may_exit_too() {
    extern "C-unwind" fn start(argument: *mut c_void) -> *mut c_void {
        assert!(!is_green());
        // SAFETY: nothing on this stack needs a destructor.
        unsafe { pthread_exit(argument) }
    }
    assert_eq!(join(greenroom::patch::native(|| create(ptr::null(), start, 21))), 21);
}
