//! What pthreads promise to C: called as C calls them.

use super::patched::is_green;
use libc::{c_char, c_int, c_void, pthread_attr_t, pthread_t, timespec};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

type Start = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

unsafe extern "C-unwind" {
    fn pthread_create(
        out: *mut pthread_t,
        attr: *const pthread_attr_t,
        start: Start,
        argument: *mut c_void,
    ) -> c_int;
    fn pthread_exit(value: *mut c_void) -> !;
}

unsafe extern "C" {
    fn pthread_tryjoin_np(thread: pthread_t, value: *mut *mut c_void) -> c_int;
    fn pthread_timedjoin_np(t: pthread_t, value: *mut *mut c_void, until: *const timespec)
    -> c_int;
    fn pthread_clockjoin_np(
        thread: pthread_t,
        value: *mut *mut c_void,
        clock: c_int,
        until: *const timespec,
    ) -> c_int;
    fn pthread_attr_getdetachstate(attr: *const pthread_attr_t, state: *mut c_int) -> c_int;
}

fn pointer(n: usize) -> *mut c_void {
    ptr::without_provenance_mut(n)
}

fn create(attr: *const pthread_attr_t, start: Start, argument: usize) -> pthread_t {
    let mut thread = 0;
    // SAFETY: out pointer; null or initialised attributes.
    assert_eq!(unsafe { pthread_create(&mut thread, attr, start, pointer(argument)) }, 0);
    thread
}

fn join(thread: pthread_t) -> usize {
    let mut value = ptr::null_mut();
    // SAFETY: a handle not joined yet.
    assert_eq!(unsafe { libc::pthread_join(thread, &mut value) }, 0);
    value.addr()
}

fn attributes(set: impl FnOnce(*mut pthread_attr_t)) -> pthread_attr_t {
    let mut attr = MaybeUninit::uninit();
    // SAFETY: initialised here.
    unsafe {
        assert_eq!(libc::pthread_attr_init(attr.as_mut_ptr()), 0);
        set(attr.as_mut_ptr());
        attr.assume_init()
    }
}

/// `milliseconds` from now by `clock`.
fn soon(clock: c_int, milliseconds: i64) -> timespec {
    let mut at = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: out pointer.
    unsafe { libc::clock_gettime(clock, &mut at) };
    at.tv_nsec += milliseconds * 1_000_000;
    at.tv_sec += at.tv_nsec / 1_000_000_000;
    at.tv_nsec %= 1_000_000_000;
    at
}

extern "C-unwind" fn plus_one(argument: *mut c_void) -> *mut c_void {
    assert!(is_green());
    pointer(argument.addr() + 1)
}

extern "C-unwind" fn nap(argument: *mut c_void) -> *mut c_void {
    thread::sleep(Duration::from_millis(argument.addr() as u64));
    argument
}

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
fn names_are_per_thread_and_at_most_fifteen_bytes() {
    fn name_of(thread: pthread_t) -> String {
        let mut name = [0 as c_char; 16];
        // SAFETY: a live handle; out pointers.
        unsafe {
            assert_eq!(libc::pthread_getname_np(thread, name.as_mut_ptr(), 15), libc::ERANGE);
            assert_eq!(libc::pthread_getname_np(thread, name.as_mut_ptr(), 16), 0);
            std::ffi::CStr::from_ptr(name.as_ptr()).to_str().unwrap().to_owned()
        }
    }
    // SAFETY: live handles, C strings.
    unsafe {
        let me = libc::pthread_self();
        assert_eq!(libc::pthread_setname_np(me, c"0123456789abcdef".as_ptr()), libc::ERANGE);
        assert_eq!(libc::pthread_setname_np(me, c"0123456789abcde".as_ptr()), 0);
        assert_eq!(name_of(me), "0123456789abcde");
        let other = create(ptr::null(), nap, 20);
        assert_eq!(name_of(other), "0123456789abcde", "from its creator");
        assert_eq!(libc::pthread_setname_np(other, c"other".as_ptr()), 0);
        assert_eq!((&*name_of(other), &*name_of(me)), ("other", "0123456789abcde"));
        join(other);
    }
    let std_name = thread::Builder::new().name("nineteen characters".into()).spawn(|| {
        // SAFETY: no preconditions.
        name_of(unsafe { libc::pthread_self() })
    });
    assert_eq!(std_name.unwrap().join().unwrap(), "nineteen charac");
    let named = greenroom::Builder::new().name("of greenroom".into()).spawn(|| {
        // SAFETY: as above.
        name_of(unsafe { libc::pthread_self() })
    });
    assert_eq!(named.unwrap().join().unwrap(), "of greenroom");
}

#[test]
fn the_stack_is_where_getattr_says() {
    extern "C-unwind" fn start(asked: *mut c_void) -> *mut c_void {
        let here = 0u8;
        let (mut low, mut size, mut guard) = (ptr::null_mut(), 0, 0);
        let mut attr = MaybeUninit::uninit();
        // SAFETY: its own handle; out pointers.
        unsafe {
            assert_eq!(libc::pthread_getattr_np(libc::pthread_self(), attr.as_mut_ptr()), 0);
            assert_eq!(libc::pthread_attr_getstack(attr.as_ptr(), &mut low, &mut size), 0);
            assert_eq!(libc::pthread_attr_getguardsize(attr.as_ptr(), &mut guard), 0);
            libc::pthread_attr_destroy(attr.as_mut_ptr());
        }
        assert!((low.addr()..low.addr() + size).contains(&ptr::from_ref(&here).addr()));
        assert!(size >= asked.addr() && guard == 4096, "{size} {guard}");
        // The lowest byte is usable.
        // SAFETY: on this stack, and below everything on it.
        unsafe { low.cast::<u8>().write_volatile(1) };
        ptr::null_mut()
    }
    let size = 3 << 20;
    let attr = attributes(|attr| {
        // SAFETY: initialised.
        unsafe { libc::pthread_attr_setstacksize(attr, size) };
    });
    join(create(&attr, start, size));
    join(create(ptr::null(), start, 1 << 20));
    greenroom::spawn(|| start(pointer(64 << 10)).addr()).join().unwrap();
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
fn signals_to_oneself_arrive_and_others_are_refused() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn handler(_: c_int) {
        SEEN.fetch_add(1, SeqCst);
    }
    let other = create(ptr::null(), nap, 10);
    // SAFETY: a handler that only counts; live handles.
    unsafe {
        libc::signal(libc::SIGUSR1, handler as *const () as usize);
        let me = libc::pthread_self();
        assert_eq!(libc::pthread_kill(me, libc::SIGUSR1), 0);
        assert_eq!(libc::raise(libc::SIGUSR1), 0);
        assert_eq!(SEEN.load(SeqCst), 2);
        assert_eq!(libc::pthread_kill(me, 0), 0);
        assert_eq!(libc::pthread_kill(me, 999), libc::EINVAL);
        assert_eq!(libc::pthread_kill(other, 0), 0);
        assert_eq!(libc::pthread_kill(other, libc::SIGUSR1), libc::ENOTSUP);
        assert_eq!(libc::pthread_cancel(other), libc::ENOTSUP);
    }
    join(other);
}

#[test]
fn affinity_and_scheduling_are_the_workers() {
    // SAFETY: its own handle; out pointers.
    unsafe {
        let me = libc::pthread_self();
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        assert_eq!(libc::pthread_getaffinity_np(me, size_of_val(&set), &mut set), 0);
        assert!(libc::CPU_COUNT(&set) > 0);
        let (mut policy, mut param) = (-1, std::mem::zeroed());
        assert_eq!(libc::pthread_getschedparam(me, &mut policy, &mut param), 0);
        assert_eq!(policy, libc::SCHED_OTHER);
        let mut clock = 0;
        assert_eq!(libc::pthread_getcpuclockid(me, &mut clock), 0);
        let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(libc::clock_gettime(clock, &mut time), 0);
    }
}

#[test]
fn keys_have_a_value_per_thread_and_destructors() {
    static SUM: AtomicUsize = AtomicUsize::new(0);
    static KEY: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn add(value: *mut c_void) {
        SUM.fetch_add(value.addr(), SeqCst);
    }
    extern "C-unwind" fn start(argument: *mut c_void) -> *mut c_void {
        let key = KEY.load(SeqCst) as libc::pthread_key_t;
        // SAFETY: a key.
        unsafe {
            assert!(libc::pthread_getspecific(key).is_null());
            libc::pthread_setspecific(key, argument);
            thread::yield_now();
            assert_eq!(libc::pthread_getspecific(key), argument);
        }
        ptr::null_mut()
    }
    let mut key = 0;
    // SAFETY: out pointer.
    assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(add)) }, 0);
    KEY.store(key as usize, SeqCst);
    let threads: Vec<_> = (1..=10).map(|n| create(ptr::null(), start, n)).collect();
    for thread in threads {
        join(thread);
    }
    assert_eq!(SUM.load(SeqCst), 55);
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
