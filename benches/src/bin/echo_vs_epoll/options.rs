//! The command line.

use std::time::Duration;

use super::Outcome;
use super::servers::{EXPLICIT, GREENROOM, OS_THREADS, PAGED, RAW};

const USAGE: &str = "usage: echo_vs_epoll [--rounds N] [--millis PER_ROUND] [--least RATIO] \
                     [--os-threads] [--explicit] [--paged] [CONNECTIONS]...";

pub(super) struct Options {
    pub(super) connections: Vec<usize>,
    pub(super) rounds: usize,
    pub(super) time: Duration,
    /// Fail if a median ratio is less.
    pub(super) least: Option<f64>,
    /// Who takes part; the raw server is the last.
    pub(super) contenders: Vec<&'static str>,
}

impl Options {
    pub(super) fn parse(words: &[String]) -> Outcome<Options> {
        let mut options = Options {
            connections: Vec::new(),
            rounds: 11,
            time: Duration::from_millis(500),
            least: None,
            contenders: vec![GREENROOM, RAW],
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(USAGE);
            match word.as_str() {
                "--rounds" => options.rounds = value()?.parse()?,
                "--millis" => options.time = Duration::from_millis(value()?.parse()?),
                "--least" => options.least = Some(value()?.parse()?),
                "--explicit" => options.contenders.insert(1, EXPLICIT),
                "--paged" => options.contenders.insert(1, PAGED),
                "--os-threads" => options.contenders.insert(1, OS_THREADS),
                number => options.connections.push(number.parse().map_err(|_| USAGE)?),
            }
        }
        if options.connections.is_empty() {
            options.connections = vec![1, 64, 1000];
        }
        if options.rounds == 0 || options.connections.contains(&0) {
            return Err(USAGE.into());
        }
        Ok(options)
    }
}
