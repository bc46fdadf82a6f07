//! Lookups that answer with a `hostent`, as `resolve.rs` does them.
//!
//! A `hostent` points into a buffer. The lookup has one of its own; for the
//! `_r` forms its contents move to the caller's, and the pointers with them.
//! For the others libc keeps one per process; here each green thread has its
//! own, until its next such call, so that no other can overwrite it.

use super::resolve::text;
use crate::green::current::{self, Inside};
use crate::green::record::RecordRef;
use crate::offload::everyone::libc_call;
use crate::sys::errno::{Errno, set_h_errno};
use crate::sys::lock::Lock;
use crate::sys::real;
use libc::{c_char, c_int, c_void, hostent, size_t, socklen_t};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::ptr;

/// What is looked up.
pub(crate) enum Asked {
    Name(CString),
    NameOf(CString, c_int),
    Address([u8; 16], socklen_t, c_int),
}

impl Asked {
    /// By `gethostbyname`; `None` without a name.
    ///
    /// # Safety
    /// Null, or a C string.
    pub(crate) unsafe fn name(name: *const c_char) -> Option<Asked> {
        // SAFETY: the caller's promise.
        unsafe { text(name) }.map(Asked::Name)
    }

    /// By `gethostbyname2`; `None` without a name.
    ///
    /// # Safety
    /// Null, or a C string.
    pub(crate) unsafe fn name_of(name: *const c_char, family: c_int) -> Option<Asked> {
        // SAFETY: the caller's promise.
        unsafe { text(name) }.map(|name| Asked::NameOf(name, family))
    }

    /// By `gethostbyaddr`; `None` without an address.
    ///
    /// # Safety
    /// Null, or `len` bytes.
    pub(crate) unsafe fn address(
        addr: *const c_void,
        len: socklen_t,
        family: c_int,
    ) -> Option<Asked> {
        let mut copy = [0; 16]; // a longer one is refused unread
        if addr.is_null() {
            return None;
        }
        // SAFETY: the caller's promise.
        unsafe { copy.as_mut_ptr().copy_from(addr.cast(), len.min(16) as usize) };
        Some(Asked::Address(copy, len, family))
    }

    fn look_up(&self, mut room: Room) -> Answer {
        // SAFETY: all zero is an empty one.
        let mut entry: hostent = unsafe { std::mem::zeroed() };
        let mut found = ptr::null_mut();
        let mut error = NOT_SET;
        let (to, buf, len) = (&raw mut entry, room.start(), room.len);
        let (out, err) = (&raw mut found, &raw mut error);
        // SAFETY: what is asked lives here, and all that is written to as well.
        let code = unsafe {
            match self {
                Asked::Name(name) => real::gethostbyname_r(name.as_ptr(), to, buf, len, out, err),
                Asked::NameOf(name, family) => {
                    real::gethostbyname2_r(name.as_ptr(), *family, to, buf, len, out, err)
                }
                Asked::Address(addr, size, family) => {
                    let addr = addr.as_ptr().cast();
                    real::gethostbyaddr_r(addr, *size, *family, to, buf, len, out, err)
                }
            }
        };
        Answer { code, errno: Errno::last(), error, found: !found.is_null(), entry, room }
    }

    /// With as much room as it takes.
    fn look_up_anyhow(&self) -> Answer {
        let mut len = 1024;
        loop {
            let answer = self.look_up(Room::new(0, len));
            if answer.code != libc::ERANGE || len >= MOST_ROOM {
                return answer;
            }
            len *= 2;
        }
    }
}

/// `h_errno` was left alone.
const NOT_SET: c_int = c_int::MIN;
/// More than any answer needs.
const MOST_ROOM: usize = 1 << 20;

/// A buffer that is aligned as another one is, so that as much fits.
struct Room {
    memory: Vec<u128>,
    skew: usize,
    len: usize,
}

impl Room {
    fn new(like: usize, len: usize) -> Room {
        let (skew, len) = (like % 16, len.min(MOST_ROOM));
        Room { memory: vec![0; (skew + len).div_ceil(16)], skew, len }
    }

    fn start(&mut self) -> *mut c_char {
        self.memory.as_mut_ptr().cast::<c_char>().wrapping_add(self.skew)
    }
}

struct Answer {
    code: c_int,
    errno: Errno,
    error: c_int,
    found: bool,
    entry: hostent,
    room: Room,
}

// SAFETY: its pointers lead into its own room, or to what libc never changes.
unsafe impl Send for Answer {}

impl Answer {
    /// Moves what was found to `entry` and `buf`.
    ///
    /// # Safety
    /// They are what the caller of the `_r` form gave, with as much room.
    unsafe fn move_to(mut self, entry: *mut hostent, buf: *mut c_char) {
        let (start, len) = (self.room.start(), self.room.len);
        let moved = |p: *mut c_char| match p.addr().wrapping_sub(start.addr()) {
            at if at < len => buf.wrapping_add(at),
            _ => p,
        };
        // SAFETY (all): the caller's promise; a list of pointers ends with null.
        // SAFETY: as above.
        unsafe { buf.copy_from_nonoverlapping(start, len) };
        let list = |list: *mut *mut c_char| {
            let new = moved(list.cast()).cast::<*mut c_char>();
            let mut at = new;
            // One that did not move is not ours to change.
            while new != list && !at.is_null() {
                // SAFETY: as above. libc does not align it in a skewed buffer.
                match unsafe { at.read_unaligned() } {
                    end if end.is_null() => break,
                    // SAFETY: as above.
                    one => unsafe { at.write_unaligned(moved(one)) },
                }
                at = at.wrapping_add(1);
            }
            new
        };
        self.entry.h_name = moved(self.entry.h_name);
        self.entry.h_aliases = list(self.entry.h_aliases);
        self.entry.h_addr_list = list(self.entry.h_addr_list);
        // SAFETY: as above.
        unsafe { entry.write(self.entry) };
    }
}

/// As the `_r` forms, for `asked`.
///
/// # Safety
/// As libc's.
pub(crate) unsafe fn look_up_into(
    asked: Asked,
    entry: *mut hostent,
    (buf, len): (*mut c_char, size_t),
    result: *mut *mut hostent,
    error: *mut c_int,
) -> c_int {
    let room = Room::new(buf.addr(), len);
    let answer = libc_call(move || asked.look_up(room));
    let (code, found) = (answer.code, answer.found);
    if code != 0 {
        answer.errno.set();
    }
    // SAFETY: the caller's promise.
    unsafe {
        if answer.error != NOT_SET {
            error.write(answer.error);
        }
        result.write(if found { entry } else { ptr::null_mut() });
        if found {
            answer.move_to(entry, buf);
        }
    }
    code
}

/// As the forms that keep the answer, for `asked`.
pub(crate) fn look_up(asked: Asked) -> *mut hostent {
    let answer = libc_call(move || asked.look_up_anyhow());
    let (code, errno, error) = (answer.code, answer.errno, answer.error);
    let kept = if answer.found { keep(Box::new(answer)) } else { ptr::null_mut() };
    if code != 0 {
        errno.set();
    }
    if error != NOT_SET && error != 0 {
        set_h_errno(error);
    }
    kept
}

/// The last answer of each green thread.
struct Kept {
    answers: BTreeMap<u64, (RecordRef, Box<Answer>)>,
    /// At so many, those of threads that have ended go.
    most: usize,
}

static KEPT: Lock<Kept> = Lock::new(Kept { answers: BTreeMap::new(), most: 64 });

fn keep(mut answer: Box<Answer>) -> *mut hostent {
    let entry = &raw mut answer.entry;
    let Some(me) = current::counted() else { return entry };
    let _inside = Inside::enter();
    let mut kept = KEPT.lock();
    if kept.answers.len() >= kept.most {
        kept.answers.retain(|_, (thread, _)| !thread.state.is_done());
        kept.most = 64.max(kept.answers.len() * 2);
    }
    kept.answers.insert(me.id(), (me, answer));
    entry
}
