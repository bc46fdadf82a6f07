//! How the monitor knows later what a green thread did since it was last seen:
//! whether it has suspended (`budget.rs`), and whether it has waited (`state.rs`).
//! Neither costs anything on the way of those who do.

use super::record::Record;

/// What was found when it was marked.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Found {
    /// It was marked before, and has not suspended since.
    pub(crate) same_run: bool,
    /// It was marked before, and has not waited since, but may have given way.
    pub(crate) no_wait: bool,
    /// It came back from its last suspension, and has done next to nothing that
    /// would make it give way.
    pub(crate) gives_way_itself: bool,
}

impl Record {
    /// Marks it. Async-signal-safe; on the OS thread that runs it.
    pub(crate) fn mark(&self) -> Found {
        let (same_run, gives_way_itself) = self.own.budget.mark();
        Found { same_run, no_wait: self.state.sample(), gives_way_itself }
    }
}
