//! Whose a `pthread_t` is.

use super::pthread::PthreadRef;
use super::registry;
use crate::green::current;
use crate::green::face::{NAME_LEN, cut};
use crate::green::record::{Record, RecordRef};
use crate::sys::{platform, tls};

/// Whose a handle is, if it is a green thread's.
pub(crate) enum Green {
    Pthread(PthreadRef),
    /// The caller, made by `greenroom::spawn`: others never learn its handle
    /// from us.
    Task(RecordRef),
}

/// The green thread that calls this, if it has a handle of its own.
fn current_one() -> Option<Green> {
    let me = current::counted()?;
    me.own.block.get()?;
    Some(Green::of(me))
}

/// The green thread with this handle; `None`: it is an OS thread's, or nobody's.
pub(crate) fn find(handle: libc::pthread_t) -> Option<Green> {
    let handle = handle as usize;
    let own = current::get().and_then(|me| me.own.block.get());
    if own.is_some_and(|block| block.address() == handle) {
        return current_one();
    }
    registry::find(handle).map(Green::of)
}

impl Green {
    fn of(record: RecordRef) -> Green {
        PthreadRef::new(record).map_or_else(Green::Task, Green::Pthread)
    }

    pub(crate) fn record(&self) -> &Record {
        match self {
            Green::Pthread(this) => this.record(),
            Green::Task(record) => record,
        }
    }

    /// Its name as C has it.
    pub(crate) fn name(&self) -> [u8; NAME_LEN] {
        match self {
            Green::Pthread(this) => this.face().name(),
            Green::Task(me) => cut(me.name().map_or(platform::program_name(), str::as_bytes)),
        }
    }

    pub(crate) fn is_current(&self) -> bool {
        match self {
            // In a signal handler it may be the one that has suspended last.
            Green::Pthread(this) => {
                this.is_current() || this.record().own.block.get() == Some(tls::current())
            }
            Green::Task(_) => true,
        }
    }
}
