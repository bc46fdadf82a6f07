//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use greenroom_bench::protocol::Outcome;

use super::workload::{self, Workload};

const USAGE: &str = "usage: cargo bench -p greenroom-bench -- [OPTION]...
  --quick            fewer and shorter rounds: to see that it works, not to publish
  --only NAME        only workloads whose names begin so; may be repeated
  --with NAME        only these contenders; may be repeated
  --rounds N         rounds that count (15)
  --millis N         how long each is (300)
  --limit SECONDS    how long a contender may take to start, and beyond its round (40)
  --out FOLDER       where results go (target/compare)
  --list             says which workloads there are
  --tables FILE      prints the tables of an earlier run's results.json
  --into DOCUMENT    ... or puts them between the marks in a document";

pub(super) struct Options {
    pub(super) only: Vec<String>,
    pub(super) with: Vec<String>,
    pub(super) rounds: usize,
    pub(super) time: Duration,
    pub(super) limit: Duration,
    pub(super) out: PathBuf,
    pub(super) list: bool,
    pub(super) tables: Option<PathBuf>,
    pub(super) into: Option<PathBuf>,
}

impl Options {
    /// # Errors
    /// The words are not as `USAGE` says.
    pub(super) fn parse(words: &[String]) -> Outcome<Options> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(USAGE);
            match word.as_str() {
                "--quick" => {
                    options.rounds = 3;
                    options.time = Duration::from_millis(60);
                }
                "--only" => options.only.push(value()?.clone()),
                "--with" => options.with.push(value()?.clone()),
                "--rounds" => options.rounds = value()?.parse()?,
                "--millis" => options.time = Duration::from_millis(value()?.parse()?),
                "--limit" => options.limit = Duration::from_secs(value()?.parse()?),
                "--out" => options.out = value()?.into(),
                "--list" => options.list = true,
                "--tables" => options.tables = Some(value()?.into()),
                "--into" => options.into = Some(value()?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        if options.rounds == 0 || options.time.is_zero() {
            return Err(USAGE.into());
        }
        Ok(options)
    }

    /// The workloads asked for, in their order.
    ///
    /// # Errors
    /// A name that no workload begins with.
    pub(super) fn chosen(&self) -> Outcome<Vec<Workload>> {
        let all = workload::all();
        for only in &self.only {
            if !all.iter().any(|one| one.name.starts_with(only)) {
                return Err(format!("no workload begins with {only}; see --list").into());
            }
        }
        let asked = |one: &Workload| {
            self.only.is_empty() || self.only.iter().any(|only| one.name.starts_with(only))
        };
        Ok(all.into_iter().filter(asked).collect())
    }

    /// Whether this contender may take part.
    pub(super) fn admits(&self, contender: &str) -> bool {
        self.with.is_empty() || self.with.iter().any(|name| name == contender)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            only: Vec::new(),
            with: Vec::new(),
            rounds: 15,
            time: Duration::from_millis(300),
            limit: Duration::from_secs(40),
            out: default_folder(),
            list: false,
            tables: None,
            into: None,
        }
    }
}

/// Beside the folder of the profile in which this program lies.
fn default_folder() -> PathBuf {
    let program = std::env::current_exe().ok();
    let target = program.as_deref().and_then(|path| path.parent()?.parent());
    target.map_or_else(|| "compare".into(), |target| target.join("compare"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_understood() {
        let options = parse("--quick --rounds 5 --only echo --with may --limit 3").unwrap();
        assert_eq!((options.rounds, options.time), (5, Duration::from_millis(60)));
        assert_eq!(options.limit, Duration::from_secs(3));
        assert!(options.admits("may") && !options.admits("smol"));
        let chosen = options.chosen().unwrap();
        assert!(chosen.len() >= 3 && chosen.iter().all(|one| one.name.starts_with("echo")));
        for wrong in ["--rounds", "--rounds 0", "--millis x", "--what", "echo"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse("--only nothing").unwrap().chosen().is_err());
    }
}
