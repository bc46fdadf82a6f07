//! The family *dns*: looking names up.

use super::family::Family;
use super::gate::{Shim, parks};
use crate::calls::hosts::{self, Asked};
use crate::calls::resolve;
use crate::sys::real;
use libc::{
    NI_NUMERICHOST, NI_NUMERICSERV, addrinfo, c_char, c_int, c_void, hostent, size_t, sockaddr,
    socklen_t,
};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(getaddrinfo as *const ()),
    Shim::new(getnameinfo as *const ()),
    Shim::new(gethostbyname as *const ()),
    Shim::new(gethostbyname2 as *const ()),
    Shim::new(gethostbyaddr as *const ()),
    Shim::new(gethostbyname_r as *const ()),
    Shim::new(gethostbyname2_r as *const ()),
    Shim::new(gethostbyaddr_r as *const ()),
];

/// `asked`, on a green thread that may park.
fn green(asked: impl FnOnce() -> Option<Asked>) -> Option<Asked> {
    if parks(Family::Dns) { asked() } else { None }
}

/// See getaddrinfo(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    list: *mut *mut addrinfo,
) -> c_int {
    if parks(Family::Dns) {
        // SAFETY: the caller's promise.
        return unsafe { resolve::addresses(node, service, hints, list) };
    }
    // SAFETY: as above.
    unsafe { real::getaddrinfo(node, service, hints, list) }
}

/// See getnameinfo(3). Numbers are written as they are, with no lookup.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn getnameinfo(
    addr: *const sockaddr,
    len: socklen_t,
    host: *mut c_char,
    host_len: socklen_t,
    service: *mut c_char,
    service_len: socklen_t,
    flags: c_int,
) -> c_int {
    let numbers = flags & NI_NUMERICHOST != 0 && flags & NI_NUMERICSERV != 0;
    if !numbers && parks(Family::Dns) {
        let (host, service) = ((host, host_len), (service, service_len));
        // SAFETY: the caller's promise.
        return unsafe { resolve::names(addr, len, host, service, flags) };
    }
    // SAFETY: as above.
    unsafe { real::getnameinfo(addr, len, host, host_len, service, service_len, flags) }
}

/// See gethostbyname(3). The answer is kept until this green thread's next.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn gethostbyname(name: *const c_char) -> *mut hostent {
    // SAFETY (all): the caller's promise.
    // SAFETY: as above.
    match green(|| unsafe { Asked::name(name) }) {
        Some(asked) => hosts::look_up(asked),
        // SAFETY: as above.
        None => unsafe { real::gethostbyname(name) },
    }
}

/// See gethostbyname2(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn gethostbyname2(name: *const c_char, family: c_int) -> *mut hostent {
    // SAFETY (all): the caller's promise.
    // SAFETY: as above.
    match green(|| unsafe { Asked::name_of(name, family) }) {
        Some(asked) => hosts::look_up(asked),
        // SAFETY: as above.
        None => unsafe { real::gethostbyname2(name, family) },
    }
}

/// See gethostbyaddr(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn gethostbyaddr(
    addr: *const c_void,
    len: socklen_t,
    family: c_int,
) -> *mut hostent {
    // SAFETY (all): the caller's promise.
    // SAFETY: as above.
    match green(|| unsafe { Asked::address(addr, len, family) }) {
        Some(asked) => hosts::look_up(asked),
        // SAFETY: as above.
        None => unsafe { real::gethostbyaddr(addr, len, family) },
    }
}

/// See gethostbyname_r(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn gethostbyname_r(
    name: *const c_char,
    entry: *mut hostent,
    buf: *mut c_char,
    len: size_t,
    result: *mut *mut hostent,
    error: *mut c_int,
) -> c_int {
    // SAFETY (all): the caller's promise.
    // SAFETY: as above.
    match green(|| unsafe { Asked::name(name) }) {
        // SAFETY: as above.
        Some(asked) => unsafe { hosts::look_up_into(asked, entry, (buf, len), result, error) },
        // SAFETY: as above.
        None => unsafe { real::gethostbyname_r(name, entry, buf, len, result, error) },
    }
}

/// See gethostbyname2_r(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn gethostbyname2_r(
    name: *const c_char,
    family: c_int,
    entry: *mut hostent,
    buf: *mut c_char,
    len: size_t,
    result: *mut *mut hostent,
    error: *mut c_int,
) -> c_int {
    // SAFETY (all): the caller's promise.
    // SAFETY: as above.
    match green(|| unsafe { Asked::name_of(name, family) }) {
        // SAFETY: as above.
        Some(asked) => unsafe { hosts::look_up_into(asked, entry, (buf, len), result, error) },
        // SAFETY: as above.
        None => unsafe { real::gethostbyname2_r(name, family, entry, buf, len, result, error) },
    }
}

/// See gethostbyaddr_r(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn gethostbyaddr_r(
    addr: *const c_void,
    addr_len: socklen_t,
    family: c_int,
    entry: *mut hostent,
    buf: *mut c_char,
    len: size_t,
    result: *mut *mut hostent,
    error: *mut c_int,
) -> c_int {
    // SAFETY (all): the caller's promise.
    // SAFETY: as above.
    match green(|| unsafe { Asked::address(addr, addr_len, family) }) {
        // SAFETY: as above.
        Some(asked) => unsafe { hosts::look_up_into(asked, entry, (buf, len), result, error) },
        // SAFETY: as above.
        None => unsafe {
            real::gethostbyaddr_r(addr, addr_len, family, entry, buf, len, result, error)
        },
    }
}
