//! A dump as text.

use super::view::{Dump, Frame, Holder, NoBacktrace, ThreadDump, ThreadState, WaitsFor};
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

/// Of those with the same stack so many are named.
const NAMED: usize = 10;

impl Display for Dump {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let count = |state| self.threads.iter().filter(|t| t.state == state).count();
        writeln!(
            f,
            "{} green threads: {} running, {} runnable, {} waiting; {} not started",
            self.threads.len(),
            count(ThreadState::Running),
            count(ThreadState::Runnable),
            count(ThreadState::Waiting),
            self.not_started,
        )?;
        if self.missed > 0 {
            writeln!(f, "{} more could not be looked at", self.missed)?;
        }
        for (number, worker) in self.workers.iter().enumerate() {
            match worker.running {
                Some(id) => writeln!(f, "worker {number} runs #{id}")?,
                None if worker.asleep => writeln!(f, "worker {number} sleeps")?,
                None => writeln!(f, "worker {number} is between two")?,
            }
        }
        for group in groups(&self.threads) {
            write_group(f, &group)?;
        }
        Ok(())
    }
}

/// Those of the same state on the same stack; the largest groups last, where a
/// terminal shows them.
fn groups(threads: &[ThreadDump]) -> Vec<Vec<&ThreadDump>> {
    type Key = (ThreadState, Result<*const Frame, NoBacktrace>);
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut groups: Vec<Vec<&ThreadDump>> = Vec::new();
    for thread in threads {
        let stack = thread.backtrace.as_ref().map(|frames| frames.as_ptr());
        let key = (thread.state, stack.map_err(|why| *why));
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(thread),
            None => groups.push(vec![thread]),
        }
    }
    groups.sort_by_key(Vec::len);
    groups
}

fn write_group(f: &mut Formatter<'_>, group: &[&ThreadDump]) -> fmt::Result {
    writeln!(f)?;
    let named = if f.alternate() { group.len() } else { NAMED.min(group.len()) };
    for thread in &group[..named] {
        writeln!(f, "{thread}")?;
    }
    if named < group.len() {
        writeln!(f, "and {} more at the same place", group.len() - named)?;
    }
    match &group[0].backtrace {
        Ok(frames) => write_frames(f, frames),
        Err(why) => writeln!(f, "    no backtrace: {why}"),
    }
}

pub(super) fn write_frames(f: &mut Formatter<'_>, frames: &Arc<[Frame]>) -> fmt::Result {
    for (number, frame) in frames.iter().enumerate() {
        writeln!(f, "{number:>4}: {}", frame.function)?;
        if let Some(file) = &frame.file {
            let line = frame.line.map(|line| format!(":{line}")).unwrap_or_default();
            writeln!(f, "             at {}{line}", file.display())?;
        }
    }
    Ok(())
}

/// One line, without the backtrace.
impl Display for ThreadDump {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " '{name}'")?;
        }
        match self.state {
            ThreadState::Running => write!(f, " runs")?,
            ThreadState::Runnable => write!(f, " is runnable")?,
            ThreadState::Waiting => write!(f, " waits")?,
        }
        if let Some(worker) = self.worker {
            write!(f, " on worker {worker}")?;
        }
        if let Some(time) = self.in_state {
            write!(f, " since {}", short(time))?;
        }
        for waits in &self.waits_for {
            write!(f, ", {waits}")?;
        }
        if let Some(left) = self.deadline {
            write!(f, ", at most {} more", short(left))?;
        }
        if let Some(age) = self.age {
            write!(f, "; age {}", short(age))?;
        }
        write!(f, "; stack ")?;
        if let Some(touched) = self.stack_touched {
            write!(f, "{} of ", kib(touched))?;
        }
        write!(f, "{} KiB", kib(self.stack_size))?;
        match self.spawned_at {
            Some(place) => write!(f, "; spawned at {place}")?,
            None => write!(f, "; made by pthread_create")?,
        }
        self.parent.map_or(Ok(()), |id| write!(f, " by #{id}"))
    }
}

fn kib(bytes: usize) -> usize {
    bytes / 1024
}

/// A time as somebody wants to read it.
fn short(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 => format!("{seconds}.{} s", time.subsec_millis() / 100),
        seconds => format!("{} min", seconds / 60),
    }
}

impl Display for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Unknown => f.write_str("nobody knows whom"),
            Holder::Ended => f.write_str("a green thread that has ended"),
            Holder::Green(id) => write!(f, "#{id}"),
            Holder::Os(None) => f.write_str("an OS thread"),
            Holder::Os(Some(number)) => write!(f, "the OS thread {number}"),
        }
    }
}

impl Display for WaitsFor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            WaitsFor::Descriptor { fd, write, what } => {
                let how = if *write { "to write to" } else { "to read from" };
                write!(f, "{how} descriptor {fd}")?;
                if what.is_empty() { Ok(()) } else { write!(f, " ({what})") }
            }
            WaitsFor::Child(pid) => write!(f, "for the child process {pid}"),
            WaitsFor::Address(at) => {
                write!(f, "for the lock or futex at {at:#x}, held by nobody knows whom")
            }
            WaitsFor::Lock { at, holder } => write!(f, "for the lock at {at:#x}, held by {holder}"),
            WaitsFor::Item(at) => write!(f, "for something in the queue at {at:#x}"),
            WaitsFor::Room(at) => write!(f, "for room in the queue at {at:#x}"),
            WaitsFor::Join(id) => write!(f, "for the end of #{id}"),
            WaitsFor::Job => write!(f, "for a job on an OS thread"),
            WaitsFor::PoolPlace => write!(f, "for a place in a thread pool"),
            WaitsFor::PoolEnd => write!(f, "for the end of a thread pool"),
            WaitsFor::Permit(at) => write!(f, "for a semaphore or pool at {at:#x}"),
            WaitsFor::Event(at) => write!(f, "for an event at {at:#x}"),
            WaitsFor::Condition(at) => write!(f, "for a condition at {at:#x}"),
            WaitsFor::Group(at) => write!(f, "for the group at {at:#x}"),
            WaitsFor::Scope => write!(f, "for the end of all in its scope"),
            WaitsFor::First(arms) => write!(f, "for the first of {arms} things"),
            WaitsFor::Time => write!(f, "asleep"),
            WaitsFor::Unpark => write!(f, "to be unparked"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let shown = |ms| short(Duration::from_millis(ms));
        assert_eq!(shown(0), "0 ms");
        assert_eq!(shown(999), "999 ms");
        assert_eq!(shown(1250), "1.2 s");
        assert_eq!(shown(600_000), "10 min");
    }
}
