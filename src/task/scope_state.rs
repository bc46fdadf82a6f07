//! What a scope and its green threads share.

use super::beside::{Beside, drop_quietly};
use crate::error::JoinError;
use crate::green::cancel::{due, is_killed, park_or_end};
use crate::green::current::Inside;
use crate::green::handle::GreenThread;
use crate::green::limit::End;
use crate::green::park::{Unparker, park};
use crate::green::record::Record;
use crate::green::why::{Kind, Why};
use crate::sys::lock::Lock;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module's head. What stands in `alive` may still touch what the
/// scope's caller owns; `Beside::over` takes it out, and nothing else.
pub(super) struct Shared {
    state: Lock<State>,
    parent: Unparker,
}

struct State {
    alive: BTreeMap<u64, GreenThread>,
    /// All are killed, those to come as well.
    killed: bool,
    kills_on_failure: bool,
    /// The limit of one has ended a wait of its, and nobody was told.
    cut_short: bool,
    /// The first panic that nobody has asked for.
    failure: Option<Box<dyn Any + Send>>,
}

/// One green thread's share in its scope, beside it.
pub(super) struct Share(pub(super) Arc<Shared>);

impl Shared {
    /// For the calling thread.
    pub(super) fn new() -> Shared {
        let (alive, failure) = (BTreeMap::new(), None);
        let (killed, kills_on_failure, cut_short) = (false, false, false);
        let state = State { alive, killed, kills_on_failure, cut_short, failure };
        Shared { state: Lock::new(state), parent: Unparker::current() }
    }

    /// For what may allocate or free under the lock: an allocator that came back to
    /// the patch might park there.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let _inside = Inside::enter();
        change(&mut self.state.lock())
    }

    /// Before `thread` may run.
    pub(super) fn enter(&self, thread: &GreenThread) {
        let kept = thread.clone();
        let killed = self.change(|state| {
            state.alive.insert(thread.id(), kept);
            state.killed
        });
        if killed {
            thread.request_kill();
        }
    }

    pub(super) fn kill_on_failure(&self) {
        self.state.lock().kills_on_failure = true;
    }

    /// Kills all but `spared`, also those to come.
    pub(super) fn kill(&self, spared: Option<u64>) {
        let all: Vec<_> = self.change(|state| {
            state.killed = true;
            state.alive.values().cloned().collect()
        });
        let victims = all.iter().filter(|thread| Some(thread.id()) != spared);
        victims.for_each(GreenThread::request_kill);
    }

    /// One whose closure is the scope's has failed.
    pub(super) fn failed(&self, spared: Option<u64>) {
        if self.state.lock().kills_on_failure {
            self.kill(spared);
        }
    }

    /// Nobody has asked for `why`.
    pub(super) fn unclaimed(&self, why: JoinError) {
        let payload: Box<dyn Any + Send> = match why {
            JoinError::Panicked(payload) => payload,
            JoinError::NotStarted(_) => Box::new(why.to_string()),
            JoinError::Elapsed => return self.cut_short(),
            _ => return, // whoever ended it knows
        };
        let mut state = self.state.lock();
        let later = match &state.failure {
            Some(_) => Some(payload),
            None => {
                state.failure = Some(payload);
                None
            }
        };
        drop(state);
        drop_quietly(later);
    }

    pub(super) fn cut_short(&self) {
        self.state.lock().cut_short = true;
    }

    pub(super) fn failure(&self) -> Option<Box<dyn Any + Send>> {
        self.state.lock().failure.take()
    }

    fn is_over(&self) -> bool {
        self.state.lock().alive.is_empty()
    }

    /// Waits until all have ended, whatever happens; says whether the caller
    /// itself was to end meanwhile.
    pub(super) fn wait(&self) -> Option<End> {
        let why = Why::new(Kind::Scope, 0);
        let _said = why.say();
        let (mut end, mut killed) = (None, false);
        while !self.is_over() {
            if end.is_none() {
                end = park_or_end(None).err();
            } else {
                park(None);
            }
            // A limit is theirs as well; but a kill may come after it.
            if end.is_some() && !killed && is_killed() {
                (end, killed) = (Some(End::Killed), true);
                self.kill(None);
            }
        }
        // It may have been they alone who heard of it.
        end.or_else(|| due().filter(|_| self.state.lock().cut_short))
    }
}

impl Beside for Share {
    const IS_MEMBER: bool = false;

    #[cold]
    fn failed(&self, thread: &Record, why: &JoinError) {
        if matches!(why, JoinError::Panicked(_) | JoinError::NotStarted(_)) {
            self.0.failed(Some(thread.id()));
        }
    }

    fn unclaimed(&self, why: JoinError) {
        self.0.unclaimed(why);
    }

    fn over(&self, thread: &Record) {
        let (me, all) = self.0.change(|state| {
            let me = state.alive.remove(&thread.id());
            (me, state.alive.is_empty())
        });
        if all {
            self.0.parent.unpark();
        }
        drop(me);
    }
}
