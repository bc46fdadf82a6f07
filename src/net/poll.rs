//! `poll` for green threads: asks the kernel, waits in the reactor for a
//! change of any of the descriptors, asks again.

use crate::green::park::give_way;
use crate::sched::entry::{Dir, Entry, Seen};
use crate::sched::fds;
use crate::sched::wait::{Outcome, Target, wait};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::time;
use libc::{POLLIN, POLLOUT, POLLPRI, POLLRDHUP, c_int, pollfd};

const READ: i16 = POLLIN | POLLPRI | POLLRDHUP;

/// As `poll`.
///
/// # Safety
/// `fds` has `count` elements.
pub(crate) unsafe fn poll(fds: *mut pollfd, count: usize, timeout: c_int) -> Result<c_int, Errno> {
    let deadline = match timeout {
        ..0 => None,
        millis => Some(clock::now() + millis as u64 * 1_000_000),
    };
    let count = count as u32 as usize; // as the kernel takes it
    // SAFETY: the caller's promise. Timeout zero: it does not block.
    let look = || unsafe { raw::syscall(libc::SYS_poll, [fds as usize, count, 0, 0, 0, 0]) };
    loop {
        // The kernel also says if the list cannot be read.
        let ready = look()?;
        if ready > 0 || timeout == 0 {
            return Ok(ready as c_int);
        }
        // SAFETY: as above, and the kernel has read it.
        let watched = match unsafe { watch(fds, count) } {
            // Being closed by another thread, and the kernel will say so.
            Err(Errno::BADF) => {
                give_way();
                continue;
            }
            other => other?,
        };
        // What changed before the ticks were read raises none; what changes
        // after this look does.
        let ready = look()?;
        if ready > 0 {
            return Ok(ready as c_int);
        }
        if !wait_for_change(&watched, deadline)? {
            return Ok(0);
        }
    }
}

type Watched = Vec<(i32, &'static Entry, Dir, Seen)>;

/// What has to change for the answer to change.
///
/// # Safety
/// `fds` has `count` elements.
unsafe fn watch(fds: *const pollfd, count: usize) -> Result<Watched, Errno> {
    let list = match count {
        0 => &[],
        // SAFETY: the caller's promise.
        n => unsafe { std::slice::from_raw_parts(fds, n) },
    };
    let mut watched = Watched::new();
    for one in list.iter().filter(|one| one.fd >= 0) {
        let entry = fds::known(one.fd)?;
        // Hang-ups and errors are always asked for, and come both ways.
        let asks = [
            (Dir::Read, one.events & !POLLOUT != 0 || one.events == 0),
            (Dir::Write, one.events & !READ != 0),
        ];
        for (dir, _) in asks.into_iter().filter(|(_, asked)| *asked) {
            watched.push((one.fd, entry, dir, entry.look(dir)));
        }
    }
    Ok(watched)
}

/// False at the deadline.
fn wait_for_change(watched: &Watched, deadline: Option<Nanos>) -> Result<bool, Errno> {
    if watched.is_empty() {
        // Nothing can become ready.
        time::until(deadline.unwrap_or(Nanos::MAX));
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
