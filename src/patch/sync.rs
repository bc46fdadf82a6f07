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
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::{raw, real};
use crate::time;
use libc::{c_int, c_long, timespec};
use std::ptr;
use std::sync::atomic::AtomicU32;

pub(super) static SHIMS: &[Shim] = &[Shim::new(syscall as *const ())];

/// See syscall(2). Only futex waits and wakes are ours.
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
        // SAFETY: the caller's promise.
        if let Some(result) = unsafe { green_futex([a, b, c, d, e, f]) } {
            return result;
        }
    }
    // SAFETY: as above.
    unsafe { real::syscall(nr, a, b, c, d, e, f) }
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
unsafe fn green_futex(args: [usize; 6]) -> Option<c_long> {
    let [word, op, value, timeout, _, bits] = args;
    if word == 0 || word % 4 != 0 {
        return None; // EFAULT and EINVAL are the kernel's to say
    }
    // SAFETY: as above.
    match unsafe { ask(op as c_int, timeout as *const timespec, bits as u32) }? {
        Ask::Wait { bits, deadline } => {
            current::patched()?;
            // SAFETY: the caller's word.
            let word = unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(word)) };
            Some(match futex::wait(word, value as u32, bits, deadline) {
                Waited::Woken | Waited::Left => 0,
                Waited::Free => refuse(Errno::AGAIN),
                Waited::TimedOut => refuse(Errno(libc::ETIMEDOUT)),
            })
        }
        Ask::Wake { bits } => {
            // SAFETY: as above.
            let in_kernel = |most: u32| unsafe {
                raw::syscall(libc::SYS_futex, [word, op, most as usize, 0, 0, bits as usize])
            };
            // Of fewer than one, the kernel wakes one.
            Some(wake(word, (value as i32).max(1) as u32, bits, in_kernel))
        }
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
#[inline]
fn wake(
    word: usize,
    most: u32,
    bits: u32,
    in_kernel: impl Fn(u32) -> Result<usize, Errno>,
) -> c_long {
    let first = if futex::seems_awaited(word) { futex::wake_waiting(word, most, bits) } else { 0 };
    if first == most && most > 0 {
        return c_long::from(first);
    }
    match in_kernel(most - first) {
        Err(e) if first == 0 => refuse(e),
        woken => {
            let woken = first + woken.unwrap_or(0) as u32;
            let again = first == 0 && woken < most && futex::seems_awaited(word);
            let late = if again { futex::wake_waiting(word, most - woken, bits) } else { 0 };
            c_long::from(woken + late)
        }
    }
}

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
