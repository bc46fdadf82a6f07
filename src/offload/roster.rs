//! What a crew's lock guards: its jobs, its threads, and who waits for either.

use super::entrance::Entrance;
use super::job::Job;
use crate::green::park::Unparker;
use crate::sys::clock;
use crate::sys::parker::Parker;
use crate::sys::tasks::{Mark, Role};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How a crew is limited.
pub(super) struct Rules {
    /// The most threads; `None`: as configured.
    pub(super) threads: Option<usize>,
    /// The most jobs that wait for one.
    pub(super) queue: usize,
    /// How long a thread stays without work.
    pub(super) keep: Duration,
    /// Whether jobs are run where they are made if the system gives no thread;
    /// else they are refused then.
    pub(super) here: bool,
}

impl Rules {
    /// Waits for a job, for a while; whether there is one.
    pub(super) fn rest(&self, parker: &Parker) -> bool {
        let _mark = Mark::new(Role::Idle);
        parker.park(Some(clock::after(self.keep)))
    }
}

/// What a thread is to do.
pub(super) enum Next {
    Run(Job),
    /// It stands among the idle ones.
    Wait,
    End,
}

/// What a crew has to do.
#[derive(Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) threads: usize,
    /// Those of them that wait for work.
    pub(crate) idle: usize,
    /// Jobs that no thread has begun.
    pub(crate) queued: usize,
}

/// See the module's head.
pub(super) struct State {
    pub(super) queue: VecDeque<Job>,
    /// Those that wait for work, the last to come first.
    pub(super) idle: Vec<Arc<Parker>>,
    /// There are, or are being started.
    pub(super) threads: usize,
    /// Jobs that were admitted and have not ended.
    pub(super) unfinished: usize,
    pub(super) entrance: Entrance,
    pub(super) closed: bool,
    /// Who waits for the end of the last thread.
    pub(super) leavers: Vec<Unparker>,
}

impl State {
    pub(super) const fn new() -> State {
        State {
            queue: VecDeque::new(),
            idle: Vec::new(),
            threads: 0,
            unfinished: 0,
            entrance: Entrance::new(),
            closed: false,
            leavers: Vec::new(),
        }
    }

    pub(super) fn load(&self) -> Load {
        Load { threads: self.threads, idle: self.idle.len(), queued: self.queue.len() }
    }

    /// What the thread of `parker` does next.
    pub(super) fn next(&mut self, parker: &Arc<Parker>) -> Next {
        if let Some(job) = self.queue.pop_front() {
            return Next::Run(job);
        }
        if self.closed {
            self.leave();
            return Next::End;
        }
        self.idle.push(parker.clone());
        Next::Wait
    }

    /// A job has ended: its place goes to the first in line.
    pub(super) fn free_place(&mut self) {
        if self.closed || !self.entrance.admit() {
            self.unfinished -= 1;
        }
        self.tell_leavers();
    }

    /// Admits no more. With `take`, gives the queued jobs away.
    pub(super) fn close(&mut self, take: bool) -> Vec<Job> {
        self.closed = true;
        self.entrance.refuse_all();
        self.idle.drain(..).for_each(|parker| parker.unpark());
        let taken: Vec<Job> = if take { self.queue.drain(..).collect() } else { Vec::new() };
        self.unfinished -= taken.len();
        self.tell_leavers();
        taken
    }

    /// The calling thread ends. The queue is empty.
    pub(super) fn leave(&mut self) {
        self.threads -= 1;
        self.tell_leavers();
    }

    /// Nobody has chosen the thread of `parker` for a job: it ends.
    pub(super) fn retire(&mut self, parker: &Arc<Parker>) -> bool {
        let at = self.idle.iter().position(|other| Arc::ptr_eq(other, parker));
        at.inspect(|at| drop(self.idle.remove(*at))).map(|_| self.leave()).is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        self.closed && self.threads == 0 && self.unfinished == 0
    }

    pub(super) fn tell_leavers(&mut self) {
        if self.is_over() {
            self.leavers.drain(..).for_each(|leaver| leaver.unpark());
        }
    }
}
