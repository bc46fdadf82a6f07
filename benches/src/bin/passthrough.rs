//! What a patched call costs an OS thread, on which it passes through: the
//! function that the program is linked with against libc's own, in short
//! rounds that alternate.
//!
//! `cargo run --release -p greenroom-bench --bin passthrough`

use libc::{c_int, c_long, c_void, pollfd};
use std::ffi::CStr;
use std::hint::black_box;
use std::mem::transmute;
use std::time::Instant;

const CALLS: u32 = 20_000;
const ROUNDS: usize = 301;

type Read = unsafe extern "C" fn(c_int, *mut c_void, usize) -> isize;
type Poll = unsafe extern "C" fn(*mut pollfd, libc::nfds_t, c_int) -> c_int;
type Mutex = unsafe extern "C" fn(*mut libc::pthread_mutex_t) -> c_int;
type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;

/// libc's own function.
fn libcs(name: &CStr) -> *mut c_void {
    // SAFETY: C strings; libc is loaded.
    let found = unsafe {
        let libc = libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_NOW);
        libc::dlsym(libc, name.as_ptr())
    };
    assert!(!found.is_null(), "{name:?}");
    found
}

/// Nanoseconds for each of two ways, and their difference: medians of rounds.
fn compare(name: &str, ours: impl Fn(), libcs: impl Fn()) {
    let round = |call: &dyn Fn()| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    let (mut ours_took, mut libcs_took, mut more) = (vec![], vec![], vec![]);
    for i in 0..ROUNDS {
        // Who is first alternates as well.
        let (a, b) = if i % 2 == 0 {
            let a = round(&ours);
            (a, round(&libcs))
        } else {
            let b = round(&libcs);
            (round(&ours), b)
        };
        ours_took.push(a);
        libcs_took.push(b);
        more.push(a - b);
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (ours, libcs, more) = (median(ours_took), median(libcs_took), median(more));
    println!("{name:34} {ours:7.1} ns, libc's own {libcs:7.1} ns: {more:+5.1} ns");
}

fn main() {
    greenroom::patch_all().expect("it can be patched");
    greenroom::spawn(|| ()).join().expect("the runtime runs");
    // SAFETY (all): libc's functions, by their C signatures.
    // SAFETY: as above.
    let (read, poll) = unsafe {
        (
            transmute::<*mut c_void, Read>(libcs(c"read")),
            transmute::<*mut c_void, Poll>(libcs(c"poll")),
        )
    };
    // SAFETY: as above.
    let (lock, unlock, syscall) = unsafe {
        (
            transmute::<*mut c_void, Mutex>(libcs(c"pthread_mutex_lock")),
            transmute::<*mut c_void, Mutex>(libcs(c"pthread_mutex_unlock")),
            transmute::<*mut c_void, Syscall>(libcs(c"syscall")),
        )
    };
    let mut buf = [0_u8; 8];
    let at = buf.as_mut_ptr().cast();
    // SAFETY: a device that has nothing.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY) };
    let of_null = |read: Read| {
        // SAFETY: a buffer of that length.
        black_box(unsafe { read(null, at, 8) });
    };
    compare("read of /dev/null", || of_null(libc::read), || of_null(read));
    let of_nothing = |poll: Poll| {
        // SAFETY: no descriptors.
        black_box(unsafe { poll(std::ptr::null_mut(), 0, 0) });
    };
    let in_vain = |poll: Poll| {
        let mut one = pollfd { fd: null, events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which is ready.
        black_box(unsafe { poll(&mut one, 1, 1000) });
    };
    compare("poll of what is ready", || in_vain(libc::poll), || in_vain(poll));
    compare("poll of nothing", || of_nothing(libc::poll), || of_nothing(poll));
    let word = 0_u32;
    let wake = |syscall: Syscall| {
        let op = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: a word that lives, for which nobody waits.
        black_box(unsafe { syscall(libc::SYS_futex, &raw const word, op, 1) });
    };
    compare("FUTEX_WAKE, nobody waits", || wake(libc::syscall), || wake(syscall));
    let mut mutex = libc::PTHREAD_MUTEX_INITIALIZER;
    let mutex = &raw mut mutex;
    let pair = |lock: Mutex, unlock: Mutex| {
        // SAFETY: a mutex that lives, of one thread.
        black_box(unsafe { lock(mutex) + unlock(mutex) });
    };
    compare(
        "pthread_mutex_lock and _unlock",
        || pair(libc::pthread_mutex_lock, libc::pthread_mutex_unlock),
        || pair(lock, unlock),
    );
}
