//! Why a generator or a greenlet was not run.

use std::fmt;
use std::io;

/// Why a [`Generator`](super::Generator) was not resumed; what it would have got
/// comes back.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError<In> {
    /// It has returned, or panicked.
    #[error("the generator has finished; ask `is_done` before resuming it")]
    Finished(In),
    /// It was started by another green thread, whose it is.
    #[error("the generator belongs to the green thread that started it")]
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
