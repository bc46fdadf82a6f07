//! What a selector is asked, and what it reports.

use super::clock::Nanos;

/// How long to wait.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// Only look.
    Now,
    /// Wait until then.
    Deadline(Nanos),
    /// As long as this, rounded up to milliseconds: costs no look at the clock.
    About(Nanos),
    /// Wait for an event.
    Event,
}

/// One report about a registered descriptor.
pub(crate) struct Ready {
    /// What it was registered under.
    pub(crate) key: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// End of file, hang-up, error or urgent data, or nobody knows: from now on
    /// a short read does not mean that nothing is left.
    pub(crate) ended: bool,
}
