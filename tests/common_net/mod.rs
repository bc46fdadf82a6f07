//! What the tests of the patched layer share: the patch applied first, green
//! and OS threads to run the same code on, waiting for conditions, and a
//! watchdog, so that nothing hangs.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

#[macro_use]
pub(crate) mod c;
pub(crate) mod bulk;
#[path = "../common/fds.rs"]
mod fds;
pub(crate) mod many;

pub(crate) use fds::open_fds;

use greenroom::inspect::{WaitsFor, dump};
use greenroom::{Config, JoinHandle};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::abort;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// No test binary takes as long, on a busy machine either.
const LIMIT: Duration = Duration::from_secs(240);

/// What the watchdog says that somebody was at.
static DOING: Mutex<String> = Mutex::new(String::new());

/// Patches everything, before anything else, with so many workers.
pub(crate) fn patched(workers: usize) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        Config::new().workers(workers).install().unwrap();
        greenroom::patch_all().unwrap();
        watch();
    });
}

/// Patches nothing: for the explicit API, with so many workers.
pub(crate) fn unpatched(workers: usize) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        Config::new().workers(workers).install().unwrap();
        watch();
    });
}

/// Runs `f` on a green thread, and on an OS thread.
pub(crate) fn on_both<T: Send + 'static>(f: fn() -> T) -> [T; 2] {
    [green(f), os(f)]
}

/// Ends the process when it takes too long.
pub(crate) fn watch() {
    os_thread(|| {
        thread::sleep(LIMIT);
        let doing = DOING.lock().unwrap_or_else(PoisonError::into_inner);
        // Not captured, as `eprintln` would be.
        let _ = writeln!(io::stderr(), "the tests hang, at: {doing}");
        abort();
    });
}

/// Tells the watchdog what comes now.
pub(crate) fn doing(what: &str) {
    *DOING.lock().unwrap_or_else(PoisonError::into_inner) = what.to_owned();
}

/// Only one at a time: for tests that measure, or that count what belongs to
/// the whole process.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs `f` on a green thread; its panic is ours.
pub(crate) fn green<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    done(greenroom::spawn(f))
}

/// What a green thread returned; its panic is ours.
pub(crate) fn done<T>(handle: JoinHandle<T>) -> T {
    match handle.join() {
        Ok(value) => value,
        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic().unwrap()),
        Err(e) => panic!("{e}"),
    }
}

pub(crate) fn all_done<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().collect::<Vec<_>>().into_iter().map(done).collect()
}

/// Runs `f` on an OS thread; its panic is ours.
pub(crate) fn os<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    os_done(os_thread(f))
}

/// Starts an OS thread, where `std::thread::spawn` would make a green one.
pub(crate) fn os_thread<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    greenroom::patch::native(|| thread::spawn(f))
}

pub(crate) fn os_done<T>(handle: thread::JoinHandle<T>) -> T {
    handle.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

/// Waits until `condition` holds, on either sort of thread. The watchdog
/// limits it.
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::sleep(ms(1));
    }
}

/// Waits until whoever is about to block has blocked: until no other OS thread of
/// this process could run, at some looks in a row. Where others compute or other
/// tests run, that may never be, and it gives up after a while: for tests that hold
/// as well when somebody has not blocked.
pub(crate) fn settle() {
    let (start, mut quiet) = (Instant::now(), 0);
    while quiet < 3 && start.elapsed() < ms(1000) {
        thread::sleep(ms(10));
        quiet = if nobody_else_runs() { quiet + 1 } else { 0 };
    }
}

/// One that the kernel has not given a core to counts as running.
fn nobody_else_runs() -> bool {
    let could_run = |task: &PathBuf| {
        let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|state| state.starts_with(" R"))
    };
    // On this very thread: who reads a file elsewhere runs there.
    greenroom::patch::native(|| {
        // SAFETY: takes nothing and cannot fail.
        let me = unsafe { libc::gettid() }.to_string();
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let mut others = tasks.map(|task| task.path()).filter(|task| !task.ends_with(&me));
        !others.any(|task| could_run(&task))
    })
}

/// Waits until a green thread waits for `fd`.
pub(crate) fn until_awaited(fd: i32) {
    let is_it =
        |what: &WaitsFor| matches!(what, WaitsFor::Descriptor { fd: its, .. } if *its == fd);
    until(|| dump().threads.iter().any(|thread| thread.waits_for.iter().any(is_it)));
}

/// How long `f` takes, and what it returns.
pub(crate) fn timed<T>(f: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = f();
    (start.elapsed(), value)
}

/// A connected pair over loopback.
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, _) = listener.accept().unwrap();
    (here, there)
}

/// A name that nobody else uses.
pub(crate) fn fresh() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("greenroom-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed))
}

/// A path in the file system, gone again when dropped.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Place {
        Place(std::env::temp_dir().join(fresh()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Sends back what comes, until the end.
pub(crate) fn echo(mut stream: TcpStream) -> io::Result<u64> {
    let mut buf = [0; 4096];
    let mut total = 0;
    loop {
        match stream.read(&mut buf)? {
            0 => return Ok(total),
            n => stream.write_all(&buf[..n])?,
        }
        total += 1;
    }
}

/// Bytes that show where they come from.
pub(crate) fn pattern(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) ^ (i >> 8) ^ salt) as u8).collect()
}

/// It took so long; later by what a busy machine makes of it, which may stop anybody
/// for seconds.
pub(crate) fn about(took: Duration, millis: u64) {
    assert!((ms(millis - 2)..ms(millis + 5000)).contains(&took), "{took:?} for {millis} ms");
}
