//! Generators that are given nothing, as iterators.

use super::error::{ResumeError, refused};
use super::resume::Generator;
use std::iter::FusedIterator;

/// Ends when the body returns, whatever it returns.
impl<Out: 'static, Ret: 'static> Iterator for Generator<(), Out, Ret> {
    type Item = Out;

    #[inline]
    fn next(&mut self) -> Option<Out> {
        match self.try_resume(()) {
            Ok(step) => step.yielded(),
            Err(ResumeError::Finished(())) => None,
            Err(error) => refused(&error),
        }
    }
}

impl<Out: 'static, Ret: 'static> FusedIterator for Generator<(), Out, Ret> {}
