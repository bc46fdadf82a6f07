//! Waiting for many descriptors: asks the kernel, waits in the reactor for a
//! change of any of them, asks again. `poll` and `ppoll`.

use super::masked::{Mask, NO_TIME, Pending};
use crate::green::park::give_way;
use crate::sched::entry::{Dir, Entry, Seen};
use crate::sched::fds;
use crate::sched::wait::{Outcome, Target, wait};
use crate::sys::clock::Nanos;
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::time;
use libc::{POLLIN, POLLOUT, POLLPRI, POLLRDHUP, pollfd};

const READ: i16 = POLLIN | POLLPRI | POLLRDHUP;

/// As `ppoll`; with no mask, as `poll`.
///
/// # Safety
/// `fds` has `count` elements; `mask` is null or valid.
pub(crate) unsafe fn poll(
    fds: *mut pollfd,
    count: usize,
    deadline: Option<Nanos>,
    mask: Mask,
) -> Result<usize, Errno> {
    let count = count as u32 as usize; // as the kernel takes it
    let look = || {
        let mut time = NO_TIME; // the kernel writes what is left of it
        let args = [fds as usize, count, &raw mut time as usize, mask.address(), Mask::SIZE, 0];
        // SAFETY: the caller's promise. Timeout zero: it does not block.
        unsafe { raw::syscall(libc::SYS_ppoll, args) }
    };
    // SAFETY: the caller's promise; the kernel has looked at it before.
    let asks = || unsafe { asks(fds, count) };
    until_some(deadline, mask, look, asks)
}

/// One descriptor, and in which direction it is to change.
pub(super) type Ask = (i32, Dir);

/// What has to change for the answer to change.
///
/// # Safety
/// `fds` has `count` elements.
unsafe fn asks(fds: *const pollfd, count: usize) -> Vec<Ask> {
    let list = match count {
        0 => &[],
        // SAFETY: the caller's promise.
        n => unsafe { std::slice::from_raw_parts(fds, n) },
    };
    let mut asks = Vec::with_capacity(list.len());
    for one in list.iter().filter(|one| one.fd >= 0) {
        // Hang-ups and errors are always asked for, and come both ways.
        if one.events & !POLLOUT != 0 || one.events == 0 {
            asks.push((one.fd, Dir::Read));
        }
        if one.events & !READ != 0 {
            asks.push((one.fd, Dir::Write));
        }
    }
    asks
}

/// Repeats `look`, which does not wait, until it finds something or the
/// deadline has passed; in between waits for a change of what is asked for, or
/// for a signal that `mask` lets through.
///
/// # Errors
/// What `look` says: EINTR for such a signal.
pub(super) fn until_some(
    deadline: Option<Nanos>,
    mask: Mask,
    mut look: impl FnMut() -> Result<usize, Errno>,
    asks: impl Fn() -> Vec<Ask>,
) -> Result<usize, Errno> {
    // Before it waits for anything: the kernel also says if the call is wrong.
    let ready = look()?;
    if ready > 0 || deadline == Some(0) {
        return Ok(ready);
    }
    let pending = Pending::behind(mask)?;
    let mut bad = false;
    loop {
        let mut asks = asks();
        asks.extend(pending.as_ref().map(|p| (p.fd(), Dir::Read)));
        if bad {
            // `select` passes over numbers behind the end of the kernel's table.
            asks.retain(|(fd, _)| fds::known(*fd).is_ok());
        }
        let watched = match watch(&asks) {
            // Being closed by another thread, and the kernel will say so.
            Err(Errno::BADF) => {
                give_way();
                bad = true;
                None
            }
            other => Some(other?),
        };
        // What changed before the ticks were read raises none; what changes
        // after this look does.
        let ready = look()?;
        if ready > 0 {
            return Ok(ready);
        }
        if let Some(watched) = watched
            && !wait_for_change(&watched, deadline)?
        {
            return look(); // it may have come in the last moment
        }
    }
}

type Watched = Vec<(i32, &'static Entry, Dir, Seen)>;

fn watch(asks: &[Ask]) -> Result<Watched, Errno> {
    let one = |&(fd, dir): &Ask| {
        let entry = fds::known(fd)?;
        Ok((fd, entry, dir, entry.look(dir)))
    };
    asks.iter().map(one).collect()
}

/// False at the deadline.
fn wait_for_change(watched: &Watched, deadline: Option<Nanos>) -> Result<bool, Errno> {
    if watched.is_empty() {
        // Nothing can become ready.
        time::until(deadline.unwrap_or(Nanos::MAX))?;
        return Ok(false);
    }
    let targets: Vec<_> = watched
        .iter()
        .map(|&(fd, entry, dir, seen)| Target::new(fd, entry, dir, seen, true))
        .collect();
    match wait(&targets, deadline) {
        // Closed meanwhile, and that is an answer.
        Err(Errno::BADF) => Ok(true),
        outcome => Ok(outcome? != Outcome::TimedOut),
    }
}
