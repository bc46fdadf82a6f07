//! Looking at what one worker runs.
//!
//! A worker that waits in the kernel, or may do so, is not interrupted: some calls
//! would fail with EINTR, and the monitor changes nothing. One that begins to wait just
//! then is seen to in the handler, for the usual calls (`sys/interrupt.rs`). Where such
//! a thread stands the kernel says, but for the registers that its callers keep, so a
//! backtrace may end early.

use super::monitor_report::Doing;
use super::monitor_sample::{self, Green, Sample};
use super::monitor_who::{owner, runs_on};
use crate::sched::shared::Shared;
use crate::stack::atlas;
use crate::sys::os_thread::{self, InKernel, Look, call_name};
use crate::sys::unwind::{Copied, Registers, Unwinder};
use crate::sys::{clock, futex, peek};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// How often one is looked at before it is said what it does...
const LOOKS: usize = 12;
/// ...and the pause in between.
const BETWEEN: Duration = Duration::from_micros(700);
/// Of those looks so many that find it right behind a call that failed, or at a
/// `pause`: hard to hit by chance, and a loop around them also does other things.
const TRIES: usize = 2;
const MOST_FRAMES: usize = 256;

/// A worker, and how to interrupt it.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) worker: &'a Shared,
    pub(super) signal: i32,
}

/// What one look finds.
pub(super) enum Glance {
    Runs(Sample),
    Waits(InKernel, Green),
    /// It runs, and takes no signal of ours: it blocks it, or somebody else handles
    /// it, or the system does not let us send it. Or the kernel does not say what it
    /// does.
    Hidden(Green),
    /// No green thread, or one that cannot be seen.
    Nothing,
}

impl Glance {
    pub(super) fn green(&self) -> Option<&Green> {
        match self {
            Glance::Runs(sample) => sample.green.as_ref(),
            Glance::Waits(_, green) | Glance::Hidden(green) => Some(green),
            Glance::Nothing => None,
        }
    }
}

/// What a green thread does, and where.
pub(super) struct Sighting {
    pub(super) green: Green,
    pub(super) doing: Doing,
    pub(super) stack: Vec<usize>,
}

pub(super) fn pause() {
    futex::wait(&AtomicU32::new(0), 0, Some(clock::after(BETWEEN)));
}

impl Subject<'_> {
    /// One look at a worker that comes round.
    pub(super) fn glance(self, with_stack: bool) -> Glance {
        let thread = self.worker.thread.load(Relaxed);
        match os_thread::look(thread) {
            Look::Waits(kernel) => match owner(kernel.sp) {
                Some(green) => Glance::Waits(kernel, green),
                None => Glance::Nothing,
            },
            Look::Runs => match monitor_sample::take(thread, self.signal, with_stack) {
                Some(sample) => Glance::Runs(sample),
                None => Glance::Nothing,
            },
            Look::Unknown => Glance::Nothing,
        }
    }

    /// One look at a worker that does not, where more may be done to see who it is.
    pub(super) fn seek(self, with_stack: bool) -> Glance {
        match self.glance(with_stack) {
            Glance::Nothing => {}
            seen => return seen,
        }
        let Some(green) = runs_on(self.worker) else { return Glance::Nothing };
        match os_thread::waits(self.worker.thread.load(Relaxed)) {
            Some(kernel) => Glance::Waits(kernel, green),
            None => Glance::Hidden(green),
        }
    }

    /// Looks several times at what the green thread with this number does. `None`:
    /// it has given way.
    pub(super) fn examine(self, id: u64) -> Option<Sighting> {
        let (mut waits, mut tries) = (0, 0);
        let mut last = None;
        let mut stack = Vec::new();
        for nth in 0..LOOKS {
            if nth > 0 {
                pause();
            }
            let glance = self.seek(stack.is_empty());
            let green = *glance.green().filter(|green| green.id == id)?;
            last = Some(green);
            match &glance {
                Glance::Runs(sample) => {
                    if !green.found.same_run {
                        return None;
                    }
                    let at = Instruction::at(sample.registers.ip);
                    tries += usize::from(at.is_try(sample.result) || at.is_pause());
                }
                Glance::Waits(..) => waits += 1,
                Glance::Hidden(_) | Glance::Nothing => break, // there is no more to see
            }
            if stack.is_empty() {
                stack = walk(&glance);
            }
        }
        let doing = if waits > LOOKS / 2 {
            self.blocked()
        } else if tries >= TRIES {
            Doing::Spinning
        } else {
            Doing::Computing
        };
        Some(Sighting { green: last?, doing, stack })
    }

    fn blocked(self) -> Doing {
        let kernel = os_thread::waits(self.worker.thread.load(Relaxed)).unwrap_or_default();
        Doing::Blocked { call: kernel.call.and_then(call_name), place: kernel.place }
    }
}

/// The addresses of code on its stack, the innermost first.
pub(super) fn walk(glance: &Glance) -> Vec<usize> {
    let (registers, bytes) = match glance {
        Glance::Runs(sample) => (sample.registers, sample.stack.clone()),
        Glance::Waits(kernel, _) => {
            let Some(slot) = atlas::containing(kernel.sp) else { return Vec::new() };
            let used = slot.frames().end.saturating_sub(kernel.sp);
            let mut bytes = vec![0; used.min(monitor_sample::MOST)];
            if peek::copy(kernel.sp, &mut bytes).is_err() {
                return Vec::new();
            }
            (Registers { ip: kernel.ip, sp: kernel.sp, kept: [None; 6] }, bytes)
        }
        Glance::Hidden(_) | Glance::Nothing => return Vec::new(),
    };
    if bytes.is_empty() {
        return Vec::new(); // the worker is about to switch, or has
    }
    let stack = Copied { start: registers.sp, bytes: &bytes };
    Unwinder::new().walk_from(&stack, registers, MOST_FRAMES)
}

/// The code around where a thread was interrupted.
struct Instruction {
    before: [u8; 7],
    after: [u8; 2],
}

const SYSCALL: [u8; 2] = [0x0f, 0x05];
const PAUSE: [u8; 2] = [0xf3, 0x90];
/// `mov eax, SYS_sched_yield`
const YIELD: [u8; 5] = [0xb8, libc::SYS_sched_yield as u8, 0, 0, 0];

impl Instruction {
    fn at(ip: usize) -> Instruction {
        let (mut before, mut after) = ([0; 7], [0; 2]);
        let parts = [(ip.wrapping_sub(7), before.as_mut_slice()), (ip, after.as_mut_slice())];
        let _ = peek::copy_all(parts); // else it is no code that we know
        Instruction { before, after }
    }

    /// Behind a system call that only let others run, or that failed.
    fn is_try(&self, result: isize) -> bool {
        // Not because of our signal.
        let failed = (-4095..0).contains(&result) && result != -(libc::EINTR as isize);
        self.before[5..] == SYSCALL && (self.before[..5] == YIELD || failed)
    }

    fn is_pause(&self) -> bool {
        self.before[5..] == PAUSE || self.after == PAUSE
    }
}

#[cfg(all(test, not(miri), not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_code_does_is_seen_from_its_bytes() {
        let code = |before: [u8; 7], after: [u8; 2]| Instruction { before, after };
        let yields = code([0xb8, 24, 0, 0, 0, 0x0f, 0x05], [0xc3, 0]);
        assert!(yields.is_try(0) && !yields.is_pause());
        let reads = code([0x31, 0xc0, 0x90, 0x90, 0x90, 0x0f, 0x05], [0xc3, 0]);
        assert!(!reads.is_try(7) && !reads.is_try(-(libc::EINTR as isize)));
        assert!(reads.is_try(-(libc::EAGAIN as isize)));
        assert!(code([0, 0, 0, 0, 0, 0xf3, 0x90], [0, 0]).is_pause());
        assert!(code([0; 7], [0xf3, 0x90]).is_pause());
        assert!(!code([0; 7], [0; 2]).is_try(-11));
        assert!(!Instruction::at(16).is_try(0), "there is no code");
    }
}
