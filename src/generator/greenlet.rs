//! Greenlets: the public handle, and what may be asked of whom.

use super::error::{SwitchError, again, refused};
use super::fiber::Fiber;
use super::forgotten;
use super::hub::{Hub, living};
use super::load::{Exit, Kind, Load};
use super::room::{self, Wish};
use crate::stack::LabelledStack;
use std::any::Any;
use std::io;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;

pub(super) const WHAT: &str = "greenlet";

/// A function with a stack of its own that is switched to and from by name, as
/// Python's greenlet.
///
/// [`switch`](Greenlet::switch) hands a value to another one and suspends the
/// caller, until somebody switches to it in turn: that value is what its
/// `switch` returns. A fresh one starts, and is called with the value. One that
/// returns is dead; its value goes to its *parent*, by default the one that made
/// it, and so does its panic. To switch to a dead one is to switch to its parent.
/// Each thread, green or not, has its own greenlets, and is one itself, which
/// has no parent.
///
/// ```
/// use greenroom::Greenlet;
///
/// let main = Greenlet::current();
/// let pong = Greenlet::new(|n: u32| n + 100);
/// let (back, next) = (main.clone(), pong.clone());
/// let ping = Greenlet::new(move |n| {
///     let n = back.switch(n + 1); // main goes on
///     next.switch(n + 10) // `pong` runs, and its parent is main, too
/// });
/// assert_eq!(ping.switch(0), 1);
/// assert_eq!(ping.switch(5), 115);
/// assert!(pong.is_dead() && !ping.is_dead());
/// ```
///
/// A handle is counted. With the last one to a suspended greenlet dropped,
/// nobody can switch to it any more, and it unwinds from its `switch`, so that
/// its destructors run. They may switch: then whoever dropped it does; and so may
/// a body that catches this, but one that does so over and over is leaked. As with
/// `Rc`, those that hold handles to each other on their stacks are never
/// dropped, and nor is one that holds a handle to itself across a `switch`, be it
/// a temporary; [`kill`](Greenlet::kill) them.
///
/// A [`timeout`](crate::timeout) that one is in ends its own waits, and those of
/// the generators that it resumes, not those of others that it switches to.
///
/// A greenlet belongs to its thread, and like a [`Generator`](super::Generator)
/// may neither be sent nor borrow:
///
/// ```compile_fail,E0277
/// let greenlet = greenroom::Greenlet::new(|n: u32| n);
/// std::thread::spawn(move || greenlet.switch(1));
/// ```
///
/// ```compile_fail,E0373
/// let text = String::from("here");
/// let greenlet = greenroom::Greenlet::new(|_: usize| text.len());
/// ```
pub struct Greenlet<T> {
    pub(super) hub: Rc<Hub>,
    /// `None` is the thread's own.
    pub(super) fiber: Option<Rc<Fiber>>,
    pub(super) values: PhantomData<fn(T) -> T>,
}

impl<T: 'static> Greenlet<T> {
    /// A fresh one that will run `body`; its parent is the current one. If there
    /// is no stack for it, the first `switch` says so;
    /// [`Builder::greenlet`](super::Builder::greenlet) does at once.
    ///
    /// ```
    /// let doubles = greenroom::Greenlet::new(|n| 2 * n);
    /// assert_eq!(doubles.switch(21), 42);
    /// ```
    #[track_caller]
    pub fn new<F: FnOnce(T) -> T + 'static>(body: F) -> Greenlet<T> {
        Greenlet::on(room::take::<F>(Wish::default(), WHAT, Location::caller()), body)
    }

    pub(super) fn on<F>(stack: io::Result<LabelledStack>, body: F) -> Greenlet<T>
    where
        F: FnOnce(T) -> T + 'static,
    {
        let hub = Hub::here();
        let parent = hub.current();
        let fiber = if room::is_large::<F>() {
            Fiber::new(hub.home, parent, stack, Box::new(body))
        } else {
            Fiber::new(hub.home, parent, stack, body)
        };
        Greenlet { hub, fiber: Some(fiber), values: PhantomData }
    }

    /// The one that calls this; the thread's own, if it is none of those that
    /// [`new`](Greenlet::new) made. To switch to its parent, let go of it first:
    /// `let parent = Greenlet::current().parent()` keeps none to the caller.
    ///
    /// ```
    /// use greenroom::Greenlet;
    /// let main = Greenlet::<()>::current();
    /// let seen = main.clone();
    /// Greenlet::new(move |()| assert_ne!(Greenlet::current(), seen)).switch(());
    /// assert_eq!(Greenlet::current(), main);
    /// ```
    pub fn current() -> Greenlet<T> {
        let hub = Hub::here();
        Greenlet { fiber: hub.current(), hub, values: PhantomData }
    }

    /// Hands `value` to this one, which goes on, and waits until somebody
    /// switches to the caller: returns what he hands over. To switch to oneself
    /// returns `value`.
    ///
    /// # Panics
    /// As a greenlet whose parent is the caller panics, with its payload; or
    /// with what [`throw`](Greenlet::throw) throws; or where
    /// [`try_switch`](Greenlet::try_switch) returns an error.
    ///
    /// ```
    /// use greenroom::Greenlet;
    /// let main = Greenlet::current();
    /// let echo = Greenlet::new(move |mut text: String| loop {
    ///     text = main.switch(text + "!");
    /// });
    /// assert_eq!(echo.switch("hello".into()), "hello!");
    /// assert_eq!(echo.switch("again".into()), "again!");
    /// ```
    #[inline]
    #[track_caller]
    pub fn switch(&self, value: T) -> T {
        match self.try_switch(value) {
            Ok(value) => value,
            Err(error) => refused(&error),
        }
    }

    /// As [`switch`](Greenlet::switch), but one that cannot be switched to is an
    /// error, which gives `value` back.
    ///
    /// # Errors
    /// It is another green thread's, or waits for a value of another type, or
    /// there was no stack for it.
    ///
    /// # Panics
    /// With what comes from elsewhere, as `switch`.
    ///
    /// ```
    /// use greenroom::Greenlet;
    /// use greenroom::generator::SwitchError;
    ///
    /// let text = Greenlet::<&str>::current();
    /// let number = Greenlet::new(move |n: i32| {
    ///     // The thread's own waits for a number.
    ///     assert!(matches!(text.try_switch("text"), Err(SwitchError::WrongType { .. })));
    ///     n
    /// });
    /// assert_eq!(number.switch(3), 3);
    /// ```
    #[inline]
    pub fn try_switch(&self, value: T) -> Result<T, SwitchError<T>> {
        if let Some(why) = self.fiber.as_ref().and_then(|fiber| fiber.failure.as_ref()) {
            return Err(SwitchError::NotStarted(value, again(why)));
        }
        let (to, value) = self.target(value)?;
        if self.hub.runs(to.as_ref()) {
            forgotten::count();
            return Ok(value);
        }
        let mut slot = Some(value);
        let load = Load::lent(&mut slot, self.hub.sender());
        // SAFETY: `target` looked at all that is demanded.
        Ok(unsafe { self.hand_over(to, load) })
    }

    /// Makes this one unwind with `payload` from where it waits, and waits as
    /// [`switch`](Greenlet::switch) does. Uncaught, it goes to its parent. A fresh
    /// one is dead then, without having run; for a dead one it is the parent that
    /// unwinds.
    ///
    /// # Panics
    /// As `switch`, or with `payload` if that is for the caller. It is another
    /// green thread's.
    ///
    /// ```
    /// use greenroom::Greenlet;
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    ///
    /// let main = Greenlet::current();
    /// let careful = Greenlet::new(move |n: u32| {
    ///     let thrown = catch_unwind(AssertUnwindSafe(|| main.switch(n))).unwrap_err();
    ///     *thrown.downcast().unwrap()
    /// });
    /// assert_eq!(careful.switch(1), 1);
    /// assert_eq!(careful.throw(Box::new(7_u32)), 7);
    /// ```
    #[track_caller]
    pub fn throw(&self, payload: Box<dyn Any + Send>) -> T {
        self.assert_here();
        let to = living(self.fiber.clone());
        if self.hub.runs(to.as_ref()) {
            resume_unwind(payload);
        }
        let load = Load::throw(payload, self.hub.sender());
        // SAFETY: `living` and not the current one, here; no value is handed over.
        unsafe { self.hand_over(to, load) }
    }

    /// Ends this one: it unwinds from where it waits, as a panic does but without
    /// a report, and then its parent gets `value` as if this one had returned it.
    /// The caller waits as in [`switch`](Greenlet::switch). A body that catches
    /// this goes on. A fresh one never runs; for a dead one, `value` goes to its
    /// parent at once. It is Python's `throw()` of GreenletExit.
    ///
    /// # Panics
    /// As `switch`. It is the thread's own.
    ///
    /// ```
    /// use greenroom::Greenlet;
    /// let main = Greenlet::current();
    /// let endless = Greenlet::new(move |mut n: u32| loop {
    ///     n = main.switch(n);
    /// });
    /// assert_eq!(endless.switch(1), 1);
    /// assert_eq!(endless.kill(9), 9); // to its parent, which is us
    /// assert!(endless.is_dead());
    /// ```
    #[track_caller]
    pub fn kill(&self, value: T) -> T {
        self.assert_here();
        let Some(fiber) = &self.fiber else { panic!("a thread's own greenlet cannot be killed") };
        if fiber.is_dead() {
            return self.switch(value);
        }
        // That of a kill that was caught is dropped when this one goes on: its
        // destructor may switch.
        let _before = fiber.exit.replace(Some(Box::new(value)));
        if self.hub.runs(Some(fiber)) {
            resume_unwind(Box::new(Exit(fiber.base)));
        }
        let load = Load::exit(fiber.base, self.hub.sender());
        // SAFETY: neither dead nor the current one, here; no value is handed over.
        unsafe { self.hand_over(Some(fiber.clone()), load) }
    }

    /// Who is to get `value`, if he may.
    #[inline]
    fn target(&self, value: T) -> Result<(Option<Rc<Fiber>>, T), SwitchError<T>> {
        if !self.hub.is_here() {
            return Err(SwitchError::OtherThread(value));
        }
        let to = living(self.fiber.clone());
        let expected = self.hub.expected_by(to.as_ref());
        if !self.hub.runs(to.as_ref()) && !Kind::of::<T>().is(expected) {
            return Err(SwitchError::WrongType { value, expected: expected.name() });
        }
        Ok((to, value))
    }

    #[track_caller]
    fn assert_here(&self) {
        if !self.hub.is_here() {
            refused(&SwitchError::OtherThread(()));
        }
    }

    /// # Safety
    /// As `Hub::switch`; the load is for `to`.
    #[inline]
    unsafe fn hand_over(&self, to: Option<Rc<Fiber>>, load: Load) -> T {
        // SAFETY: the caller's promise; and what comes back is of the kind that
        // the caller expects, as those who switch compare.
        let back = unsafe { self.hub.switch(to, load, Kind::of::<T>()).open() };
        back.unwrap_or_else(|payload| resume_unwind(payload))
    }
}
