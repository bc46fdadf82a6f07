//! Descriptors that are no sockets, in every state that matters.

use crate::common_net::c;
use libc::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_DSYNC, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY,
};
use std::ffi::CString;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Which calls a scene is for; others would wait for ever.
pub(crate) const READ: u32 = 1;
pub(crate) const WRITE: u32 = 2;
/// More than any pipe holds.
pub(crate) const BIG: u32 = 4;
pub(crate) const BOTH: u32 = READ | WRITE | BIG;

pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) calls: u32,
    pub(crate) make: fn() -> SetUp,
}

/// The descriptor to try, what stays open with it, and what another thread
/// does a little later.
pub(crate) struct SetUp {
    pub(crate) fd: i32,
    keep: Vec<i32>,
    later: Option<thread::JoinHandle<()>>,
}

impl SetUp {
    pub(crate) fn end(self) {
        c!(libc::close(self.fd));
        if let Some(later) = self.later {
            later.join().unwrap();
        }
        for fd in self.keep {
            c!(libc::close(fd));
        }
    }
}

fn just(fd: i32) -> SetUp {
    SetUp { fd, keep: Vec::new(), later: None }
}

fn keeping(fd: i32, other: i32) -> SetUp {
    SetUp { fd, keep: vec![other], later: None }
}

fn later(fd: i32, keep: &[i32], f: impl FnOnce() + Send + 'static) -> SetUp {
    let later = greenroom::patch::native(|| {
        thread::spawn(|| {
            thread::sleep(Duration::from_millis(10));
            f();
        })
    });
    SetUp { fd, keep: keep.to_vec(), later: Some(later) }
}

fn path(what: &str) -> CString {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Relaxed);
    let (dir, me) = (env!("CARGO_TARGET_TMPDIR"), std::process::id());
    CString::new(format!("{dir}/{what}-{me}-{n}")).unwrap()
}

fn open(path: &CString, flags: i32) -> i32 {
    let fd = c!(libc::open(path.as_ptr(), flags, 0o600)) as i32;
    assert!(fd >= 0, "{path:?} {fd}");
    fd
}

/// A file with something in it, opened so, and gone by name.
fn file(flags: i32) -> SetUp {
    let path = path("file");
    let fd = open(&path, O_CREAT | O_RDWR);
    assert_eq!(c::write(fd, &b"0123456789abcdef".repeat(1000)), 16000);
    let again = open(&path, flags);
    c!(libc::unlink(path.as_ptr()));
    c!(libc::close(fd));
    just(again)
}

fn fifo() -> [i32; 2] {
    let path = path("fifo");
    assert_eq!(c!(libc::mkfifo(path.as_ptr(), 0o600)), 0);
    let both = open(&path, O_RDWR);
    let ends = [open(&path, O_RDONLY), open(&path, O_WRONLY)];
    c!(libc::close(both));
    c!(libc::unlink(path.as_ptr()));
    ends
}

fn filled([read, write]: [i32; 2]) -> SetUp {
    assert_eq!(c::write(write, b"0123456789abcdefghijklmnopqrstuvwxyz"), 36);
    c::close(write);
    just(read)
}

fn filled_later([read, write]: [i32; 2]) -> SetUp {
    later(read, &[], move || {
        c::write(write, b"later, and some more of it"); // unless `read` is closed
        c::close(write);
    })
}

fn ended_later([read, write]: [i32; 2]) -> SetUp {
    later(read, &[], move || assert_eq!(c::close(write), 0))
}

/// Full, and read by somebody later, until its end.
fn drained_later([read, write]: [i32; 2]) -> SetUp {
    fill(write);
    later(write, &[], move || {
        while c::read(read, &mut [0; 5000]) > 0 {}
        c::close(read);
    })
}

fn fill(write: i32) {
    c::set_nonblocking(write, true);
    while c::write(write, &[b'x'; 1000]) > 0 {}
    c::set_nonblocking(write, false);
}

fn broken([read, write]: [i32; 2]) -> SetUp {
    c::close(read);
    just(write)
}

fn broken_later([read, write]: [i32; 2]) -> SetUp {
    fill(write);
    later(write, &[], move || assert_eq!(c::close(read), 0))
}

fn nonblocking(set_up: SetUp) -> SetUp {
    c::set_nonblocking(set_up.fd, true);
    set_up
}

fn eventfd(count: u32, flags: i32) -> i32 {
    c!(libc::eventfd(count, flags)) as i32
}

fn full_eventfd() -> i32 {
    let fd = eventfd(0, 0);
    assert_eq!(c::write(fd, &(u64::MAX - 1).to_ne_bytes()), 8);
    fd
}

fn timer(first: i64) -> SetUp {
    let fd = c!(libc::timerfd_create(libc::CLOCK_MONOTONIC, 0)) as i32;
    let at = libc::timespec { tv_sec: 0, tv_nsec: first };
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let time = libc::itimerspec { it_interval: never, it_value: at };
    assert_eq!(c!(libc::timerfd_settime(fd, 0, &time, std::ptr::null_mut())), 0);
    just(fd)
}

fn inotify() -> SetUp {
    let path = path("watched");
    let file = open(&path, O_CREAT | O_RDWR);
    let fd = c!(libc::inotify_init1(0)) as i32;
    assert_eq!(c!(libc::inotify_add_watch(fd, path.as_ptr(), libc::IN_MODIFY)), 1);
    later(fd, &[file], move || {
        assert_eq!(c::write(file, b"x"), 1);
        c!(libc::unlink(path.as_ptr()));
    })
}

/// The two sides of a terminal: the program's, with these settings, and the
/// other.
fn terminal(change: fn(&mut libc::termios)) -> [i32; 2] {
    let (mut master, mut slave) = (-1, -1);
    let (name, mode, size) = (std::ptr::null_mut(), std::ptr::null(), std::ptr::null());
    assert_eq!(c!(libc::openpty(&mut master, &mut slave, name, mode, size)), 0);
    // SAFETY: all zero is a valid one.
    let mut mode: libc::termios = unsafe { std::mem::zeroed() };
    assert_eq!(c!(libc::tcgetattr(slave, &mut mode)), 0);
    mode.c_lflag &= !libc::ECHO;
    change(&mut mode);
    assert_eq!(c!(libc::tcsetattr(slave, libc::TCSANOW, &mode)), 0);
    [slave, master]
}

/// Ends reads after a tenth of a second, whatever came.
fn timed(mode: &mut libc::termios) {
    mode.c_lflag &= !libc::ICANON;
    (mode.c_cc[libc::VMIN], mode.c_cc[libc::VTIME]) = (0, 1);
}

fn types_later([slave, master]: [i32; 2], what: &'static [u8]) -> SetUp {
    later(slave, &[master], move || assert!(c::write(master, what) != 0))
}

fn memory() -> SetUp {
    let fd = c!(libc::memfd_create(c"greenroom".as_ptr(), 0)) as i32;
    assert_eq!(c::write(fd, b"0123456789abcdef"), 16);
    assert_eq!(c!(libc::lseek(fd, 3, libc::SEEK_SET)), 3);
    just(fd)
}

const fn scene(name: &'static str, calls: u32, make: fn() -> SetUp) -> Scene {
    Scene { name, calls, make }
}

pub(crate) static SCENES: &[Scene] = &[
    scene("pipe", READ, || filled(c::pipe())),
    scene("pipe, later", READ, || filled_later(c::pipe())),
    scene("pipe, ended later", READ, || ended_later(c::pipe())),
    scene("pipe, nonblocking", READ, || {
        let [read, write] = c::pipe();
        nonblocking(keeping(read, write))
    }),
    scene("pipe, drained later", BOTH, || drained_later(c::pipe())),
    scene("pipe, room", WRITE, || {
        let [read, write] = c::pipe();
        keeping(write, read)
    }),
    scene("pipe, full, nonblocking", BOTH, || {
        let [read, write] = c::pipe();
        fill(write);
        nonblocking(keeping(write, read))
    }),
    scene("pipe, broken", BOTH, || broken(c::pipe())),
    scene("pipe, broken later", WRITE | BIG, || broken_later(c::pipe())),
    scene("fifo", READ, || filled(fifo())),
    scene("fifo, later", READ, || filled_later(fifo())),
    scene("fifo, ended later", READ, || ended_later(fifo())),
    scene("fifo, drained later", BOTH, || drained_later(fifo())),
    scene("fifo, broken", BOTH, || broken(fifo())),
    scene("fifo, nonblocking", READ, || {
        let [read, write] = fifo();
        nonblocking(keeping(read, write))
    }),
    scene("eventfd", BOTH, || just(eventfd(3, 0))),
    scene("eventfd, semaphore", BOTH, || just(eventfd(3, libc::EFD_SEMAPHORE))),
    scene("eventfd, nonblocking", BOTH, || just(eventfd(0, libc::EFD_NONBLOCK))),
    scene("eventfd, later", READ, || {
        let fd = eventfd(0, 0);
        let other = c!(libc::dup(fd)) as i32;
        later(fd, &[other], move || assert_eq!(c::write(other, &5u64.to_ne_bytes()), 8))
    }),
    scene("eventfd, full", READ, || just(full_eventfd())),
    scene("timer", READ, || timer(10_000_000)),
    scene("inotify", READ, inotify),
    scene("terminal, a line later", READ, || types_later(terminal(|_| ()), b"a line\n")),
    scene("terminal, its end later", READ, || types_later(terminal(|_| ()), b"\x04")),
    scene("terminal, no lines", READ, || {
        types_later(terminal(|m| m.c_lflag &= !libc::ICANON), b"abc")
    }),
    scene("terminal, timed", READ, || {
        let [slave, master] = terminal(timed);
        keeping(slave, master)
    }),
    scene("terminal", WRITE, || {
        let [slave, master] = terminal(|_| ());
        keeping(slave, master)
    }),
    scene("terminal, gone", BOTH, || {
        let [slave, master] = terminal(|_| ());
        c::close(master);
        just(slave)
    }),
    scene("file", BOTH, || file(O_RDWR)),
    scene("file, append", BOTH, || file(O_RDWR | O_APPEND)),
    scene("file, truncated", BOTH, || file(O_RDWR | O_TRUNC)),
    scene("file, read only", BOTH, || file(O_RDONLY)),
    scene("file, write only", BOTH, || file(O_WRONLY)),
    scene("file, to disk", BOTH, || file(O_RDWR | O_DSYNC)),
    scene("file, nonblocking", BOTH, || file(O_RDWR | O_NONBLOCK)),
    scene("file in memory", BOTH, memory),
    scene("/proc", READ, || just(open(&c"/proc/version".to_owned(), O_RDONLY))),
    scene("/dev/null", BOTH, || just(open(&c"/dev/null".to_owned(), O_RDWR))),
    scene("/dev/zero", BOTH, || just(open(&c"/dev/zero".to_owned(), O_RDWR))),
    scene("/dev/full", BOTH, || just(open(&c"/dev/full".to_owned(), O_RDWR))),
    scene("directory", BOTH, || just(open(&c"/".to_owned(), O_RDONLY | O_DIRECTORY))),
    scene("no descriptor", BOTH, || just(-1)),
];
