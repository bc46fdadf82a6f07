//! What only a pthread's record has beside it: its name, for C.

use super::record::Record;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// What the kernel keeps of a thread's name, NUL included.
pub(crate) const NAME_LEN: usize = 16;

/// Comes right after the record of each pthread. Atomics, because the fault
/// handler reads them wherever it interrupts.
pub(crate) struct Face {
    name: [AtomicU64; 2],
    knows_its_stack: AtomicBool,
}

/// The head of a pthread.
#[repr(C)]
struct Head {
    record: Record,
    face: Face,
}

impl Face {
    pub(crate) fn new(name: [u8; NAME_LEN]) -> Face {
        let face = Face {
            name: [AtomicU64::new(0), AtomicU64::new(0)],
            knows_its_stack: AtomicBool::new(false),
        };
        face.rename(name);
        face
    }

    /// Of `record`, if that is a pthread's.
    pub(crate) fn of(record: &Record) -> Option<&Face> {
        let head = std::ptr::from_ref(record).cast::<Head>();
        // SAFETY: the record of a pthread heads a `Pthread`, which begins as
        // `Head` does.
        record.is_pthread().then(|| unsafe { &(*head).face })
    }

    /// Padded with NULs, at least one.
    pub(crate) fn name(&self) -> [u8; NAME_LEN] {
        let mut name = [0; NAME_LEN];
        for (to, from) in name.chunks_exact_mut(8).zip(&self.name) {
            to.copy_from_slice(&from.load(Relaxed).to_ne_bytes());
        }
        name
    }

    pub(crate) fn rename(&self, name: [u8; NAME_LEN]) {
        for (to, from) in self.name.iter().zip(name.chunks_exact(8)) {
            to.store(u64::from_ne_bytes(from.try_into().unwrap_or_default()), Relaxed);
        }
    }

    /// It has asked where its own stack is.
    pub(crate) fn learns_its_stack(&self) {
        self.knows_its_stack.store(true, Relaxed);
    }

    /// Whether std, which asks at the start of each of its threads, will say
    /// that it has overflowed.
    pub(super) fn knows_its_stack(&self) -> bool {
        self.knows_its_stack.load(Relaxed)
    }
}

/// How far behind its record a pthread has its name.
pub(super) const NAME_AT: usize = std::mem::offset_of!(Head, face.name);

/// Where the name of a pthread is, by the address of its record.
pub(crate) fn name_of(record: usize) -> usize {
    record + NAME_AT
}

/// A name as C has it: cut to what fits.
pub(crate) fn cut(text: &[u8]) -> [u8; NAME_LEN] {
    let mut name = [0; NAME_LEN];
    for (to, from) in name[..NAME_LEN - 1].iter_mut().zip(text) {
        *to = *from;
    }
    name
}

/// What comes before the first NUL, as far as it is text.
pub(crate) fn text(name: &[u8; NAME_LEN]) -> &str {
    let end = name.iter().position(|b| *b == 0).unwrap_or(NAME_LEN);
    let name = &name[..end];
    match std::str::from_utf8(name) {
        Ok(text) => text,
        // A name that was cut inside a character.
        Err(e) => std::str::from_utf8(&name[..e.valid_up_to()]).unwrap_or_default(),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_fifteen_bytes() {
        let face = Face::new(cut(b"short"));
        assert_eq!(text(&face.name()), "short");
        face.rename(cut(b"0123456789abcdefgh"));
        assert_eq!(text(&face.name()), "0123456789abcde");
        face.rename(cut("aééééééé".as_bytes()));
        assert_eq!(text(&face.name()), "aééééééé");
        face.rename(cut("éééééééé".as_bytes()));
        assert_eq!(text(&face.name()), "ééééééé", "not half a character");
        face.rename(cut(b""));
        assert_eq!(text(&face.name()), "");
    }
}
