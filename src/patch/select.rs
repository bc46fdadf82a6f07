//! The family *select*: waiting for the first of many descriptors.

use super::family::Family;
use super::gate::{Shim, int, parks};
use crate::calls::masked::Mask;
use crate::calls::{epoll, poll as net_poll, select as net_select};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::{rare, real};
use crate::time;
use libc::{c_int, epoll_event, fd_set, nfds_t, pollfd, sigset_t, size_t};
use libc::{timespec, timeval};
use std::time::Duration;

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(poll as *const ()),
    Shim::new(__poll_chk as *const ()),
    Shim::new(ppoll as *const ()),
    Shim::new(__ppoll_chk as *const ()),
    Shim::new(select as *const ()),
    Shim::new(pselect as *const ()),
    Shim::new(epoll_wait as *const ()),
    Shim::new(epoll_pwait as *const ()),
    Shim::new(epoll_pwait2 as *const ()),
];

fn number(result: Result<usize, Errno>) -> c_int {
    int(result.map(|n| n as c_int))
}

/// The deadline of a call that may wait; `None`: it does not, or is libc's.
fn in_millis(timeout: c_int) -> Option<Option<Nanos>> {
    match timeout {
        0 => None,
        ..0 => Some(None),
        millis => Some(Some(clock::after(Duration::from_millis(millis as u64)))),
    }
}

/// As `in_millis`, of a time as `ppoll` takes it.
///
/// # Safety
/// `timeout` is null or valid.
unsafe fn in_time(timeout: *const timespec) -> Option<Option<Nanos>> {
    // SAFETY: the caller's promise.
    let Some(timeout) = (unsafe { timeout.as_ref() }) else { return Some(None) };
    let time = time::duration(*timeout).filter(|time| !time.is_zero())?;
    Some(Some(clock::after(time)))
}

/// See poll(2). Sockets need it as well: std connects with a timeout by it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn poll(list: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int {
    if timeout != 0 && (parks(Family::Select) || parks(Family::Socket)) {
        // SAFETY: the caller's promise.
        return unsafe { green_poll(list, count, timeout) };
    }
    // SAFETY: as above.
    unsafe { real::poll(list, count, timeout) }
}

/// Apart, so that who passes through saves no registers.
///
/// # Safety
/// As `poll`.
#[inline(never)]
unsafe fn green_poll(list: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int {
    let deadline = in_millis(timeout).flatten();
    // SAFETY: the caller's promise.
    number(unsafe { net_poll::poll(list, count as usize, deadline, Mask::NONE) })
}

/// `poll`, as fortified programs call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __poll_chk(
    list: *mut pollfd,
    count: nfds_t,
    timeout: c_int,
    size: size_t,
) -> c_int {
    if size / size_of::<pollfd>() < count as usize {
        // SAFETY: libc ends the process.
        return unsafe { real::__poll_chk(list, count, timeout, size) };
    }
    // SAFETY: the caller's promise.
    unsafe { poll(list, count, timeout) }
}

/// See ppoll(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn ppoll(
    list: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if parks(Family::Select)
            && let Some(deadline) = in_time(timeout)
        {
            return number(net_poll::poll(list, count as usize, deadline, Mask::new(mask)));
        }
        real::ppoll(list, count, timeout, mask)
    }
}

/// `ppoll`, as fortified programs call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __ppoll_chk(
    list: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
    size: size_t,
) -> c_int {
    if size / size_of::<pollfd>() < count as usize {
        // SAFETY: libc ends the process.
        return unsafe { real::__ppoll_chk(list, count, timeout, mask, size) };
    }
    // SAFETY: the caller's promise.
    unsafe { ppoll(list, count, timeout, mask) }
}

/// See select(2). As Linux does, it leaves in `timeout` what was left of it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn select(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    timeout: *mut timeval,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if parks(Family::Select)
            && let Some(deadline) = in_timeval(timeout)
            && let Some(result) =
                net_select::select(count, [read, write, except], deadline, Mask::NONE)
        {
            if let (Some(timeout), Some(deadline)) = (timeout.as_mut(), deadline) {
                let left = Duration::from_nanos(deadline.saturating_sub(clock::now()));
                timeout.tv_sec = left.as_secs() as i64;
                timeout.tv_usec = i64::from(left.subsec_micros());
            }
            return number(result);
        }
        real::select(count, read, write, except, timeout)
    }
}

/// As `in_millis`, of a time as `select` takes it: with more than a million
/// microseconds, if need be.
///
/// # Safety
/// `timeout` is null or valid.
unsafe fn in_timeval(timeout: *const timeval) -> Option<Option<Nanos>> {
    // SAFETY: the caller's promise.
    let Some(timeout) = (unsafe { timeout.as_ref() }) else { return Some(None) };
    let seconds = Duration::from_secs(u64::try_from(timeout.tv_sec).ok()?);
    let micros = Duration::from_micros(u64::try_from(timeout.tv_usec).ok()?);
    let time = seconds.saturating_add(micros);
    (!time.is_zero()).then(|| Some(clock::after(time)))
}

/// See pselect(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pselect(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if parks(Family::Select)
            && let Some(deadline) = in_time(timeout)
            && let Some(result) =
                net_select::select(count, [read, write, except], deadline, Mask::new(mask))
        {
            return number(result);
        }
        real::pselect(count, read, write, except, timeout, mask)
    }
}

/// See epoll_wait(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if parks(Family::Select)
            && let Some(deadline) = in_millis(timeout)
        {
            return number(epoll::epoll_wait(epoll, events, most, deadline, Mask::NONE));
        }
        real::epoll_wait(epoll, events, most, timeout)
    }
}

/// See epoll_pwait(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn epoll_pwait(
    epoll: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout: c_int,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if parks(Family::Select)
            && let Some(deadline) = in_millis(timeout)
        {
            return number(epoll::epoll_wait(epoll, events, most, deadline, Mask::new(mask)));
        }
        real::epoll_pwait(epoll, events, most, timeout, mask)
    }
}

/// See epoll_pwait2(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn epoll_pwait2(
    epoll: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if parks(Family::Select)
            && let Some(deadline) = in_time(timeout)
        {
            return number(epoll::epoll_wait(epoll, events, most, deadline, Mask::new(mask)));
        }
        rare::epoll_pwait2(epoll, events, most, timeout, mask)
    }
}
