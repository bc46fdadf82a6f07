//! Progress on stderr: one line, rewritten, on a terminal; now and then a line elsewhere.

use std::fmt;
use std::io::{self, IsTerminal, stderr};
use std::time::{Duration, Instant};

use crate::report::thousands;

/// If nothing at all moves for so long, something is broken: better to say so than to hang.
const STALLED: Duration = Duration::from_secs(30);

/// Watches `what` grow up to `goal`. Only the main thread does, so lines cannot mix.
pub(crate) struct Progress {
    what: &'static str,
    goal: usize,
    done: usize,
    start: Instant,
    moved: Instant,
    shown: Instant,
    interval: Duration,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new(what: &'static str, goal: usize) -> Progress {
        let now = Instant::now();
        let terminal = stderr().is_terminal();
        Progress {
            what,
            goal,
            done: 0,
            start: now,
            moved: now,
            shown: now,
            interval: Duration::from_millis(if terminal { 50 } else { 2000 }),
            terminal,
        }
    }

    /// An error if there has been nothing new for too long.
    pub(crate) fn see(&mut self, done: usize) -> io::Result<()> {
        let now = Instant::now();
        if done != self.done {
            (self.done, self.moved) = (done, now);
        }
        if now - self.moved > STALLED {
            let problem = format!("nothing has moved for 30 s, at {self}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
        }
        if now - self.shown > self.interval {
            self.shown = now;
            self.show();
        }
        Ok(())
    }

    /// The last word on it.
    pub(crate) fn finish(mut self, done: usize) {
        self.done = done;
        self.write(&format!("{self} in {:.2} s\n", self.start.elapsed().as_secs_f64()));
    }

    fn show(&mut self) {
        if self.terminal {
            self.write(&self.to_string());
        } else {
            self.write(&format!("{self}\n"));
            // A long run shall not fill a log.
            self.interval *= 2;
        }
    }

    fn write(&self, text: &str) {
        // To the start of the line, and clear it.
        let rewrite = if self.terminal { "\r\x1b[K" } else { "" };
        eprint!("{}", [rewrite, text].concat());
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.done != self.goal {
            write!(f, "{} of ", thousands(self.done))?;
        }
        write!(f, "{} {}", thousands(self.goal), self.what)
    }
}
