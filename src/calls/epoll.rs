//! `epoll_wait` and its kin: an epoll is a descriptor as others are, readable
//! when it has something to report.

use super::masked::Mask;
use super::poll::until_some;
use crate::sched::entry::Dir;
use crate::sys::clock::Nanos;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{c_int, epoll_event};

/// As `epoll_pwait2`; with no mask, as `epoll_wait`.
///
/// # Safety
/// `events` has room for `most`; `mask` is null or valid.
pub(crate) unsafe fn epoll_wait(
    epoll: c_int,
    events: *mut epoll_event,
    most: c_int,
    deadline: Option<Nanos>,
    mask: Mask,
) -> Result<usize, Errno> {
    let (epoll_arg, most) = (epoll as usize, most as usize);
    let look = || {
        let args = [epoll_arg, events as usize, most, 0, mask.address(), Mask::SIZE];
        // SAFETY: the caller's promise. Timeout zero: it does not block.
        let found = unsafe { raw::syscall(libc::SYS_epoll_pwait, args) }?;
        // This call, when it does not wait, does not look for signals either.
        if found == 0 { mask.let_in().map(|()| 0) } else { Ok(found) }
    };
    until_some(deadline, mask, look, || vec![(epoll, Dir::Read)])
}
