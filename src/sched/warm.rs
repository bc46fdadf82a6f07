//! Brings what the next green threads need into the cache while another runs.
//!
//! With hundreds runnable, the record and the stack of the next one have left
//! the caches since it last ran, and a switch would wait for both, one after
//! the other. Each request to the kernel takes long enough to hide them.

use super::run_queue::RunQueue;
use crate::green::record::{Own, Record, RecordRef};
use crate::sys::clock::Nanos;
use crate::sys::mem::prefetch;
use std::mem::offset_of;
use std::ptr;

/// With fewer than this, all of them are still in the cache.
const MANY: usize = 32;
/// A turn in which another's memory can come: a few misses' time.
const TURN: Nanos = 300;
/// The frames from a shim to the switch, and the first of the user's.
const FRAMES: usize = 640;
/// What a switch pushes below them.
const BELOW: usize = 64;
/// Below the thread pointer: the thread-locals of a small program, and `errno`.
const BLOCK: usize = 320;
/// The one at the thread pointer.
const LINE: usize = 64;
/// What a switch and a wake-up touch of a record.
const HEAD: usize = offset_of!(Record, own) + size_of::<Own>();

/// Whether it pays, after `ran` turns took `took` together: not when they only
/// switch.
pub(super) fn is_worth_it(ran: u32, took: Nanos) -> bool {
    took >= u64::from(ran) * TURN
}

/// To be called before one is resumed, with those behind it still in `queue`.
#[inline(always)]
pub(super) fn up(queue: &RunQueue<RecordRef>) {
    if queue.placed() >= MANY {
        // Where its stack is stands in its record, which therefore comes first.
        queue.peek(1).inspect(|after| prefetch(ptr::from_ref::<Record>(after).cast(), HEAD));
        queue.peek(0).inspect(|next| frames(next));
    }
}

#[inline(always)]
fn frames(next: &Record) {
    let frame = next.own.frame.get().cast::<u8>();
    prefetch(frame.wrapping_sub(BELOW), BELOW + FRAMES);
    if let Some(block) = next.own.block.get() {
        prefetch((block.address() - BLOCK) as *const u8, BLOCK + LINE);
    }
}
