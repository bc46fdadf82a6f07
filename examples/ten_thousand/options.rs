//! The command line.

use std::ops::RangeInclusive;

use crate::limits::Plan;

pub(crate) const USAGE: &str = "\
A thread-per-connection echo server and its clients, on green threads.

Usage: ten_thousand [CONNECTIONS] [OPTIONS]

  CONNECTIONS      how many clients to connect at the same time [10000]
  --rounds N       how often each sends and waits for the echo [20]
  --payload BYTES  how much each sends at a time, up to 65536 [64]
  --workers N      OS threads that the green threads run on [one per core]
  --os-threads     run the very same code on OS threads instead
  --help           print this
";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Run(Options),
    Help,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) connections: usize,
    pub(crate) rounds: usize,
    pub(crate) payload: usize,
    pub(crate) workers: Option<usize>,
    pub(crate) os_threads: bool,
    /// Not for users: be the server half of another process.
    pub(crate) serve: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            connections: 10_000,
            rounds: 20,
            payload: 64,
            workers: None,
            os_threads: false,
            serve: false,
        }
    }
}

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Request, String> {
        let mut options = Options::default();
        let mut counted = false;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--help" | "-h" => return Ok(Request::Help),
                "--os-threads" => options.os_threads = true,
                "--serve" => options.serve = true,
                "--rounds" => options.rounds = number(&word, words.next(), 1..=1_000_000)?,
                // More than the sockets' buffers hold, and both ends could wait to write.
                "--payload" => options.payload = number(&word, words.next(), 1..=65_536)?,
                "--workers" => options.workers = Some(number(&word, words.next(), 1..=4096)?),
                _ if word.starts_with('-') => return Err(format!("unknown option '{word}'")),
                _ if counted => return Err(format!("unexpected argument '{word}'")),
                _ => {
                    options.connections = number("CONNECTIONS", Some(word), 1..=1_000_000)?;
                    counted = true;
                }
            }
        }
        if options.os_threads && options.workers.is_some() {
            return Err("--workers means nothing to --os-threads".to_owned());
        }
        Ok(Request::Run(options))
    }

    /// The command line that makes the second process serve these clients.
    pub(crate) fn for_server(&self, plan: &Plan) -> Vec<String> {
        let mut words = vec!["--serve".to_owned(), plan.connections.to_string()];
        if let Some(workers) = self.workers {
            words.extend(["--workers".to_owned(), workers.to_string()]);
        }
        if self.os_threads {
            words.push("--os-threads".to_owned());
        }
        words
    }
}

fn number(name: &str, word: Option<String>, range: RangeInclusive<usize>) -> Result<usize, String> {
    let word = word.ok_or_else(|| format!("{name} needs a number"))?;
    // 10_000 and 10,000 are what people write.
    match word.replace(['_', ','], "").parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => {
            let (least, most) = (range.start(), range.end());
            Err(format!("{name} must be a number from {least} to {most}, not '{word}'"))
        }
    }
}
