//! Name lookups that answer with lists of addresses, or with names.
//!
//! libc waits inside them in ways of its own, so they run on OS threads. What
//! goes in and what comes out belongs to the lookup: it does not touch the
//! caller's memory, and frees its answer if nobody wants it any more.

use crate::offload::everyone::libc_call;
use crate::sys::errno::Errno;
use crate::sys::real;
use libc::{EAI_SYSTEM, addrinfo, c_char, c_int, sockaddr, sockaddr_storage, socklen_t};
use std::ffi::{CStr, CString};
use std::ptr;

/// A copy of a string of C.
///
/// # Safety
/// Null, or a C string.
pub(super) unsafe fn text(of: *const c_char) -> Option<CString> {
    // SAFETY: the caller's promise.
    (!of.is_null()).then(|| unsafe { CStr::from_ptr(of) }.to_owned())
}

fn pointer(to: &Option<CString>) -> *const c_char {
    to.as_ref().map_or(ptr::null(), |text| text.as_ptr())
}

/// What `getaddrinfo` was asked.
struct Question {
    node: Option<CString>,
    service: Option<CString>,
    /// Flags, family, type and protocol.
    hints: Option<[c_int; 4]>,
}

/// What it answered.
struct Answer {
    code: c_int,
    errno: Errno,
    list: List,
}

/// libc's own, and freed by it.
struct List(*mut addrinfo);

// SAFETY: a list on the heap, which nobody else knows.
unsafe impl Send for List {}

impl List {
    fn into_raw(self) -> *mut addrinfo {
        let list = self.0;
        std::mem::forget(self);
        list
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: `getaddrinfo` made it, and nobody else has it.
            unsafe { libc::freeaddrinfo(self.0) }
        }
    }
}

impl Question {
    fn ask(&self) -> Answer {
        // SAFETY: all zero is an empty one.
        let mut hints: addrinfo = unsafe { std::mem::zeroed() };
        if let Some([flags, family, socktype, protocol]) = self.hints {
            hints.ai_flags = flags;
            hints.ai_family = family;
            hints.ai_socktype = socktype;
            hints.ai_protocol = protocol;
        }
        let hints = if self.hints.is_some() { &raw const hints } else { ptr::null() };
        let mut list = ptr::null_mut();
        let (node, service) = (pointer(&self.node), pointer(&self.service));
        // SAFETY: strings and hints that live here, or null; an out pointer.
        let code = unsafe { real::getaddrinfo(node, service, hints, &mut list) };
        // Failed, it has left nothing behind.
        let list = List(if code == 0 { list } else { ptr::null_mut() });
        Answer { code, errno: Errno::last(), list }
    }
}

/// As `getaddrinfo`.
///
/// # Safety
/// As libc's.
pub(crate) unsafe fn addresses(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    list: *mut *mut addrinfo,
) -> c_int {
    // SAFETY: the caller's promise.
    let (node, service, hints) = unsafe { (text(node), text(service), hints.as_ref()) };
    let hints = hints.map(|h| [h.ai_flags, h.ai_family, h.ai_socktype, h.ai_protocol]);
    let question = Question { node, service, hints };
    let Answer { code, errno, list: found } = libc_call(move || question.ask());
    match code {
        // SAFETY: the caller's out pointer.
        0 => unsafe { list.write(found.into_raw()) },
        EAI_SYSTEM => errno.set(),
        _ => {}
    }
    code
}

/// No name and no service is longer.
const LONGEST: socklen_t = 4096;

/// Room for a name where the caller has some.
fn room(at: *mut c_char, len: socklen_t) -> Option<Vec<u8>> {
    (!at.is_null()).then(|| vec![0; len.min(LONGEST) as usize])
}

fn place(room: &mut Option<Vec<u8>>) -> (*mut c_char, socklen_t) {
    let none = (ptr::null_mut(), 0);
    room.as_mut().map_or(none, |r| (r.as_mut_ptr().cast(), r.len() as socklen_t))
}

/// Copies the string in `room`, with its NUL.
///
/// # Safety
/// `to` has as much room as it was said to have.
unsafe fn hand_over(room: Option<Vec<u8>>, to: *mut c_char) {
    let text = room.as_deref().and_then(|r| CStr::from_bytes_until_nul(r).ok());
    if let Some(text) = text {
        let bytes = text.to_bytes_with_nul();
        // SAFETY: the caller's promise; `room` was no longer.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) }
    }
}

/// As `getnameinfo`.
///
/// # Safety
/// As libc's.
pub(crate) unsafe fn names(
    addr: *const sockaddr,
    len: socklen_t,
    (host, host_len): (*mut c_char, socklen_t),
    (service, service_len): (*mut c_char, socklen_t),
    flags: c_int,
) -> c_int {
    // SAFETY: all zero is an address of no family.
    let mut copy: sockaddr_storage = unsafe { std::mem::zeroed() };
    let known = !addr.is_null();
    let len = if known { len.min(size_of_val(&copy) as socklen_t) } else { 0 };
    if known {
        // SAFETY: the caller's promise; it fits.
        unsafe { (&raw mut copy).cast::<u8>().copy_from(addr.cast(), len as usize) };
    }
    let (mut name, mut port) = (room(host, host_len), room(service, service_len));
    let (code, errno, name, port) = libc_call(move || {
        let addr = if known { (&raw const copy).cast() } else { ptr::null() };
        let (h, s) = (place(&mut name), place(&mut port));
        // SAFETY: an address and room that live here, or null.
        let code = unsafe { real::getnameinfo(addr, len, h.0, h.1, s.0, s.1, flags) };
        (code, Errno::last(), name, port)
    });
    match code {
        // SAFETY: the caller's promise.
        0 => unsafe {
            hand_over(name, host);
            hand_over(port, service);
        },
        EAI_SYSTEM => errno.set(),
        _ => {}
    }
    code
}
