//! What the kernel says of an OS thread of this process: whether it runs, and the
//! system call that it waits in.

use super::clock::Nanos;
use std::fs;

/// An OS thread that waits in the kernel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct InKernel {
    /// The system call; `None`: it waits for memory, or the kernel does not say.
    pub(crate) call: Option<i64>,
    /// Its stack pointer, and where it goes on; 0: the kernel does not say.
    pub(crate) sp: usize,
    pub(crate) ip: usize,
    /// The kernel's own function that it waits in.
    pub(crate) place: Option<String>,
}

/// What the kernel says of a thread.
pub(crate) enum Look {
    /// It runs, or could.
    Runs,
    Waits(InKernel),
    /// Nothing: it is gone, or there are no descriptors left to ask by.
    Unknown,
}

/// What `thread` does.
pub(crate) fn look(thread: u32) -> Look {
    let ask = |what: &str| fs::read_to_string(format!("/proc/self/task/{thread}/{what}")).ok();
    let Some(state) = ask("stat").as_deref().and_then(state) else { return Look::Unknown };
    if !matches!(state, 'S' | 'D') {
        return Look::Runs;
    }
    let Some(found) = parse(&ask("syscall").unwrap_or_default()) else { return Look::Runs };
    let place = ask("wchan").filter(|place| !place.is_empty() && place != "0");
    Look::Waits(InKernel { place, ..found })
}

/// Where `thread` waits in the kernel, if it is known to.
pub(crate) fn waits(thread: u32) -> Option<InKernel> {
    if let Look::Waits(found) = look(thread) { Some(found) } else { None }
}

/// How long `thread` has had a CPU; 0 if it is gone.
pub(crate) fn cpu_time(thread: u32) -> Nanos {
    // As the kernel numbers the clocks of threads: the number, inverted, and what it
    // counts.
    const OF_A_THREAD: i32 = 4;
    const AS_SCHEDULED: i32 = 2;
    let clock = !thread.cast_signed() << 3 | OF_A_THREAD | AS_SCHEDULED;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid out pointer; a clock that is none is refused.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return 0;
    }
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The letter after the name, in which there may be anything.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

/// `None` if it runs again.
fn parse(text: &str) -> Option<InKernel> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |word: &str| usize::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    match words.as_slice() {
        ["running", ..] => None,
        [call, .., sp, ip] => Some(InKernel {
            call: call.parse().ok().filter(|call| *call >= 0),
            sp: number(sp).unwrap_or(0),
            ip: number(ip).unwrap_or(0),
            place: None,
        }),
        _ => Some(InKernel::default()),
    }
}

/// What a system call is called, of those in which threads wait.
pub(crate) fn call_name(call: i64) -> Option<&'static str> {
    let found = NAMES.iter().find(|(number, _)| *number == call);
    found.map(|(_, name)| *name)
}

const NAMES: &[(i64, &str)] = &[
    (libc::SYS_read, "read"),
    (libc::SYS_write, "write"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_writev, "writev"),
    (libc::SYS_pread64, "pread"),
    (libc::SYS_pwrite64, "pwrite"),
    (libc::SYS_open, "open"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_fdatasync, "fdatasync"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_fcntl, "fcntl"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_poll, "poll"),
    (libc::SYS_ppoll, "ppoll"),
    (libc::SYS_select, "select"),
    (libc::SYS_pselect6, "pselect"),
    (libc::SYS_epoll_wait, "epoll_wait"),
    (libc::SYS_epoll_pwait, "epoll_pwait"),
    (libc::SYS_epoll_pwait2, "epoll_pwait2"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_clock_nanosleep, "clock_nanosleep"),
    (libc::SYS_futex, "futex"),
    (libc::SYS_accept, "accept"),
    (libc::SYS_accept4, "accept4"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_sendfile, "sendfile"),
    (libc::SYS_splice, "splice"),
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_waitid, "waitid"),
    (libc::SYS_pause, "pause"),
    (libc::SYS_rt_sigtimedwait, "sigtimedwait"),
    (libc::SYS_msgrcv, "msgrcv"),
    (libc::SYS_semop, "semop"),
    (libc::SYS_io_getevents, "io_getevents"),
    (libc::SYS_io_uring_enter, "io_uring_enter"),
];

#[cfg(all(test, not(miri), not(loom)))]
mod tests {
    use super::super::raw;
    use super::*;
    use std::io::{Read, Write, pipe};
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(state("7 (a) R b) S 1 2"), Some('S'));
        assert_eq!(parse("running\n"), None);
        let found = parse("0 0x3 0x7f 0x1 0x0 0x0 0x0 0x7ffc0 0x7f1ad\n").unwrap();
        assert_eq!((found.call, found.sp, found.ip), (Some(0), 0x7ffc0, 0x7f1ad));
        let found = parse("-1 0x7ffc0 0x7f1ad\n").unwrap();
        assert_eq!((found.call, found.sp, found.ip), (None, 0x7ffc0, 0x7f1ad));
        assert_eq!(parse(""), Some(InKernel::default()), "a sandbox does not say");
    }

    #[test]
    fn only_one_that_runs_has_the_cpu() {
        let me = raw::thread_id();
        let (say, hear) = channel::<()>();
        let other = thread::spawn(raw::thread_id).join().unwrap();
        // Who joins may be told before the kernel has let go of it.
        while cpu_time(other) != 0 {
            thread::yield_now();
        }
        let start = cpu_time(me);
        while cpu_time(me) < start + 2_000_000 {}
        let (tell, told) = channel();
        let sleeper = thread::spawn(move || {
            tell.send(raw::thread_id()).unwrap();
            hear.recv().unwrap_err();
        });
        let sleeper_id = told.recv().unwrap();
        while waits(sleeper_id).is_none() {
            thread::yield_now();
        }
        let before = cpu_time(sleeper_id);
        let start = cpu_time(me);
        while cpu_time(me) < start + 2_000_000 {}
        assert!(cpu_time(sleeper_id) < before + 1_000_000);
        drop(say);
        sleeper.join().unwrap();
    }

    #[test]
    fn one_that_reads_a_pipe_waits_and_one_that_asks_runs() {
        assert_eq!(waits(raw::thread_id()), None);
        let (mut from, mut to) = pipe().unwrap();
        let (say, hear) = channel();
        let reader = thread::spawn(move || {
            say.send(raw::thread_id()).unwrap();
            from.read_exact(&mut [0]).unwrap();
        });
        let reader_id = hear.recv().unwrap();
        let found = loop {
            match waits(reader_id) {
                Some(found) if found.call == Some(libc::SYS_read) => break found,
                _ => thread::yield_now(),
            }
        };
        assert_eq!(call_name(found.call.unwrap()), Some("read"));
        assert!(found.sp > 0 && found.ip > 0, "{found:?}");
        to.write_all(&[1]).unwrap();
        reader.join().unwrap();
    }
}
