//! How a worker goes from one green thread to the next: whose thread-locals its OS
//! thread has meanwhile.
//!
//! Where green threads have thread-locals of their own, each switch to one writes
//! the thread pointer, which takes about as long as the switch itself. So the worker
//! does not write its own back in between, but goes on with those of the green thread
//! that has just suspended, for as long as it only queues that one and takes the next;
//! before anything else it goes `home`:
//!
//! - Nobody else uses them. The green thread can be taken over only by who claims the
//!   worker's lock, which the worker leaves *after* it has switched to the next one's,
//!   and enters before it touches a queue. If it has to wait there, it goes home first.
//! - Nothing of the C library or of the user's is called: no allocator, which the green
//!   thread may be in the midst of, and which may change its errno.
//! - They say that no green thread runs: who suspends hides itself (`green/suspend.rs`).
//!   So what a signal handler calls meanwhile passes straight through, and wake-ups go
//!   to the inbox, as on any OS thread. `fork` looks for its worker (`patch/fork.rs`).
//! - The compiler may keep the address of a thread-local for the length of a function:
//!   so what runs at home is in functions of its own.

use super::local::{Abroad, Local};
use super::runtime;
use crate::green::current;
use crate::green::record::{Record, Suspend};
use crate::sys::tls::{self, Block};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

impl Local {
    /// Whether its OS thread, which this is, has another's thread-locals.
    pub(crate) fn is_away(&self) -> bool {
        self.block.get().is_some_and(|own| own != tls::current())
    }

    /// Runs `f` under the worker's own thread-locals, on its OS thread, which has
    /// those of a green thread. `f` neither suspends nor unwinds.
    pub(crate) fn as_worker<R>(&self, f: impl FnOnce() -> R) -> R {
        let green = tls::current();
        let worker = self.block.get().expect("a worker that runs has its block");
        // Under the worker's thread-locals one counts as being inside. A signal handler
        // may have interrupted the worker's loop, which is.
        let was_inside = self.seat.lock.enter_again();
        // SAFETY: the worker's own block, on its OS thread, which runs nothing else
        // meanwhile; and back.
        let r = unsafe {
            tls::switch(worker);
            let r = abroad(f);
            tls::switch(green);
            r
        };
        if !was_inside {
            self.seat.lock.exit();
        }
        r
    }
}

/// A function of its own: see the module's head.
#[inline(never)]
fn abroad<R>(f: impl FnOnce() -> R) -> R {
    let _abroad = Abroad::enter(); // what was interrupted may use the queue
    f()
}

/// In a fork's child, whose one thread goes on with those of the green thread that has
/// forked: the thread pointer of its worker, and that.
static ORPHAN: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

impl Local {
    /// After a fork, in the child.
    pub(crate) fn orphan(&self) {
        if let Some(home) = self.block.get() {
            ORPHAN[0].store(home.address(), Relaxed);
            ORPHAN[1].store(tls::current().address(), Relaxed);
        }
    }
}

/// As `as_worker`, on that thread of such a child, and else as it is.
pub(crate) fn as_orphan<R>(f: impl FnOnce() -> R) -> R {
    let [home, its] = [0, 1].map(|i| ORPHAN[i].load(Relaxed));
    let green = tls::current();
    if its != green.address() {
        return f();
    }
    // SAFETY: this thread was that worker's OS thread, and the pages are the child's own
    // copy; others that it may have made have blocks of their own.
    unsafe {
        tls::switch(Block::at(home));
        let r = abroad(f);
        tls::switch(green);
        r
    }
}

/// See the module's head.
pub(super) trait Lane {
    /// Whether there is anything in `home`.
    const LEAVES: bool;

    /// Switches to `thread` until it suspends or ends.
    ///
    /// # Safety
    /// By the worker of `local`, inside its lock; `thread` was started, and nobody
    /// else has it.
    unsafe fn resume(&self, local: &Local, thread: &Record) -> Suspend;

    /// The OS thread has its own thread-locals again.
    fn home(&self);
}

/// It never leaves its own for longer than a green thread runs.
pub(super) struct AtHome(pub(super) Block);

impl Lane for AtHome {
    const LEAVES: bool = false;

    /// # Safety
    /// As the trait's.
    #[inline(always)] // a call less to return from after a switch
    unsafe fn resume(&self, local: &Local, thread: &Record) -> Suspend {
        let Some(block) = thread.own.block.get() else {
            current::enter(thread);
            // SAFETY: the caller's promise.
            let why = unsafe { run(thread) };
            current::leave();
            return why;
        };
        follow(local, thread);
        // SAFETY: a running green thread's block is its worker's; nothing
        // between the two switches uses a thread-local of the worker.
        unsafe {
            local.seat.lock.exit();
            tls::switch(block);
            let why = run(thread);
            tls::switch(self.0);
            local.seat.lock.enter();
            why
        }
    }

    #[inline(always)]
    fn home(&self) {}
}

/// From green thread to green thread, all with their own.
pub(super) struct Passing {
    home: Block,
    /// Whose the OS thread has now.
    now: Cell<Block>,
}

impl Passing {
    pub(super) fn new(home: Block) -> Passing {
        Passing { home, now: Cell::new(home) }
    }

    #[inline(always)]
    fn go(&self, to: Block) {
        if self.now.replace(to) != to {
            // SAFETY: see the module's head.
            unsafe { tls::switch(to) };
        }
    }

    /// Somebody has claimed the worker, and may need long.
    #[cold]
    #[inline(never)]
    fn wait_to_enter(&self, local: &Local) {
        self.home();
        // In a fork's child it has gone, and its claim stays for ever.
        if !runtime::is_forked() {
            local.seat.lock.enter();
        }
    }

    /// One that was started before green threads had their own.
    ///
    /// # Safety
    /// As `resume`.
    #[cold]
    #[inline(never)]
    unsafe fn resume_plain(&self, local: &Local, thread: &Record) -> Suspend {
        // SAFETY: the caller's promise.
        unsafe { AtHome(self.home).resume(local, thread) }
    }
}

impl Lane for Passing {
    const LEAVES: bool = true;

    /// # Safety
    /// As the trait's.
    #[inline(always)] // as above
    unsafe fn resume(&self, local: &Local, thread: &Record) -> Suspend {
        let Some(block) = thread.own.block.get() else {
            self.home();
            // SAFETY: the caller's promise.
            return unsafe { self.resume_plain(local, thread) };
        };
        follow(local, thread);
        self.go(block);
        local.seat.lock.exit();
        // SAFETY: the caller's promise.
        let why = unsafe { run(thread) };
        if !local.seat.lock.try_enter() {
            self.wait_to_enter(local);
        }
        why
    }

    #[inline(always)]
    fn home(&self) {
        self.go(self.home);
    }
}

/// It may have moved here since it last ran.
#[inline(always)]
fn follow(local: &Local, thread: &Record) {
    if !ptr::eq(thread.own.seat.get(), &local.seat) {
        thread.settle(local.shared, local.whole());
    }
}

/// # Safety
/// As `Lane::resume`.
#[inline(always)] // as above
unsafe fn run(thread: &Record) -> Suspend {
    // SAFETY: only its worker touches the coroutine; it was started.
    unsafe {
        let coroutine = (*thread.own.coroutine.get()).as_mut().unwrap_unchecked();
        Suspend::of_word(coroutine.resume(thread.whole().expose_provenance().get() as u64))
    }
}
