//! Spawning into a group or a pool.

use super::body;
use super::join::JoinHandle;
use super::member::{Barred, Leave, Member, Members};
use super::spawn::{refuse, refuse_quietly, usual_class};
use crate::error::JoinError;
use crate::green::handle::GreenThread;
use crate::green::record::Birth;
use crate::green::storage::Inherited;
use crate::sched::start;
use crate::sync::permits::Permits;
use std::io;
use std::panic::{Location, resume_unwind};
use std::sync::Arc;

/// Who is spawned.
pub(super) struct Entry {
    /// It has one of the pool's places already.
    pub(super) holds: bool,
    pub(super) leave: Leave,
    pub(super) by: &'static Location<'static>,
}

/// A place that goes back if nobody comes to use it.
struct Held<'a>(Option<&'a Permits>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(places) = self.0 {
            places.release();
        }
    }
}

/// As `spawn`. If it is not let in, its joiner is told.
pub(super) fn spawn_into<F, T>(members: &Arc<Members>, entry: Entry, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let inherited = inherit(members, entry.holds);
    spawn_heir(members, entry, inherited, f)
}

/// As `spawn_into`, of one that has a place; if it is not let in, that goes back.
///
/// # Errors
/// The pool is closed: `f` comes back.
pub(super) fn try_spawn_into<F, T>(
    members: &Arc<Members>,
    by: &'static Location<'static>,
    f: F,
) -> Result<JoinHandle<T>, F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let inherited = inherit(members, true);
    if !members.expect() {
        drop(Held(members.places.as_ref()));
        return Err(f);
    }
    let entry = Entry { holds: true, leave: Leave::Expected, by };
    Ok(spawn_heir(members, entry, inherited, f))
}

/// Runs the users' `Clone`, which may panic.
fn inherit(members: &Members, holds: bool) -> Inherited {
    let place = Held(members.places.as_ref().filter(|_| holds));
    let inherited = Inherited::capture();
    std::mem::forget(place);
    inherited
}

fn spawn_heir<F, T>(
    members: &Arc<Members>,
    entry: Entry,
    inherited: Inherited,
    f: F,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // Before the stack size is asked for: the first start settles it.
    let runtime = start::runtime(entry.by);
    let birth = Birth::new(None, usual_class(), entry.by);
    let member = Member::new(members.clone(), entry.holds);
    let (thread, handle) = match body::new_beside(f, birth, member) {
        Ok(new) => new,
        Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<F>()),
    };
    inherited.give_to(&thread);
    match (members.enter(&thread, entry.leave), runtime) {
        (Ok(()), Ok(runtime)) => runtime.submit(thread),
        (Ok(()), Err(why)) => refuse(thread, why),
        (Err(Barred::Closed), _) => refuse_quietly(thread, io::Error::other("the pool is closed")),
        (Err(Barred::Killed), _) => refuse_quietly(thread, io::Error::other("the pool was killed")),
    }
    // SAFETY: `new_beside` made it for `T`, and this is its one handle.
    unsafe { JoinHandle::new(GreenThread(handle)) }
}

/// The result of one that the caller cannot do without.
pub(super) fn result<T>(joined: Result<T, JoinError>) -> T {
    match joined {
        Ok(value) => value,
        Err(JoinError::Panicked(payload)) => resume_unwind(payload),
        Err(other) => panic!("a green thread of the pool has no result: {other}"),
    }
}
