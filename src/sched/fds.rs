//! What is known of the descriptors.
//!
//! What keeps it true: the shims report each descriptor that they make
//! (`created`), duplicate (`duplicated`, `replace`) and close (`close`). One
//! that came to be in another way is looked at when a green thread first uses
//! it (`known`). A number that is closed and used again starts from nothing:
//! `forget` raises the generation, which the selector's keys carry, and the
//! ticks, which every waiter compares.

use super::entry::{Dir, Entry, Kind, Locked};
use super::entry::{FORCED_NONBLOCK, KNOWN, LINGERS, LOW_WATER, NO_INFERENCE, USER_NONBLOCK};
use super::line::Waiter;
use super::table::peek;
use super::{kinds, rings, runtime, table};
use crate::green::record::Record;
use crate::sys::errno::Errno;
use crate::sys::gather::gather;
use crate::sys::mem::prefetch;
use crate::sys::platform;
use crate::sys::raw;
use crate::sys::selector::{Events, Ready};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::*};

pub(crate) use super::rings::for_file;
pub(crate) use super::table::{any_awaited, entry, is_awaited};

/// The entry of `fd`, knowing what it describes.
///
/// # Errors
/// EBADF if it is not open.
#[inline]
pub(crate) fn known(fd: i32) -> Result<&'static Entry, Errno> {
    let entry = entry(fd)?;
    if !entry.is_settled() {
        adopt(fd, entry)?;
    }
    Ok(entry)
}

/// Looks at a descriptor that no shim made, or at what was nothing that can be
/// waited for: no call on it would find out that libc has closed it unseen, and
/// that the number means what can.
#[cold]
fn adopt(fd: i32, entry: &Entry) -> Result<(), Errno> {
    let locked = entry.lock();
    if entry.is_settled() {
        return Ok(());
    }
    // SAFETY: F_GETFL takes no pointer.
    let status = unsafe {
        raw::syscall(libc::SYS_fcntl, [fd as usize, libc::F_GETFL as usize, 0, 0, 0, 0])
    }?;
    let asked = if status as i32 & libc::O_NONBLOCK != 0 { USER_NONBLOCK } else { 0 };
    let kind = kinds::kind_of(fd);
    if entry.flags() & KNOWN != 0 {
        if kind == Kind::Other {
            return Ok(());
        }
        rings::leave(fd, entry);
        locked.forget();
    }
    if kind.is_socket() {
        kinds::read_timeouts(fd, entry);
    }
    // Options may have been set before, and urgent data been taken.
    let options = kinds::options(fd, kind) | entry.flags() & NO_INFERENCE;
    // What the kernel says of a file that we made non-blocking is not its mode.
    let _rings = rings::lock();
    let told = entry.flags() & (USER_NONBLOCK | FORCED_NONBLOCK);
    let mode = match told & FORCED_NONBLOCK {
        0 => rings::mode(fd, entry).unwrap_or(asked),
        _ => told,
    };
    locked.describe(kind, mode | options);
    Ok(())
}

/// A descriptor has come to be whose description the caller knows. The number
/// may have been closed behind our back, so what was known of it is dropped.
pub(crate) fn created(fd: i32, kind: Kind, user_nonblock: bool) {
    let Ok(entry) = entry(fd) else { return };
    rings::leave(fd, entry);
    let locked = entry.lock();
    locked.forget();
    locked.describe(kind, if user_nonblock { USER_NONBLOCK } else { 0 });
}

/// Changes by `change` what is known of `fd`'s file, as the kernel was told
/// before; whoever is just looking at `fd` for the first time has finished.
pub(crate) fn tell(fd: i32, change: impl Fn(&Entry)) {
    let _locked = peek(fd).map(Entry::lock);
    for_file(fd, change);
}

/// A descriptor has come to be of which the caller knows nothing.
pub(crate) fn appeared(fd: i32) {
    if let Some(entry) = peek(fd).filter(in_use) {
        rings::leave(fd, entry);
        entry.lock().forget();
    }
}

/// Whether anything is known of it.
fn in_use(entry: &&'static Entry) -> bool {
    entry.flags() != 0 || entry.sibling.load(Relaxed) != 0
}

/// Closes `fd` by `close`. The entry stays locked meanwhile, so that nobody
/// takes the number up between forgetting and closing.
pub(crate) fn close<R>(fd: i32, close: impl FnOnce() -> R) -> R {
    let Some(entry) = peek(fd).filter(in_use).filter(|_| platform::is_our_process()) else {
        return close();
    };
    let shared = rings::leave(fd, entry);
    let locked = entry.lock();
    if shared && let Some(worker) = locked.registered() {
        // The file stays open under another number, and would keep reporting.
        if let Some(runtime) = runtime::get() {
            runtime.workers[worker].selector.delete(fd);
        }
    }
    let held = if entry.flags() & LINGERS != 0 { hold(fd) } else { None };
    locked.forget();
    let result = close();
    drop(locked);
    if let Some(held) = held {
        // SAFETY: closing what `hold` made, and nobody else knows.
        let _ = unsafe { raw::syscall(libc::SYS_close, [held, 0, 0, 0, 0, 0]) };
    }
    result
}

/// Whether the shims tell what becomes of any number.
static TOLD: AtomicBool = AtomicBool::new(false);

/// The shims will tell, from now on.
pub(crate) fn are_told() {
    TOLD.store(true, Relaxed);
}

/// `fd` goes to somebody who may use and close it without telling, unless the
/// shims tell for him. `unforce` gives its file back the mode that its user
/// knows; what has other numbers too stays as it is, for those who accept there.
pub(crate) fn release(fd: i32, unforce: impl FnOnce()) {
    if TOLD.load(Relaxed) {
        return;
    }
    let Some(entry) = peek(fd).filter(|_| platform::is_our_process()) else { return };
    let shared = rings::leave(fd, entry);
    let locked = entry.lock();
    if let (Some(worker), Some(runtime)) = (locked.registered(), runtime::get()) {
        runtime.workers[worker].selector.delete(fd);
    }
    if !shared && entry.flags() & (FORCED_NONBLOCK | USER_NONBLOCK) == FORCED_NONBLOCK {
        unforce();
    }
    locked.forget();
}

/// Another number for the file of `fd`, so that closing `fd` does not linger:
/// the number would be free at once, and its new owner wait for the lock.
#[cold]
fn hold(fd: i32) -> Option<usize> {
    let dup = libc::F_DUPFD_CLOEXEC as usize;
    // SAFETY: takes no pointer. Not below `fd`, for those that others count on.
    unsafe { raw::syscall(libc::SYS_fcntl, [fd as usize, dup, fd as usize, 0, 0, 0]) }.ok()
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
    rings::leave(new, to);
    let locked = to.lock();
    locked.forget();
    rings::join(old, from, new, to, || {
        let flags = from.flags();
        if flags & KNOWN == 0 {
            return to.change_flags(flags & FORCED_NONBLOCK, 0);
        }
        const KEPT: u32 = USER_NONBLOCK | FORCED_NONBLOCK | NO_INFERENCE | LOW_WATER | LINGERS;
        locked.describe(from.kind(), flags & KEPT);
        for dir in [Dir::Read, Dir::Write] {
            to.set_timeout(dir, from.timeout(dir));
        }
    });
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

/// A green thread, by its record's address, and what it waits for.
pub(crate) struct Waits {
    pub(crate) record: usize,
    pub(crate) fd: i32,
    pub(crate) dir: Dir,
}

/// Who waits for which descriptor, each as of the moment of the look.
pub(crate) fn all_waits() -> Vec<Waits> {
    let mut found = Vec::new();
    for (fd, entry) in table::all() {
        for dir in [Dir::Read, Dir::Write].into_iter().filter(|dir| entry.has_waiters(*dir)) {
            gather(&mut found, |show| {
                let show = |r: *const Record| show(Waits { record: r.addr(), fd, dir });
                entry.lock().each_waiter(dir, show);
            });
        }
    }
    found
}

/// Hands a selector's reports to those who wait; how many there were, and the
/// descriptor of the last one.
pub(crate) fn dispatch(events: &Events) -> (u64, Option<i32>) {
    let (mut count, mut last) = (0, None);
    // Each report needs its entry, and then the one in line there; with many
    // descriptors both have left the cache.
    let mut near = events.iter().skip(4);
    let mut far = events.iter().skip(8);
    for ready in events.iter() {
        far.next().inspect(|ready| warm_entry(ready.key));
        near.next().inspect(|ready| warm_waiter(ready.key));
        hand_out(&ready);
        count += 1;
        last = Some(ready.key as i32);
    }
    (count, last)
}

#[inline]
fn hand_out(ready: &Ready) {
    let Some(entry) = of(ready.key) else { return };
    let locked = entry.lock();
    if locked.generation() & GENERATION != (ready.key >> 32) as u32 {
        return; // of an earlier owner of the number
    }
    if ready.readable {
        locked.event(Dir::Read, ready.ended);
    }
    if ready.writable {
        locked.event(Dir::Write, ready.ended);
    }
}

#[inline]
fn warm_entry(key: u64) {
    prefetch(of(key).map_or(ptr::null(), ptr::from_ref).cast(), size_of::<Entry>());
}

#[inline]
fn warm_waiter(key: u64) {
    let first = of(key).map_or(ptr::null(), Entry::first_reader);
    prefetch(first.cast(), size_of::<Waiter>());
}

/// Whom a key is about.
#[inline]
fn of(key: u64) -> Option<&'static Entry> {
    peek(key as u32 as i32)
}

/// The generation bits in a key: the top bit is the selector's own.
const GENERATION: u32 = u32::MAX >> 1;

/// What `fd` is registered under now.
pub(crate) fn key(fd: i32, locked: &Locked<'_>) -> u64 {
    u64::from(locked.generation() & GENERATION) << 32 | u64::from(fd as u32)
}
