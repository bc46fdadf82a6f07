//! Settings of one generator or greenlet.

use super::co::Co;
use super::resume::Generator;
use super::room::{self, Wish};
use std::io;
use std::panic::Location;

/// Settings of one [`Generator`], as [`greenroom::Builder`](crate::Builder) has
/// those of a green thread.
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
        let stack = room::take::<F>(self.0, "generator", Location::caller())?;
        Ok(Generator::on(stack, body))
    }
}
