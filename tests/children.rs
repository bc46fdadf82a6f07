//! Waiting for child processes parks.

mod common_net;

use common_net::{all_done, alone, done, green, ms, open_fds, os, patched, timed};
use greenroom::spawn;
use std::io::{Read, Write, pipe};
use std::process::{Child, Command, Stdio};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread::sleep;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null());
    command
}

fn start(script: &str) -> (Child, i32) {
    start_reading(script, Stdio::null())
}

fn start_reading(script: &str, stdin: impl Into<Stdio>) -> (Child, i32) {
    let child = shell(script).stdin(stdin).spawn().unwrap();
    let pid = child.id() as i32;
    (child, pid)
}

/// Whether this is a process for `test` alone, where no other has children or
/// descriptors; else `test` has run in one.
fn apart(test: &str) -> bool {
    const APART: &str = "GREENROOM_CHILDREN_APART";
    if std::env::var_os(APART).is_some() {
        return true;
    }
    let me = std::env::current_exe().unwrap();
    let status = Command::new(me).args(["--exact", test]).env(APART, "1").status().unwrap();
    assert!(status.success());
    false
}

/// On one worker, so that they only overlap if each parks.
#[test]
fn those_who_wait_for_children_wait_together() {
    patched(1);
    let _alone = alone();
    let (took, codes) = timed(|| {
        let wait = |n: i32| {
            spawn(move || shell(&format!("sleep 2; exit {n}")).status().unwrap().code().unwrap())
        };
        all_done((0..20).map(wait))
    });
    assert_eq!(codes, (0..20).collect::<Vec<_>>());
    assert!(took < ms(20_000), "{took:?}: 40 seconds one after the other");
}

#[test]
fn others_run_meanwhile() {
    patched(1);
    let _alone = alone();
    static TURNS: AtomicU32 = AtomicU32::new(0);
    let (reader, mut writer) = pipe().unwrap();
    let waits = spawn(|| shell("read x").stdin(reader).status().unwrap().success());
    let runs = spawn(|| {
        for _ in 0..10 {
            sleep(ms(5));
            TURNS.fetch_add(1, SeqCst);
        }
        TURNS.load(SeqCst)
    });
    assert_eq!(done(runs), 10, "and the child waits still");
    writer.write_all(b"go\n").unwrap();
    assert!(done(waits));
}

/// The seeds' `ls | wc`, and both of a child's pipes at once.
#[test]
fn pipelines_and_output() {
    patched(1);
    let counted = green(|| {
        let mut list =
            shell("for i in 1 2 3; do echo $i; done").stdout(Stdio::piped()).spawn().unwrap();
        let count =
            Command::new("wc").arg("-l").stdin(list.stdout.take().unwrap()).output().unwrap();
        assert!(list.wait().unwrap().success());
        String::from_utf8(count.stdout).unwrap().trim().to_owned()
    });
    assert_eq!(counted, "3");
    let output = green(|| shell("echo out; echo err >&2; exit 3").output().unwrap());
    assert_eq!(output.status.code(), Some(3));
    assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
    let answer = green(|| {
        let mut cat =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        cat.stdin.take().unwrap().write_all(b"back").unwrap();
        let mut back = String::new();
        cat.stdout.take().unwrap().read_to_string(&mut back).unwrap();
        assert!(cat.wait().unwrap().success());
        back
    });
    assert_eq!(answer, "back");
}

/// What each call says, on a thread of either sort.
fn answers() -> Vec<(i32, i32, i32)> {
    let mut said = Vec::new();
    let mut status = 0;
    let mut say = |result: i32, pid: i32, status: i32| {
        let error = std::io::Error::last_os_error().raw_os_error().unwrap();
        let who = if result == pid { 1 } else { result };
        said.push((who, status, if result == -1 { error } else { 0 }));
    };
    // SAFETY: valid pointers or null ones; children of this test.
    unsafe {
        let (_child, pid) = start("exit 5");
        say(libc::waitpid(pid, &mut status, 0), pid, status);
        say(libc::waitpid(pid, &mut status, 0), pid, 0); // reaped
        let (reader, writer) = pipe().unwrap();
        let (_child, pid) = start_reading("read x; exit 6", reader);
        say(libc::waitpid(pid, &mut status, libc::WNOHANG), pid, 0);
        drop(writer);
        say(libc::wait4(pid, &mut status, 0, null_mut()), pid, status);
        let (_child, pid) = start("sleep 0.05; kill -9 $$");
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = pid as libc::id_t;
        let keep = libc::WEXITED | libc::WNOWAIT;
        say(libc::waitid(libc::P_PID, id, &mut info, keep), pid, info.si_status());
        say(libc::waitid(libc::P_PID, id, null_mut(), libc::WEXITED), pid, info.si_code);
        say(libc::waitid(libc::P_PID, id, &mut info, libc::WEXITED), pid, 0); // reaped
        say(libc::waitid(libc::P_PID, id, &mut info, 0), pid, 0); // asks for nothing
        say(libc::waitpid(1, &mut status, 0), pid, 0); // nobody's child here
        say(libc::waitpid(pid, &mut status, 0x4000), pid, 0); // no such option
        // Stopped, continued, killed.
        let (_child, pid) = start("kill -STOP $$; sleep 5");
        say(libc::waitpid(pid, &mut status, libc::WUNTRACED), pid, status);
        libc::kill(pid, libc::SIGCONT);
        say(libc::waitpid(pid, &mut status, libc::WCONTINUED), pid, status);
        libc::kill(pid, libc::SIGKILL);
        say(libc::waitpid(pid, &mut status, 0), pid, status);
        say(libc::system(c"exit 4".as_ptr()), 0, 0);
        say(libc::pclose(libc::popen(c"exit 7".as_ptr(), c"r".as_ptr())), 0, 0);
    }
    said
}

#[test]
fn each_call_says_what_the_kernel_says() {
    patched(1);
    let _alone = alone();
    assert_eq!(green(answers), os(answers));
}

/// Any child: by an OS thread, which reaps nothing itself.
#[test]
fn any_child_and_those_of_a_group() {
    if !apart("any_child_and_those_of_a_group") {
        return;
    }
    patched(1);
    green(|| {
        let mut pids: Vec<i32> = (1..=5).map(|n| start(&format!("sleep 0.{n}")).1).collect();
        let mut status = 0;
        while !pids.is_empty() {
            // SAFETY: a valid pointer.
            let pid = unsafe { libc::waitpid(if pids.len() > 2 { -1 } else { 0 }, &mut status, 0) };
            assert!(pids.contains(&pid), "{pid}");
            pids.retain(|other| *other != pid);
        }
        // SAFETY: as above.
        assert_eq!(unsafe { libc::wait(&mut status) }, -1);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::ECHILD));
    });
}

/// Many at once, and no descriptor is left over.
#[test]
fn hundreds_of_children() {
    let _alone = alone();
    if !apart("hundreds_of_children") {
        return;
    }
    patched(1);
    let wait = |_| spawn(|| Command::new("true").status().unwrap().success());
    assert!(all_done((0..10).map(wait)).into_iter().all(|ok| ok));
    let before = open_fds();
    assert!(all_done((0..300).map(wait)).into_iter().all(|ok| ok));
    assert_eq!(open_fds(), before);
}

/// A thousand alive at once, more than there are descriptors for if the limit
/// is the usual one; on one worker, which others have as well.
#[test]
fn a_thousand_children_at_once() {
    patched(1);
    let _alone = alone();
    let wait = |_| spawn(|| Command::new("sleep").arg("3").status().unwrap().success());
    let children: Vec<_> = (0..1000).map(wait).collect();
    let nap = || timed(|| std::thread::sleep(ms(10))).0;
    assert!(done(spawn(nap)) >= ms(10));
    let (took, ok) = timed(|| all_done(children));
    assert!(ok.into_iter().all(|ok| ok));
    assert!(took < ms(60_000), "one after the other: {took:?}");
}
