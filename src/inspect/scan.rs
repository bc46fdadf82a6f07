//! Looking at every green thread, from outside and without stopping any.
//!
//! Each is looked at in three steps, and what was found counts only if nothing
//! has changed in between:
//!
//! 1. Its stack's tag names a record and a number.
//! 2. The kernel copies the record and, by the words in it, the used part of
//!    the stack; both may be torn, freed or unmapped meanwhile.
//! 3. Both are copied once more. Are they the same, and does the tag still name
//!    the same? Then it has not run in between, or has come back to the very
//!    same place, and the copies are whole.
//!
//! What lies behind pointers in the record (its name, its spawn site) is looked
//! at between 1 and 3 too, but never followed before the tag has been asked
//! again: until then it is only copied.

use super::view::{NoBacktrace, ThreadState};
use crate::green::face::{self, NAME_LEN};
use crate::green::own::NEVER;
use crate::green::snapshot::Snapshot;
use crate::green::state::Seen;
use crate::green::why::{Kind, Why};
use crate::sched::runtime;
use crate::stack::Owner;
use crate::stack::atlas::{self, Slot};
use crate::sys::peek;
use crate::sys::tls::Block;
use crate::sys::unwind::{Copied, Unwinder};
use std::panic::Location;
use std::ptr;
use std::time::Instant;

/// Deeper stacks are shown as far as this.
const MOST_BYTES: usize = 1 << 20;
const MOST_FRAMES: usize = 256;
/// How often one that moves is looked at.
const TRIES: u32 = 4;
/// A longer name is cut: that is the only use of a length that may be torn.
const MOST_NAME: usize = 256;

/// What was seen of one.
pub(super) struct Sight {
    pub(super) owner: Owner,
    pub(super) slot: Slot,
    pub(super) state: ThreadState,
    pub(super) since: u32,
    pub(super) worker: usize,
    pub(super) parent: u64,
    pub(super) block: Option<Block>,
    pub(super) name: Option<String>,
    pub(super) by: Option<&'static Location<'static>>,
    pub(super) said: Option<(Kind, u64)>,
    pub(super) deadline: Option<u64>,
    pub(super) stack: Result<Vec<usize>, NoBacktrace>,
}

/// Looks at one after the other, with the same means.
pub(super) struct Scanner {
    unwinder: Unwinder,
    first: Vec<u8>,
    second: Vec<u8>,
    /// Until when there is time to walk stacks.
    until: Instant,
}

/// What else stands on its stack.
struct Place {
    said: Option<(Kind, u64)>,
    deadline: Option<u64>,
    stack: Result<Vec<usize>, NoBacktrace>,
}

impl Place {
    fn without(why: NoBacktrace) -> Place {
        Place { said: None, deadline: None, stack: Err(why) }
    }
}

impl Scanner {
    pub(super) fn new(until: Instant) -> Scanner {
        Scanner { unwinder: Unwinder::new(), first: Vec::new(), second: Vec::new(), until }
    }

    /// Shows all that there are; how many were missed.
    pub(super) fn scan(&mut self, mut show: impl FnMut(Sight)) -> usize {
        let mut missed = 0;
        for slot in atlas::slots() {
            let tag = slot.tag();
            // One that ends and makes place for another is the other's turn.
            let mut tries = (0..TRIES).map_while(|_| Some(self.look(slot, tag.owner()?)));
            match tries.find_map(|sight| sight) {
                Some(sight) => show(sight),
                None => missed += usize::from(tag.owner().is_some()),
            }
        }
        missed
    }

    /// `None`: it has ended, or cannot be trusted.
    pub(super) fn look(&mut self, slot: Slot, owner: Owner) -> Option<Sight> {
        let tag = slot.tag();
        let mut record = Snapshot::new();
        let address = owner.record.addr();
        peek::copy(address, record.bytes()).ok()?; // else freed, and even unmapped
        let name = name_of(&record);
        let state = record.state();
        if tag.owner() != Some(owner) || record.id() != owner.id || state == Seen::Ended {
            return None;
        }
        // SAFETY: the tag names it still, so it was alive when it was copied,
        // and what these point to lives as long as the program.
        let (by, is_pthread, block) =
            unsafe { (record.spawned_by(), record.is_pthread(), record.block()) };
        let c_name = if is_pthread { c_name_of(address) } else { None };
        let place = self.place(address, &record);
        if tag.owner() != Some(owner) {
            return None;
        }
        let running = place.stack == Err(NoBacktrace::Running);
        Some(Sight {
            owner,
            slot,
            state: match state {
                _ if running => ThreadState::Running,
                Seen::Waits => ThreadState::Waiting,
                Seen::Moves if sits(&record, address) => ThreadState::Waiting,
                _ => ThreadState::Runnable,
            },
            since: record.since(),
            worker: record.worker(),
            parent: record.parent(),
            block,
            name: name.or(c_name),
            by: by.filter(|_| !is_pthread),
            said: place.said,
            deadline: place.deadline,
            stack: place.stack,
        })
    }

    /// Copies its stack, and reads what stands there.
    fn place(&mut self, address: usize, record: &Snapshot) -> Place {
        let mut again = Snapshot::new();
        let mut before = record.clone();
        for _ in 0..TRIES {
            let sp = before.stack_pointer();
            let Some(stable) = self.copy_again(sp, address, &mut again) else { break };
            if stable && before.is_same_wait(&again) {
                return match sp {
                    Some(sp) => self.read(sp, &before),
                    None if before.is_fresh() => Place::without(NoBacktrace::Fresh),
                    None => Place::without(NoBacktrace::Running),
                };
            }
            std::mem::swap(&mut before, &mut again);
        }
        Place::without(NoBacktrace::Moving)
    }

    /// Copies the used part of the stack that stands at `sp`, the record again,
    /// and that stack again; whether both of the stack are the same. `None`: it
    /// has ended.
    fn copy_again(
        &mut self,
        sp: Option<usize>,
        address: usize,
        record: &mut Snapshot,
    ) -> Option<bool> {
        let slot = sp.and_then(|sp| Some((sp, atlas::containing(sp)?)));
        let (sp, end) = slot.map_or((0, 0), |(sp, slot)| (sp, slot.frames().end));
        let len = end.saturating_sub(sp).min(MOST_BYTES);
        let (first, second) = (&mut self.first, &mut self.second);
        first.resize(len, 0);
        second.resize(len, 0);
        let parts = [(sp, first.as_mut_slice()), (address, record.bytes()), (sp, second)];
        peek::copy_all(parts).ok()?;
        Some(self.first == self.second)
    }

    fn read(&mut self, sp: usize, record: &Snapshot) -> Place {
        let stack = Copied { start: sp, bytes: &self.first };
        let said = stack.bytes_at(record.why()).and_then(|bytes| Why::read(&bytes));
        let deadline = stack.word(record.frame()).map(|d| d as u64).filter(|d| *d != NEVER);
        let walked = if Instant::now() < self.until {
            Ok(self.unwinder.walk(&stack, sp, MOST_FRAMES))
        } else {
            Err(NoBacktrace::NoTime)
        };
        Place { said, deadline, stack: walked }
    }
}

/// Whether it waits in its worker's seat, and nobody has woken it.
fn sits(record: &Snapshot, address: usize) -> bool {
    if record.is_notified() {
        return false;
    }
    let workers = runtime::get().into_iter().flat_map(|runtime| &runtime.workers);
    let mut seats = workers.filter_map(|worker| worker.seat());
    seats
        .find(|seat| ptr::from_ref(*seat).addr() == record.worker())
        .is_some_and(|seat| seat.is_taken_by(ptr::without_provenance(address)))
}

/// Its name, which it may have had.
pub(super) fn name_of(record: &Snapshot) -> Option<String> {
    let (address, len) = record.name()?;
    let mut bytes = vec![0; len.min(MOST_NAME)];
    peek::copy(address, &mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The name of a pthread.
pub(super) fn c_name_of(record: usize) -> Option<String> {
    let mut bytes = [0; NAME_LEN];
    peek::copy(face::name_of(record), &mut bytes).ok()?;
    let name = face::text(&bytes);
    (!name.is_empty()).then(|| name.to_owned())
}
