//! What is recorded, and what is too much.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use greenroom_bench::protocol::Outcome;

/// How much more than recorded is no failure: other compilers, and where a
/// batch happens to end.
const ROOM: f64 = 0.05;
/// ... and of short paths so many.
const FEW: f64 = 4.0;
/// So much less is worth recording.
const BETTER: f64 = 0.9;

const HEAD: &str = "# Instructions of one operation each, written by\n\
    # cargo run --release -p greenroom-bench --no-default-features --bin instructions -- --record\n";

/// Case by case, in the order of the file.
pub(super) struct Bounds(Vec<(String, f64)>);

/// How a case does.
#[derive(Debug, PartialEq, Clone, Copy)]
pub(super) enum Verdict {
    New,
    AsRecorded,
    Better,
    Worse,
}

impl Verdict {
    pub(super) fn of(counted: f64, recorded: Option<f64>) -> Verdict {
        match recorded {
            None => Verdict::New,
            Some(bound) if counted > bound * (1.0 + ROOM) + FEW => Verdict::Worse,
            Some(bound) if counted < bound * BETTER => Verdict::Better,
            Some(_) => Verdict::AsRecorded,
        }
    }

    /// A case without a bound would guard nothing.
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Verdict::Worse | Verdict::New)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::New => "NOT RECORDED",
            Verdict::AsRecorded => "",
            Verdict::Better => "better: worth a --record",
            Verdict::Worse => "TOO MANY",
        })
    }
}

impl Bounds {
    /// # Errors
    /// There is such a file, but it cannot be read or understood.
    pub(super) fn read() -> Outcome<Bounds> {
        match file() {
            path if path.exists() => Bounds::parse(&fs::read_to_string(path)?),
            _ => Ok(Bounds(Vec::new())),
        }
    }

    fn parse(text: &str) -> Outcome<Bounds> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let one = |line: &str| {
            let (name, bound) = line.split_once(' ').ok_or("a line without a figure")?;
            Ok((name.to_owned(), bound.trim().parse()?))
        };
        lines.map(one).collect::<Outcome<_>>().map(Bounds)
    }

    pub(super) fn of(&self, case: &str) -> Option<f64> {
        self.0.iter().find(|(name, _)| name == case).map(|(_, bound)| *bound)
    }

    pub(super) fn set(&mut self, case: &str, counted: f64) {
        match self.0.iter_mut().find(|(name, _)| name == case) {
            Some((_, bound)) => *bound = counted,
            None => self.0.push((case.to_owned(), counted)),
        }
    }

    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self) -> Outcome<()> {
        let lines = self.0.iter().map(|(name, bound)| format!("{name} {bound:.1}\n"));
        Ok(fs::write(file(), HEAD.to_owned() + &lines.collect::<String>())?)
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instructions.bounds")
}

#[test]
fn more_than_a_little_is_too_much() {
    assert_eq!(Verdict::of(108.9, Some(100.0)), Verdict::AsRecorded);
    assert_eq!(Verdict::of(109.1, Some(100.0)), Verdict::Worse);
    assert_eq!(Verdict::of(80.0, Some(100.0)), Verdict::Better);
    assert!(Verdict::of(1.0, None).is_failure());
}

#[test]
fn bounds_are_read_and_replaced() {
    let mut bounds = Bounds::parse("# a comment\nyield 60.5\nspawn 300\n").unwrap();
    assert_eq!(
        (bounds.of("yield"), bounds.of("spawn"), bounds.of("x")),
        (Some(60.5), Some(300.0), None)
    );
    bounds.set("yield", 59.0);
    bounds.set("x", 1.0);
    assert_eq!((bounds.of("yield"), bounds.of("x")), (Some(59.0), Some(1.0)));
    assert!(Bounds::parse("yield").is_err() && Bounds::parse("yield many").is_err());
}
