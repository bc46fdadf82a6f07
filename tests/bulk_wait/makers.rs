//! What the waits are made of.

/// Pairs of descriptors in the states in which a call waits.
pub(crate) mod made {
    use crate::common_net::c;
    use libc::c_int;
    use std::ffi::CString;
    use std::os::fd::IntoRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    pub(crate) fn tcp() -> [c_int; 2] {
        let (here, there) = crate::common_net::tcp_pair();
        [here.into_raw_fd(), there.into_raw_fd()]
    }

    pub(crate) fn udp() -> [c_int; 2] {
        let fds = [(); 2].map(|()| c::socket(libc::AF_INET, libc::SOCK_DGRAM));
        let to = fds.map(c::bind);
        assert_eq!([c::connect(fds[0], to[1]), c::connect(fds[1], to[0])], [0, 0]);
        fds
    }

    /// The reading and the writing end.
    pub(crate) fn pipe(what: &[u8]) -> [c_int; 2] {
        let ends = c::pipe();
        assert_eq!(c::write(ends[1], what), what.len() as i64);
        ends
    }

    pub(crate) fn full_pipe() -> [c_int; 2] {
        let ends = c::pipe();
        fill(ends[1]);
        ends
    }

    pub(crate) fn fill(fd: c_int) {
        c::set_nonblocking(fd, true);
        for len in [4096, 1] {
            while c::write(fd, &vec![b'x'; len]) > 0 {}
        }
        c::set_nonblocking(fd, false);
    }

    /// Takes out what there is.
    pub(crate) fn drain(fd: c_int) {
        c::set_nonblocking(fd, true);
        while c::read(fd, &mut [0; 65536]) > 0 {}
        c::set_nonblocking(fd, false);
    }

    /// The terminal, and who types and sees; raw.
    pub(crate) fn terminal() -> [c_int; 2] {
        let (mut master, mut slave) = (-1, -1);
        let null = std::ptr::null_mut();
        let opened = c!(libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()));
        assert_eq!(opened, 0);
        // SAFETY: all zero is one, which the kernel fills.
        let mut modes: libc::termios = unsafe { std::mem::zeroed() };
        assert_eq!(c!(libc::tcgetattr(slave, &mut modes)), 0);
        // SAFETY: just filled.
        unsafe { libc::cfmakeraw(&mut modes) };
        assert_eq!(c!(libc::tcsetattr(slave, libc::TCSANOW, &modes)), 0);
        [slave, master]
    }

    /// A terminal whose output was stopped.
    pub(crate) fn stopped_terminal() -> [c_int; 2] {
        let fds = terminal();
        assert_eq!(c!(libc::tcflow(fds[0], libc::TCOOFF)), 0);
        fds
    }

    pub(crate) fn go_on(terminal: c_int) {
        assert_eq!(c!(libc::tcflow(terminal, libc::TCOON)), 0);
    }

    pub(crate) fn fifo() -> PathBuf {
        let path = new_path("fifo");
        assert_eq!(c!(libc::mkfifo(c_path(&path).as_ptr(), 0o600)), 0);
        path
    }

    pub(crate) fn new_path(what: &str) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Relaxed);
        let name = format!("bulk-wait-{what}-{}-{n}", std::process::id());
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
    }

    pub(crate) fn c_path(path: &std::path::Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    pub(crate) fn close<const N: usize>(fds: [c_int; N]) {
        assert_eq!(fds.map(c::close), [0; N]);
    }
}
