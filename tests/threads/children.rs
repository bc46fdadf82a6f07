//! Child processes of green threads.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

/// Waits for a forked child: how it exited.
fn exit_of(pid: libc::pid_t) -> Option<i32> {
    let mut status = 0;
    // SAFETY: out pointer.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
}

#[test]
fn commands_run() {
    let output = Command::new("echo").arg("hello").output().unwrap();
    assert_eq!(output.stdout, b"hello\n");
    assert!(Command::new("/nonexistent").spawn().is_err());
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    io::Write::write_all(&mut cat.stdin.take().unwrap(), b"through").unwrap();
    assert_eq!(cat.wait_with_output().unwrap().stdout, b"through");
}

#[test]
fn what_runs_before_exec_runs_in_the_child() {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    let mut command = Command::new("sh");
    command.args(["-c", "exit $((1 + ${GREENROOM_X:-0}))"]).env("GREENROOM_X", "6");
    let before = || {
        RAN.fetch_add(1, SeqCst);
        // SAFETY: async-signal-safe.
        if unsafe { libc::dup2(2, 1) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: what it does is async-signal-safe.
    unsafe { command.pre_exec(before) };
    assert_eq!(command.status().unwrap().code(), Some(7));
    assert_eq!(RAN.load(SeqCst), 0, "only in the child");
    // SAFETY: as above.
    unsafe { command.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EXDEV))) };
    assert_eq!(command.status().unwrap_err().raw_os_error(), Some(libc::EXDEV));
}

#[test]
fn a_forked_child_may_allocate_and_leave() {
    static HERE: AtomicUsize = AtomicUsize::new(0);
    for round in 0..20 {
        // SAFETY: the child uses what fork makes safe: malloc, and _exit.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            HERE.store(1, SeqCst);
            let text = format!("{round}");
            let fine = greenroom::current().is_none() && text.parse() == Ok(round);
            // SAFETY: ends the child.
            unsafe { libc::_exit(if fine { 3 } else { 4 }) };
        }
        assert!(pid > 0);
        assert_eq!(exit_of(pid), Some(3));
        assert_eq!(HERE.load(SeqCst), 0);
        // The parent is as it was.
        assert!(greenroom::current().is_some());
        assert_eq!(thread::spawn(|| 5).join().unwrap(), 5);
    }
}

#[test]
fn many_fork_at_once() {
    let children = (0..50).map(|n| {
        thread::spawn(move || {
            // SAFETY: the child only leaves.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: ends the child.
                unsafe { libc::_exit(n) };
            }
            thread::yield_now();
            assert_eq!(exit_of(pid), Some(n));
        })
    });
    for child in children.collect::<Vec<_>>() {
        child.join().unwrap();
    }
}
