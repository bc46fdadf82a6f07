//! Children: of `fork` from green and OS threads, and of `Command`.

#[macro_use]
mod common_net;

use common_net::c;
use common_net::{alone, done, green, ms, os, os_thread, patched, tcp_pair};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::thread;

/// Forks; the child exits with what `f` says, and dies if that takes long.
fn in_fork(f: fn(i32) -> i32, fd: i32) -> i32 {
    // SAFETY: the child makes few calls, and then exits at once.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: as above.
        unsafe {
            libc::alarm(20);
            libc::_exit(f(fd));
        }
    }
    let mut status = 0;
    assert_eq!(c!(libc::waitpid(pid, &mut status, 0)), i64::from(pid));
    assert!(libc::WIFEXITED(status), "{status:x}");
    libc::WEXITSTATUS(status)
}

/// In the child: sleeping and sockets work, and simply block.
fn lives(fd: i32) -> i32 {
    thread::sleep(ms(5));
    thread::yield_now();
    let mut buf = [0; 8];
    if c::read(fd, &mut buf) != 5 || &buf[..5] != b"hello" {
        return 1;
    }
    let copy = c!(libc::dup(fd)) as i32;
    if c::write(copy, b"world") != 5 || c::close(copy) != 0 || c::is_nonblocking(fd) {
        return 2;
    }
    0
}

/// In the child there are no workers: spawning says so.
fn spawns(_: i32) -> i32 {
    let built = greenroom::Builder::new().spawn(|| ());
    let text = built.err().map(|e| e.to_string()).unwrap_or_default();
    if !text.contains("fork") {
        return 1;
    }
    match greenroom::spawn(|| ()).join() {
        Err(greenroom::JoinError::NotStarted(e)) if e.to_string().contains("fork") => 0,
        _ => 2,
    }
}

fn executes(_: i32) -> i32 {
    let _ = Command::new("/bin/sh").args(["-c", "exit 7"]).exec();
    1
}

/// In the child: a child of its own, as daemons make them.
fn forks_again(fd: i32) -> i32 {
    let once_more = |_| in_fork(|_| 6, 0) + 1;
    in_fork(once_more, fd) + 1
}

#[test]
fn a_forked_child_works() {
    patched(2);
    let _alone = alone();
    fn run() {
        let (here, mut there) = tcp_pair();
        there.write_all(b"hello").unwrap();
        assert_eq!(in_fork(lives, here.as_raw_fd()), 0);
        let mut buf = [0; 5];
        there.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"world");
        assert_eq!(in_fork(executes, 0), 7);
        assert_eq!(in_fork(spawns, 0), 0);
        assert_eq!(in_fork(forks_again, 0), 8);
    }
    greenroom::spawn(|| ()).join().unwrap();
    os(run);
    green(run);
    // And the parent goes on as before.
    green(run);
}

/// Where the child says that it has found nobody.
static SAYS: AtomicI32 = AtomicI32::new(-1);

/// The child of a process whose green threads accept on the listener that both
/// have: there, too, `accept` blocks.
fn accepts(fd: i32) -> i32 {
    if c::is_nonblocking(fd) {
        return 1;
    }
    c::set_nonblocking(fd, true);
    if c::accept(fd) != c::AGAIN {
        return 2;
    }
    c::set_nonblocking(fd, false);
    // Now its parent's thread connects.
    if c::write(SAYS.load(SeqCst), b"x") != 1 {
        return 6;
    }
    let accepted = c::accept(fd);
    if accepted < 0 || c::is_nonblocking(accepted as i32) {
        return 3;
    }
    // A number that the child reuses is not taken for what it was.
    if c!(libc::dup2(accepted as i32, fd)) < 0 || c::close(accepted as i32) != 0 {
        return 4;
    }
    c::set_nonblocking(fd, true);
    if c::is_nonblocking(fd) { 0 } else { 5 }
}

#[test]
fn a_forked_child_accepts() {
    patched(2);
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fd = listener.as_raw_fd();
    let address = listener.local_addr().unwrap();
    let accepting = greenroom::spawn(move || c::accept(fd));
    common_net::settle();
    drop(TcpStream::connect(address).unwrap());
    assert_eq!(c::close(done(accepting) as i32), 0);
    let (mut says, theirs) = UnixStream::pair().unwrap();
    SAYS.store(theirs.as_raw_fd(), SeqCst);
    let connecting = os_thread(move || {
        says.read_exact(&mut [0]).unwrap();
        common_net::settle(); // it waits
        TcpStream::connect(address).unwrap()
    });
    assert_eq!(in_fork(accepts, fd), 0);
    common_net::os_done(connecting);
    // Whatever mode the child chose, its parent's worker is not held up.
    let accepting = greenroom::spawn(move || c::accept(fd));
    common_net::settle();
    green(|| thread::sleep(ms(1)));
    drop(TcpStream::connect(address).unwrap());
    assert_eq!(c::close(done(accepting) as i32), 0);
}

#[test]
fn commands_work_from_green_threads() {
    patched(2);
    let _alone = alone();
    green(|| {
        let output = Command::new("/bin/sh").args(["-c", "echo out; exit 3"]).output().unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(3), &b"out\n"[..]));
        let mut child =
            Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"through the cat").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, b"through the cat");
        // With something to do between fork and exec.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exit 5"]);
        // SAFETY: the closure makes one call that signal handlers may make.
        unsafe { command.pre_exec(|| if libc::getpid() > 0 { Ok(()) } else { unreachable!() }) };
        assert_eq!(command.status().unwrap().code(), Some(5));
    });
}
