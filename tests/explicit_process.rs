//! `greenroom::process` with nothing patched: children are waited for, and
//! their pipes read and written, while the worker runs others.

mod common_net;

use common_net::{about, all_done, alone, done, green, ms, on_both, timed, unpatched};
use greenroom::process::{Child, Command, Stdio};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

#[test]
fn a_pipeline() {
    unpatched(1);
    on_both(|| {
        let mut ls = Command::new("printf")
            .args(["%s\n", "a", "b", "c"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut wc = Command::new("wc")
            .arg("-l")
            .stdin(ls.stdout.take().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        wc.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.trim(), "3");
        assert!(ls.wait().unwrap().success() && wc.wait().unwrap().success());
        // Waited for already: it is remembered.
        assert!(wc.wait().unwrap().success() && wc.try_wait().unwrap().unwrap().success());
    });
}

#[test]
fn statuses_and_outputs() {
    unpatched(1);
    on_both(|| {
        assert_eq!(sh("exit 7").status().unwrap().code(), Some(7));
        let output = sh("echo out; echo err >&2; exit 3").output().unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(output.status.code(), Some(3));
        // Nothing to read, by default; and what was said is kept.
        assert_eq!(Command::new("cat").output().unwrap().stdout, b"");
        let output = sh("echo x; echo y >&2").stderr(Stdio::null()).output().unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"x\n"[..], &b""[..]));
        let missing = Command::new("/nonexistent/program").spawn().unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let mut command = sh("echo $A; pwd");
        command.env_clear().env("A", "b").current_dir("/");
        assert_eq!(command.output().unwrap().stdout, b"b\n/\n");
        assert_eq!(command.get_args().count(), 2);
    });
}

/// More than a pipe holds, on both at once.
#[test]
fn much_from_both_pipes() {
    unpatched(1);
    on_both(|| {
        let script = "for i in 1 2 3 4 5 6 7 8; do \
            head -c 100000 /dev/zero; head -c 50000 /dev/zero >&2; done";
        let output = sh(script).output().unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (800_000, 400_000));
    });
}

#[test]
fn there_and_back_through_a_child() {
    unpatched(1);
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = cat.stdin.take().unwrap();
    let data = common_net::pattern(1 << 20, 1);
    let sent = data.clone();
    let writing = greenroom::spawn(move || stdin.write_all(&sent).unwrap());
    let output = green(move || cat.wait_with_output().unwrap());
    done(writing);
    assert!(output.stdout == data);
}

#[test]
fn two_hundred_at_once() {
    unpatched(1);
    let _alone = alone();
    let go = |n: u32| {
        greenroom::spawn(move || sh(&format!("sleep 0.2; echo {n}")).output().unwrap().stdout)
    };
    for (n, stdout) in all_done((0..200).map(go)).into_iter().enumerate() {
        assert_eq!(stdout, format!("{n}\n").as_bytes());
    }
}

#[test]
fn many_wait_as_long_as_one() {
    unpatched(1);
    let _alone = alone();
    let go = |_| greenroom::spawn(|| Command::new("sleep").arg("0.4").status().unwrap().success());
    let (took, all) = timed(|| all_done((0..30).map(go)));
    assert!(all.iter().all(|ok| *ok));
    about(took, 400); // 12 s one after the other
}

#[test]
fn kill_and_look() {
    unpatched(1);
    on_both(|| {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(child.id() > 1);
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    });
}

/// A wait that is cut short leaves the child, and the worker, alone.
#[test]
fn a_wait_may_be_cut_short() {
    unpatched(1);
    green(|| {
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        let (took, cut) = timed(|| greenroom::timeout(ms(30), || child.wait().is_ok()));
        assert!(cut.is_err() && took < ms(20_000), "{took:?}");
        assert_eq!(child.try_wait().unwrap(), None, "it runs on");
        let waiting = greenroom::spawn(move || {
            let why = child.wait().unwrap_err();
            (why.raw_os_error(), child)
        });
        greenroom::sleep(ms(5));
        waiting.kill();
        // What a killed one returns is its joiner's.
        let (why, mut child) = waiting.join().unwrap();
        assert_eq!(why, Some(libc::ECANCELED));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    });
}

/// Another green thread goes on while this one waits.
#[test]
fn the_worker_stays_free() {
    unpatched(1);
    let _alone = alone();
    let waiting = greenroom::spawn(|| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        // Kept open until the others have run.
        let stdin = child.stdin.take().unwrap();
        let closing = greenroom::spawn(move || {
            greenroom::sleep(ms(30));
            drop(stdin);
        });
        assert!(child.wait().unwrap().success());
        done(closing);
    });
    done(waiting);
}

#[test]
fn to_std_and_back() {
    unpatched(1);
    on_both(|| {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        let id = child.id();
        let mut plain = std::process::Child::from(child);
        plain.stdin.as_mut().unwrap().write_all(b"abc").unwrap();
        let child = Child::from(plain);
        assert_eq!(child.id(), id);
        assert_eq!(child.wait_with_output().unwrap().stdout, b"abc");
        let mut plain = std::process::Command::from(command);
        assert!(plain.stdin(Stdio::null()).spawn().unwrap().wait().unwrap().success());
    });
}

/// What std starts by `fork`.
#[test]
fn with_something_to_do_before() {
    unpatched(1);
    on_both(|| {
        let mut command = sh("echo $0");
        // SAFETY: does nothing.
        unsafe { command.pre_exec(|| Ok(())) };
        command.arg0("sh").process_group(0);
        assert!(command.output().unwrap().status.success());
    });
}
