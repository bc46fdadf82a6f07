//! Programs that once broke the runtime. Each runs in a child process, since
//! what it shows may be an abort, a hang or a corrupted heap.
#![allow(missing_docs)]

#[path = "common/fds.rs"]
mod fds;

use fds::open_fds;
use std::cell::Cell;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn child(name: &str, env: &[(&str, &str)]) -> Command {
    let mut c = Command::new(std::env::current_exe().unwrap());
    c.args(["--exact", name, "--nocapture", "--test-threads=1"]).env("HOSTILE", name);
    for (k, v) in env {
        c.env(k, v);
    }
    c
}

fn is_child(name: &str) -> bool {
    std::env::var("HOSTILE").is_ok_and(|v| v == name)
}

fn ends_well(o: &Output) {
    assert!(
        o.status.success(),
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        o.status,
        String::from_utf8_lossy(&o.stdout),
        String::from_utf8_lossy(&o.stderr)
    );
}

fn run(name: &str, env: &[(&str, &str)]) {
    ends_well(&child(name, env).output().unwrap());
}

/// The variable must hold for the first green thread as well.
#[test]
fn first_spawn_has_the_configured_stack() {
    let name = "first_spawn_has_the_configured_stack";
    if !is_child(name) {
        return run(name, &[("GREENROOM_STACK_SIZE", "8388608")]);
    }
    fn deep(n: usize) -> usize {
        let a = std::hint::black_box([n as u8; 4096]);
        if n == 0 { a[0] as usize } else { deep(n - 1) + a[4095] as usize }
    }
    greenroom::spawn(|| deep(512)).join().unwrap();
}

/// std's hook ignores that stderr is gone; ours must not abort.
#[test]
fn a_panic_with_stderr_gone_does_not_abort() {
    let name = "a_panic_with_stderr_gone_does_not_abort";
    if !is_child(name) {
        let mut c = child(name, &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(c.stderr.take());
        let status = c.wait().unwrap();
        assert!(status.success(), "{status}");
        return;
    }
    // libtest has no output capture here (--nocapture).
    let os = std::thread::spawn(|| panic!("on an OS thread")).join();
    assert!(os.is_err());
    std::thread::sleep(Duration::from_millis(100));
    assert!(greenroom::spawn(|| panic!("on a green thread")).join().is_err());
}

/// A start that fails for want of descriptors keeps none.
#[test]
fn a_failed_start_gives_its_descriptors_back() {
    let name = "a_failed_start_gives_its_descriptors_back";
    if !is_child(name) {
        return run(name, &[("GREENROOM_WORKERS", "64")]);
    }
    unsafe extern "C" {
        fn setrlimit(which: i32, limit: *const [u64; 2]) -> i32;
    }
    let before = open_fds();
    // SAFETY: RLIMIT_NOFILE, and a valid struct.
    assert_eq!(unsafe { setrlimit(7, &[40, 4096]) }, 0);
    assert!(greenroom::Builder::new().spawn(|| ()).is_err());
    // SAFETY: as above.
    assert_eq!(unsafe { setrlimit(7, &[4096, 4096]) }, 0);
    let after = open_fds();
    assert!(after <= before + 2, "{before} before, {after} after");
    greenroom::Builder::new().spawn(|| ()).unwrap().join().unwrap();
}

/// A forked child's green thread that ends must not go on as a second
/// worker: the other green threads would run twice.
#[test]
fn a_forked_green_thread_that_ends_runs_no_others() {
    let name = "a_forked_green_thread_that_ends_runs_no_others";
    if !is_child(name) {
        let o = child(name, &[("GREENROOM_WORKERS", "1")]).output().unwrap();
        ends_well(&o);
        let out = String::from_utf8_lossy(&o.stdout);
        assert_eq!(out.matches("I run").count(), 1, "{out}");
        return;
    }
    unsafe extern "C" {
        fn fork() -> i32;
        fn write(fd: i32, p: *const u8, n: usize) -> isize;
        fn kill(pid: i32, sig: i32) -> i32;
        fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    }
    let forker = greenroom::spawn(|| {
        let other = greenroom::spawn(|| {
            let s = "I run\n";
            // SAFETY: plain write.
            unsafe { write(1, s.as_ptr(), s.len()) };
        });
        // SAFETY: the point of the test.
        (unsafe { fork() }, other)
    });
    let (pid, other) = forker.join().unwrap();
    other.join().unwrap();
    // The child has time to do what it must not.
    std::thread::sleep(Duration::from_millis(300));
    // SAFETY: our own child.
    unsafe {
        kill(pid, 9);
        waitpid(pid, &mut 0, 0);
    }
}

/// A deadline holds also where thread-locals are gone.
#[test]
fn join_timeout_in_a_thread_local_destructor() {
    struct AtEnd(Cell<Option<std::sync::mpsc::Sender<Duration>>>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let (tx, start) = (self.0.take().unwrap(), Instant::now());
            let sleeper = greenroom::spawn(|| greenroom::sleep(Duration::from_secs(60)));
            let _ = sleeper.join_timeout(Duration::from_millis(20));
            tx.send(start.elapsed()).unwrap();
        }
    }
    thread_local!(static AT_END: AtEnd = const { AtEnd(Cell::new(None)) });
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Registered first, so destroyed last (glibc: in reverse order).
        AT_END.with(|a| a.0.set(Some(tx)));
        greenroom::spawn(|| greenroom::sleep(Duration::from_millis(5))).join().unwrap();
    });
    let took = rx.recv().unwrap();
    assert!(took < Duration::from_secs(20), "a timeout of 20 ms took {took:?}");
}

/// A server that patches, forks its workers, and spawns only in them.
#[test]
fn a_child_forked_before_the_start_may_start() {
    let name = "a_child_forked_before_the_start_may_start";
    if !is_child(name) {
        return run(name, &[]);
    }
    unsafe extern "C" {
        fn fork() -> i32;
        fn _exit(code: i32) -> !;
        fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    }
    greenroom::patch_all().unwrap();
    // SAFETY: the child only spawns and leaves.
    unsafe {
        let pid = fork();
        if pid == 0 {
            let first = greenroom::spawn(|| 1).join();
            let second = greenroom::spawn(|| 2).join();
            _exit(i32::from(first.is_err()) + 2 * i32::from(second.is_err()));
        }
        let mut status = 0;
        waitpid(pid, &mut status, 0);
        assert_eq!(status, 0, "256: the first spawn failed, 2: the second");
    }
}

/// Held: everything at once, with random waits, on many workers.
#[test]
fn churn() {
    let name = "churn";
    if !is_child(name) {
        for workers in ["1", "2", "3", "8"] {
            run(name, &[("GREENROOM_WORKERS", workers)]);
        }
        return;
    }
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::*};
    static LIVE: AtomicUsize = AtomicUsize::new(0);
    struct Counted(#[allow(dead_code)] Box<u64>);
    impl Counted {
        fn new(n: u64) -> Counted {
            LIVE.fetch_add(1, Relaxed);
            Counted(Box::new(n))
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            LIVE.fetch_sub(1, Relaxed);
            if self.0.is_multiple_of(7) {
                greenroom::yield_now();
            }
        }
    }
    std::panic::set_hook(Box::new(|_| {}));
    let ends = Arc::new(AtomicUsize::new(0));
    let drivers: Vec<_> = (0..4u64)
        .map(|t| {
            let ends = ends.clone();
            std::thread::spawn(move || {
                let mut rng = 88172645463325252u64 ^ (t << 30);
                let mut random = move || {
                    rng ^= rng << 13;
                    rng ^= rng >> 7;
                    rng ^= rng << 17;
                    rng
                };
                let mut kept = Vec::new();
                for i in 0..20_000u64 {
                    let (what, us, ends) = (random(), random() % 300, ends.clone());
                    let held = Counted::new(i);
                    let h = greenroom::spawn(move || {
                        let _held = held;
                        match what % 6 {
                            0 => greenroom::sleep(Duration::from_micros(us)),
                            1 => greenroom::park_timeout(Duration::from_micros(us)),
                            2 => greenroom::yield_now(),
                            3 => {
                                let inner = greenroom::spawn(|| Counted::new(7));
                                let _ = inner.join_timeout(Duration::from_micros(us / 10));
                            }
                            4 => {
                                let inner = greenroom::spawn(greenroom::park);
                                inner.thread().unpark();
                                inner.join().unwrap();
                            }
                            _ => {}
                        }
                        ends.fetch_add(1, Relaxed);
                        if what % 11 == 0 {
                            panic!("wanted");
                        }
                        Counted::new(what)
                    });
                    match random() % 4 {
                        0 => drop(h),
                        1 => kept.push(h),
                        2 => {
                            h.thread().unpark();
                            kept.push(h);
                        }
                        _ => {
                            if let Err(h) = h.join_timeout(Duration::from_micros(us / 20)) {
                                let (a, b) = (h.thread().clone(), h.thread().clone());
                                let other = greenroom::spawn(move || a.unpark());
                                b.unpark();
                                let _ = h.join();
                                other.join().unwrap();
                            }
                        }
                    }
                }
                for k in kept {
                    let _ = k.join();
                }
            })
        })
        .collect();
    drivers.into_iter().for_each(|d| d.join().unwrap());
    let deadline = Instant::now() + Duration::from_secs(10);
    while (LIVE.load(Relaxed), ends.load(Relaxed)) != (0, 80_000) {
        assert!(Instant::now() < deadline, "{LIVE:?} live, {ends:?} ended");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The closure of one that gets no stack is dropped on the worker itself;
/// a destructor that waits there stops all its green threads.
#[test]
fn a_refused_closure_does_not_stop_its_worker() {
    let name = "a_refused_closure_does_not_stop_its_worker";
    if !is_child(name) {
        return run(name, &[("GREENROOM_WORKERS", "1")]);
    }
    unsafe extern "C" {
        fn setrlimit(which: i32, limit: *const [u64; 2]) -> i32;
    }
    struct Waits(Option<greenroom::JoinHandle<()>>);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.take().unwrap().join().unwrap();
        }
    }
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (begins, begun) = std::sync::mpsc::channel();
        let sleeper = greenroom::spawn(move || {
            begins.send(()).unwrap();
            greenroom::sleep(Duration::from_millis(200));
        });
        begun.recv().unwrap(); // it has its stack, and its worker all it needs
        let waits = Waits(Some(sleeper));
        // SAFETY: RLIMIT_AS: no more mappings.
        assert_eq!(unsafe { setrlimit(9, &[1 << 20, u64::MAX]) }, 0);
        let refused = greenroom::Builder::new().stack_size(1 << 29).spawn(move || {
            let _w = &waits;
        });
        let refused = refused.unwrap().join();
        // SAFETY: as above.
        unsafe { setrlimit(9, &[u64::MAX, u64::MAX]) };
        tx.send(refused.is_err()).unwrap();
    });
    let got = rx.recv_timeout(Duration::from_secs(5));
    assert_eq!(got, Ok(true), "Timeout: the worker waits for a green thread of its own");
}
