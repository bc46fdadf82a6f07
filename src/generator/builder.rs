//! Settings of one generator or greenlet.

use super::co::Co;
use super::greenlet::{self, Greenlet};
use super::resume::{self, Generator};
use super::room::{self, Wish};
use crate::stack::LabelledStack;
use std::io;
use std::panic::Location;

/// Settings of one [`Generator`] or [`Greenlet`], as
/// [`greenroom::Builder`](crate::Builder) has those of a green thread.
///
/// ```
/// use greenroom::generator::Builder;
///
/// let mut deep = Builder::new()
///     .name("walker".into())
///     .stack_size(1024 * 1024)
///     .generator(|co, depth: u32| co.yield_(depth))?;
/// assert_eq!(deep.resume(3).yielded(), Some(3));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "a Builder does nothing until it makes something"]
pub struct Builder(Wish);

impl Builder {
    /// No name, and the stack size configured for green threads.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// What an overflow of its stack calls it; else the type of its closure.
    pub fn name(mut self, name: String) -> Builder {
        self.0.name = Some(name);
        self
    }

    /// The usable stack in bytes, as
    /// [`greenroom::Builder::stack_size`](crate::Builder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.0.stack_size = Some(bytes);
        self
    }

    /// A generator that will run `body`.
    ///
    /// # Errors
    /// The stack size is more than the maximum or a `GREENROOM_*` variable is
    /// wrong (`InvalidInput`), or memory has run out.
    #[track_caller]
    pub fn generator<F, In, Out, Ret>(self, body: F) -> io::Result<Generator<In, Out, Ret>>
    where
        F: FnOnce(&Co<In, Out>, In) -> Ret + 'static,
        In: 'static,
        Out: 'static,
        Ret: 'static,
    {
        Ok(Generator::on(self.stack::<F>(resume::WHAT)?, body))
    }

    /// A greenlet that will run `body`; see [`Greenlet::new`].
    ///
    /// # Errors
    /// As [`generator`](Builder::generator).
    ///
    /// ```
    /// let small = greenroom::generator::Builder::new().stack_size(1).greenlet(|n: u32| n + 1)?;
    /// assert_eq!(small.switch(1), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn greenlet<F, T>(self, body: F) -> io::Result<Greenlet<T>>
    where
        F: FnOnce(T) -> T + 'static,
        T: 'static,
    {
        let stack = self.stack::<F>(greenlet::WHAT)?;
        Ok(Greenlet::on(Ok(stack), body))
    }

    /// A stack for the `what` that runs a closure of type `F`.
    #[track_caller]
    fn stack<F>(self, what: &'static str) -> io::Result<LabelledStack> {
        room::take::<F>(self.0, what, Location::caller())
    }
}
