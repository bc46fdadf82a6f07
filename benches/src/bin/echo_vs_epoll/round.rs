//! What rounds came to.

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
