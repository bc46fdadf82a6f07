//! What rounds came to.

use std::fmt;
use std::time::Duration;

/// One server, kept busy for a while.
pub(super) struct Round {
    pub(super) requests: u64,
    pub(super) took: Duration,
    /// How long the server's threads ran.
    pub(super) cpu: Duration,
}

/// All rounds of one server.
#[derive(Default)]
pub(super) struct Rounds(Vec<Round>);

impl Rounds {
    pub(super) fn push(&mut self, round: Round) {
        self.0.push(round);
    }

    /// Requests per second.
    pub(super) fn rates(&self) -> Vec<f64> {
        self.0.iter().map(|round| round.requests as f64 / round.took.as_secs_f64()).collect()
    }

    /// Microseconds of the server's CPU time per request.
    pub(super) fn cpu(&self) -> Vec<f64> {
        let each = |round: &Round| round.cpu.as_secs_f64() * 1e6 / round.requests.max(1) as f64;
        self.0.iter().map(each).collect()
    }

    /// Rate against rate, round by round.
    pub(super) fn ratios(&self, of: &Rounds) -> Vec<f64> {
        self.rates().iter().zip(of.rates()).map(|(mine, other)| mine / other).collect()
    }

    /// Requests per CPU time against the same, round by round.
    pub(super) fn cpu_ratios(&self, of: &Rounds) -> Vec<f64> {
        self.cpu().iter().zip(of.cpu()).map(|(mine, other)| other / mine).collect()
    }
}

/// How figures spread.
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) quarter: f64,
    pub(super) median: f64,
    pub(super) three_quarters: f64,
    pub(super) high: f64,
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { low, quarter, median, three_quarters, high } = self;
        write!(f, "{median:.3} (half of them {quarter:.3} .. {three_quarters:.3}, ")?;
        write!(f, "all {low:.3} .. {high:.3})")
    }
}

impl Spread {
    /// # Panics
    /// There are no figures.
    pub(super) fn of(figures: &[f64]) -> Spread {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Spread {
            low: at(0.0),
            quarter: at(0.25),
            median: at(0.5),
            three_quarters: at(0.75),
            high: at(1.0),
        }
    }
}

#[test]
fn the_middle_is_found() {
    let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]);
    assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.5, 4.0));
    assert_eq!(Spread::of(&[7.0]).median, 7.0);
}
