//! The family *sync*: futexes, on which std, parking_lot and crossbeam build
//! all that waits.
//!
//! `syscall` is variadic in C; see `descriptor.rs`. Its seventh argument comes
//! on the stack, and is read also where the caller passed fewer: then it is
//! whatever lies there, and the kernel ignores it.

use super::family::{Family, is_patched};
use super::gate::Shim;
use crate::green::current;
use crate::sync::futex::{self, ANY, Waited};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::real;
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
    Wait { bits: u32, deadline: Option<Nanos> },
    Wake { bits: u32 },
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
            let most = value as u32;
            let woken = futex::wake(word, most, bits);
            if woken == 0 {
                return None;
            }
            let rest = (most - woken) as usize;
            // Both sorts of thread may wait for the same word.
            let in_kernel = match rest {
                0 => 0,
                // SAFETY: as above.
                n => unsafe { real::syscall(libc::SYS_futex, word, op, n, 0, 0, bits as usize) },
            };
            Some(c_long::from(woken) + in_kernel.max(0))
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
        libc::FUTEX_WAKE_BITSET if bits != 0 => Ask::Wake { bits },
        _ => return None,
    })
}
