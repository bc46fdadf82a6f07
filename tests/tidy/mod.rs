//! The checks of `tests/tidy.rs`, each a function over a tree of files.

use self::confine::Wait;
use self::shape::Allowed;
use self::source::{File, Violation};

pub(crate) mod token;
pub(crate) mod source;
pub(crate) mod paths;
pub(crate) mod layers;
pub(crate) mod shape;
pub(crate) mod confine;
pub(crate) mod leaks;
mod sound;
mod fixtures;

/// What may break a rule, each with its reason.
#[derive(Default)]
pub(crate) struct Allowances {
    pub(crate) long_files: &'static [Allowed],
    pub(crate) long_functions: &'static [Allowed],
    pub(crate) std_waits: &'static [Wait],
}

/// Every check over the source `files` and over the `tracked` texts.
pub(crate) fn violations(
    files: &[File],
    tracked: &[(String, String)],
    allowed: &Allowances,
) -> Vec<Violation> {
    [
        layers::check(files),
        shape::opening_doc(files),
        shape::one_level(files),
        shape::file_length(files, allowed.long_files),
        shape::function_length(files, allowed.long_functions),
        shape::maps_without_logic(files),
        confine::platform(files),
        confine::exports(files),
        confine::std_waits(files, allowed.std_waits),
        confine::reasons_for_unsafe(files),
        leaks::machine_paths(tracked),
        leaks::surface(files),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How much the checks looked at. A check that sees nothing finds nothing.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) files: usize,
    pub(crate) tracked: usize,
    pub(crate) functions: usize,
    pub(crate) imports: usize,
    pub(crate) unsafes: usize,
    pub(crate) exports: usize,
}

impl Seen {
    pub(crate) fn count(files: &[File], tracked: &[(String, String)]) -> Seen {
        let tokens = || files.iter().flat_map(|file| &file.tokens);
        let imports = |file: &File| {
            let module = file.module();
            let paths = paths::named_paths(&file.shipped);
            paths.iter().filter(|p| p.absolute(&module).is_some()).count()
        };
        Seen {
            files: files.len(),
            tracked: tracked.len(),
            functions: files.iter().map(|f| shape::functions(&f.shipped).len()).sum(),
            imports: files.iter().map(imports).sum(),
            unsafes: tokens().filter(|token| token.is("unsafe")).count(),
            exports: tokens().filter(|token| confine::is_export(token)).count(),
        }
    }

    /// What of this is below `floor`.
    pub(crate) fn missing(&self, floor: &Seen) -> Vec<String> {
        [
            ("source files", self.files, floor.files),
            ("tracked files", self.tracked, floor.tracked),
            ("functions", self.functions, floor.functions),
            ("imports", self.imports, floor.imports),
            ("unsafe", self.unsafes, floor.unsafes),
            ("exported symbols", self.exports, floor.exports),
        ]
        .iter()
        .filter(|(_, seen, floor)| seen < floor)
        .map(|(what, seen, floor)| format!("saw {seen} {what}, of at least {floor}"))
        .collect()
    }
}
