//! A stall as text: the cycles first, then those in them, then the others; of many,
//! some.

use super::graph::{Waiter, whom};
use super::stall::{OsThread, StallReport};
use super::view::{Frame, NoBacktrace, ThreadDump};
use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

/// So many cycles have a line of their own, and so many threads a paragraph.
const NAMED: usize = 40;
/// So many calls of each are shown.
const CALLS: usize = 6;

impl Display for StallReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (green, os) = (self.threads.len(), self.os_threads.len());
        if self.others_run {
            writeln!(f, "greenroom: deadlock, while others still run")?;
        } else {
            writeln!(
                f,
                "greenroom: stalled: nothing can go on, everybody waits for another \
                 ({green} green, {os} OS threads)"
            )?;
        }
        if !self.signals.is_empty() {
            let names: Vec<_> = self.signals.iter().map(|signal| name(*signal)).collect();
            writeln!(f, "(unless the handler of a signal wakes one: {})", names.join(", "))?;
        }
        self.cycles.iter().take(NAMED).try_for_each(|cycle| self.write_cycle(f, cycle))?;
        write_more(f, self.cycles.len(), "deadlocks")?;
        let in_cycles: HashSet<&Waiter> = self.cycles.iter().flatten().collect();
        let is_in = |thread: &&ThreadDump| in_cycles.contains(&Waiter::Green(thread.id));
        let (first, then): (Vec<_>, Vec<_>) = self.threads.iter().partition(is_in);
        for thread in first.into_iter().chain(then).take(NAMED) {
            self.write_thread(f, thread)?;
        }
        if green > NAMED {
            writeln!(f)?;
        }
        write_more(f, green, "green threads")?;
        if os > 0 {
            writeln!(f)?;
        }
        self.os_threads.iter().take(NAMED).try_for_each(|thread| self.write_os(f, thread))?;
        write_more(f, os, "OS threads")
    }
}

/// How many are not named.
fn write_more(f: &mut Formatter<'_>, all: usize, what: &str) -> fmt::Result {
    match all.saturating_sub(NAMED) {
        0 => Ok(()),
        more => writeln!(f, "and {more} more {what}"),
    }
}

impl StallReport {
    fn thread(&self, id: u64) -> Option<&ThreadDump> {
        let at = self.threads.binary_search_by_key(&id, |thread| thread.id).ok()?;
        Some(&self.threads[at])
    }

    /// With its name, if it has one.
    fn call(&self, who: Waiter) -> String {
        match who {
            Waiter::Green(id) => match self.thread(id).and_then(|t| t.name.as_ref()) {
                Some(name) => format!("#{id} '{name}'"),
                None => format!("#{id}"),
            },
            Waiter::Os(id) => match self.os_threads.iter().find(|thread| thread.id == id) {
                Some(thread) => format!("OS thread {id} '{}'", thread.name),
                None => format!("OS thread {id}"),
            },
        }
    }

    fn write_cycle(&self, f: &mut Formatter<'_>, cycle: &[Waiter]) -> fmt::Result {
        let Some(first) = cycle.first() else { return Ok(()) };
        write!(f, "deadlock: {}", self.call(*first))?;
        match cycle {
            [_] => return writeln!(f, " waits for itself"),
            [_, second, rest @ ..] => {
                write!(f, " waits for {}", self.call(*second))?;
                for next in rest {
                    write!(f, ", which waits for {}", self.call(*next))?;
                }
            }
            [] => {}
        }
        writeln!(f, ", which waits for {}", self.call(*first))
    }

    fn write_thread(&self, f: &mut Formatter<'_>, thread: &ThreadDump) -> fmt::Result {
        write!(f, "\n{} waits", self.call(Waiter::Green(thread.id)))?;
        for (number, waits) in thread.waits_for.iter().enumerate() {
            write!(f, "{} {waits}", if number == 0 { "" } else { "," })?;
        }
        // The text has the number; its name is more.
        if let Some(whom @ Waiter::Green(id)) = whom(&thread.waits_for) {
            match self.thread(id) {
                Some(other) if other.name.is_some() => write!(f, " ({})", self.call(whom))?,
                Some(_) => {}
                None => write!(f, " (which has not started)")?,
            }
        }
        match thread.spawned_at {
            Some(place) => writeln!(f, "; spawned at {place}")?,
            None => writeln!(f, "; made by pthread_create")?,
        }
        match &thread.backtrace {
            Ok(frames) => frames.iter().take(CALLS).try_for_each(|frame| write_call(f, frame)),
            Err(NoBacktrace::Fresh) => Ok(()),
            Err(why) => writeln!(f, "    no backtrace: {why}"),
        }
    }

    fn write_os(&self, f: &mut Formatter<'_>, thread: &OsThread) -> fmt::Result {
        write!(f, "OS thread {} '{}' waits", thread.id, thread.name)?;
        match &thread.waits_for {
            None => return writeln!(f, " for something of std's or libc's"),
            Some(waits) => write!(f, " {waits}")?,
        }
        match whom(thread.waits_for.as_slice()) {
            Some(whom) => writeln!(f, " ({})", self.call(whom)),
            None => writeln!(f),
        }
    }
}

fn write_call(f: &mut Formatter<'_>, frame: &Frame) -> fmt::Result {
    write!(f, "    in {}", frame.function)?;
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => writeln!(f, " at {}:{line}", file.display()),
        (Some(file), None) => writeln!(f, " at {}", file.display()),
        _ => writeln!(f),
    }
}

/// The usual ones have names.
fn name(signal: i32) -> String {
    let known = [
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGUSR2, "SIGUSR2"),
        (libc::SIGALRM, "SIGALRM"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGCHLD, "SIGCHLD"),
        (libc::SIGPROF, "SIGPROF"),
        (libc::SIGURG, "SIGURG"),
    ];
    let found = known.iter().find(|(number, _)| *number == signal);
    found.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).into())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::view::{ThreadState, WaitsFor};
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn of_many_it_is_said_how_many_are_left_out() {
        let os_thread = |id| OsThread { id, name: "one".into(), waits_for: None };
        let of = |count| StallReport {
            os_threads: (1..=count).map(os_thread).collect(),
            ..StallReport::default()
        };
        let all = of(NAMED as i32).to_string();
        assert_eq!((all.matches("'one' waits").count(), all.contains(" more ")), (NAMED, false));
        let some = of(NAMED as i32 + 7).to_string();
        assert_eq!(some.matches("'one' waits").count(), NAMED);
        assert!(some.ends_with("\nand 7 more OS threads\n"), "{some}");
    }

    /// However many there are, they are few to look at, and soon put together.
    #[test]
    fn many_deadlocks_are_told_at_once() {
        let waits = |id| ThreadDump {
            id,
            name: None,
            state: ThreadState::Waiting,
            age: None,
            in_state: None,
            spawned_at: None,
            parent: None,
            worker: None,
            waits_for: vec![WaitsFor::Join(id ^ 1)],
            deadline: None,
            stack_size: 0,
            stack_touched: None,
            backtrace: Err(NoBacktrace::NoTime),
        };
        // Of three in a row, the latter two wait for each other.
        let cycles = (0..30_000).map(|n| vec![Waiter::Green(n * 4 + 2), Waiter::Green(n * 4 + 3)]);
        let threads = (0..120_000).filter(|id| id % 4 > 0).map(waits).collect();
        let report = StallReport { threads, cycles: cycles.collect(), ..StallReport::default() };
        let start = Instant::now();
        let text = report.to_string();
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        assert_eq!(text.matches("\ndeadlock: #").count(), NAMED);
        assert!(text.contains("\nand 29960 more deadlocks\n"), "{text}");
        assert!(text.ends_with("\nand 89960 more green threads\n"), "{text}");
        assert!(text.contains("\n#2 waits") && !text.contains("\n#1 waits"), "{text}");
    }
}
