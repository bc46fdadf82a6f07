//! An [`Entry`] for every descriptor number, in chunks that are made when first
//! needed and never freed.

use super::entry::{Dir, Entry};
use crate::sys::errno::Errno;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering::*};

const CHUNK: usize = 1024;
type Chunk = [Entry; CHUNK];

/// Room for every possible descriptor number; untouched pages cost nothing.
static CHUNKS: [AtomicPtr<Chunk>; (i32::MAX as usize + 1) / CHUNK] =
    [const { AtomicPtr::new(ptr::null_mut()) }; (i32::MAX as usize + 1) / CHUNK];

/// One more than the highest number whose chunk exists.
static HIGHEST: AtomicI32 = AtomicI32::new(0);

/// Every number that has an entry, with it.
pub(super) fn all() -> impl Iterator<Item = (i32, &'static Entry)> {
    (0..HIGHEST.load(Relaxed)).filter_map(|fd| Some((fd, peek(fd)?)))
}

/// Whether somebody waits for `fd`; a hint while green threads run.
#[inline]
pub(crate) fn is_awaited(fd: i32) -> bool {
    peek(fd).is_some_and(|e| e.has_waiters(Dir::Read) || e.has_waiters(Dir::Write))
}

/// A descriptor that somebody waits for; likewise.
pub(crate) fn any_awaited() -> Option<i32> {
    all().map(|(fd, _)| fd).find(|fd| is_awaited(*fd))
}

/// The entry of `fd` if its chunk exists.
#[inline]
pub(super) fn peek(fd: i32) -> Option<&'static Entry> {
    let fd = usize::try_from(fd).ok()?;
    // SAFETY: chunks are published whole and never freed.
    let chunk = unsafe { CHUNKS[fd / CHUNK].load(Acquire).as_ref() }?;
    Some(&chunk[fd % CHUNK])
}

/// The entry of `fd`.
///
/// # Errors
/// EBADF for a negative number, ENOMEM without memory for the chunk.
#[inline]
pub(crate) fn entry(fd: i32) -> Result<&'static Entry, Errno> {
    match peek(fd) {
        Some(entry) => Ok(entry),
        None => make_chunk(fd),
    }
}

#[cold]
fn make_chunk(fd: i32) -> Result<&'static Entry, Errno> {
    let slot = &CHUNKS[usize::try_from(fd).map_err(|_| Errno::BADF)? / CHUNK];
    let layout = Layout::new::<Chunk>();
    // SAFETY: the layout has a size. All zero is a valid entry.
    let new = unsafe { alloc_zeroed(layout) }.cast::<Chunk>();
    if new.is_null() {
        return Err(Errno(libc::ENOMEM));
    }
    if slot.compare_exchange(ptr::null_mut(), new, AcqRel, Acquire).is_err() {
        // SAFETY: allocated above, and nobody else has seen it.
        unsafe { dealloc(new.cast(), layout) };
    }
    let end = (fd as usize / CHUNK + 1) * CHUNK;
    HIGHEST.fetch_max(end.try_into().unwrap_or(i32::MAX), Relaxed);
    peek(fd).ok_or(Errno::BADF)
}
