//! What C may ask of a thread, and do to it.

use super::c_api::*;
use libc::{c_char, c_int, c_void, pthread_t, timespec};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

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
fn the_kernels_number_is_the_workers_and_in_a_child_its_own() {
    // SAFETY: take nothing.
    let (number, asked) = unsafe { (libc::gettid(), libc::syscall(libc::SYS_gettid)) };
    assert_eq!(i64::from(number), asked);
    let here: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(|| {
                thread::yield_now();
                // SAFETY: as above.
                unsafe { i64::from(libc::gettid()) == libc::syscall(libc::SYS_gettid) }
            })
        })
        .collect();
    assert!(here.into_iter().all(|thread| thread.join().unwrap()));
    // SAFETY: take nothing.
    let forks = [|| unsafe { libc::fork() }, || unsafe { libc::syscall(libc::SYS_fork) as i32 }];
    for fork in forks {
        let pid = fork();
        assert!(pid >= 0);
        // SAFETY: the child makes two calls, and ends.
        unsafe {
            if pid == 0 {
                libc::_exit(i32::from(libc::gettid() != libc::getpid()));
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
            assert_eq!(status, 0);
        }
    }
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
