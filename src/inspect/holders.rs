//! Who holds a lock that is waited for, where the lock says so.
//!
//! The locks of this crate have a mark of who holds them alone, C's locks what
//! libc takes for his number: a kernel thread's, or what a green thread has in its
//! own thread-locals. What is not known is said to be unknown: who reads, and who
//! holds the locks of std, each one word that says only that it is held.
//!
//! A mark is read right after its waiter was seen, and whom it means is asked at
//! once, and then whether it still stands there: a holder takes his mark away, and
//! gives the lock up, before he ends. While the waiter and the one that is named
//! stay as they are, he holds it.

use super::scan::Sight;
use super::view::{Holder, ThreadDump, WaitsFor};
use crate::green::locals;
use crate::green::os_waits::{self, OsWait};
use crate::green::snapshot::Snapshot;
use crate::green::why::Kind;
use crate::stack::{Owner, atlas};
use crate::sync::{mutex, reentrant, turns};
use crate::sys::tls::Block;
use crate::sys::{peek, pthread};
use std::collections::HashMap;

/// Above this libc's numbers are green threads'.
const KERNEL_MOST: u32 = 1 << 22;

/// What a lock says of its holder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Green(u64),
    /// A green thread that has ended with it.
    Ended,
    /// As libc numbers threads.
    Libc(u32),
    /// See `current::mark`; 0 where it does not say which.
    Os(usize),
}

/// What is known so far.
#[derive(Default)]
pub(super) struct Holders {
    /// Where the green threads have libc's numbers.
    numbers: Vec<(u64, usize)>,
    marks: HashMap<u64, Mark>,
}

impl Holders {
    /// Green thread `id` has its thread-locals there.
    pub(super) fn note(&mut self, id: u64, block: Option<Block>) {
        let at = block.and_then(|block| locals::number_at(block.address()));
        self.numbers.extend(at.map(|at| (id, at)));
    }

    /// It waits for this.
    pub(super) fn waits(&mut self, id: u64, said: Option<(Kind, u64)>) {
        if let Some(mark) = said.and_then(|(kind, what)| look(kind, what)) {
            self.marks.insert(id, mark);
        }
    }

    pub(super) fn saw(&mut self, sight: &Sight) {
        self.note(sight.owner.id, sight.block);
        self.waits(sight.owner.id, sight.said);
    }

    /// Says it where it is known.
    pub(super) fn tell(&self, threads: &mut [ThreadDump]) {
        let (numbers, waiting) = (self.numbers(|| ()), os_waits::all());
        for thread in threads {
            let Some(mark) = self.marks.get(&thread.id) else { continue };
            for waits in &mut thread.waits_for {
                if let WaitsFor::Lock { holder: told, .. } = waits {
                    *told = holder(*mark, &numbers, &waiting);
                }
            }
        }
    }

    /// Who holds what each waits for, by the waiters' numbers. `step` is called before
    /// each look.
    pub(super) fn all(&self, step: impl FnMut()) -> HashMap<u64, Holder> {
        let numbers = self.numbers(step);
        self.marks.iter().map(|(id, mark)| (*id, holder(*mark, &numbers, &[]))).collect()
    }

    /// Likewise of what an OS thread waits for.
    pub(super) fn of_os(&self, wait: &OsWait) -> Holder {
        let mark = Kind::of_number(wait.kind).and_then(|kind| look(kind, wait.what));
        let waiting = os_waits::all();
        mark.map_or(Holder::Unknown, |mark| holder(mark, &self.numbers(|| ()), &waiting))
    }

    /// Whether what `id` waits for is held as it was noted.
    pub(super) fn agree(&self, id: u64, (kind, what): (Kind, u64)) -> bool {
        look(kind, what) == self.marks.get(&id).copied()
    }

    /// Which green thread libc knows by which number; asked for only if some lock
    /// of C's names one.
    fn numbers(&self, mut step: impl FnMut()) -> HashMap<u32, u64> {
        let wanted = |mark: &Mark| matches!(mark, Mark::Libc(number) if *number >= KERNEL_MOST);
        if !self.marks.values().any(wanted) {
            return HashMap::new();
        }
        let known = self.numbers.iter().inspect(|_| step());
        known.filter_map(|(id, at)| Some((number(*at)?, *id))).collect()
    }
}

fn holder(mark: Mark, numbers: &HashMap<u32, u64>, waiting: &[OsWait]) -> Holder {
    match mark {
        Mark::Green(id) => Holder::Green(id),
        Mark::Ended => Holder::Ended,
        Mark::Libc(number) if number < KERNEL_MOST => Holder::Os(Some(number)),
        Mark::Libc(number) => numbers.get(&number).map_or(Holder::Unknown, |id| Holder::Green(*id)),
        Mark::Os(mark) => {
            let it = waiting.iter().find(|wait| wait.mark == mark);
            Holder::Os(it.map(|wait| wait.thread as u32))
        }
    }
}

fn number(address: usize) -> Option<u32> {
    let mut bytes = [0; 4];
    peek::copy(address, &mut bytes).ok()?; // it may be gone by now
    Some(u32::from_ne_bytes(bytes)).filter(|number| *number != 0)
}

fn word(address: usize) -> Option<u64> {
    let mut bytes = [0; 8];
    peek::copy(address, &mut bytes).ok()?;
    Some(u64::from_ne_bytes(bytes)).filter(|word| *word != 0)
}

/// Whom the mark at `address` means; `None`: nobody is noted there, or not any more.
fn thread(address: usize) -> Option<Mark> {
    let mark = word(address)?;
    if mark % 2 == 1 {
        return Some(Mark::Os(mark as usize));
    }
    let whose = owner_of(mark as usize).map_or(Mark::Ended, |owner| Mark::Green(owner.id));
    (word(address) == Some(mark)).then_some(whose)
}

/// The green thread whose record lies there, if it is alive.
fn owner_of(record: usize) -> Option<Owner> {
    let mut copy = Snapshot::new();
    peek::copy(record, copy.bytes()).ok()?;
    let owner = atlas::containing(copy.tag())?.tag().owner()?;
    (owner.record.addr() == record).then_some(owner)
}

/// `None`: nobody is noted there.
fn look(kind: Kind, what: u64) -> Option<Mark> {
    let at = what as usize;
    Some(match kind {
        Kind::Mutex => thread(at + mutex::HOLDER_AT)?,
        Kind::Turn => thread(at + turns::WRITER_AT)?,
        Kind::Reentrant => {
            reentrant::who(word(at + reentrant::OWNER_AT)?)?.map_or(Mark::Os(0), Mark::Green)
        }
        Kind::CMutex => Mark::Libc(number(at + pthread::OWNER)?),
        Kind::CLock => Mark::Libc(number(at + pthread::WRITER)?),
        _ => return None,
    })
}
