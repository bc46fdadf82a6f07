//! `select` and `pselect`.
//!
//! The kernel answers in the sets that it was asked with. So they are copied
//! first, each look has copies of its own, and the last one's go back. It is the
//! kernel that copies, so that a set at a wrong address is EFAULT here as well.

use super::masked::{Mask, NO_TIME};
use super::poll::{Ask, until_some};
use crate::green::current;
use crate::sched::entry::Dir;
use crate::sys::clock::Nanos;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{SYS_process_vm_readv, SYS_process_vm_writev, c_int, c_long, fd_set, iovec};
use std::ptr;

/// To read, to write, in exceptional state.
type Sets = [Option<Vec<u64>>; 3];

const BITS: usize = u64::BITS as usize;

/// As `pselect`; with no mask, as `select`. `None`: leave it to libc.
///
/// # Safety
/// The sets are null, or valid for `count` bits, unless the kernel can tell.
pub(crate) unsafe fn select(
    count: c_int,
    sets: [*mut fd_set; 3],
    deadline: Option<Nanos>,
    mask: Mask,
) -> Option<Result<usize, Errno>> {
    let count = clamped(count)?;
    let words = count.div_ceil(BITS);
    let mut asked: Sets = sets.map(|set| (!set.is_null()).then(|| vec![0; words]));
    // SAFETY: the caller's promise.
    if let Err(e) = unsafe { copy(SYS_process_vm_readv, &mut asked, sets) } {
        return Some(Err(e));
    }
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
    // SAFETY: the caller's promise.
    Some(result.and_then(|n| unsafe { copy(SYS_process_vm_writev, &mut answer, sets) }.map(|()| n)))
}

/// Reads the caller's sets into ours, or writes ours into them.
///
/// # Errors
/// EFAULT if the kernel finds that the caller's are not there.
///
/// # Safety
/// The sets are null where ours are none, else valid for as many words, unless
/// the kernel can tell.
unsafe fn copy(call: c_long, ours: &mut Sets, theirs: [*mut fd_set; 3]) -> Result<(), Errno> {
    let pair = |(our, set): (&mut Option<Vec<u64>>, *mut fd_set)| {
        let our = our.as_mut()?;
        let iov_len = size_of_val(our.as_slice());
        let here = iovec { iov_base: our.as_mut_ptr().cast(), iov_len };
        Some((here, iovec { iov_base: set.cast(), iov_len }))
    };
    let (here, there): (Vec<_>, Vec<_>) = ours.iter_mut().zip(theirs).filter_map(pair).unzip();
    let bytes: usize = here.iter().map(|part: &iovec| part.iov_len).sum();
    if bytes == 0 {
        return Ok(());
    }
    let [here, there] = [&here, &there].map(|parts| (parts.as_ptr().addr(), parts.len()));
    let process = std::process::id() as usize;
    let args = [process, here.0, here.1, there.0, there.1, 0];
    // SAFETY: ours are borrowed mutably; the kernel checks the caller's.
    match unsafe { raw::syscall(call, args) } {
        Ok(n) if n == bytes => return Ok(()),
        Ok(_) | Err(Errno::FAULT) => return Err(Errno::FAULT),
        Err(_) => {} // a kernel, or a sandbox, that has no such call
    }
    for (our, set) in ours.iter_mut().zip(theirs) {
        let Some(our) = our else { continue };
        let (our, set, words) = (our.as_mut_ptr(), set.cast::<u64>(), our.len());
        let (from, to) = if call == SYS_process_vm_readv { (set, our) } else { (our, set) };
        // SAFETY: the caller's promise; not null, as there is one of ours.
        unsafe { ptr::copy_nonoverlapping(from, to, words) };
    }
    Ok(())
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
