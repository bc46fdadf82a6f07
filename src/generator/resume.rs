//! Generators: who runs their bodies, and what becomes of a body that is dropped.
//!
//! | body | `coroutine` | moves |
//! |---|---|---|
//! | fresh | some, `home` none | `resume`: runs; drop: drops the closure, on its own stack |
//! | running | some, not to be reached: `resume` has it | yields, returns, panics |
//! | suspended | some | `resume`: runs; drop: see `co.rs` and `end.rs`, or leaked |
//! | panicked | some, done | drop: gives the stack back |
//! | returned, or never had a stack | none | – |
//!
//! A suspended body is leaked, and never run again, where it cannot unwind: it
//! yielded in a destructor amid an unwinding of its own; the program is built
//! to abort on panics; another green thread drops it than the one whose it is,
//! or that one's thread-locals go. Being `'static`, it refers to nothing that
//! could end before it.

use super::co::{Co, Order, Said};
use super::error::{ResumeError, again, refused};
use super::home::Home;
use super::room::{self, Wish};
use super::step::Step;
use crate::green::scopes::{Outside, Taken};
use crate::stack::LabelledStack;
use corosensei::{Coroutine, CoroutineResult};
use std::io;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::thread::panicking;

pub(super) const WHAT: &str = "generator";

type Body<In, Out, Ret> = Coroutine<Order<In>, Said<Out>, Option<Ret>, LabelledStack>;

/// A function that yields values on its way, and gets one in return each time.
///
/// It starts with the first [`resume`](Generator::resume), whose value it gets
/// beside its [`Co`]. One that is given nothing is an iterator:
///
/// ```
/// use greenroom::Generator;
///
/// let fibonacci = Generator::new(|co, ()| {
///     let (mut a, mut b) = (0, 1);
///     loop {
///         co.yield_(a);
///         (a, b) = (b, a + b);
///     }
/// });
/// # let _: &Generator<(), i32, ()> = &fibonacci;
/// assert_eq!(fibonacci.take(7).collect::<Vec<_>>(), [0, 1, 1, 2, 3, 5, 8]);
/// ```
///
/// Dropped on its way, it unwinds from its `yield_`, so that its destructors run.
///
/// It is a part of the thread that resumes it, green or not: when it waits, that
/// thread waits, within the [`timeout`](crate::timeout)s that the resumer is in,
/// and its own, which are not in force while it is suspended. It cannot be sent
/// to another, as what its body has begun may belong to this one:
///
/// ```compile_fail,E0277
/// let mut generator = greenroom::Generator::<(), (), ()>::new(|co, ()| co.yield_(()));
/// greenroom::spawn(move || generator.resume(()));
/// ```
///
/// Nor can it borrow, as it may be leaked with, say, a scoped thread on its way:
///
/// ```compile_fail,E0373
/// let text = String::from("here");
/// let generator = greenroom::Generator::<(), usize, ()>::new(|co, ()| co.yield_(text.len()));
/// ```
///
/// Nor can what it is given:
///
/// ```compile_fail,E0597
/// let mut keeps = greenroom::Generator::<&str, (), ()>::new(|co, first| {
///     co.yield_(());
///     println!("{first}");
/// });
/// {
///     let text = String::from("here");
///     keeps.resume(&text);
/// }
/// ```
///
/// And its `Co` cannot leave its body:
///
/// ```compile_fail
/// let (sender, receiver) = std::sync::mpsc::channel();
/// greenroom::Generator::<(), (), ()>::new(move |co, ()| sender.send(co).unwrap());
/// receiver.recv().unwrap().yield_(());
/// ```
pub struct Generator<In, Out, Ret> {
    /// Whoever takes it out must see to it that it is never dropped as it is:
    /// corosensei would unwind it in its own way.
    pub(super) coroutine: Option<ManuallyDrop<Body<In, Out, Ret>>>,
    /// The thread that has started it.
    pub(super) home: Home,
    /// It yielded while its body unwound.
    pub(super) amid_unwind: bool,
    /// What its body is in, while suspended.
    pub(super) scopes: Taken,
    /// Where its stack begins, by which its `Closed` is known.
    pub(super) base: usize,
    /// Why it has no stack.
    failure: Option<io::Error>,
}

impl<In: 'static, Out: 'static, Ret: 'static> Generator<In, Out, Ret> {
    /// One that will run `body`. If there is no stack for it, the first `resume`
    /// says so; [`Builder::generator`](super::Builder::generator) does at once.
    ///
    /// ```
    /// use greenroom::{Generator, Step};
    ///
    /// let mut greeter = Generator::new(|co, first: &'static str| {
    ///     let second = co.yield_(format!("hello, {first}"));
    ///     format!("goodbye, {second}")
    /// });
    /// assert_eq!(greeter.resume("you"), Step::Yielded("hello, you".into()));
    /// assert_eq!(greeter.resume("all"), Step::Returned("goodbye, all".into()));
    /// ```
    #[track_caller]
    pub fn new<F>(body: F) -> Generator<In, Out, Ret>
    where
        F: FnOnce(&Co<In, Out>, In) -> Ret + 'static,
    {
        match room::take::<F>(Wish::default(), WHAT, Location::caller()) {
            Ok(stack) => Generator::on(stack, body),
            Err(failure) => Generator {
                coroutine: None,
                home: Home::NONE,
                amid_unwind: false,
                scopes: Taken::NOTHING,
                base: 0,
                failure: Some(failure),
            },
        }
    }

    pub(super) fn on<F>(stack: LabelledStack, body: F) -> Generator<In, Out, Ret>
    where
        F: FnOnce(&Co<In, Out>, In) -> Ret + 'static,
    {
        if !room::is_large::<F>() {
            return Generator::with(stack, body);
        }
        let body = Box::new(body);
        Generator::with(stack, move |co: &Co<In, Out>, first| body(co, first))
    }

    fn with<F>(stack: LabelledStack, body: F) -> Generator<In, Out, Ret>
    where
        F: FnOnce(&Co<In, Out>, In) -> Ret + 'static,
    {
        let bounds = stack.bounds();
        let base = bounds.end;
        let coroutine = Coroutine::with_stack(stack, move |yielder, first| {
            let co = Co::new(yielder, bounds);
            match first {
                Order::Go(input) => Some(body(&co, input)),
                Order::Close { .. } => None,
            }
        });
        let coroutine = Some(ManuallyDrop::new(coroutine));
        Generator {
            coroutine,
            home: Home::NONE,
            amid_unwind: false,
            scopes: Taken::NOTHING,
            base,
            failure: None,
        }
    }

    /// Runs the body until it yields or returns. `input` is what its `yield_`
    /// returns, or at first what it is called with.
    ///
    /// A panic of the body comes out here, and leaves it finished.
    ///
    /// # Panics
    /// It has finished, or another green thread has started it, or there was no
    /// stack for it. [`try_resume`](Generator::try_resume) returns that.
    ///
    /// ```
    /// use greenroom::{Generator, Step};
    ///
    /// let mut doubler = Generator::<i32, i32, ()>::new(|co, mut n| {
    ///     while n > 0 {
    ///         n = co.yield_(2 * n);
    ///     }
    /// });
    /// assert_eq!(doubler.resume(4), Step::Yielded(8));
    /// assert_eq!(doubler.resume(5), Step::Yielded(10));
    /// assert_eq!(doubler.resume(0), Step::Returned(()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn resume(&mut self, input: In) -> Step<Out, Ret> {
        match self.try_resume(input) {
            Ok(step) => step,
            Err(error) => refused(&error),
        }
    }

    /// As [`resume`](Generator::resume), but one that cannot be resumed is an
    /// error, which gives `input` back.
    ///
    /// # Errors
    /// It has finished, or another green thread has started it, or there was no
    /// stack for it.
    ///
    /// ```
    /// use greenroom::Generator;
    /// use greenroom::generator::ResumeError;
    ///
    /// let mut once = Generator::<(), (), i32>::new(|_, ()| 7);
    /// assert!(once.try_resume(()).is_ok());
    /// assert!(matches!(once.try_resume(()), Err(ResumeError::Finished(()))));
    /// ```
    #[inline]
    pub fn try_resume(&mut self, input: In) -> Result<Step<Out, Ret>, ResumeError<In>> {
        if self.home != Home::here() && !self.settle() {
            return Err(ResumeError::Elsewhere(input));
        }
        let Some(coroutine) = self.coroutine.as_mut().filter(|body| !body.done()) else {
            return Err(self.finished(input));
        };
        let unwinding = panicking();
        let outside = Outside::here();
        // SAFETY: this thread's, as its home says, on the stack that is resumed.
        unsafe { self.scopes.enter() };
        match coroutine.resume(Order::Go(input)) {
            CoroutineResult::Yield(Said::Value(value)) => {
                // SAFETY: it is suspended.
                self.scopes = unsafe { outside.back_without() };
                self.amid_unwind = !unwinding && panicking();
                Ok(Step::Yielded(value))
            }
            CoroutineResult::Return(Some(value)) => {
                self.retire();
                Ok(Step::Returned(value))
            }
            _ => unreachable!("it was not to close"),
        }
    }

    /// Whether it has returned or panicked, or could never start.
    ///
    /// ```
    /// let mut count = greenroom::Generator::<(), i32, ()>::new(|co, ()| {
    ///     co.yield_(1);
    /// });
    /// assert!(!count.is_done());
    /// assert_eq!(count.by_ref().count(), 1);
    /// assert!(count.is_done());
    /// ```
    pub fn is_done(&self) -> bool {
        self.coroutine.as_ref().is_none_or(|body| body.done())
    }

    /// Whether it is the calling thread's, or becomes so now.
    #[cold]
    fn settle(&mut self) -> bool {
        let fresh = self.home == Home::NONE;
        if fresh {
            self.home = Home::settle();
        }
        fresh
    }

    #[cold]
    fn finished(&self, input: In) -> ResumeError<In> {
        match &self.failure {
            Some(why) => ResumeError::NotStarted(input, again(why)),
            None => ResumeError::Finished(input),
        }
    }
}

impl<In, Out, Ret> Generator<In, Out, Ret> {
    /// Gives the stack of a body that has ended back.
    pub(super) fn retire(&mut self) {
        if let Some(coroutine) = self.coroutine.take() {
            room::give(ManuallyDrop::into_inner(coroutine).into_stack());
        }
    }
}
