//! The family *sync*: futexes, on which std, parking_lot and crossbeam build
//! all that waits.
//!
//! `syscall` is variadic in C; see `descriptor.rs`. Its seventh argument comes
//! on the stack, and is read also where the caller passed fewer: then it is
//! whatever lies there, and the kernel ignores it.

use super::family::{Family, is_patched};
use super::gate::Shim;
use crate::futex::word::{self as futex, ANY, Waited};
use crate::green::current;
use crate::sched::facts;
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::{raw, real};
use crate::time;
use libc::{c_int, c_long, timespec};
use std::ptr;
use std::sync::atomic::AtomicU32;

pub(super) static SHIMS: &[Shim] = &[Shim::new(syscall as *const ())];

/// See syscall(2). Only futex waits and wakes are ours; of others, one changes what a worker
/// remembers.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn syscall(
    nr: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    if nr == libc::SYS_futex && is_patched(Family::Sync) {
        // The most frequent one by far, for which mostly nobody waits; with as few
        // registers to save as it takes.
        if b as c_int == libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG {
            // SAFETY: the caller's promise.
            return unsafe { wake([a, b, c, d, e, f], ANY) };
        }
        // SAFETY: as above.
        return unsafe { futex_call(a, b, c, d, e, f) };
    }
    if nr == libc::SYS_sigaltstack && a != 0 {
        facts::forget_alt_stack();
    }
    // SAFETY: as above.
    unsafe { real::syscall(nr, a, b, c, d, e, f) }
}

/// # Safety
/// As the futex call with these arguments.
#[inline(never)]
unsafe fn futex_call(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long {
    // SAFETY: the caller's promise.
    let result = unsafe { green_futex([a, b, c, d, e, f]) };
    // SAFETY: as above.
    result.unwrap_or_else(|| unsafe { real::syscall(libc::SYS_futex, a, b, c, d, e, f) })
}

/// What a futex call asks for, as far as it is ours.
enum Ask {
    Wait {
        bits: u32,
        deadline: Option<Nanos>,
    },
    Wake {
        bits: u32,
    },
    /// To wait at another word, or to wake there as well.
    Move,
}

/// `None`: the kernel's to do.
///
/// # Safety
/// As the futex call with these arguments.
#[inline]
unsafe fn green_futex(args: [usize; 6]) -> Option<c_long> {
    let [word, op, value, timeout, _, bits] = args;
    if word == 0 || word % 4 != 0 {
        return None; // EFAULT and EINVAL are the kernel's to say
    }
    // SAFETY: as above.
    match unsafe { ask(op as c_int, timeout as *const timespec, bits as u32) }? {
        Ask::Wait { bits, deadline } => {
            let me = current::patched()?;
            // SAFETY: the caller's word.
            let word = unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(word)) };
            Some(match futex::wait(me, word, value as u32, bits, deadline) {
                Waited::Woken | Waited::Left => 0,
                Waited::Free => refuse(Errno::AGAIN),
                Waited::TimedOut => refuse(Errno(libc::ETIMEDOUT)),
            })
        }
        // SAFETY: as above.
        Ask::Wake { bits } => Some(unsafe { wake(args, bits) }),
        Ask::Move => {
            // SAFETY: as above. The time is a second number here.
            let result = unsafe { raw::syscall(libc::SYS_futex, args) };
            if result.is_ok() {
                // All that might be meant: who is woken in vain looks again.
                futex::wake_waiting(word, u32::MAX, ANY);
                futex::wake_waiting(args[4], u32::MAX, ANY);
            }
            Some(result.map_or_else(refuse, |n| n as c_long))
        }
    }
}

/// Wakes green threads, and the kernel's for the rest: both sorts may wait for
/// the same word.
///
/// Mostly no green thread waits, and then the order is the other way round: the
/// kernel has fenced in its own look for waiters (`futex_hb_waiters_pending`),
/// which is what a second look here needs, and would cost again.
///
/// # Safety
/// As the futex call with these arguments, which wakes at its first word.
#[inline(always)] // else its arguments go through memory
unsafe fn wake(args: [usize; 6], bits: u32) -> c_long {
    let [word, op, most, ..] = args;
    if futex::seems_awaited(word) {
        // SAFETY: the caller's promise.
        return unsafe { wake_green_first(word, op, most, bits) };
    }
    // SAFETY: as above.
    match unsafe { raw::syscall(libc::SYS_futex, args) } {
        Ok(woken) if futex::seems_awaited(word) => wake_green_too(word, most, bits, woken),
        Ok(woken) => woken as c_long,
        Err(e) => refuse(e),
    }
}

/// # Safety
/// As `wake`.
#[inline(never)]
unsafe fn wake_green_first(word: usize, op: usize, most: usize, bits: u32) -> c_long {
    let most = at_least_one(most);
    let first = if most == 1 {
        futex::hand_over(word, bits)
    } else {
        futex::wake_waiting(word, most, bits)
    };
    if first == most {
        return c_long::from(first);
    }
    let rest = [word, op, (most - first) as usize, 0, 0, bits as usize];
    // SAFETY: the caller's promise.
    match unsafe { raw::syscall(libc::SYS_futex, rest) } {
        Err(e) if first == 0 => refuse(e),
        woken => c_long::from(first) + woken.unwrap_or(0) as c_long,
    }
}

#[cold]
fn wake_green_too(word: usize, most: usize, bits: u32, woken: usize) -> c_long {
    let left = at_least_one(most).saturating_sub(woken as u32);
    let late = if left > 0 { futex::wake_waiting(word, left, bits) } else { 0 };
    woken as c_long + c_long::from(late)
}

/// Of fewer, the kernel wakes one.
fn at_least_one(most: usize) -> u32 {
    (most as i32).max(1) as u32
}

#[cold]
fn refuse(e: Errno) -> c_long {
    e.set();
    -1
}

/// # Safety
/// `timeout` is as the operation wants it.
unsafe fn ask(op: c_int, timeout: *const timespec, bits: u32) -> Option<Ask> {
    // Between processes addresses say nothing.
    if op & libc::FUTEX_PRIVATE_FLAG == 0 {
        return None;
    }
    let realtime = op & libc::FUTEX_CLOCK_REALTIME != 0;
    Some(match op & libc::FUTEX_CMD_MASK {
        libc::FUTEX_WAIT => {
            // SAFETY: the caller's promise.
            let deadline = match unsafe { timeout.as_ref() } {
                None => None,
                Some(left) => Some(clock::after(time::duration(*left)?)),
            };
            Ask::Wait { bits: ANY, deadline }
        }
        libc::FUTEX_WAIT_BITSET if bits != 0 => {
            // SAFETY: as above.
            let deadline = match unsafe { timeout.as_ref() } {
                None => None,
                Some(at) => Some(time::deadline(realtime, time::duration(*at)?)),
            };
            Ask::Wait { bits, deadline }
        }
        libc::FUTEX_WAKE => Ask::Wake { bits: ANY },
        libc::FUTEX_REQUEUE | libc::FUTEX_CMP_REQUEUE | libc::FUTEX_WAKE_OP => Ask::Move,
        libc::FUTEX_WAKE_BITSET if bits != 0 => Ask::Wake { bits },
        _ => return None,
    })
}
