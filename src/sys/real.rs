//! libc's own functions behind the symbols that `patch` defines.
//!
//! `dlsym(RTLD_NEXT)` finds them. All are looked up before `main`, from
//! `.init_array`; a caller that is earlier still (a constructor of a shared
//! library) looks up the one it needs. A successful `dlsym` allocates nothing.
//! Of several versions it gives the one that new programs are linked with.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use libc::{
    FILE, addrinfo, clockid_t, cpu_set_t, epoll_event, fd_set, hostent, id_t, idtype_t, iovec,
    mmsghdr, mode_t, msghdr, nfds_t, pid_t, pollfd, pthread_attr_t, pthread_barrier_t,
    pthread_cond_t, pthread_mutex_t, pthread_once_t, pthread_rwlock_t, pthread_t, rusage,
    sched_param, sem_t, sighandler_t, siginfo_t, sigset_t, sigval, size_t, sockaddr, socklen_t,
    ssize_t, timespec, timeval,
};

/// The address of any symbol of the program and its libraries.
pub(crate) fn lookup(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: `name` is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// Finds the next definition of `name` after this module's own.
#[cold]
fn find(name: &CStr, slot: &AtomicPtr<c_void>) -> *mut c_void {
    // SAFETY: `name` is a C string; RTLD_NEXT asks for libc's definition.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if found.is_null() {
        missing(name);
    }
    slot.store(found, Relaxed);
    found
}

/// Without the original there is nothing to pass a call on to.
pub(super) fn missing(name: &CStr) -> ! {
    let say = |text: &[u8]| {
        // SAFETY: a buffer of that length.
        let _ = unsafe {
            super::raw::syscall(libc::SYS_write, [2, text.as_ptr() as usize, text.len(), 0, 0, 0])
        };
    };
    say(b"greenroom: the C library of this system has no function `");
    say(name.to_bytes());
    say(b"`; greenroom needs glibc, linked dynamically\n");
    // SAFETY: ends the process.
    unsafe { libc::abort() }
}

macro_rules! originals {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        $(
            /// libc's own.
            ///
            /// # Safety
            /// As the C function of this name.
            #[inline]
            #[allow(clippy::too_many_arguments, reason = "they are C's")]
            pub(crate) unsafe fn $name($($arg: $ty),*) -> $ret {
                let mut at = slots::$name.load(Relaxed);
                if at.is_null() {
                    at = find(names::$name, &slots::$name);
                }
                // SAFETY: `at` is libc's function of this name, whose C
                // signature is this one.
                let f = unsafe {
                    std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($ty),*) -> $ret>(at)
                };
                // SAFETY: the caller's promise.
                unsafe { f($($arg),*) }
            }
        )*
        #[allow(non_upper_case_globals)]
        mod slots {
            use super::{AtomicPtr, c_void};
            $(pub(super) static $name: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());)*
        }
        #[allow(non_upper_case_globals)]
        mod names {
            $(pub(super) const $name: &std::ffi::CStr =
                match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => panic!("a name has no NUL"),
                };)*
        }
        /// Looks all of them up.
        pub(crate) extern "C" fn resolve_all() {
            $(if slots::$name.load(Relaxed).is_null() {
                find(names::$name, &slots::$name);
            })*
        }
    };
}

originals! {
    fn clock_nanosleep(clock: clockid_t, flags: c_int, req: *const timespec, rem: *mut timespec) -> c_int;
    fn nanosleep(req: *const timespec, rem: *mut timespec) -> c_int;
    fn __cxa_thread_atexit_impl(call: unsafe extern "C" fn(*mut c_void), with: *mut c_void, module: *mut c_void) -> c_int;
    fn usleep(micros: c_uint) -> c_int;
    fn sleep(seconds: c_uint) -> c_uint;
    fn sched_yield() -> c_int;
    fn socket(domain: c_int, ty: c_int, protocol: c_int) -> c_int;
    fn socketpair(domain: c_int, ty: c_int, protocol: c_int, pair: *mut [c_int; 2]) -> c_int;
    fn connect(fd: c_int, addr: *const sockaddr, len: socklen_t) -> c_int;
    fn accept4(fd: c_int, addr: *mut sockaddr, len: *mut socklen_t, flags: c_int) -> c_int;
    fn read(fd: c_int, buf: *mut c_void, len: size_t) -> ssize_t;
    fn readv(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t;
    fn write(fd: c_int, buf: *const c_void, len: size_t) -> ssize_t;
    fn writev(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t;
    fn recvfrom(fd: c_int, buf: *mut c_void, len: size_t, flags: c_int, addr: *mut sockaddr, addr_len: *mut socklen_t) -> ssize_t;
    fn recvmsg(fd: c_int, msg: *mut msghdr, flags: c_int) -> ssize_t;
    fn sendto(fd: c_int, buf: *const c_void, len: size_t, flags: c_int, addr: *const sockaddr, addr_len: socklen_t) -> ssize_t;
    fn sendmsg(fd: c_int, msg: *const msghdr, flags: c_int) -> ssize_t;
    fn close(fd: c_int) -> c_int;
    fn dup(fd: c_int) -> c_int;
    fn dup2(old: c_int, new: c_int) -> c_int;
    fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int;
    fn fcntl(fd: c_int, cmd: c_int, arg: usize) -> c_int;
    fn fcntl64(fd: c_int, cmd: c_int, arg: usize) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, arg: usize) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, len: socklen_t) -> c_int;
    fn syscall(nr: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long;
    fn poll(fds: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int;
    fn __poll_chk(fds: *mut pollfd, count: nfds_t, timeout: c_int, size: size_t) -> c_int;
    fn ppoll(fds: *mut pollfd, count: nfds_t, timeout: *const timespec, mask: *const sigset_t) -> c_int;
    fn __ppoll_chk(fds: *mut pollfd, count: nfds_t, timeout: *const timespec, mask: *const sigset_t, size: size_t) -> c_int;
    fn select(count: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, timeout: *mut timeval) -> c_int;
    fn pselect(count: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, timeout: *const timespec, mask: *const sigset_t) -> c_int;
    fn epoll_wait(epoll: c_int, events: *mut epoll_event, most: c_int, timeout: c_int) -> c_int;
    fn epoll_pwait(epoll: c_int, events: *mut epoll_event, most: c_int, timeout: c_int, mask: *const sigset_t) -> c_int;
    fn pthread_mutex_lock(mutex: *mut pthread_mutex_t) -> c_int;
    fn pthread_mutex_timedlock(mutex: *mut pthread_mutex_t, until: *const timespec) -> c_int;
    fn pthread_mutex_clocklock(mutex: *mut pthread_mutex_t, clock: clockid_t, until: *const timespec) -> c_int;
    fn pthread_mutex_unlock(mutex: *mut pthread_mutex_t) -> c_int;
    fn pthread_cond_wait(cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t) -> c_int;
    fn pthread_cond_timedwait(cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, until: *const timespec) -> c_int;
    fn pthread_cond_clockwait(cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, clock: clockid_t, until: *const timespec) -> c_int;
    fn pthread_cond_signal(cond: *mut pthread_cond_t) -> c_int;
    fn pthread_cond_broadcast(cond: *mut pthread_cond_t) -> c_int;
    fn pthread_rwlock_rdlock(lock: *mut pthread_rwlock_t) -> c_int;
    fn pthread_rwlock_timedrdlock(lock: *mut pthread_rwlock_t, until: *const timespec) -> c_int;
    fn pthread_rwlock_clockrdlock(lock: *mut pthread_rwlock_t, clock: clockid_t, until: *const timespec) -> c_int;
    fn pthread_rwlock_wrlock(lock: *mut pthread_rwlock_t) -> c_int;
    fn pthread_rwlock_timedwrlock(lock: *mut pthread_rwlock_t, until: *const timespec) -> c_int;
    fn pthread_rwlock_clockwrlock(lock: *mut pthread_rwlock_t, clock: clockid_t, until: *const timespec) -> c_int;
    fn pthread_rwlock_unlock(lock: *mut pthread_rwlock_t) -> c_int;
    fn sem_wait(sem: *mut sem_t) -> c_int;
    fn sem_timedwait(sem: *mut sem_t, until: *const timespec) -> c_int;
    fn sem_clockwait(sem: *mut sem_t, clock: clockid_t, until: *const timespec) -> c_int;
    fn sem_post(sem: *mut sem_t) -> c_int;
    fn pthread_barrier_wait(barrier: *mut pthread_barrier_t) -> c_int;
    fn pthread_barrier_destroy(barrier: *mut pthread_barrier_t) -> c_int;
    fn pthread_once(once: *mut pthread_once_t, init: Option<unsafe extern "C" fn()>) -> c_int;
    fn pthread_create(out: *mut pthread_t, attr: *const pthread_attr_t, start: Start, argument: *mut c_void) -> c_int;
    fn pthread_join(thread: pthread_t, value: *mut *mut c_void) -> c_int;
    fn pthread_tryjoin_np(thread: pthread_t, value: *mut *mut c_void) -> c_int;
    fn pthread_timedjoin_np(thread: pthread_t, value: *mut *mut c_void, until: *const timespec) -> c_int;
    fn pthread_detach(thread: pthread_t) -> c_int;
    fn pthread_setname_np(thread: pthread_t, name: *const c_char) -> c_int;
    fn pthread_getname_np(thread: pthread_t, name: *mut c_char, len: size_t) -> c_int;
    fn pthread_getattr_np(thread: pthread_t, attr: *mut pthread_attr_t) -> c_int;
    fn pthread_kill(thread: pthread_t, signal: c_int) -> c_int;
    fn pthread_sigqueue(thread: pthread_t, signal: c_int, value: sigval) -> c_int;
    fn pthread_cancel(thread: pthread_t) -> c_int;
    fn pthread_getschedparam(thread: pthread_t, policy: *mut c_int, param: *mut sched_param) -> c_int;
    fn pthread_setschedparam(thread: pthread_t, policy: c_int, param: *const sched_param) -> c_int;
    fn pthread_setschedprio(thread: pthread_t, priority: c_int) -> c_int;
    fn pthread_getaffinity_np(thread: pthread_t, size: size_t, set: *mut cpu_set_t) -> c_int;
    fn pthread_setaffinity_np(thread: pthread_t, size: size_t, set: *const cpu_set_t) -> c_int;
    fn pthread_getcpuclockid(thread: pthread_t, clock: *mut clockid_t) -> c_int;
    fn fork() -> pid_t;
    fn sigaction(signal: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int;
    fn signal(signal: c_int, handler: sighandler_t) -> sighandler_t;
    fn sysv_signal(signal: c_int, handler: sighandler_t) -> sighandler_t;
    fn wait4(pid: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t;
    fn waitid(which: idtype_t, id: id_t, info: *mut siginfo_t, options: c_int) -> c_int;
    fn system(command: *const c_char) -> c_int;
    fn pclose(stream: *mut FILE) -> c_int;
    fn pread(fd: c_int, buf: *mut c_void, len: size_t, at: i64) -> ssize_t;
    fn pwrite(fd: c_int, buf: *const c_void, len: size_t, at: i64) -> ssize_t;
    fn preadv(fd: c_int, iov: *const iovec, count: c_int, at: i64) -> ssize_t;
    fn pwritev(fd: c_int, iov: *const iovec, count: c_int, at: i64) -> ssize_t;
    fn preadv2(fd: c_int, iov: *const iovec, count: c_int, at: i64, flags: c_int) -> ssize_t;
    fn pwritev2(fd: c_int, iov: *const iovec, count: c_int, at: i64, flags: c_int) -> ssize_t;
    fn recvmmsg(fd: c_int, list: *mut mmsghdr, most: c_uint, flags: c_int, timeout: *mut timespec) -> c_int;
    fn sendmmsg(fd: c_int, list: *mut mmsghdr, most: c_uint, flags: c_int) -> c_int;
    fn splice(from: c_int, from_at: *mut i64, to: c_int, to_at: *mut i64, len: size_t, flags: c_uint) -> ssize_t;
    fn tee(from: c_int, to: c_int, len: size_t, flags: c_uint) -> ssize_t;
    fn vmsplice(pipe: c_int, list: *const iovec, parts: size_t, flags: c_uint) -> ssize_t;
    fn sendfile(to: c_int, file: c_int, at: *mut i64, len: size_t) -> ssize_t;
    fn copy_file_range(from: c_int, from_at: *mut i64, to: c_int, to_at: *mut i64, len: size_t, flags: c_uint) -> ssize_t;
    fn __read_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t) -> ssize_t;
    fn __pread_chk(fd: c_int, buf: *mut c_void, len: size_t, at: i64, room: size_t) -> ssize_t;
    fn __pread64_chk(fd: c_int, buf: *mut c_void, len: size_t, at: i64, room: size_t) -> ssize_t;
    fn __recv_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t, flags: c_int) -> ssize_t;
    fn __recvfrom_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t, flags: c_int, addr: *mut sockaddr, addr_len: *mut socklen_t) -> ssize_t;
    fn lockf(fd: c_int, how: c_int, len: i64) -> c_int;
    fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    fn __open_2(path: *const c_char, flags: c_int) -> c_int;
    fn __openat_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int;
    fn fsync(fd: c_int) -> c_int;
    fn fdatasync(fd: c_int) -> c_int;
    fn sync_file_range(fd: c_int, from: i64, bytes: i64, flags: c_uint) -> c_int;
    fn flock(fd: c_int, how: c_int) -> c_int;
    fn getaddrinfo(node: *const c_char, service: *const c_char, hints: *const addrinfo, list: *mut *mut addrinfo) -> c_int;
    fn getnameinfo(addr: *const sockaddr, len: socklen_t, host: *mut c_char, host_len: socklen_t, service: *mut c_char, service_len: socklen_t, flags: c_int) -> c_int;
    fn gethostbyname(name: *const c_char) -> *mut hostent;
    fn gethostbyname2(name: *const c_char, family: c_int) -> *mut hostent;
    fn gethostbyaddr(addr: *const c_void, len: socklen_t, family: c_int) -> *mut hostent;
    fn gethostbyname_r(name: *const c_char, ret: *mut hostent, buf: *mut c_char, len: size_t, result: *mut *mut hostent, error: *mut c_int) -> c_int;
    fn gethostbyname2_r(name: *const c_char, family: c_int, ret: *mut hostent, buf: *mut c_char, len: size_t, result: *mut *mut hostent, error: *mut c_int) -> c_int;
    fn gethostbyaddr_r(addr: *const c_void, addr_len: socklen_t, family: c_int, ret: *mut hostent, buf: *mut c_char, len: size_t, result: *mut *mut hostent, error: *mut c_int) -> c_int;
}

/// What a thread runs; `pthread_exit` leaves it by unwinding.
pub(crate) type Start = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

/// Runs `start`, which may unwind.
///
/// A call by "C-unwind" in any crate keeps the whole program from being built
/// with `panic = "abort"`. So it is made by Rust's convention.
pub(crate) fn call(start: Start, argument: *mut c_void) -> *mut c_void {
    // SAFETY: on x86-64, the one platform, rustc passes and returns one pointer
    // as C does: in rdi and rax (tests/threads holds it, in debug and release).
    let start = unsafe { std::mem::transmute::<Start, fn(*mut c_void) -> *mut c_void>(start) };
    start(argument)
}

/// Where libc's `pthread_once` is, for who jumps there.
pub(crate) fn pthread_once_at() -> *mut c_void {
    let at = slots::pthread_once.load(Relaxed);
    if at.is_null() { find(names::pthread_once, &slots::pthread_once) } else { at }
}

/// Runs before `main`, so that no call ever waits for the dynamic linker.
#[used]
#[cfg(not(miri))]
#[unsafe(link_section = ".init_array")]
static RESOLVE: extern "C" fn() = resolve_all;
