//! Why a generator or a greenlet was not run.

use std::fmt;
use std::io;

/// As `why`, which cannot be cloned.
pub(super) fn again(why: &io::Error) -> io::Error {
    io::Error::new(why.kind(), why.to_string())
}

/// Panics with an error of those who did not ask for one.
#[cold]
#[track_caller]
pub(super) fn refused(error: &dyn fmt::Display) -> ! {
    panic!("{error}")
}

/// Why a [`Generator`](super::Generator) was not resumed; what it would have got
/// comes back.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError<In> {
    /// It has returned, or panicked.
    #[error("the generator has finished; ask `is_done` before resuming it")]
    Finished(In),
    /// It was started by another green thread, whose it is; or its thread ends,
    /// and its thread-locals go.
    #[error("the generator belongs to the green thread that started it, and ends with it")]
    Elsewhere(In),
    /// There was no stack for it.
    #[error("the generator could not start: {1}")]
    NotStarted(In, #[source] io::Error),
}

impl<In> ResumeError<In> {
    /// What the generator would have got.
    ///
    /// ```
    /// use greenroom::Generator;
    ///
    /// let mut echo = Generator::<String, (), String>::new(|_, first| first);
    /// echo.resume("one".into());
    /// let error = echo.try_resume("two".into()).unwrap_err();
    /// assert_eq!(error.into_inner(), "two");
    /// ```
    pub fn into_inner(self) -> In {
        match self {
            ResumeError::Finished(input)
            | ResumeError::Elsewhere(input)
            | ResumeError::NotStarted(input, _) => input,
        }
    }
}

impl<In> fmt::Debug for ResumeError<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResumeError::Finished(_) => f.write_str("Finished(..)"),
            ResumeError::Elsewhere(_) => f.write_str("Elsewhere(..)"),
            ResumeError::NotStarted(_, why) => write!(f, "NotStarted(.., {why:?})"),
        }
    }
}

/// Why a [`Greenlet`](super::Greenlet) was not switched to; the value comes back.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SwitchError<T> {
    /// It belongs to another green thread; or its thread ends, and its
    /// thread-locals go.
    #[error("the greenlet belongs to another green thread, or to one that ends")]
    OtherThread(T),
    /// It waits, in a `switch` of its own, for a value of another type.
    #[error("the greenlet waits for a value of another type, `{expected}`")]
    WrongType {
        /// What it was to get.
        value: T,
        /// The type it waits for.
        expected: &'static str,
    },
    /// There was no stack for it.
    #[error("the greenlet could not start: {1}")]
    NotStarted(T, #[source] io::Error),
}

impl<T> SwitchError<T> {
    /// What the greenlet would have got.
    ///
    /// ```
    /// use greenroom::generator::SwitchError;
    /// let error = SwitchError::WrongType { value: "text", expected: "u32" };
    /// assert_eq!(error.to_string(), "the greenlet waits for a value of another type, `u32`");
    /// assert_eq!(error.into_inner(), "text");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            SwitchError::OtherThread(value)
            | SwitchError::WrongType { value, .. }
            | SwitchError::NotStarted(value, _) => value,
        }
    }
}

impl<T> fmt::Debug for SwitchError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SwitchError::OtherThread(_) => f.write_str("OtherThread(..)"),
            SwitchError::WrongType { expected, .. } => write!(f, "WrongType({expected})"),
            SwitchError::NotStarted(_, why) => write!(f, "NotStarted(.., {why:?})"),
        }
    }
}

/// Why a greenlet cannot have this parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParentError {
    /// It would be its own ancestor.
    #[error("a greenlet cannot be its own ancestor")]
    Circle,
    /// They belong to two threads.
    #[error("a greenlet's parent must belong to the same thread")]
    OtherThread,
    /// A thread's own greenlet never ends, so it has no parent.
    #[error("a thread's own greenlet has no parent")]
    Own,
}
