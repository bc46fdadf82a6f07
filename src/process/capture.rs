//! Reading two pipes at once, so that a child that fills the one is not stuck
//! while the other is read.

use super::pipes::{ChildStderr, ChildStdout};
use crate::io::wait_any;
use libc::{POLLIN, pollfd};
use std::io::{self, Read};
use std::os::fd::AsRawFd;

/// What is read at a time.
const PIECE: usize = 16 * 1024;

/// All that comes from both.
pub(super) fn both(
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    match (stdout, stderr) {
        (Some(mut stdout), Some(mut stderr)) => {
            if together(&mut stdout, &mut out, &mut stderr, &mut err)? {
                // As std: somebody may have made it non-blocking.
                stderr.0.set_nonblocking(false)?;
                stderr.read_to_end(&mut err)?;
            } else {
                stdout.0.set_nonblocking(false)?;
                stdout.read_to_end(&mut out)?;
            }
        }
        (Some(mut stdout), None) => drop(stdout.read_to_end(&mut out)?),
        (None, Some(mut stderr)) => drop(stderr.read_to_end(&mut err)?),
        (None, None) => {}
    }
    Ok((out, err))
}

/// Until one of them has ended: true if the first.
fn together(
    stdout: &mut ChildStdout,
    out: &mut Vec<u8>,
    stderr: &mut ChildStderr,
    err: &mut Vec<u8>,
) -> io::Result<bool> {
    let ask = |fd| pollfd { fd, events: POLLIN, revents: 0 };
    loop {
        let mut list = [ask(stdout.as_raw_fd()), ask(stderr.as_raw_fd())];
        wait_any(&mut list, None)?;
        if list[0].revents != 0 && piece(stdout, out)? == 0 {
            return Ok(true);
        }
        if list[1].revents != 0 && piece(stderr, err)? == 0 {
            return Ok(false);
        }
    }
}

/// One read, which does not wait: something is there, and only we read it.
fn piece(from: &mut impl Read, to: &mut Vec<u8>) -> io::Result<usize> {
    let len = to.len();
    to.resize(len + PIECE, 0);
    let got = loop {
        match from.read(&mut to[len..]) {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            other => break other,
        }
    };
    to.truncate(len + *got.as_ref().unwrap_or(&0));
    got
}
