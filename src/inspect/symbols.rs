//! What the addresses on a stack are called.

use super::view::Frame;
use std::collections::HashMap;
use std::sync::Arc;

/// What a frame is known by: the beginning of its function's name, and the end of
/// its file's. Where the program has only the tables of lines, functions are
/// named without their modules, and then the file has to do.
type Known = (&'static [&'static str], &'static [&'static str]);

/// What the runtime does to suspend; the user's part is above.
const INNER: Known = (
    &[
        "corosensei::",
        "core::cell::",
        "greenroom::futex::",
        "greenroom::green::park::",
        "greenroom::green::record::",
        "greenroom::green::spans::",
        "greenroom::green::suspend::",
        "greenroom::queue::shared::",
        "greenroom::queue::waits::",
        "greenroom::sync::permits::",
        "greenroom::sync::place::",
        "greenroom::sync::turns::",
        "greenroom::sys::switch::",
        "greenroom::task::join_wait::",
    ],
    &[
        "src/futex/pthread_lock.rs",
        "src/futex/shard.rs",
        "src/futex/table.rs",
        "src/futex/waiter.rs",
        "src/queue/shared.rs",
        "src/queue/waits.rs",
        "src/sync/permits.rs",
        "src/sync/place.rs",
        "src/sync/turns.rs",
        "src/task/join_wait.rs",
        "src/green/record.rs",
        "src/sys/switch.rs",
        "src/green/park.rs",
        "src/green/spans.rs",
        "src/green/suspend.rs",
        "src/green/cancel.rs",
        "src/green/why.rs",
        "core/src/cell.rs",
    ],
);

/// Part of the path of the crate that switches stacks.
const SWITCH: &str = "/corosensei";

/// What std marks the beginning of a thread's closure with.
const MARK: &str = "__rust_begin_short_backtrace";

/// Where the runtime runs a green thread's closure, or C's function.
const OUTER: Known = (
    &["greenroom::task::body::run", "greenroom::task::pthread::run"],
    &["src/task/body.rs", "src/task/pthread.rs"],
);

/// What stands between those and the closure.
const BETWEEN: Known = (
    &[
        "std::panic",
        "__rust_try",
        "core::ops::function::",
        "greenroom::task::body::",
        "greenroom::green::storage::",
        "greenroom::task::named::",
    ],
    &[
        "std/src/panicking.rs",
        "std/src/panic.rs",
        "core/src/panic/unwind_safe.rs",
        "core/src/ops/function.rs",
        "alloc/src/boxed.rs",
        "src/task/body.rs",
        "src/green/storage.rs",
        "src/task/named.rs",
    ],
);

/// `park` and `park_timeout`.
const PARK: Known = (&["greenroom::green::handle::park"], &[]);

fn is(frame: &Frame, (names, files): Known) -> bool {
    let in_file = |end: &&str| frame.file.as_ref().is_some_and(|file| file.ends_with(end));
    names.iter().any(|name| frame.function.starts_with(name)) || files.iter().any(in_file)
}

fn is_inner(frame: &Frame) -> bool {
    let file = frame.file.as_ref().map(|file| file.to_string_lossy());
    is(frame, INNER) || file.is_some_and(|file| file.contains(SWITCH))
}

/// Whether these frames begin in `park` or `park_timeout`.
pub(super) fn is_park(frames: &[Frame]) -> bool {
    frames.first().is_some_and(|frame| {
        let short = is(frame, (&[], &["src/green/handle.rs"]));
        is(frame, PARK) || short && frame.function.starts_with("park")
    })
}

/// Names, each asked for once.
pub(super) struct Symbols {
    frames: HashMap<usize, Vec<Frame>>,
}

impl Symbols {
    pub(super) fn new() -> Symbols {
        Symbols { frames: HashMap::new() }
    }

    /// The frames of a stack, the innermost first, without the runtime's own
    /// ends. One address may stand for several: calls that were inlined.
    pub(super) fn name(&mut self, addresses: &[usize]) -> Arc<[Frame]> {
        let mut all = Vec::new();
        for address in addresses {
            all.extend_from_slice(self.frames.entry(*address).or_insert_with(|| ask(*address)));
        }
        let (start, end) = middle(&all);
        all[start..end].into()
    }
}

/// The part that is not the runtime's.
fn middle(frames: &[Frame]) -> (usize, usize) {
    let start = frames.iter().position(|frame| !is_inner(frame)).unwrap_or(0);
    let marked = frames.iter().position(|f| f.function.contains(MARK));
    let outer = marked.or_else(|| frames.iter().rposition(|frame| is(frame, OUTER)));
    let Some(outer) = outer else { return (start, frames.len()) };
    let between = frames[..outer].iter().rev().take_while(|frame| is(frame, BETWEEN)).count();
    (start.min(outer - between), outer - between)
}

/// How far before an instruction without a line one is looked for that has one.
const NEAR: usize = 32;

fn ask(address: usize) -> Vec<Frame> {
    let mut found = resolve(address);
    let innermost = found.first_mut().filter(|first| first.file.is_some() && first.line.is_none());
    if let Some(first) = innermost {
        // Some instructions belong to no line, as at the head of a loop.
        first.line = (1..NEAR).find_map(|back| {
            let near = resolve(address.checked_sub(back)?);
            near.into_iter().find(|frame| frame.function == first.function)?.line
        });
    }
    if found.is_empty() {
        found.push(Frame { function: format!("{address:#x}"), file: None, line: None });
    }
    found
}

fn resolve(address: usize) -> Vec<Frame> {
    let mut found = Vec::new();
    // It takes what it is given for a return address, and looks before it.
    let behind = std::ptr::without_provenance_mut(address + 1);
    backtrace::resolve(behind, |symbol| {
        if let Some(name) = symbol.name() {
            found.push(Frame {
                // Without the hash at the end.
                function: format!("{name:#}"),
                file: symbol.filename().map(Into::into),
                line: symbol.lineno(),
            });
        }
    });
    found
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    fn frames(names: &[&str]) -> Vec<Frame> {
        let frame = |name: &&str| Frame { function: (*name).into(), file: None, line: None };
        names.iter().map(frame).collect()
    }

    #[test]
    fn the_runtimes_ends_are_left_out() {
        let all = frames(&[
            "corosensei::coroutine::Yielder::suspend",
            "greenroom::green::park::park",
            "greenroom::time::sleep",
            "user::closure",
            "std::panicking::catch_unwind",
            "greenroom::task::body::run_unless_killed",
            "greenroom::task::body::run",
            "greenroom::green::start::start::{{closure}}",
        ]);
        assert_eq!(middle(&all), (2, 4));
        let std = frames(&["a", "std::sys::backtrace::__rust_begin_short_backtrace", "c"]);
        assert_eq!(middle(&std), (0, 1));
        assert_eq!(middle(&frames(&["a", "std::panicking::b"])), (0, 2), "no end of ours");
        assert_eq!(middle(&frames(&["corosensei::a", "greenroom::task::body::run"])), (1, 1));
        assert_eq!(middle(&[]), (0, 0));
    }

    #[test]
    fn without_modules_files_tell() {
        let frame = |(name, file): &(&str, &str)| Frame {
            function: (*name).into(),
            file: Some(file.into()),
            line: None,
        };
        let all: Vec<_> = [
            ("switch_yield", "/x/corosensei-0.3.4/src/unwind.rs"),
            ("suspend", "/x/src/green/record.rs"),
            ("park_or_end", "/x/src/green/cancel.rs"),
            ("park", "/x/src/green/handle.rs"),
            ("{closure#0}", "/y/src/main.rs"),
            ("call_once<()>", "/r/library/core/src/panic/unwind_safe.rs"),
            ("__rust_try", "lib"),
            ("run<()>", "/x/src/task/body.rs"),
            ("{closure#0}", "/x/src/green/start.rs"),
        ]
        .iter()
        .map(frame)
        .collect();
        assert_eq!(middle(&all), (3, 5));
        assert!(is_park(&all[3..5]) && !is_park(&all[4..5]));
    }

    #[inline(never)]
    fn spin(stop: &AtomicBool) {
        while !stop.load(Relaxed) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn each_instruction_is_at_some_line() {
        spin(&AtomicBool::new(true));
        let start = spin as *const () as usize;
        let mut symbols = Symbols::new();
        // Behind its end it may still have that name, but is in no file.
        let is_spin = |one: &Frame| one.function.ends_with("spin") && one.file.is_some();
        let is_there = |all: &Arc<[Frame]>| all.iter().any(is_spin);
        let all: Vec<_> = (start..).map(|at| symbols.name(&[at])).take_while(is_there).collect();
        assert!(!all.is_empty());
        assert!(all.iter().all(|frames| frames[0].line.is_some()), "{all:#?}");
    }

    #[test]
    fn an_address_of_ours_has_its_name_and_a_strange_one_is_a_number() {
        let here = ask as *const () as usize;
        assert!(Symbols::new().name(&[here])[0].function.ends_with("ask"));
        assert_eq!(Symbols::new().name(&[1])[0].function, "0x1");
    }
}
