//! Futex waits of green threads, in the table of addresses.

use super::table;
use crate::green::current;
use crate::green::park::{give_way, stand_back};
use crate::green::record::Record;
use crate::sched::local;
use crate::sys::clock::Nanos;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

pub(crate) use super::table::{ANY, Waited, seems_awaited, wake_waiting};

/// What the word of std's mutex holds while somebody waits for it. Others may mean
/// something else by it.
const CONTENDED: u32 = 2;

/// Has `me`, the green thread that calls, wait, if `word` holds `expected`, until a `wake` that
/// has a bit in common, at most until `deadline`.
pub(crate) fn wait(
    me: &Record,
    word: &AtomicU32,
    expected: u32,
    bits: u32,
    deadline: Option<Nanos>,
) -> Waited {
    let address = ptr::from_ref(word).addr();
    // Read by who wakes it from here, and so never out of date.
    me.own.awaits_lock.set(expected == CONTENDED);
    table::wait(address, bits, deadline, || word.load(SeqCst) == expected)
}

/// Wakes one, if there is one; says how many. One of this worker that waits for a lock runs
/// next, to take it, and the caller goes on after that one; or both go to the queue's end,
/// where others have been kept waiting for long by that.
///
/// Else std's mutex is taken again by the one that has just let go of it, as often as that
/// one likes; and whoever was woken spins a hundred times to no avail, since the holder waits
/// for the same worker. Kernels have the woken preempt the waker for such reasons ("wakeup
/// preemption" of Linux's CFS).
#[inline(always)] // see `sched::wait::wait_one`
pub(crate) fn hand_over(address: usize, bits: u32) -> u32 {
    let Some(left) = table::wake_first(address, bits) else { return 0 };
    let Some(woken) = left else { return 1 };
    // Where thread-locals are shared nobody gives way here: the caller may be unwinding, and
    // whoever goes on would seem to as well.
    let me = current::patched().filter(|me| me.own.block.get().is_some());
    match me.zip(local::get()) {
        None => woken.queue(),
        Some((me, here)) => match here.let_in(woken) {
            None => stand_back(me),
            Some(woken) => {
                woken.queue();
                give_way();
            }
        },
    }
    1
}
