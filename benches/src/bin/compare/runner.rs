//! One workload: all contenders, in turns.

use std::io::{self, Write};

use greenroom_bench::protocol::Outcome;

use super::entrant::Entrant;
use super::layout::{Cores, Place};
use super::options::Options;
use super::results::{Figures, Measured};
use super::workload::Workload;

/// A contender, and how it fares.
struct Lane {
    figures: Figures,
    /// `None` once it has failed, or while it is not running.
    entrant: Option<Entrant>,
}

/// # Errors
/// Only what is no contender's fault.
pub(super) fn run(workload: &Workload, cores: &Cores, options: &Options) -> Outcome<Measured> {
    let names = workload.contenders.iter().filter(|name| options.admits(name));
    let mut lanes: Vec<Lane> =
        names.map(|name| Lane { figures: Figures::new(name), entrant: None }).collect();
    let anew = workload.wants_fresh(lanes.len());
    if !anew {
        for lane in &mut lanes {
            lane.start(workload, cores, options);
        }
    }
    // Round 0 warms up; a fresh process is not warmed.
    for round in usize::from(anew)..=workload.rounds(options.rounds) {
        for turn in 0..lanes.len() {
            let place = (turn + round) % lanes.len();
            if anew {
                lanes[place].start(workload, cores, options);
            }
            lanes[place].take_turn(options, round > 0);
            if anew {
                lanes[place].entrant = None;
            }
        }
        eprint!(".");
        io::stderr().flush()?;
    }
    eprintln!();
    let figures = lanes.into_iter().map(|lane| lane.figures).collect();
    let measured = Measured::new(workload, cores.at(workload.place).1, figures);
    measured.contenders.iter().for_each(|one| eprintln!("    {}", measured.line(one)));
    Ok(measured)
}

impl Lane {
    fn start(&mut self, workload: &Workload, cores: &Cores, options: &Options) {
        if self.figures.trouble.is_some() {
            return;
        }
        match Entrant::start(workload, &self.figures.name, cores, options.limit) {
            Ok(Some(entrant)) => self.entrant = Some(entrant),
            Ok(None) => self.figures.trouble = Some("not installed".into()),
            Err(why) => self.figures.trouble = Some(format!("fails: {why}")),
        }
    }

    fn take_turn(&mut self, options: &Options, counts: bool) {
        let Some(entrant) = &mut self.entrant else { return };
        match entrant.round(options.time) {
            Ok(figures) if counts => self.figures.rounds.push(figures),
            Ok(_) => (),
            Err(why) => {
                self.figures.trouble = Some(format!("fails: {why}"));
                self.entrant = None;
            }
        }
    }
}

/// Keeps this process, the client, where the load is to be.
///
/// # Errors
/// As `sched_setaffinity`'s.
pub(super) fn settle(cores: &Cores) -> io::Result<()> {
    cores.at(Place::Load).0.confine()
}
