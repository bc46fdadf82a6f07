//! Who a green thread is, as its stack's tag and its record say. Each is asked twice,
//! as in `scan.rs`: it may end meanwhile.

use super::monitor_sample::Green;
use super::scan::{c_name_of, name_of};
use crate::green::mark::Found;
use crate::green::snapshot::Snapshot;
use crate::green::state::Seen;
use crate::sched::shared::Shared;
use crate::stack::{Owner, atlas};
use crate::sys::peek;
use std::panic::Location;
use std::sync::atomic::Ordering::Relaxed;

/// What is told of it.
#[derive(Default)]
pub(super) struct Who {
    pub(super) name: Option<String>,
    pub(super) spawned_at: Option<&'static Location<'static>>,
}

/// One that was not asked itself.
fn unmarked(owner: Owner) -> Green {
    Green { record: owner.record.addr(), id: owner.id, found: Found::default() }
}

/// The green thread on whose stack `sp` is.
pub(super) fn owner(sp: usize) -> Option<Green> {
    Some(unmarked(atlas::containing(sp)?.tag().owner()?))
}

/// The green thread that `worker` runs, found among all that there are: for one that
/// does not take our signals.
pub(super) fn runs_on(worker: &Shared) -> Option<Green> {
    let local = worker.local.load(Relaxed).addr();
    let mut record = Snapshot::new();
    let found = atlas::slots().find_map(|slot| {
        let owner = slot.tag().owner()?;
        peek::copy(owner.record.addr(), record.bytes()).ok()?;
        let runs = record.state() == Seen::Moves
            && record.worker() == local
            && record.stack_pointer().is_none();
        (runs && slot.tag().owner() == Some(owner)).then_some(owner)
    });
    found.map(unmarked)
}

/// Its name and the like, unless it has ended.
pub(super) fn who(green: &Green) -> Option<Who> {
    let mut record = Snapshot::new();
    peek::copy(green.record, record.bytes()).ok()?; // else freed
    let name = name_of(&record);
    let tag = atlas::containing(record.tag())?.tag();
    let is = |it: Owner| it.record.addr() == green.record && it.id == green.id;
    if !tag.owner().is_some_and(is) {
        return None;
    }
    // SAFETY: the tag names it still, so it was alive when it was copied.
    let (by, is_pthread) = unsafe { (record.spawned_by(), record.is_pthread()) };
    let c_name = if is_pthread { c_name_of(green.record) } else { None };
    let found = Who { name: name.or(c_name), spawned_at: by.filter(|_| !is_pthread) };
    tag.owner().is_some_and(is).then_some(found)
}
