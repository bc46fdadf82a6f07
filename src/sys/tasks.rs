//! What the OS threads of this process do, as the kernel shows it: whether each
//! of them waits until another one wakes it.
//!
//! Only one kind of wait is known to end by nothing else: that at a futex of
//! this process without a deadline, in which all locks, channels, joins and
//! parkers end. (A signal may interrupt it; its handler may wake others.)
//!
//! One look at a thread says little, since it may have gone on at once. A look
//! sees first that it waits, *then* how often it has left its core. If a second
//! look finds it waiting, and then the same number, it waited from the end of the
//! first look to the second: had it run, it had to leave its core once more to be
//! found waiting, before the number was read again. (In the other order it could
//! run from before the second number until it waits once more.) So if a whole
//! second round of looks agrees with the first, then at the moment between the two
//! *all* of them waited.

use super::lock::Lock;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One OS thread that waits for others, by its number, and how often it has
/// left its core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Task {
    id: i32,
    switches: u64,
}

/// What the runtime knows of threads of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Wakes nobody by itself, or is looked after elsewhere.
    Ours,
    /// Waits for work: also with a deadline it wakes nobody.
    Idle,
}

static OURS: Lock<Vec<(i32, Role)>> = Lock::new(Vec::new());

/// The calling thread has that role until this is dropped, by itself.
pub(crate) struct Mark(i32);

impl Mark {
    pub(crate) fn new(role: Role) -> Mark {
        let id = me();
        OURS.lock().push((id, role));
        Mark(id)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut ours = OURS.lock();
        if let Some(at) = ours.iter().position(|(id, _)| *id == self.0) {
            ours.swap_remove(at);
        }
    }
}

/// The calling thread's number.
pub(crate) fn me() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// All threads but those of the role `Ours`, and the caller; `None` if one of
/// them does not wait for others alone, or the kernel does not say.
pub(crate) fn all_waiting() -> Option<Vec<Task>> {
    let ids = ids()?;
    let ours = OURS.lock().clone();
    let role = |id: i32| ours.iter().find(|(other, _)| *other == id).map(|(_, role)| *role);
    let mut found = Vec::new();
    for id in ids.iter().copied().filter(|id| *id != me() && role(*id) != Some(Role::Ours)) {
        found.push(look(id, role(id) == Some(Role::Idle), &ids)?);
    }
    found.sort_by_key(|task| task.id);
    Some(found)
}

/// See the module's head; `timed` and `ids` as in `waits_for_others`.
fn look(id: i32, timed: bool, ids: &[i32]) -> Option<Task> {
    let call = fs::read_to_string(format!("/proc/self/task/{id}/syscall")).ok()?;
    waits_for_others(&call, timed, ids).then_some(())?;
    Some(Task { id, switches: switches(id)? })
}

/// All threads but the runtime's own and the caller, with their names.
pub(crate) fn others() -> Vec<(i32, String)> {
    let ours = OURS.lock().clone();
    let is_other = |id: &i32| *id != me() && ours.iter().all(|(ours, _)| ours != id);
    let name = |id| fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap_or_default();
    let ids = ids().unwrap_or_default().into_iter().filter(is_other);
    ids.map(|id| (id, name(id).trim_end().to_owned())).collect()
}

/// The numbers of all threads. A thread that begins or ends meanwhile may keep
/// the kernel from listing another, so they are counted as well.
fn ids() -> Option<Vec<i32>> {
    let entries = fs::read_dir("/proc/self/task").ok()?;
    let ids: Vec<i32> = entries
        .map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect::<Option<_>>()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    (field(&status, "Threads:")?.parse() == Ok(ids.len())).then_some(ids)
}

fn switches(id: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/self/task/{id}/status")).ok()?;
    let count = |name| field(&status, name)?.parse::<u64>().ok();
    Some(count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Whether the system call that `call` describes ends only by another thread;
/// `timed`: a deadline does not matter. `ids`: all threads.
fn waits_for_others(call: &str, timed: bool, ids: &[i32]) -> bool {
    let mut words = call.split_whitespace();
    let number = words.next().and_then(|word| word.parse::<libc::c_long>().ok());
    let mut next =
        || words.next().and_then(|w| usize::from_str_radix(w.strip_prefix("0x")?, 16).ok());
    let (Some(libc::SYS_futex), Some(_), Some(op), Some(value), Some(timeout)) =
        (number, next(), next(), next(), next())
    else {
        return false;
    };
    let op = op as i32;
    let command = op & libc::FUTEX_CMD_MASK;
    let waits = matches!(command, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET);
    // `pthread_join` waits for the kernel to clear the number of a thread, and
    // so at a word that might be shared with other processes. A lock that really
    // is shared is not waited for in that way, but maybe with a 2 that is the
    // number of a thread in a container.
    let joins = command == libc::FUTEX_WAIT_BITSET && ids.contains(&(value as i32));
    let here = op & libc::FUTEX_PRIVATE_FLAG != 0 || joins;
    waits && here && (timeout == 0 || timed)
}

/// Signals whose handlers are the runtime's own, and wake nobody.
static HARMLESS: AtomicU64 = AtomicU64::new(0);

/// The handler of that signal wakes nobody.
pub(crate) fn wakes_nobody(signal: i32) {
    HARMLESS.fetch_or(1 << (signal - 1), Relaxed);
}

/// The program handles it otherwise from now on.
pub(crate) fn may_wake(signal: i32) {
    if (1..=64).contains(&signal) {
        HARMLESS.fetch_and(!(1 << (signal - 1)), Relaxed);
    }
}

/// The signals that the program handles, but for those that its own faults
/// raise and those that libc uses itself: their handlers may wake somebody.
pub(crate) fn handled_signals() -> Vec<i32> {
    let faults = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
        libc::SIGABRT,
        libc::SIGSYS,
        32,
        33,
    ];
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let caught = field(&status, "SigCgt:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    let caught = caught.unwrap_or(0) & !HARMLESS.load(Relaxed);
    (1..=64).filter(|n| caught >> (n - 1) & 1 == 1 && !faults.contains(n)).collect()
}

#[cfg(all(test, not(miri), not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn what_counts_as_waiting_for_others() {
        let waits = |call: &str| waits_for_others(call, false, &[77]);
        // Op, expected value, deadline: as std waits, and as `pthread_join`.
        assert!(waits("202 0x7f00 0x80 0x2 0x0 0x0 0x0 0x7ffc 0x7f8c\n"));
        assert!(waits("202 0x7f00 0x189 0xffffffff 0x0 0x0 0xffffffff 0x7ffc 0x7f8c\n"));
        assert!(waits("202 0x7f00 0x109 0x4d 0x0 0x0 0xffffffff 0x7ffc 0x7f8c\n"));
        assert!(!waits("202 0x7f00 0x109 0x4e 0x0 0x0 0xffffffff 0x7ffc 0x7f8c\n"), "shared");
        assert!(!waits("202 0x7f00 0x0 0x4d 0x0 0x0 0x0 0x7ffc 0x7f8c\n"), "a shared lock");
        assert!(!waits("202 0x7f00 0x189 0x0 0x7ffd 0x0 0xffffffff 0x7ffc 0x7f8c\n"), "deadline");
        assert!(!waits("202 0x7f00 0x81 0x1 0x0 0x0 0x0 0x7ffc 0x7f8c\n"), "it wakes");
        assert!(!waits("0 0x3 0x55 0x2000 0x0 0x0 0x0 0x7ffc 0x7f8c\n"), "it reads");
        assert!(!waits("running\n"));
        assert!(!waits("-1 0x7ffc 0x7f8c\n"));
        assert!(!waits(""));
        let idle = "202 0x7f00 0x80 0xffffffff 0x7ffd 0x0 0x0 0x7ffc 0x7f8c\n";
        assert!(waits_for_others(idle, true, &[]) && !waits(idle));
    }

    /// It runs often, for about as long as a look takes.
    #[test]
    fn who_runs_between_two_looks_is_seen_to_run() {
        static RUNS: AtomicBool = AtomicBool::new(false);
        static OVER: AtomicBool = AtomicBool::new(false);
        let spin = |start: Instant, micros| while start.elapsed().as_micros() < micros {};
        let (say, hear) = channel();
        let runner = thread::spawn(move || {
            say.send(me()).unwrap();
            for turn in 0.. {
                thread::park();
                RUNS.store(true, SeqCst);
                spin(Instant::now(), turn * 7 % 60);
                RUNS.store(false, SeqCst);
                if OVER.load(SeqCst) {
                    return;
                }
            }
        });
        let (id, run) = (hear.recv().unwrap(), runner.thread().clone());
        let waker = thread::spawn(move || {
            for turn in 0.. {
                run.unpark();
                spin(Instant::now(), turn * 11 % 130);
                if OVER.load(SeqCst) {
                    return run.unpark();
                }
            }
        });
        let (mut same, start) = (0, Instant::now());
        while same < 100 || start.elapsed() < Duration::from_secs(2) {
            let first = look(id, false, &[]);
            let ran = RUNS.load(SeqCst);
            if first.is_some() && look(id, false, &[]) == first {
                assert!(!ran, "after {same}");
                same += 1;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "only {same}");
        }
        OVER.store(true, SeqCst);
        waker.join().unwrap();
        runner.join().unwrap();
    }

    #[test]
    fn this_process_can_be_looked_at() {
        // Tests run beside this one, and come and go; the kernel may then leave one out.
        assert!((0..1000).any(|_| ids().is_some_and(|ids| ids.contains(&me()))));
        assert!(switches(me()).is_some());
        let usual = handled_signals();
        assert!(!usual.contains(&libc::SIGSEGV) && !usual.contains(&33));
    }
}
