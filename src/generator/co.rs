//! What a generator's body yields through, and how it is made to unwind.
//!
//! A body that is suspended when its generator is dropped is resumed with
//! `Order::Close` and unwinds from its `yield_`, with a private payload, so that
//! its destructors run. It may catch that. Then its next `yield_` unwinds again;
//! but not for ever, and not from a destructor that runs because of an unwinding
//! (that would abort): there the body is left as it is, and its stack leaked.
//!
//! | `closed` | its `yield_` |
//! |---|---|
//! | 0 | suspends; told to close: sets 1, unwinds |
//! | 1 to `PATIENCE` | unwinds, unless it may be unwinding already: then as below |
//! | more | suspends for good |

use corosensei::Yielder;
use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::panic::resume_unwind;
use std::thread::panicking;

/// What whoever resumes a body tells it.
pub(super) enum Order<In> {
    Go(In),
    /// Its generator is dropped; by one that unwinds itself, or not.
    Close {
        amid_unwind: bool,
    },
}

/// What a body says when it suspends.
pub(super) enum Said<Out> {
    Value(Out),
    /// It goes on yielding although it was to end.
    Unwilling,
}

/// What a body that is to end unwinds with, and which one that is: a body may be
/// below another one on the stack.
pub(super) struct Closed(pub(super) usize);

/// How often a body may catch that it is to end and yield on.
const PATIENCE: u32 = 16;

/// The body's side of a [`Generator`](super::Generator): hands values out, and
/// gets values in.
pub struct Co<In, Out> {
    yielder: *const Yielder<Order<In>, Said<Out>>,
    /// Its generator's.
    stack: Range<usize>,
    /// See the module's head.
    closed: Cell<u32>,
    /// Whoever dropped the generator was unwinding: then std cannot tell us
    /// whether the body is.
    amid_unwind: Cell<bool>,
}

impl<In, Out> Co<In, Out> {
    /// For the body that runs on `stack`, as long as it runs.
    pub(super) fn new(yielder: &Yielder<Order<In>, Said<Out>>, stack: Range<usize>) -> Co<In, Out> {
        Co { yielder, stack, closed: Cell::new(0), amid_unwind: Cell::new(false) }
    }

    /// Suspends the generator: its `resume` returns `value`. Returns what the
    /// next `resume` is given.
    ///
    /// If the generator is dropped instead, this unwinds, as a panic does but
    /// without a report, so that the body's destructors run. A body that catches
    /// this and yields on unwinds again; one that does so over and over, or in
    /// a destructor, is leaked, with all that is on its stack. In a destructor
    /// this cuts an unwinding short, and std then takes the thread for panicking
    /// for good.
    ///
    /// # Panics
    /// Called from within another generator's body, or on a stack that somebody
    /// else has switched to.
    ///
    /// ```
    /// let mut sums = greenroom::Generator::new(|co, first: i32| {
    ///     let mut sum = first;
    ///     loop {
    ///         sum += co.yield_(sum);
    ///     }
    /// });
    /// # let _: &greenroom::Generator<i32, i32, ()> = &sums;
    /// assert_eq!(sums.resume(1).yielded(), Some(1));
    /// assert_eq!(sums.resume(20).yielded(), Some(21));
    /// ```
    #[inline]
    pub fn yield_(&self, value: Out) -> In {
        let here = 0_u8;
        // From another stack this one would be suspended below what runs on it.
        if !self.stack.contains(&(&raw const here).addr()) {
            on_another_stack();
        }
        if self.closed.get() > 0 {
            drop(value);
            self.unwind();
        }
        // SAFETY: the body runs, and whoever resumed it waits.
        match unsafe { &*self.yielder }.suspend(Said::Value(value)) {
            Order::Go(input) => input,
            Order::Close { amid_unwind } => {
                self.amid_unwind.set(amid_unwind);
                self.unwind()
            }
        }
    }

    #[cold]
    fn unwind(&self) -> ! {
        let times = self.closed.get();
        self.closed.set(times + 1);
        // The first time it is the generator that looked whether it can.
        if times == 0 || times < PATIENCE && !self.amid_unwind.get() && !panicking() {
            resume_unwind(Box::new(Closed(self.stack.end)));
        }
        loop {
            // SAFETY: as in `yield_`. It is not resumed again.
            unsafe { &*self.yielder }.suspend(Said::Unwilling);
        }
    }
}

#[cold]
fn on_another_stack() -> ! {
    panic!("a generator's `Co` was used on another stack than its own")
}

impl<In, Out> fmt::Debug for Co<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Co").finish_non_exhaustive()
    }
}
