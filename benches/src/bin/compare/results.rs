//! What was measured, as it is written to `results.json`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use greenroom_bench::protocol::Outcome;
use greenroom_bench::stats::Spread;
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::workload::Workload;

#[derive(Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    /// Rounds that count, and milliseconds of each.
    pub(super) rounds: usize,
    pub(super) millis: u64,
    pub(super) workloads: Vec<Measured>,
}

/// One workload.
#[derive(Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) title: String,
    /// How many cores each contender had.
    pub(super) cores: usize,
    pub(super) metrics: Vec<Unit>,
    pub(super) contenders: Vec<Figures>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) more_is_better: bool,
}

/// One contender.
#[derive(Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) name: String,
    /// Why there are no figures, or no more of them.
    pub(super) trouble: Option<String>,
    /// For each round, a figure for each metric.
    pub(super) rounds: Vec<Vec<f64>>,
    /// For each metric, how the rounds spread.
    pub(super) spread: Vec<Quarters>,
    /// For each metric, how many times as good our own contender was in the
    /// same round, and how that spreads.
    pub(super) ours_times: Vec<Quarters>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct Quarters {
    pub(super) low: f64,
    pub(super) quarter: f64,
    pub(super) median: f64,
    pub(super) three_quarters: f64,
    pub(super) high: f64,
}

impl From<Spread> for Quarters {
    fn from(spread: Spread) -> Quarters {
        let Spread { low, quarter, median, three_quarters, high } = spread;
        Quarters { low, quarter, median, three_quarters, high }
    }
}

impl Results {
    pub(super) fn new(machine: Machine, rounds: usize, time: Duration) -> Results {
        Results { machine, rounds, millis: time.as_millis() as u64, workloads: Vec::new() }
    }

    /// # Errors
    /// The folder cannot be made or written to.
    pub(super) fn write(&self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder)?;
        let text = serde_json::to_string_pretty(self)?;
        Ok(fs::write(folder.join("results.json"), text + "\n")?)
    }
}

impl Figures {
    pub(super) fn new(name: &str) -> Figures {
        let (rounds, spread, ours_times) = (Vec::new(), Vec::new(), Vec::new());
        Figures { name: name.into(), trouble: None, rounds, spread, ours_times }
    }

    /// All figures of one metric.
    fn of(&self, metric: usize) -> Vec<f64> {
        self.rounds.iter().map(|round| round[metric]).collect()
    }
}

impl Measured {
    /// Sums up; the first of the contenders is our own.
    pub(super) fn new(workload: &Workload, cores: usize, contenders: Vec<Figures>) -> Measured {
        let unit = |metric: &super::workload::Metric| Unit {
            name: metric.name.into(),
            more_is_better: metric.more_is_better,
        };
        let mut measured = Measured {
            name: workload.name.into(),
            title: workload.title.into(),
            cores,
            metrics: workload.metrics().iter().map(unit).collect(),
            contenders,
        };
        measured.sum_up();
        measured
    }

    fn sum_up(&mut self) {
        for (metric, unit) in self.metrics.iter().enumerate() {
            let ours = self.contenders.first().map_or(Vec::new(), |first| first.of(metric));
            for one in &mut self.contenders {
                let theirs = one.of(metric);
                if theirs.is_empty() {
                    continue;
                }
                let times = |(ours, theirs): (&f64, &f64)| match unit.more_is_better {
                    true => ours / theirs,
                    false => theirs / ours,
                };
                let ratios: Vec<f64> = ours.iter().zip(&theirs).map(times).collect();
                one.spread.push(Spread::of(&theirs).into());
                if !ratios.is_empty() {
                    one.ours_times.push(Spread::of(&ratios).into());
                }
            }
        }
    }

    /// What one contender came to, in a line.
    pub(super) fn line(&self, one: &Figures) -> String {
        let mut line = format!("{:<17}", one.name);
        for (unit, spread) in self.metrics.iter().zip(&one.spread) {
            line += &format!(" {:>12.1} {}", spread.median, unit.name);
        }
        if let Some(times) = one.ours_times.first() {
            line += &format!(", ours is {:.2} times as good", times.median);
        }
        match &one.trouble {
            Some(why) => format!("{line} {why}"),
            None => line,
        }
    }
}

#[test]
fn ratios_are_taken_round_by_round_and_in_the_right_direction() {
    let workloads = super::workload::all();
    let echo = workloads.iter().find(|one| one.name == "echo-1").unwrap();
    let contender = |name: &str, rounds: [[f64; 2]; 3]| Figures {
        rounds: rounds.iter().map(|round| round.to_vec()).collect(),
        ..Figures::new(name)
    };
    let ours = contender("a", [[100.0, 2.0], [300.0, 2.0], [200.0, 2.0]]);
    let theirs = contender("b", [[50.0, 4.0], [100.0, 2.0], [400.0, 1.0]]);
    let gone = Figures { trouble: Some("fails: so".into()), ..Figures::new("c") };
    let measured = Measured::new(echo, 1, vec![ours, theirs, gone]);
    let [_, theirs, gone] = &measured.contenders[..] else { panic!("three of them") };
    // Requests/s: more is better. CPU time each: less.
    assert_eq!((theirs.spread[0].median, theirs.ours_times[0].median), (100.0, 2.0));
    assert_eq!((theirs.ours_times[1].low, theirs.ours_times[1].high), (0.5, 2.0));
    assert!(gone.spread.is_empty() && measured.line(gone).contains("fails: so"));
}
