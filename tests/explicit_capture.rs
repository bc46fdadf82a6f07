//! `wait_with_output` of a child whose pipes somebody made non-blocking: as std.

use std::os::fd::{AsRawFd, RawFd};
use std::process::Stdio;

const SCRIPT: &str = "echo a; exec 1>&-; sleep 0.3; echo b >&2";

fn nonblocking(fd: RawFd) {
    // SAFETY: takes no pointer.
    let set = unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(set, 0);
}

macro_rules! output_of {
    ($command:ty) => {{
        let mut command = <$command>::new("sh");
        command.args(["-c", SCRIPT]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        nonblocking(child.stdout.as_ref().unwrap().as_raw_fd());
        nonblocking(child.stderr.as_ref().unwrap().as_raw_fd());
        child.wait_with_output().map_err(|why| why.kind())
    }};
}

#[test]
fn the_pipe_that_ends_last_is_read_to_its_end() {
    let stds = output_of!(std::process::Command);
    assert_eq!(stds.as_ref().unwrap().stderr, b"b\n");
    assert_eq!(output_of!(greenroom::process::Command), stds);
    let green = greenroom::spawn(|| output_of!(greenroom::process::Command));
    assert_eq!(green.join().unwrap(), stds);
}
