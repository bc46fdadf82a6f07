//! A running child.

use super::capture;
use super::ended::{self, Ended};
use super::pipes::{ChildStderr, ChildStdin, ChildStdout};
use crate::children::child::waitid;
use crate::green::current;
use crate::sync::waitable::{Spot, Waitable, Watch};
use crate::sys::errno::Errno;
use std::io;
use std::process::{self, ExitStatus, Output};
use std::ptr;

/// A child process; as [`std::process::Child`].
///
/// ```
/// let mut child = greenroom::process::Command::new("sleep").arg("100").spawn()?;
/// assert!(child.id() > 0);
/// assert_eq!(child.try_wait()?, None);
/// child.kill()?;
/// assert!(!child.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Child {
    inner: process::Child,
    /// It was waited for: its number may be another's.
    reaped: bool,
    ended: Ended,
    /// What it reads, if that was piped.
    pub stdin: Option<ChildStdin>,
    /// What it writes, if that was piped.
    pub stdout: Option<ChildStdout>,
    /// What it complains, if that was piped.
    pub stderr: Option<ChildStderr>,
}

impl Child {
    /// Just started, so that its pipes are new.
    pub(super) fn made(mut inner: process::Child) -> Child {
        Child {
            stdin: inner.stdin.take().map(ChildStdin::made),
            stdout: inner.stdout.take().map(ChildStdout::made),
            stderr: inner.stderr.take().map(ChildStderr::made),
            reaped: false,
            ended: Ended::default(),
            inner,
        }
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Ends it, by SIGKILL.
    ///
    /// # Errors
    /// Those of `kill`.
    pub fn kill(&mut self) -> io::Result<()> {
        self.inner.kill()
    }

    /// Its status if it has ended; does not wait.
    ///
    /// # Errors
    /// Those of `waitpid`.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.inner.try_wait()?;
        self.reaped |= status.is_some();
        Ok(status)
    }

    /// Closes its stdin, and waits until it has ended.
    ///
    /// # Errors
    /// Those of `waitpid`; ECANCELED if the green thread is killed, ETIMEDOUT at
    /// the end of a [`timeout`](crate::timeout): the child runs on.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        if current::get().is_some() {
            // std knows whether it was waited for already: then the number may
            // be another process's.
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            // Does not reap, so that std does, and remembers.
            let how = libc::WEXITED | libc::WNOWAIT;
            // SAFETY: no information is asked for.
            match unsafe { waitid(libc::P_PID, self.id(), ptr::null_mut(), how) } {
                // What cannot be waited for, std says as well.
                Ok(_) | Err(Errno(libc::ECHILD)) => {}
                // It runs on, and std would keep the worker until it has ended.
                Err(why) => return Err(why.into()),
            }
        }
        let status = self.inner.wait()?;
        self.reaped = true;
        Ok(status)
    }

    /// Closes its stdin, reads all that it writes to what was piped, and waits
    /// until it has ended.
    ///
    /// # Errors
    /// Those of reading and of `waitpid`.
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = capture::both(self.stdout.take(), self.stderr.take())?;
        Ok(Output { status: self.wait()?, stdout, stderr })
    }
}

impl Watch for Child {
    fn is_ready(&self) -> bool {
        self.reaped || ended::is_over(self.id())
    }

    fn watch(&self, spot: &Spot) -> bool {
        !self.is_ready() && self.ended.event(self.id()).watch(spot)
    }

    fn unwatch(&self, spot: &Spot) {
        self.ended.event(self.id()).unwatch(spot);
    }
}

/// Ready when it has ended; it is still to be waited for.
///
/// ```
/// use greenroom::{process::Command, sync::Event, wait_any};
/// let (child, stop) = (Command::new("true").spawn()?, Event::new());
/// assert_eq!(wait_any(&[&stop, &child]), 1);
/// let mut child = child;
/// assert!(child.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
impl Waitable for Child {}

/// Takes it over as it is.
impl From<process::Child> for Child {
    fn from(mut inner: process::Child) -> Child {
        Child {
            stdin: inner.stdin.take().map(ChildStdin::from),
            stdout: inner.stdout.take().map(ChildStdout::from),
            stderr: inner.stderr.take().map(ChildStderr::from),
            reaped: inner.try_wait().is_ok_and(|status| status.is_some()),
            ended: Ended::default(),
            inner,
        }
    }
}

/// Gives it back as it is.
impl From<Child> for process::Child {
    fn from(mut child: Child) -> process::Child {
        child.inner.stdin = child.stdin.take().map(Into::into);
        child.inner.stdout = child.stdout.take().map(Into::into);
        child.inner.stderr = child.stderr.take().map(Into::into);
        child.inner
    }
}
