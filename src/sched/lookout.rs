//! Where a worker finds what comes from outside: in the kernel, and from others.

use super::busy_poll::{BusyPoll, UNDISTURBED};
use super::local::Local;
use super::runtime::Runtime;
use super::stall::{NEVER, QUIET};
use super::trim::Trim;
use super::{fds, search};
use crate::config;
use crate::sys::clock::{self, Nanos};
use crate::sys::selector::{Events, Until};
use std::sync::atomic::Ordering::Relaxed;

/// How a wait went.
enum Waited {
    /// Something was there at once.
    Not,
    /// It has looked, and was told of something; `undisturbed` by others on its core.
    Looking {
        undisturbed: bool,
    },
    Asleep,
}

/// One worker's.
pub(super) struct Lookout {
    local: &'static Local,
    runtime: &'static Runtime,
    events: Events,
    /// A descriptor that somebody here probably waits for.
    witness: i32,
    trim: Trim,
    busy_poll: BusyPoll,
}

impl Lookout {
    pub(super) fn new(local: &'static Local, runtime: &'static Runtime) -> Lookout {
        Lookout {
            local,
            runtime,
            events: Events::new(),
            witness: -1,
            trim: Trim::new(),
            // On one core as well: others may have a core that this process may not use.
            busy_poll: BusyPoll::new(config::busy_poll()),
        }
    }

    /// Room for what a selector reports.
    pub(super) fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    /// Looks at the kernel without waiting.
    fn poll(&mut self) {
        if self.local.shared.has_fds.load(Relaxed) {
            self.local.shared.selector.wait(&mut self.events, Until::Now);
            self.dispatch();
        }
    }

    /// What has to be done now and then, though there are others to run.
    #[inline(never)]
    pub(super) fn in_passing(&mut self, now: Nanos) {
        self.trim.in_passing(self.local, now);
        self.poll();
    }

    #[inline]
    fn dispatch(&mut self) {
        let (count, last) = fds::dispatch(&self.events);
        self.local.shared.counters.polls.add(1);
        self.local.shared.counters.events.add(count);
        self.witness = last.unwrap_or(self.witness);
    }

    /// Nothing is runnable here: finds something elsewhere, or sleeps. What time it is
    /// then.
    #[inline]
    pub(super) fn idle(&mut self, now: Nanos) -> Nanos {
        if search::find_work(self.local, self.runtime) {
            let now = clock::now();
            self.trim.in_passing(self.local, now);
            return now;
        }
        let trim_at = self.trim.idle(self.local, now);
        let deadline = self.local.next_deadline();
        // What is due soon is worth no look.
        let window = self.busy_poll.window().filter(|w| deadline.is_none_or(|d| d > now + w));
        let shared = self.local.shared;
        shared.wakes_at.store(deadline.unwrap_or(NEVER), Relaxed);
        shared.sleep.announce(window.is_some());
        let wakes = deadline.is_some() || fds::is_awaited(self.witness);
        let look_at = QUIET.look_at(shared, self.runtime, now, wakes);
        let exact = deadline.into_iter().chain(look_at).min();
        let first = exact.into_iter().chain(trim_at).min();
        let until = match (exact, first) {
            (None, Some(trim_at)) => Until::About(trim_at.saturating_sub(now)),
            _ => first.map_or(Until::Event, Until::Deadline),
        };
        let waited = self.wait(now, window, until);
        shared.sleep.end();
        self.wake(look_at);
        let end = clock::now();
        match waited {
            // What it was told of may be nobody's, or another's by now.
            Waited::Looking { undisturbed } => {
                self.busy_poll.looked(undisturbed && self.has_work());
            }
            Waited::Asleep if first.is_none_or(|first| end < first) => {
                self.busy_poll.slept(end - now);
            }
            _ => {}
        }
        end
    }

    /// Whether there is something to run.
    fn has_work(&self) -> bool {
        // SAFETY: the owning OS thread; looking does not nest.
        let queued = unsafe { self.local.run.with(|q| !q.is_empty()) };
        queued || !self.local.shared.inbox.is_empty()
    }

    /// Waits for events or a wake-up, after it was announced.
    #[inline]
    fn wait(&mut self, now: Nanos, window: Option<Nanos>, until: Until) -> Waited {
        let shared = self.local.shared;
        // What came before the announcement woke nobody: look once more.
        if !shared.inbox.is_empty() || self.runtime.has_fresh() {
            shared.selector.wait(&mut self.events, Until::Now);
            return Waited::Not;
        }
        if let Some(waited) = window.and_then(|window| self.keeps_looking(now + window)) {
            return waited;
        }
        shared.selector.wait(&mut self.events, until);
        Waited::Asleep
    }

    /// Looks until something comes, at most until `end`; `None`: it is to wait now.
    fn keeps_looking(&mut self, end: Nanos) -> Option<Waited> {
        let shared = self.local.shared;
        let (mut before, mut last, mut risen) = (None, None, false);
        loop {
            shared.selector.wait(&mut self.events, Until::Now);
            let found = !shared.sleep.is_looking() || self.events_are_of_use(&mut risen);
            let now = clock::now();
            if found {
                let looked = |before| Waited::Looking { undisturbed: now - before < UNDISTURBED };
                return Some(before.map_or(Waited::Not, looked));
            }
            if now >= end {
                self.busy_poll.looked(false);
                // While it was awake, another may have gone to sleep and left it to this
                // one to plan a look at stalls: so it begins anew.
                let waits = !risen && shared.sleep.stop_looking();
                return (!waits).then_some(Waited::Not);
            }
            before = last.replace(now).or(Some(now));
        }
    }

    /// Whether there is something to do now. Mostly not if what has come is room for what
    /// was written, as the other end has read it and works at the answer: then it looks on.
    fn events_are_of_use(&mut self, risen: &mut bool) -> bool {
        let shared = self.local.shared;
        if self.events.iter().next().is_none() {
            return false;
        }
        // Nobody who runs something is asleep.
        if !shared.sleep.rise() {
            return true;
        }
        *risen = true;
        self.dispatch();
        self.events.clear();
        if self.has_work() {
            return true;
        }
        shared.sleep.announce(true);
        !shared.inbox.is_empty() || self.runtime.has_fresh()
    }

    /// After a wait: what has come?
    #[inline]
    fn wake(&mut self, look_at: Option<Nanos>) {
        let for_fresh = self.runtime.woke();
        self.dispatch();
        if !self.has_work() {
            if !search::find_work(self.local, self.runtime) {
                QUIET.look_if_due(look_at, self.local, self.runtime);
            }
        } else if for_fresh && self.runtime.has_fresh() {
            // There is something else to do here first, perhaps for long.
            self.runtime.wake_one();
        }
    }
}
