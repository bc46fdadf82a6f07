//! What a copy of a record says, made by the kernel while the green thread may
//! run, end, or have ended: so nothing in it is followed here but what the
//! caller knows to be alive.
//!
//! Which word of the coroutine says where its stack stands is the compiler's to
//! choose; but of all of them it is the only one that lies below the frame in which
//! the green thread last suspended, on the same stack. While it runs there is none.

use super::coroutine::Coroutine;
use super::record::{Body, Record};
use super::state::{Seen, State};
use crate::stack::atlas;
use crate::sys::tls::Block;
use std::mem::offset_of;
use std::panic::Location;
use std::ptr;

/// A copied record.
#[derive(Clone)]
pub(crate) struct Snapshot([u8; Snapshot::LEN]);

impl Snapshot {
    /// How many bytes of a record to copy.
    pub(crate) const LEN: usize = size_of::<Record>();

    pub(crate) fn new() -> Snapshot {
        Snapshot([0; Snapshot::LEN])
    }

    /// Where to copy it to.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    fn word(&self, at: usize) -> usize {
        let bytes = self.0[at..at + 8].try_into().expect("eight bytes");
        usize::from_ne_bytes(bytes)
    }

    fn half(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().expect("four bytes"))
    }

    pub(crate) fn id(&self) -> u64 {
        self.word(offset_of!(Record, id)) as u64
    }

    pub(crate) fn state(&self) -> Seen {
        State::seen(self.half(offset_of!(Record, state)))
    }

    /// Whether it was woken, if it waits.
    pub(crate) fn is_notified(&self) -> bool {
        State::tells(self.half(offset_of!(Record, state)))
    }

    /// When it parked, if it waits.
    pub(crate) fn since(&self) -> u32 {
        self.half(offset_of!(Record, since))
    }

    /// The address of the worker that ran it last, and of its seat.
    pub(crate) fn worker(&self) -> usize {
        self.word(offset_of!(Record, own.seat))
    }

    /// Where the deadline of its wait stands.
    pub(crate) fn frame(&self) -> usize {
        self.word(offset_of!(Record, own.frame))
    }

    /// Where stands what it has said that it waits for, or null.
    pub(crate) fn why(&self) -> usize {
        self.word(offset_of!(Record, own.why))
    }

    /// Where the tag of its own stack is.
    pub(crate) fn tag(&self) -> usize {
        self.word(offset_of!(Record, own.tag))
    }

    fn coroutine(&self) -> impl Iterator<Item = usize> + '_ {
        let start = offset_of!(Record, own.coroutine);
        let end = start + size_of::<Option<Coroutine>>();
        (start..end).step_by(8).map(|at| self.word(at))
    }

    /// Where its stack stands, if it is not running.
    pub(crate) fn stack_pointer(&self) -> Option<usize> {
        let frame = self.frame();
        // It stands on the stack of a generator while it runs that.
        let low = atlas::containing(frame)?.frames().start;
        self.coroutine().find(|word| (low..=frame).contains(word))
    }

    /// Whether it has a stack and has not run yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.worker() == 0
    }

    /// Whether both are of the same wait.
    pub(crate) fn is_same_wait(&self, other: &Snapshot) -> bool {
        self.id() == other.id()
            && (self.frame(), self.why()) == (other.frame(), other.why())
            && self.coroutine().eq(other.coroutine())
    }

    /// Its name's address and length.
    pub(crate) fn name(&self) -> Option<(usize, usize)> {
        let at = offset_of!(Record, birth.name);
        let words = [self.word(at), self.word(at + 8)];
        // SAFETY: a pointer to a slice is two words, any two, in the order in
        // which a box of a string has them.
        let name = unsafe { std::mem::transmute::<[usize; 2], *const [u8]>(words) };
        (!name.is_null()).then(|| (name.cast::<u8>().addr(), name.len()))
    }

    /// The number of the green thread that spawned it; 0: none.
    pub(crate) fn parent(&self) -> u64 {
        self.word(offset_of!(Record, birth.parent)) as u64
    }

    /// Where it was spawned.
    ///
    /// # Safety
    /// The copy is of a record that was alive when it was made.
    pub(crate) unsafe fn spawned_by(&self) -> Option<&'static Location<'static>> {
        let by: *const Location<'static> =
            ptr::with_exposed_provenance(self.word(offset_of!(Record, birth.by)));
        // SAFETY: null, or what the record has: a place in the program.
        unsafe { by.as_ref() }
    }

    /// Its own thread-locals, if it has them.
    ///
    /// # Safety
    /// As `spawned_by`, and it has a stack.
    pub(crate) unsafe fn block(&self) -> Option<Block> {
        let copied = self.0[offset_of!(Record, own.block)..].as_ptr();
        // SAFETY: within the copy, which has it whole: it was written before the
        // record was shown to anybody.
        unsafe { copied.cast::<Option<Block>>().read_unaligned() }
    }

    /// Whether `pthread_create` made it.
    ///
    /// # Safety
    /// As `spawned_by`.
    pub(crate) unsafe fn is_pthread(&self) -> bool {
        let body = ptr::with_exposed_provenance::<Body>(self.word(offset_of!(Record, body)));
        // SAFETY: as above.
        unsafe { body.as_ref() }.is_some_and(|body| body.ended.is_some())
    }
}
