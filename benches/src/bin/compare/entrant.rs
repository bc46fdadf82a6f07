//! A contender at work: its process, and what keeps it busy.

use std::time::{Duration, Instant};

use greenroom_bench::protocol::Outcome;
use greenroom_bench::stats::percentile;

use super::asker::Asker;
use super::child::{self, Child};
use super::fixed;
use super::layout::{Cores, Place};
use super::short::Short;
use super::workload::{Ask, Kind, Workload};
use super::wrk::{self, Wrk};

pub(super) struct Entrant {
    child: Child,
    load: Load,
    /// Lives as long as it is asked.
    _backend: Option<Child>,
}

enum Load {
    /// It works by itself.
    Inside {
        /// Its figure is all: its CPU time says nothing.
        alone: bool,
    },
    Closed {
        asker: Asker,
        timed: bool,
    },
    Fixed {
        asker: Asker,
        rate: u32,
    },
    Short(Short),
    Wrk(Wrk),
}

impl Entrant {
    /// `None` if it is not installed here.
    ///
    /// # Errors
    /// It does not start, or not within `limit`, or does not accept.
    pub(super) fn start(
        workload: &Workload,
        contender: &str,
        cores: &Cores,
        limit: Duration,
    ) -> Outcome<Option<Entrant>> {
        let Some(mut command) = child::command(contender)? else { return Ok(None) };
        if matches!(workload.kind, Kind::Wrk { .. }) && !wrk::is_installed() {
            return Err("wrk is not installed".into());
        }
        let backend = workload.needs_backend().then(|| start_backend(cores, limit)).transpose()?;
        let port = backend.as_ref().map_or(0, |backend| backend.port);
        let ((program, number), (place, count)) = (workload.program, cores.at(workload.place));
        command.args([contender, program]);
        command.args([number, count as u64, u64::from(port)].map(|n| n.to_string()));
        let child = Child::start(command, place, limit)?;
        let load = match workload.kind {
            Kind::Inside | Kind::WithBackend | Kind::Once => Load::Inside { alone: false },
            Kind::Memory | Kind::Timed => Load::Inside { alone: true },
            Kind::Short { at_once } => Load::Short(Short::new(child.port, at_once)),
            Kind::Closed { connections, ask } => Load::Closed {
                asker: Asker::connect(child.port, connections, ask)?,
                timed: matches!(ask, Ask::Uneven { .. }),
            },
            Kind::Wrk { connections, pipelined } => {
                Load::Wrk(Wrk::new(child.port, connections, pipelined)?)
            }
            Kind::Fixed { connections, rate } => Load::Fixed {
                asker: Asker::connect(child.port, connections, Ask::Bytes(64))?,
                rate,
            },
        };
        Ok(Some(Entrant { child, load, _backend: backend }))
    }

    /// A figure for each of the workload's metrics.
    ///
    /// # Errors
    /// It fails or hangs.
    pub(super) fn round(&mut self, time: Duration) -> Outcome<Vec<f64>> {
        match &mut self.load {
            Load::Inside { alone } => {
                let cpu = self.child.cpu()?;
                let (count, amount) = self.child.round(time)?;
                let cpu = (self.child.cpu()? - cpu).as_nanos() as f64;
                Ok(if *alone { vec![amount / count] } else { vec![amount / count, cpu / count] })
            }
            Load::Fixed { asker, rate } => {
                let mut took = fixed::run(asker, *rate, time)?;
                took.sort_unstable();
                Ok([0.5, 0.99, 0.999].map(|part| micros(percentile(&took, part))).into())
            }
            Load::Short(short) => {
                short.run(time / 6)?;
                let (cpu, start) = (self.child.cpu()?, Instant::now());
                let count = short.run(time)?;
                rates(count, start.elapsed(), self.child.cpu()? - cpu)
            }
            Load::Wrk(wrk) => {
                let cpu = self.child.cpu()?;
                let answered = wrk.run(time)?;
                let cpu = self.child.cpu()? - cpu;
                rates(
                    answered.count,
                    Duration::from_secs_f64(answered.count as f64 / answered.rate),
                    cpu,
                )
            }
            Load::Closed { asker, timed } => {
                asker.start()?;
                asker.run(time / 6, false)?;
                let (cpu, start) = (self.child.cpu()?, Instant::now());
                let mut answers = asker.run(time, *timed)?;
                let (elapsed, cpu) = (start.elapsed(), self.child.cpu()? - cpu);
                asker.finish()?;
                if !*timed {
                    return rates(answers.count, elapsed, cpu);
                }
                answers.took.sort_unstable();
                if answers.took.is_empty() {
                    return Err("no light request was answered".into());
                }
                let rate = answers.count as f64 / elapsed.as_secs_f64();
                Ok(vec![rate, micros(percentile(&answers.took, 0.99))])
            }
        }
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

/// Requests per second, and microseconds of CPU time for each.
fn rates(count: u64, elapsed: Duration, cpu: Duration) -> Outcome<Vec<f64>> {
    if count == 0 {
        return Err("nothing was answered".into());
    }
    Ok(vec![count as f64 / elapsed.as_secs_f64(), cpu.as_secs_f64() * 1e6 / count as f64])
}

/// An echo server beside the client.
fn start_backend(cores: &Cores, limit: Duration) -> Outcome<Child> {
    let mut command = child::command("raw-epoll")?.ok_or("no backend")?;
    command.args(["raw-epoll", "echo", "64", "1", "0"]);
    Child::start(command, cores.at(Place::Load).0, limit)
}
