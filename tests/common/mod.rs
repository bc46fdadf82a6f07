//! Running a test in a process of its own, and waiting for conditions.
//!
//! Nearly every test runs in a child: it has the number of workers that it
//! asks for, it may end however it likes, and if it hangs it is ended and what
//! it said is shown.

#![allow(dead_code, reason = "no test file uses all of it")]

pub(crate) mod slow;

use std::any::type_name;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// Set in children.
const CHILD: &str = "GREENROOM_TEST_CHILD";
/// Far beyond what any test takes, also on a machine with much else to do.
const LIMIT: Duration = Duration::from_secs(240);
/// How long `until` waits.
const PATIENCE: Duration = Duration::from_secs(200);
/// What a child does not inherit: a test says what it needs.
const OURS: &[&str] = &[
    "GREENROOM_WORKERS",
    "GREENROOM_STACK_SIZE",
    "GREENROOM_STACK_GUARD",
    "GREENROOM_OFFLOAD_THREADS",
    "GREENROOM_ON_STALL",
    "GREENROOM_BUSY_POLL",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "RUST_MIN_STACK",
];

/// How a child ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn assert_success(&self) {
        assert!(self.status.success(), "{self}");
    }

    #[track_caller]
    pub(crate) fn assert_signal(&self, signal: i32) {
        assert_eq!(self.status.signal(), Some(signal), "{self}");
    }

    /// `text` stands on stderr this many times.
    #[track_caller]
    pub(crate) fn assert_says(&self, text: &str, times: usize) {
        assert_eq!(self.stderr.matches(text).count(), times, "{text:?} in {self}");
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stdout, stderr) = (shorten(&self.stdout), shorten(&self.stderr));
        write!(f, "{}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", self.status)
    }
}

/// The beginning and the end of what may be thousands of lines.
fn shorten(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    match lines.len() {
        0..=60 => text.to_owned(),
        n => format!("{}\n[...]\n{}", lines[..20].join("\n"), lines[n - 40..].join("\n")),
    }
}

/// `deed` in a child with `n` workers, which must survive it. As `in_child`.
#[track_caller]
pub(crate) fn workers<F: FnOnce()>(n: usize, deed: F) {
    in_child(&[("GREENROOM_WORKERS", &n.to_string())], deed).assert_success();
}

/// Runs `deed` in a child process with `vars` in its environment; it exits
/// with 0 if it survives. Must be called by a test function directly, and
/// once: the child finds its way here by running that test alone.
#[track_caller]
pub(crate) fn in_child<F: FnOnce()>(vars: &[(&str, &str)], deed: F) -> Ended {
    if std::env::var_os(CHILD).is_some() {
        no_core_file();
        deed();
        exit(0);
    }
    // The type of a closure is named after the function around it.
    let path = type_name::<F>().strip_suffix("::{{closure}}").expect("a closure of a test");
    let (_crate, test) = path.split_once("::").expect("a test in a crate");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    for name in OURS {
        command.env_remove(name);
    }
    command.env(CHILD, "1").envs(vars.iter().copied());
    let ended = run(&mut command);
    assert!(ended.stdout.contains("running 1 test"), "no test is called {test}: {ended}");
    ended
}

/// Runs `command` to its end, and ends it after a time.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let status = wait(&mut child);
    let ended =
        |status| Ended { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
    match status {
        Some(status) => ended(status),
        None => panic!("did not end within {LIMIT:?}: {}", ended(child.wait().unwrap())),
    }
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    while start.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    child.kill().unwrap();
    None
}

/// Keeps a child that dies on purpose from leaving a core file.
pub(crate) fn no_core_file() {
    set_limit(libc::RLIMIT_CORE, 0);
}

/// Sets the soft limit of a resource.
pub(crate) fn set_limit(resource: libc::__rlimit_resource_t, soft: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only read or write the structure.
    unsafe {
        assert_eq!(libc::getrlimit(resource, &mut limit), 0);
        limit.rlim_cur = soft.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(resource, &limit), 0);
    }
}

/// Waits for `condition`, on green threads and OS threads.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain");
        greenroom::sleep(Duration::from_micros(200));
    }
}

/// As `until`, but keeps the worker meanwhile.
#[track_caller]
pub(crate) fn spin_until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain");
        thread::yield_now();
    }
}

/// The kernel's number of the OS thread that runs this.
pub(crate) fn os_thread() -> libc::pid_t {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// The OS threads of this process that are workers.
fn worker_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    };
    tasks
        .filter_map(name)
        .filter(|name| name.starts_with("greenroom-") && !name.starts_with("greenroom-offlo"))
        .count()
}

/// There are `n` workers, or soon will be: each names itself when it starts,
/// and loses its name when it ends.
#[track_caller]
pub(crate) fn assert_workers(n: usize) {
    // At two looks in a row; others are called as their makers for a moment.
    until(|| {
        let found = worker_threads() == n;
        std::thread::yield_now();
        found && worker_threads() == n
    });
}

/// As many busy ones as there are workers run at the same time:
/// each computes until all are there.
pub(crate) fn meet(parties: usize) {
    let here = Arc::new(AtomicUsize::new(0));
    let party = {
        let here = here.clone();
        move || {
            here.fetch_add(1, SeqCst);
            spin_until(|| here.load(SeqCst) == parties);
        }
    };
    let others: Vec<_> = (1..parties).map(|_| greenroom::spawn(party.clone())).collect();
    party();
    greenroom::joinall(others).into_iter().for_each(|r| r.unwrap());
}

/// Counts how many of it exist and how many were made.
#[derive(Debug)]
pub(crate) struct Counted(());

pub(crate) static MADE: AtomicUsize = AtomicUsize::new(0);
pub(crate) static DROPPED: AtomicUsize = AtomicUsize::new(0);

impl Counted {
    pub(crate) fn new() -> Counted {
        MADE.fetch_add(1, SeqCst);
        Counted(())
    }

    /// Every one that was made gets dropped, and `n` were made.
    #[track_caller]
    pub(crate) fn assert_gone(n: usize) {
        assert_eq!(MADE.load(SeqCst), n);
        until(|| DROPPED.load(SeqCst) >= n);
        assert_eq!(DROPPED.load(SeqCst), n);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, SeqCst);
    }
}

/// Numbers that look random (xorshift64), the same in each run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    /// Takes any of them out; `None`: there are none.
    pub(crate) fn take<T>(&mut self, all: &mut Vec<T>) -> Option<T> {
        let at = self.below(all.len().max(1) as u64) as usize;
        (!all.is_empty()).then(|| all.swap_remove(at))
    }
}
