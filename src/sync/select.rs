//! Waiting for the first of several things: what is behind `select!`.
//!
//! 1. Try each, beginning anywhere. One can be done: that is it.
//! 2. Stand in all their lines, with parts of one `Choice`.
//! 3. Park until that is decided, by who grants something or by the first
//!    deadline.
//! 4. Leave all lines. To leave, or to see that one is out already, takes the
//!    line's lock; after that whoever granted or passed over a node is done with
//!    it, with its part and with the choice.
//!
//! Whoever grants claims first, so nothing is granted that is not taken. But what
//! turns out in step 2 to be ready goes back if another has granted meanwhile.

use super::line::{Node, Outcome};
use super::place::Source;
use crate::green::cancel::{park_or_end, raise};
use crate::green::choice::Choice;
use crate::green::limit::End;
use crate::green::park::{Part, Waiting, Wake, give_way};
use crate::green::why::{Kind, Why};
use crate::sys::clock::{self, Nanos};
use crate::time::Interval;
use std::cell::Cell;
use std::fmt;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// One thing to wait for.
pub struct Arm<'a> {
    what: What<'a>,
    part: Option<Part>,
    /// Stands for `part`, in the line of `what`.
    node: Option<Node>,
    in_line: Cell<bool>,
    chosen: Option<Chosen>,
}

/// How the wait for the arm that was chosen ended.
#[derive(Clone, Copy, Debug)]
pub struct Chosen(pub(crate) Outcome);

enum What<'a> {
    Source(&'a dyn Source),
    /// Ready so long after the wait began.
    After(Duration),
    Deadline(Nanos),
}

impl<'a> Arm<'a> {
    fn new(what: What<'a>) -> Arm<'a> {
        Arm { what, part: None, node: None, in_line: Cell::new(false), chosen: None }
    }

    /// For what `source` gives, which the caller has to himself if only one may
    /// wait there.
    pub(crate) fn at(source: &'a dyn Source) -> Arm<'a> {
        Arm::new(What::Source(source))
    }

    /// Ready at `deadline`.
    pub(crate) fn by(deadline: Nanos) -> Arm<'a> {
        Arm::new(What::Deadline(deadline))
    }

    /// Ready after `delay`.
    pub fn after(delay: Duration) -> Arm<'a> {
        Arm::new(What::After(delay))
    }

    /// Ready at `time`.
    pub fn until(time: Instant) -> Arm<'a> {
        Arm::by(clock::at(time))
    }

    /// How it ended, if this is the one.
    #[inline]
    pub fn chosen(&self) -> Option<Chosen> {
        self.chosen
    }

    /// Takes what can be had without waiting.
    #[inline]
    fn try_now(&mut self) -> bool {
        let outcome = match &self.what {
            What::Source(source) => source.try_now(),
            What::After(delay) => delay.is_zero().then_some(Outcome::Granted),
            What::Deadline(at) => (*at == 0 || *at <= clock::now()).then_some(Outcome::Granted),
        };
        self.chosen = outcome.map(Chosen);
        self.chosen.is_some()
    }

    /// See `Source::may_come_back`.
    fn may_come_back(&self) -> bool {
        matches!(&self.what, What::Source(source) if source.may_come_back())
    }

    /// Makes what will stand in line.
    fn prepare(&mut self, choice: &Choice, number: u32) {
        match &self.what {
            What::Source(_) => {
                let part = self.part.insert(Part::new(choice, number));
                self.node = Some(Node::new(Waiting::Part(NonNull::from(&*part))));
            }
            What::After(delay) => self.what = What::Deadline(clock::after(*delay)),
            What::Deadline(_) => {}
        }
    }
}

impl fmt::Debug for Arm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arm").field("chosen", &self.chosen).finish_non_exhaustive()
    }
}

impl Interval {
    #[doc(hidden)]
    pub fn __ticking(&self) -> Arm<'_> {
        Arm::by(self.next_at())
    }

    #[doc(hidden)]
    pub fn __ticked(&mut self) -> Instant {
        self.ticked()
    }
}

/// Chooses one that can be done now; false if none can. With `fair`, not always
/// the first of several.
pub fn try_first(arms: &mut [&mut Arm<'_>], fair: bool) -> bool {
    loop {
        if try_each(arms, fair) {
            return true;
        }
        if !arms.iter().any(|arm| arm.may_come_back()) {
            return false;
        }
        give_way();
    }
}

fn try_each(arms: &mut [&mut Arm<'_>], fair: bool) -> bool {
    let (before, from) = arms.split_at_mut(if fair { turn(arms.len()) } else { 0 });
    from.iter_mut().chain(before).any(|arm| arm.try_now())
}

/// As `try_first`, but waits until one can be done.
pub fn first(arms: &mut [&mut Arm<'_>], fair: bool) {
    if !try_each(arms, fair) {
        wait(arms);
    }
}

/// A number below `n`, each as often as the others.
fn turn(n: usize) -> usize {
    thread_local!(static TURN: Cell<usize> = const { Cell::new(0) });
    TURN.set(TURN.get().wrapping_add(1));
    TURN.get() % n
}

#[cold]
fn wait(arms: &mut [&mut Arm<'_>]) {
    let choice = Choice::new();
    for (number, arm) in arms.iter_mut().enumerate() {
        arm.prepare(&choice, number as u32);
    }
    let why = Why::new(Kind::First, arms.len() as u64);
    let _said = why.say();
    let standing = Standing { arms, choice: &choice, ready: Cell::new(None) };
    standing.enter_all();
    if let Err(end) = standing.park() {
        drop(standing); // what was granted together with it is handed on
        raise(end);
    }
    let (number, outcome) = standing.leave_all();
    std::mem::forget(standing);
    arms[number].chosen = Some(Chosen(outcome));
}

/// Stands in the lines of all arms.
struct Standing<'x, 'a> {
    arms: &'x [&'x mut Arm<'a>],
    choice: &'x Choice,
    /// How it ended, if it was ready when it was entered.
    ready: Cell<Option<Outcome>>,
}

impl Standing<'_, '_> {
    fn enter_all(&self) {
        for (number, arm) in self.arms.iter().enumerate() {
            if self.choice.decided().is_some() {
                return;
            }
            let (What::Source(source), Some(node)) = (&arm.what, &arm.node) else { continue };
            // SAFETY: it stays until `leave_all`, which comes also if this unwinds.
            let Some(outcome) = (unsafe { source.enter(node) }) else {
                arm.in_line.set(true);
                continue;
            };
            if self.choice.claim(number as u32) {
                self.ready.set(Some(outcome));
            } else if outcome == Outcome::Granted {
                source.pass_on();
            }
        }
    }

    /// Until it is decided.
    ///
    /// # Errors
    /// As `park_or_end`.
    fn park(&self) -> Result<(), End> {
        let deadlines = self.arms.iter().enumerate().filter_map(|(number, arm)| match arm.what {
            What::Deadline(at) => Some((at, number)),
            _ => None,
        });
        let first = deadlines.min();
        while self.choice.decided().is_none() {
            if park_or_end(first.map(|(at, _)| at))? == Wake::TimedOut
                && let Some((_, number)) = first
            {
                self.choice.claim(number as u32);
            }
        }
        Ok(())
    }

    /// What was decided for, and how that ended.
    fn leave_all(&self) -> (usize, Outcome) {
        let decided = self.choice.decided().map_or(usize::MAX, |number| number as usize);
        let mut outcome = self.ready.get().unwrap_or(Outcome::Granted);
        for (number, arm) in self.arms.iter().enumerate() {
            let (What::Source(source), Some(node)) = (&arm.what, &arm.node) else { continue };
            if arm.in_line.take() {
                source.leave(node);
            }
            if number == decided {
                outcome = node.outcome().unwrap_or(outcome);
            }
        }
        (decided, outcome)
    }
}

/// If the wait ends otherwise, no node must stay in line, and nothing be lost.
impl Drop for Standing<'_, '_> {
    fn drop(&mut self) {
        // Nobody grants anything any more, or has already.
        self.choice.claim(u32::MAX - 1);
        let (number, outcome) = self.leave_all();
        if let (Some(arm), Outcome::Granted) = (self.arms.get(number), outcome)
            && let What::Source(source) = &arm.what
        {
            source.pass_on();
        }
    }
}
