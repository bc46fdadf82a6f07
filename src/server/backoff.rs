//! What to do when a connection or datagram cannot be taken in.

use std::io;
use std::time::Duration;

/// The first pause, which doubles up to the longest.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// What follows from an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    /// One peer's misfortune: go on.
    GoOn,
    /// Something ran out, or fails again and again: wait so long.
    Wait(Duration),
    /// It will never be better.
    GiveUp,
}

/// Remembers how often it failed in a row.
pub(super) struct Backoff {
    next: Duration,
    /// Errors of peers that are still passed over.
    patience: u32,
}

/// So many errors of peers in a row do not make it wait.
const PATIENCE: u32 = 64;

impl Backoff {
    pub(super) fn new() -> Backoff {
        Backoff { next: FIRST, patience: PATIENCE }
    }

    pub(super) fn succeeded(&mut self) {
        *self = Backoff::new();
    }

    pub(super) fn failed(&mut self, why: &io::Error) -> Then {
        match why.raw_os_error() {
            // Not a socket, not one that listens, not there.
            Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK) => Then::GiveUp,
            // The socket has a timeout of its own, and there was nobody so long.
            Some(libc::EAGAIN) => Then::GoOn,
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => self.wait(),
            // The connection was given up before it was taken, or the network
            // has told of an error that belongs to it; see accept(2).
            _ if self.patience > 0 => {
                self.patience -= 1;
                Then::GoOn
            }
            _ => self.wait(),
        }
    }

    fn wait(&mut self) -> Then {
        let now = self.next;
        self.next = (now * 2).min(LONGEST);
        Then::Wait(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(number: i32) -> io::Error {
        io::Error::from_raw_os_error(number)
    }

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut backoff = Backoff::new();
        let millis: Vec<_> = (0..9)
            .map(|_| match backoff.failed(&error(libc::EMFILE)) {
                Then::Wait(pause) => pause.as_millis(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(millis, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        backoff.succeeded();
        assert_eq!(backoff.failed(&error(libc::ENFILE)), Then::Wait(FIRST));
    }

    #[test]
    fn a_peers_errors_are_passed_over_but_not_for_ever() {
        let mut backoff = Backoff::new();
        let aborted = error(libc::ECONNABORTED);
        for _ in 0..PATIENCE {
            assert_eq!(backoff.failed(&aborted), Then::GoOn);
        }
        assert_eq!(backoff.failed(&aborted), Then::Wait(FIRST));
        // Nobody's error, so nobody is to wait for it.
        for _ in 0..2 * PATIENCE {
            assert_eq!(backoff.failed(&error(libc::EAGAIN)), Then::GoOn);
        }
        for number in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK] {
            assert_eq!(backoff.failed(&error(number)), Then::GiveUp);
        }
    }
}
