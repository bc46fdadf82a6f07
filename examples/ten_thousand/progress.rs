//! Progress on stderr: one line, rewritten, on a terminal; now and then a line elsewhere.

use std::io::{self, IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::report::thousands;

/// If nothing at all moves for so long, something is broken: better to say so than to hang.
const STALLED: Duration = Duration::from_secs(30);

/// Only the main thread writes progress, so lines cannot mix.
pub(crate) struct Progress {
    terminal: bool,
    interval: Duration,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let terminal = stderr().is_terminal();
        let interval = Duration::from_millis(if terminal { 50 } else { 2000 });
        Progress { terminal, interval }
    }

    /// Begins to watch `what` grow up to `goal`.
    pub(crate) fn watch(&self, what: &'static str, goal: usize) -> Watch<'_> {
        let now = Instant::now();
        Watch {
            progress: self,
            what,
            goal,
            done: 0,
            start: now,
            moved: now,
            shown: now,
        }
    }
}

pub(crate) struct Watch<'a> {
    progress: &'a Progress,
    what: &'static str,
    goal: usize,
    done: usize,
    start: Instant,
    moved: Instant,
    shown: Instant,
}

impl Watch<'_> {
    pub(crate) fn see(&mut self, done: usize) -> io::Result<()> {
        let now = Instant::now();
        if done != self.done {
            (self.done, self.moved) = (done, now);
        }
        if now - self.moved > STALLED {
            let (what, done, goal) = (self.what, thousands(done), thousands(self.goal));
            let problem = format!("nothing has moved for 30 s, at {done} of {goal} {what}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
        }
        if now - self.shown > self.progress.interval {
            self.shown = now;
            self.show(if self.progress.terminal { "" } else { "\n" });
        }
        Ok(())
    }

    /// Reached what can be reached: the last word on it.
    pub(crate) fn finish(self) {
        let took = self.start.elapsed();
        let (what, goal) = (self.what, thousands(self.goal));
        self.write(&format!("{goal} {what} in {:.2} s\n", took.as_secs_f64()));
    }

    fn show(&self, end: &str) {
        let (what, done, goal) = (self.what, thousands(self.done), thousands(self.goal));
        self.write(&format!("{done} of {goal} {what}{end}"));
    }

    fn write(&self, line: &str) {
        // To the start of the line, and clear it.
        let rewrite = if self.progress.terminal {
            "\r\x1b[K"
        } else {
            ""
        };
        // In one write, and whether anyone reads it is not our concern.
        let _ = stderr().write_all(format!("{rewrite}{line}").as_bytes());
    }
}
