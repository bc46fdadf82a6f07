//! `select` and `pselect`.
//!
//! The kernel answers in the sets that it was asked with. So they are copied
//! first, each look has copies of its own, and the last one's go back.

use super::masked::{Mask, NO_TIME};
use super::poll::{Ask, until_some};
use crate::green::current;
use crate::sched::entry::Dir;
use crate::sys::clock::Nanos;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{c_int, fd_set};
use std::ptr;

/// To read, to write, in exceptional state.
type Sets = [Option<Vec<u64>>; 3];

const BITS: usize = u64::BITS as usize;

/// As `pselect`; with no mask, as `select`. `None`: leave it to libc.
///
/// # Safety
/// The sets are null, or valid for `count` bits.
pub(crate) unsafe fn select(
    count: c_int,
    sets: [*mut fd_set; 3],
    deadline: Option<Nanos>,
    mask: Mask,
) -> Option<Result<usize, Errno>> {
    let count = clamped(count)?;
    let words = count.div_ceil(BITS);
    // SAFETY: the caller's promise.
    let asked: Sets = sets.map(|set| unsafe { copied(set, words) });
    let mut answer = asked.clone();
    let look = || {
        answer.clone_from(&asked);
        let [read, write, except] = answer.each_mut().map(|set| match set {
            Some(set) => set.as_mut_ptr().addr(),
            None => 0,
        });
        let mut time = NO_TIME; // the kernel writes what is left of it
        let mask = [mask.address(), Mask::SIZE];
        let args = [count, read, write, except, &raw mut time as usize, mask.as_ptr().addr()];
        // SAFETY: sets of that many bits. Timeout zero: it does not block.
        unsafe { raw::syscall(libc::SYS_pselect6, args) }
    };
    let result = until_some(deadline, mask, look, || asks(&asked));
    if result.is_ok() {
        for (set, answer) in sets.into_iter().zip(&answer) {
            let Some(answer) = answer else { continue };
            // SAFETY: the caller's promise; not null, as there is a copy.
            unsafe { ptr::copy_nonoverlapping(answer.as_ptr(), set.cast(), words) };
        }
    }
    Some(result)
}

/// # Safety
/// `set` is null, or valid for that many words.
unsafe fn copied(set: *mut fd_set, words: usize) -> Option<Vec<u64>> {
    if set.is_null() {
        return None;
    }
    // SAFETY: the caller's promise; libc's sets consist of such words.
    Some(unsafe { std::slice::from_raw_parts(set.cast::<u64>(), words) }.to_vec())
}

/// How many bits the kernel looks at; `None`: it refuses. Old programs pass a
/// number far beyond the end of their sets.
fn clamped(count: c_int) -> Option<usize> {
    let count = usize::try_from(count).ok()?;
    if count <= libc::FD_SETSIZE { Some(count) } else { Some(count.min(table_size()?)) }
}

/// As many descriptors as the kernel's table of this process has room for.
fn table_size() -> Option<usize> {
    let _inside = current::Inside::enter();
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("FDSize:"))?.trim().parse().ok()
}

fn asks(sets: &Sets) -> Vec<Ask> {
    let [read, write, except] = sets.each_ref().map(|set| set.as_deref().unwrap_or_default());
    let word = |set: &[u64], i: usize| set.get(i).copied().unwrap_or(0);
    let mut asks = Vec::new();
    for i in 0..read.len().max(write.len()).max(except.len()) {
        let wants = [(Dir::Read, word(read, i) | word(except, i)), (Dir::Write, word(write, i))];
        for (dir, mut bits) in wants {
            while bits != 0 {
                asks.push(((i * BITS + bits.trailing_zeros() as usize) as i32, dir));
                bits &= bits - 1;
            }
        }
    }
    asks
}
