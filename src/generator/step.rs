//! What comes of resuming a generator.

/// What a [`Generator`](super::Generator) came to when it was resumed.
///
/// ```
/// use greenroom::{Generator, Step};
///
/// let mut once = Generator::<(), i32, &str>::new(|co, ()| {
///     co.yield_(1);
///     "done"
/// });
/// match once.resume(()) {
///     Step::Yielded(n) => assert_eq!(n, 1),
///     Step::Returned(text) => unreachable!("{text}"),
/// }
/// assert_eq!(once.resume(()).returned(), Some("done"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step<Out, Ret> {
    /// It yielded this, and can be resumed.
    Yielded(Out),
    /// It returned this, and is done.
    Returned(Ret),
}

impl<Out, Ret> Step<Out, Ret> {
    /// What it yielded, if it did.
    pub fn yielded(self) -> Option<Out> {
        match self {
            Step::Yielded(value) => Some(value),
            Step::Returned(_) => None,
        }
    }

    /// What it returned, if it did.
    pub fn returned(self) -> Option<Ret> {
        match self {
            Step::Yielded(_) => None,
            Step::Returned(value) => Some(value),
        }
    }
}
