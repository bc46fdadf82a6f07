//! Pages: mapping, guarding, giving back. Thin wrappers over `mmap` and its kin, which the
//! patch layer never interposes, so they may be called from anywhere.

use super::raw;
use std::io;
use std::num::NonZeroUsize;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// `MADV_GUARD_INSTALL` of Linux 6.13, which the libc crate does not name yet.
#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// The size of a page, asked of the kernel once.
#[inline]
pub(crate) fn page_size() -> usize {
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: the number stands for itself, and asking twice gives the same answer.
    match SIZE.load(Ordering::Relaxed) {
        0 => {
            let size = ask_page_size();
            SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

/// Asks for the cache lines of `len` bytes from `start`. A hint: nothing is
/// read, and any address is right.
#[inline(always)]
pub(crate) fn prefetch(start: *const u8, len: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in (0..len).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: never faults, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line).cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (start, len);
}

#[cold]
fn ask_page_size() -> usize {
    // SAFETY: sysconf reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096)
}

/// Maps `len` bytes that can be read and written, cost nothing until touched, and never turn
/// into huge pages (one touched byte of a stack must not cost 2 MiB).
pub(crate) fn reserve(len: usize) -> io::Result<NonZeroUsize> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping at a place the kernel chooses replaces nothing.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // The only failure is a kernel built without huge pages, where there is nothing to forbid.
    #[cfg(target_os = "linux")]
    // SAFETY: the range was mapped a line ago; the advice changes no contents.
    let _ = unsafe { libc::madvise(start, len, libc::MADV_NOHUGEPAGE) };
    NonZeroUsize::new(start.expose_provenance())
        .ok_or_else(|| io::Error::other("mmap returned page zero"))
}

/// As `reserve`, at a multiple of `len`, which is one of the page size, and a power of two.
pub(crate) fn reserve_aligned(len: usize) -> io::Result<NonZeroUsize> {
    let around = reserve(2 * len)?.get();
    let start = around.next_multiple_of(len);
    for (from, to) in [(around, start), (start + len, around + 2 * len)] {
        // What cannot be unmapped, for it splits a mapping, costs addresses only.
        // SAFETY: whole pages of what was mapped a line ago.
        let _ = from == to || unsafe { release(from, to - from) }.is_ok();
    }
    NonZeroUsize::new(start).ok_or_else(|| io::Error::other("mmap returned page zero"))
}

/// Has the kernel find memory for all of `[start, start + len)`, where it can (Linux 5.14).
///
/// # Safety
/// The range is whole pages that came from [`reserve`].
pub(crate) unsafe fn populate(start: usize, len: usize) {
    #[cfg(target_os = "linux")]
    {
        let start = ptr::with_exposed_provenance_mut(start);
        // Without memory, whoever touches the pages is told.
        // SAFETY: the caller owns the range, whose contents stay.
        let _ = unsafe { libc::madvise(start, len, libc::MADV_POPULATE_WRITE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, len);
}

/// How many bytes at the end of whole pages from `start` to `end` were touched: from the
/// lowest page in memory on. `None`: the kernel does not say.
pub(crate) fn touched(start: usize, end: usize) -> Option<usize> {
    const AT_ONCE: usize = 256;
    let page = page_size();
    let mut at = start;
    while at < end {
        let mut there = [0_u8; AT_ONCE];
        let part = (end - at).min(AT_ONCE * page);
        let args = [at, part, there.as_mut_ptr().addr(), 0, 0, 0];
        // SAFETY: one byte for each page; a range that is not mapped is an error.
        unsafe { raw::syscall(libc::SYS_mincore, args) }.ok()?;
        let pages = &there[..part.div_ceil(page)];
        if let Some(first) = pages.iter().position(|page| page & 1 != 0) {
            return Some(end - (at + first * page));
        }
        at += part;
    }
    Some(0)
}

/// A number that reads as zero in every child of a fork, however it was forked. Lives for ever.
///
/// # Errors
/// No memory, or a kernel before Linux 4.14.
pub(crate) fn wiped_on_fork() -> io::Result<&'static AtomicU32> {
    let len = page_size();
    let start = reserve(len)?;
    #[cfg(target_os = "linux")]
    {
        let page = ptr::with_exposed_provenance_mut(start.get());
        // SAFETY: the page was mapped a line ago, and holds nothing yet.
        check(unsafe { libc::madvise(page, len, libc::MADV_WIPEONFORK) }).inspect_err(|_| {
            // SAFETY: as above, and nobody uses it.
            let _ = unsafe { release(start.get(), len) };
        })?;
    }
    // SAFETY: zero, aligned, and never unmapped.
    Ok(unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(start.get())) })
}

/// Unmaps `[start, start + len)`.
///
/// # Safety
/// The range is whole pages that came from [`reserve`] and nothing uses them any more.
pub(crate) unsafe fn release(start: usize, len: usize) -> io::Result<()> {
    // SAFETY: the caller owns the range.
    check(unsafe { libc::munmap(ptr::with_exposed_provenance_mut(start), len) })
}

/// Gives the contents of `[start, start + len)` back to the kernel; the pages read as zero
/// when next touched. Guards inside the range survive.
///
/// # Safety
/// The range is whole pages that came from [`reserve`] and nobody needs what is in them.
pub(crate) unsafe fn discard(start: usize, len: usize) -> io::Result<()> {
    let start = ptr::with_exposed_provenance_mut(start);
    // SAFETY: the caller owns the range and has done with its contents.
    check(unsafe { libc::madvise(start, len, libc::MADV_DONTNEED) })
}

/// Makes every access to `[start, start + len)` fault, without costing a mapping.
/// An error on kernels before Linux 6.13.
///
/// # Safety
/// The range is whole pages that came from [`reserve`] and nobody needs what is in them.
pub(crate) unsafe fn install_guard(start: usize, len: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let start = ptr::with_exposed_provenance_mut(start);
        // SAFETY: the caller owns the range and has done with its contents.
        check(unsafe { libc::madvise(start, len, MADV_GUARD_INSTALL) })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (start, len);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Makes every access to `[start, start + len)` fault, at the price of splitting the mapping.
///
/// # Safety
/// The range is whole pages that came from [`reserve`] and nobody uses them.
pub(crate) unsafe fn protect(start: usize, len: usize) -> io::Result<()> {
    let start = ptr::with_exposed_provenance_mut(start);
    // SAFETY: the caller owns the range, so nobody's access is taken away.
    check(unsafe { libc::mprotect(start, len, libc::PROT_NONE) })
}

/// How many mappings the kernel allows a process, where it has such a limit.
pub(crate) fn max_map_count() -> Option<usize> {
    if cfg!(target_os = "linux") {
        std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
    } else {
        None
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn reserved_memory_is_zero_keeps_what_is_written_and_forgets_when_discarded() {
        let len = 4 * page_size();
        let start = reserve(len).unwrap().get();
        let last = ptr::with_exposed_provenance_mut::<u8>(start + len - 1);
        // SAFETY: the mapping is ours, is writable and ends after `last`.
        unsafe {
            assert_eq!(last.read_volatile(), 0);
            last.write_volatile(7);
            assert_eq!(last.read_volatile(), 7);
            discard(start, len).unwrap();
            assert_eq!(last.read_volatile(), 0);
            release(start, len).unwrap();
        }
    }

    #[test]
    fn aligned_memory_is_aligned_and_keeps_what_is_written_when_populated() {
        let len = 64 << 10;
        let start = reserve_aligned(len).unwrap().get();
        assert_eq!(start % len, 0);
        let first = ptr::with_exposed_provenance_mut::<u8>(start);
        // SAFETY: the mapping is ours and writable, `len` bytes of it.
        unsafe {
            first.write_volatile(7);
            populate(start, len);
            assert_eq!(first.read_volatile(), 7);
            assert_eq!(touched(start + page_size(), start + len), Some(len - page_size()));
            release(start, len).unwrap();
        }
    }

    #[test]
    fn failures_carry_the_kernels_reason() {
        let refused = reserve(usize::MAX / 2).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ENOMEM));
        // SAFETY: an unaligned address is refused before anything is changed.
        let refused = unsafe { protect(1, page_size()) }.unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn the_page_size_is_a_power_of_two() {
        assert!(page_size().is_power_of_two() && page_size() >= 4096);
    }
}
