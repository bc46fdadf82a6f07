//! How a contender, a process of its own, talks with the suite.
//!
//! It is started as `PROGRAM CONTENDER WORKLOAD NUMBER CORES BACKEND`, already
//! confined to the cores that it may use; `NUMBER` is the workload's parameter
//! and `BACKEND` the port of an echo server, or 0. When it is prepared it says
//! `ready PORT` (0: it is no server). Then, as often as it reads
//! `round MILLIS`, it works for about so long and says `done COUNT AMOUNT`:
//! how many operations, and how many nanoseconds (or bytes) for all of them. A
//! server has nothing to do but serve. When its stdin ends, so does it.

use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

/// What can go wrong on the way.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What a contender is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which contender this process is.
    pub contender: String,
    /// Which workload.
    pub workload: String,
    /// The workload's parameter: how many tasks, or bytes.
    pub number: u64,
    /// How many cores this process has.
    pub cores: usize,
    /// The port of an echo server on this machine, if the workload needs one.
    pub backend: u16,
}

impl Task {
    /// From the words of the command line.
    ///
    /// # Errors
    /// They are not as above.
    pub fn parse(words: &[String]) -> Outcome<Task> {
        let [contender, workload, number, cores, backend] = words else {
            return Err("usage: CONTENDER WORKLOAD NUMBER CORES BACKEND".into());
        };
        Ok(Task {
            contender: contender.clone(),
            workload: workload.clone(),
            number: number.parse()?,
            cores: cores.parse()?,
            backend: backend.parse()?,
        })
    }

    /// That this contender has no program for the workload.
    ///
    /// # Errors
    /// Always.
    pub fn unknown<T>(&self) -> Outcome<T> {
        Err(format!("{} does not take part in {}", self.contender, self.workload).into())
    }
}

/// A workload, ready to run.
pub enum Program {
    /// Does so many operations; returns how long they took.
    Counted(Box<dyn FnMut(u64) -> Duration>),
    /// Works for so long; returns a number of figures, and their sum.
    Timed(Box<dyn FnMut(Duration) -> (u64, u64)>),
    /// Can be done once in a process; returns how many, and how many bytes.
    Once(Box<dyn FnMut() -> (u64, u64)>),
    /// Serves this port.
    Server(u16),
}

/// Answers until stdin ends.
///
/// # Errors
/// The other side breaks the rules, or a pipe breaks.
pub fn answer(mut program: Program) -> Outcome<()> {
    let port = if let Program::Server(port) = program { port } else { 0 };
    say(&format!("ready {port}"))?;
    if port != 0 {
        io::stdin().lock().read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let mut pace = Pace::default();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let millis = line.strip_prefix("round ").ok_or("asked for something unknown")?;
        let time = Duration::from_millis(millis.parse()?);
        let (count, amount) = match &mut program {
            Program::Counted(run) => pace.round(time, run),
            Program::Timed(run) => run(time),
            Program::Once(run) => run(),
            Program::Server(_) => return Err("a server has no rounds".into()),
        };
        say(&format!("done {count} {amount}"))?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// How many operations fill a round.
#[derive(Default)]
struct Pace {
    /// Nanoseconds that an operation took the last time, once it is known.
    each: Option<f64>,
}

impl Pace {
    fn round(&mut self, time: Duration, run: &mut dyn FnMut(u64) -> Duration) -> (u64, u64) {
        let target = time.as_nanos() as f64;
        let each = *self.each.get_or_insert_with(|| first_guess(time / 4, run));
        let count = ((target / each) as u64).max(1);
        let nanos = run(count).as_nanos().max(1) as u64;
        self.each = Some(nanos as f64 / count as f64);
        (count, nanos)
    }
}

/// Doubles until it takes long enough to tell; warms up on the way.
fn first_guess(enough: Duration, run: &mut dyn FnMut(u64) -> Duration) -> f64 {
    let mut count = 1;
    loop {
        let took = run(count);
        if took >= enough || count > 1 << 40 {
            return (took.as_nanos() as f64 / count as f64).max(0.01);
        }
        count *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_from_its_words() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let task = Task::parse(&words("smol echo 64 2 80")).unwrap();
        assert_eq!((task.contender.as_str(), task.workload.as_str()), ("smol", "echo"));
        assert_eq!((task.number, task.cores, task.backend), (64, 2, 80));
        assert!(Task::parse(&words("smol echo 64 2")).is_err());
        assert!(Task::parse(&words("smol echo x 2 80")).is_err());
        assert!(task.unknown::<()>().unwrap_err().to_string().contains("smol"));
    }

    #[test]
    fn rounds_come_to_last_as_long_as_they_should() {
        let mut pace = Pace::default();
        let mut run = |n: u64| Duration::from_nanos(50 * n);
        let (count, nanos) = pace.round(Duration::from_millis(1), &mut run);
        assert_eq!((count, nanos), (20_000, 1_000_000));
        // Ten times as slow: the next one makes up for it.
        let mut slow = |n: u64| Duration::from_nanos(500 * n);
        assert_eq!(pace.round(Duration::from_millis(1), &mut slow).0, 20_000);
        assert_eq!(pace.round(Duration::from_millis(1), &mut slow).0, 2_000);
    }
}
