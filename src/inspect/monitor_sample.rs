//! A sample of what an OS thread runs, taken by a signal to it.
//!
//! One word says whose turn it is with what lies beside it. It holds the number of
//! the OS thread too, so that a handler that comes late finds that the request is
//! not the one it was sent for.
//!
//! | from | to | by | ordering |
//! |---|---|---|---|
//! | `IDLE` | `ASKED` | who asks, under `ASKING` | Release: whether the stack is wanted |
//! | `ASKED` | `TAKING` | the handler, on the thread that was asked | Acquire |
//! | `TAKING` | `TAKEN` | the same | Release: what it has found |
//! | `TAKEN` | `IDLE` | who asked | Acquire before it reads |
//! | `ASKED` | `IDLE` | who asked, when the time is up | Relaxed |
//!
//! The handler allocates nothing, locks nothing and calls nothing of libc: it marks
//! the green thread, and keeps its registers and its stack. Stacks are walked by who
//! asked, from the copy: to do so in the handler would need tables that may have to
//! be read first.

use crate::green::current;
use crate::green::mark::Found;
use crate::green::record::Record;
use crate::stack::atlas;
use crate::sys::clock::{self, Nanos};
use crate::sys::interrupt::{self, Interrupted};
use crate::sys::lock::Lock;
use crate::sys::os_thread::{self, Look};
use crate::sys::unwind::Registers;
use crate::sys::{futex, peek, raw};
use std::cell::UnsafeCell;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::time::Duration;

const IDLE: u32 = 0;
const ASKED: u32 = 1;
const TAKING: u32 = 2;
const TAKEN: u32 = 3;
/// Where in the word the thread's number begins. The kernel's are below 2^22.
const THREAD: u32 = 2;

/// As much of a stack is looked at, from its innermost frame on.
pub(super) const MOST: usize = 128 << 10;

/// A thread that takes no signal for so long is left alone...
const PATIENCE: Duration = Duration::from_millis(200);
/// ... or for so long, if all that time it had no core to take one on.
const STARVED: Duration = Duration::from_secs(5);
const SLIVER: Nanos = 1_000_000;

static WORD: AtomicU32 = AtomicU32::new(IDLE);

/// Held by who asks. Monitors wait here for one another, on OS threads of their own.
static ASKING: Lock<()> = Lock::new(());

/// Threads that have been sent a signal which they have not taken yet, by their
/// numbers: they are sent no other. Of two at the same place only one is known.
static PENDING: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];

fn pending(thread: u32) -> &'static AtomicU32 {
    &PENDING[thread as usize % PENDING.len()]
}

/// What the handler leaves.
struct Left {
    with_stack: bool,
    green: Option<(*const Record, u64, Found)>,
    registers: Registers,
    result: isize,
    used: usize,
    /// Untouched pages cost nothing.
    stack: [u8; MOST],
}

struct Place(UnsafeCell<Left>);

// SAFETY: the word says whose turn it is.
unsafe impl Sync for Place {}

static LEFT: Place = Place(UnsafeCell::new(Left {
    with_stack: false,
    green: None,
    registers: Registers { ip: 0, sp: 0, kept: [None; 6] },
    result: 0,
    used: 0,
    stack: [0; MOST],
}));

/// What one look found.
pub(super) struct Sample {
    /// The green thread that runs there, if the worker is not between two.
    pub(super) green: Option<Green>,
    pub(super) registers: Registers,
    /// What a system call had just returned, if it stood behind one.
    pub(super) result: isize,
    /// A copy, from the stack pointer on.
    pub(super) stack: Vec<u8>,
}

/// A green thread that was found running. It may have ended by now.
#[derive(Clone, Copy)]
pub(super) struct Green {
    /// The address of its record.
    pub(super) record: usize,
    pub(super) id: u64,
    pub(super) found: Found,
}

/// To be called before `take`.
///
/// # Errors
/// The signal cannot be handled.
pub(super) fn prepare(signal: i32) -> io::Result<()> {
    // It allocates under a lock, where an allocator must not park.
    let _inside = current::Inside::enter();
    interrupt::install(signal, look)
}

/// In the handler.
fn look(it: &Interrupted) {
    let thread = raw::thread_id();
    let _ = pending(thread).compare_exchange(thread, 0, Relaxed, Relaxed);
    let me = thread << THREAD;
    if WORD.compare_exchange(me | ASKED, me | TAKING, Acquire, Relaxed).is_err() {
        return;
    }
    // SAFETY: `TAKING` makes it this handler's.
    let left = unsafe { &mut *LEFT.0.get() };
    left.green = current::get().map(|record| (ptr::from_ref(record), record.id(), record.mark()));
    left.registers = it.registers;
    left.result = it.result;
    left.used = if left.with_stack { copy(it.registers.sp, &mut left.stack) } else { 0 };
    WORD.store(me | TAKEN, Release);
    futex::wake_one(&WORD);
}

/// How much of it there is.
fn copy(sp: usize, to: &mut [u8; MOST]) -> usize {
    // On a worker's own stack there is nothing of the user's.
    let Some(slot) = atlas::containing(sp) else { return 0 };
    let used = slot.frames().end.saturating_sub(sp).min(MOST);
    // The kernel copies: to the compiler these are other functions' variables.
    if peek::copy(sp, &mut to[..used]).is_ok() { used } else { 0 }
}

/// Interrupts `thread`, one of this process. `None`: it does not take the signal.
pub(super) fn take(thread: u32, signal: i32, with_stack: bool) -> Option<Sample> {
    let _asking = ASKING.lock();
    if pending(thread).load(Relaxed) == thread {
        return None;
    }
    // SAFETY: `IDLE` and the lock make it ours.
    unsafe { (*LEFT.0.get()).with_stack = with_stack };
    let me = thread << THREAD;
    WORD.store(me | ASKED, Release);
    pending(thread).store(thread, Relaxed); // before its handler may run
    let sent = interrupt::send(thread, signal).is_ok();
    if !sent || !answered(thread) {
        // A handler that has begun ends soon.
        if WORD.compare_exchange(me | ASKED, IDLE, Relaxed, Relaxed).is_ok() {
            if !sent {
                pending(thread).store(0, Relaxed);
            }
            return None;
        }
        while WORD.load(Acquire) != me | TAKEN {
            futex::wait(&WORD, me | TAKING, None);
        }
    }
    // SAFETY: `TAKEN` makes it ours again.
    let left = unsafe { &*LEFT.0.get() };
    let green = left.green.map(|(record, id, found)| Green { record: record.addr(), id, found });
    let sample = Sample {
        green,
        registers: left.registers,
        result: left.result,
        stack: left.stack[..left.used].to_vec(),
    };
    WORD.store(IDLE, Relaxed);
    Some(sample)
}

/// Waits until it is taken, for a while.
fn answered(thread: u32) -> bool {
    let (start, had) = (clock::now(), os_thread::cpu_time(thread));
    let mut until = clock::after(PATIENCE);
    loop {
        match WORD.load(Acquire) {
            word if word == thread << THREAD | TAKEN => return true,
            word if clock::now() < until => futex::wait(&WORD, word, Some(until)),
            _ if clock::now() - start < STARVED.as_nanos() as u64 && is_starved(thread, had) => {
                until = clock::after(PATIENCE);
            }
            _ => return false,
        }
    }
}

/// It could run, and has had hardly more than `had` of a core: it may lose it on its way
/// to the handler.
fn is_starved(thread: u32, had: Nanos) -> bool {
    let more = os_thread::cpu_time(thread).saturating_sub(had);
    more < SLIVER && matches!(os_thread::look(thread), Look::Runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::reexec;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    /// Computes on that core, after it has said its number.
    fn spin(core: usize, nice: i32, number: &AtomicU32, until: impl Fn() -> bool) {
        // SAFETY: an empty set, one core in it that this process may use, and how
        // little it shall have; both for this thread.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::CPU_SET(core, &mut set);
            assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0);
            assert_eq!(libc::setpriority(libc::PRIO_PROCESS, 0, nice), 0);
        }
        number.store(raw::thread_id(), Release);
        while !until() {}
    }

    /// Ten others compute on its core for longer than anybody else is waited for.
    #[test]
    fn one_without_a_core_is_waited_for() {
        // Alone, since other tests have the signal do something else.
        let ended = reexec::in_child(&[], || {
            prepare(libc::SIGURG).unwrap();
            // SAFETY: takes nothing.
            let core = unsafe { libc::sched_getcpu() } as usize;
            let numbers = [const { AtomicU32::new(0) }; 11];
            let stop = AtomicBool::new(false);
            thread::scope(|scope| {
                let [meek, rude @ ..] = &numbers;
                scope.spawn(|| spin(core, 10, meek, || stop.load(Relaxed)));
                for number in rude {
                    let end = clock::after(4 * PATIENCE);
                    scope.spawn(move || spin(core, 0, number, || clock::now() > end));
                }
                while numbers.iter().any(|number| number.load(Acquire) == 0) {
                    thread::yield_now();
                }
                let sample = take(meek.load(Relaxed), libc::SIGURG, false);
                stop.store(true, Relaxed);
                assert!(sample.is_some());
            });
        });
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}
