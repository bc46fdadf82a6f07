//! The table of descriptors: an [`Entry`] for every number, in chunks that are
//! made when first needed and never freed.
//!
//! What keeps it true: the shims report each descriptor that they make
//! (`created`), duplicate (`duplicated`, `replace`) and close (`close`). One
//! that came to be in another way is looked at when a green thread first uses
//! it (`known`). A number that is closed and used again starts from nothing:
//! `forget` raises the generation, which the selector's keys carry, and the
//! ticks, which every waiter compares.

use super::entry::{CLOSING, NO_INFERENCE, USER_NONBLOCK};
use super::entry::{Dir, Entry, FORCED_NONBLOCK, KNOWN, Kind, LOW_WATER, Locked};
use super::{kinds, runtime};
use crate::sys::errno::Errno;
use crate::sys::lock::Lock;
use crate::sys::platform;
use crate::sys::raw;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

const CHUNK: usize = 1024;
type Chunk = [Entry; CHUNK];

/// Room for every possible descriptor number; untouched pages cost nothing.
static CHUNKS: [AtomicPtr<Chunk>; (i32::MAX as usize + 1) / CHUNK] =
    [const { AtomicPtr::new(ptr::null_mut()) }; (i32::MAX as usize + 1) / CHUNK];

/// Guards the rings of descriptors that share a file. Taken last: its holder
/// takes no entry's lock.
static RINGS: Lock<()> = Lock::new(());

/// The entry of `fd` if its chunk exists.
#[inline]
fn peek(fd: i32) -> Option<&'static Entry> {
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
    peek(fd).ok_or(Errno::BADF)
}

/// The entry of `fd`, knowing what it describes.
///
/// # Errors
/// EBADF if it is not open.
#[inline]
pub(crate) fn known(fd: i32) -> Result<&'static Entry, Errno> {
    let entry = entry(fd)?;
    if entry.flags() & KNOWN == 0 {
        adopt(fd, entry)?;
    }
    Ok(entry)
}

/// Looks at a descriptor that no shim made.
#[cold]
fn adopt(fd: i32, entry: &Entry) -> Result<(), Errno> {
    let locked = entry.lock();
    if entry.flags() & KNOWN != 0 {
        return Ok(());
    }
    if entry.flags() & CLOSING != 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: F_GETFL takes no pointer.
    let status = unsafe {
        raw::syscall(libc::SYS_fcntl, [fd as usize, libc::F_GETFL as usize, 0, 0, 0, 0])
    }?;
    let asked = if status as i32 & libc::O_NONBLOCK != 0 { USER_NONBLOCK } else { 0 };
    let kind = kinds::kind_of(fd);
    if kind != Kind::Other {
        kinds::read_timeouts(fd, entry);
    }
    let low_water = kinds::low_water_flags(kinds::low_water(fd));
    // What runs over TCP (kTLS, MPTCP) may have been set up before.
    let layered = if kind == Kind::Tcp { kinds::layered(fd) } else { 0 };
    // What the kernel says of a file that we made non-blocking is not its mode.
    let _rings = RINGS.lock();
    let told = entry.flags() & (USER_NONBLOCK | FORCED_NONBLOCK);
    let mode = match told & FORCED_NONBLOCK {
        0 => siblings_mode(fd, entry).unwrap_or(asked),
        _ => told,
    };
    locked.describe(kind, mode | low_water | layered | entry.flags() & NO_INFERENCE);
    Ok(())
}

/// A descriptor has come to be whose description the caller knows. The number
/// may have been closed behind our back, so what was known of it is dropped.
pub(crate) fn created(fd: i32, kind: Kind, user_nonblock: bool) {
    let Ok(entry) = entry(fd) else { return };
    leave_ring(fd, entry);
    let locked = entry.lock();
    locked.forget();
    locked.describe(kind, if user_nonblock { USER_NONBLOCK } else { 0 });
}

/// A descriptor has come to be of which the caller knows nothing.
pub(crate) fn appeared(fd: i32) {
    if let Some(entry) = peek(fd) {
        leave_ring(fd, entry);
        entry.lock().forget();
    }
}

/// Closes `fd` by `close`, which may take long (SO_LINGER), while the number is
/// free already: so the entry is not locked meanwhile. Its mark keeps others
/// from taking up the old file between forgetting and closing.
pub(crate) fn close<R>(fd: i32, close: impl FnOnce() -> R) -> R {
    let in_use = |e: &&Entry| e.flags() != 0 || e.sibling.load(Relaxed) != 0;
    let Some(entry) = peek(fd).filter(in_use).filter(|_| platform::is_our_process()) else {
        return close();
    };
    let shared = leave_ring(fd, entry);
    let locked = entry.lock();
    if shared && let Some(worker) = locked.registered() {
        // The file stays open under another number, and would keep reporting.
        if let Some(runtime) = runtime::get() {
            runtime.workers[worker].selector.delete(fd);
        }
    }
    locked.forget();
    entry.change_flags(CLOSING, 0);
    let generation = locked.generation();
    drop(locked);
    let result = close();
    let locked = entry.lock();
    // Else the number has a new owner, who was described without the mark.
    if locked.generation() == generation {
        entry.change_flags(0, CLOSING);
    }
    result
}

/// `fd` is being closed in a fork's child, which takes no lock.
pub(crate) fn abandon(fd: i32) {
    if let Some(entry) = peek(fd) {
        entry.abandon();
    }
}

/// `new` now means the same file as `old`.
pub(crate) fn duplicated(old: i32, new: i32) {
    if !platform::is_our_process() {
        return;
    }
    let (Some(from), Ok(to)) = (peek(old), entry(new)) else {
        return appeared(new);
    };
    if old == new {
        return;
    }
    leave_ring(new, to);
    let flags = from.flags();
    let locked = to.lock();
    locked.forget();
    if flags & KNOWN != 0 {
        let kept = flags & (USER_NONBLOCK | FORCED_NONBLOCK | NO_INFERENCE | LOW_WATER);
        locked.describe(from.kind(), kept);
        to.recv_timeout.store(from.recv_timeout.load(Relaxed), Relaxed);
        to.send_timeout.store(from.send_timeout.load(Relaxed), Relaxed);
    }
    join_ring(old, from, new, to);
}

/// Makes `new` mean the file of `old` by `dup`, which closes `new` first.
pub(crate) fn replace(old: i32, new: i32, dup: impl FnOnce() -> i32) -> i32 {
    // SAFETY: F_GETFD takes no pointer.
    let open = unsafe {
        raw::syscall(libc::SYS_fcntl, [old as usize, libc::F_GETFD as usize, 0, 0, 0, 0])
    };
    if old == new || open.is_err() {
        return dup(); // it will close nothing
    }
    let made = close(new, dup);
    if made >= 0 {
        duplicated(old, made);
    }
    made
}

/// The mode of `fd`'s file as another number knows it. Under the rings' lock.
fn siblings_mode(fd: i32, entry: &Entry) -> Option<u32> {
    let mut at = entry.sibling.load(Relaxed);
    while at != 0 && at != fd as u32 + 1 {
        let other = peek(at as i32 - 1)?;
        if other.flags() & KNOWN != 0 {
            return Some(other.flags() & (USER_NONBLOCK | FORCED_NONBLOCK));
        }
        at = other.sibling.load(Relaxed);
    }
    None
}

fn join_ring(old: i32, from: &Entry, new: i32, to: &Entry) {
    let _rings = RINGS.lock();
    let next = match from.sibling.load(Relaxed) {
        0 => old as u32 + 1,
        next => next,
    };
    to.sibling.store(next, Relaxed);
    from.sibling.store(new as u32 + 1, Relaxed);
}

/// Takes `fd` out of its ring; true if it was in one.
fn leave_ring(fd: i32, entry: &Entry) -> bool {
    // Most are in none, and then no lock is taken.
    if entry.sibling.load(Relaxed) == 0 {
        return false;
    }
    let _rings = RINGS.lock();
    let next = entry.sibling.swap(0, Relaxed);
    let mut at = next;
    while at != 0 {
        let Some(other) = peek(at as i32 - 1) else {
            break;
        };
        let after = other.sibling.load(Relaxed);
        if after == fd as u32 + 1 {
            // The last one left is alone.
            other.sibling.store(if next == at { 0 } else { next }, Relaxed);
            break;
        }
        at = after;
    }
    next != 0
}

/// Applies `change` to `fd`'s entry and to those of the same file: what the
/// kernel keeps per file, not per number.
pub(crate) fn for_file(fd: i32, change: impl Fn(&Entry)) {
    let Some(entry) = peek(fd) else { return };
    change(entry);
    if entry.sibling.load(Relaxed) == 0 {
        return;
    }
    let _rings = RINGS.lock();
    let mut at = entry.sibling.load(Relaxed);
    while at != 0 && at != fd as u32 + 1 {
        let Some(other) = peek(at as i32 - 1) else {
            break;
        };
        change(other);
        at = other.sibling.load(Relaxed);
    }
}

/// Hands a selector's report to those who wait.
pub(crate) fn dispatch(key: u64, readable: bool, writable: bool, ended: bool) {
    let Some(entry) = peek(key as u32 as i32) else {
        return;
    };
    let locked = entry.lock();
    if locked.generation() & GENERATION != (key >> 32) as u32 {
        return; // of an earlier owner of the number
    }
    if readable {
        locked.event(Dir::Read, ended);
    }
    if writable {
        locked.event(Dir::Write, ended);
    }
}

/// The generation bits in a key: the top bit is the selector's own.
const GENERATION: u32 = u32::MAX >> 1;

/// What `fd` is registered under now.
pub(crate) fn key(fd: i32, locked: &Locked<'_>) -> u64 {
    u64::from(locked.generation() & GENERATION) << 32 | u64::from(fd as u32)
}
