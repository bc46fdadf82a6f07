//! Lookups on green threads answer as on OS threads. None of these names needs
//! a server.

mod common_net;

use common_net::{all_done, green, os, patched};
use greenroom::patch::{Family, is_patched};
use libc::{addrinfo, c_char, c_int, c_void, hostent, sockaddr_in, socklen_t};
use std::ffi::{CStr, CString};
use std::fmt::Write;
use std::net::ToSocketAddrs;
use std::ptr::{null, null_mut};

unsafe extern "C" {
    fn gethostbyname(name: *const c_char) -> *mut hostent;
    fn gethostbyname2(name: *const c_char, family: c_int) -> *mut hostent;
    fn gethostbyaddr(addr: *const c_void, len: socklen_t, family: c_int) -> *mut hostent;
    fn __h_errno_location() -> *mut c_int;
    fn gethostbyname_r(
        name: *const c_char,
        entry: *mut hostent,
        buf: *mut c_char,
        len: usize,
        result: *mut *mut hostent,
        error: *mut c_int,
    ) -> c_int;
    fn gethostbyname2_r(
        name: *const c_char,
        family: c_int,
        entry: *mut hostent,
        buf: *mut c_char,
        len: usize,
        result: *mut *mut hostent,
        error: *mut c_int,
    ) -> c_int;
    fn gethostbyaddr_r(
        addr: *const c_void,
        size: socklen_t,
        family: c_int,
        entry: *mut hostent,
        buf: *mut c_char,
        len: usize,
        result: *mut *mut hostent,
        error: *mut c_int,
    ) -> c_int;
}

/// Longer than a label may be: refused before anybody is asked.
const WRONG: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
const NAMES: &[&str] = &["localhost", "127.0.0.1", "10.20.30.40", "::1", "", WRONG];

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// # Safety
/// A list that `getaddrinfo` made.
unsafe fn tell_list(mut at: *const addrinfo, log: &mut String) {
    // SAFETY: the caller's promise.
    while let Some(one) = unsafe { at.as_ref() } {
        // SAFETY: as above.
        let addr = unsafe {
            std::slice::from_raw_parts(one.ai_addr.cast::<u8>(), one.ai_addrlen as usize)
        };
        let what = (one.ai_flags, one.ai_family, one.ai_socktype, one.ai_protocol);
        write!(log, "{what:?} {addr:?}, ").unwrap();
        at = one.ai_next;
    }
}

fn addresses(name: Option<&str>, service: Option<&str>, hints: Option<[c_int; 4]>) -> String {
    let (name, service) = (name.map(c), service.map(c));
    let pointer = |text: &Option<CString>| text.as_ref().map_or(null(), |t| t.as_ptr());
    // SAFETY: all zero is an empty one.
    let mut all: addrinfo = unsafe { std::mem::zeroed() };
    if let Some([flags, family, ty, protocol]) = hints {
        (all.ai_flags, all.ai_family) = (flags, family);
        (all.ai_socktype, all.ai_protocol) = (ty, protocol);
    }
    let hints = if hints.is_some() { &raw const all } else { null() };
    let mut list = null_mut();
    let mut log = String::new();
    // SAFETY: as C wants it.
    unsafe {
        let code = libc::getaddrinfo(pointer(&name), pointer(&service), hints, &mut list);
        write!(log, "{code}: ").unwrap();
        if code == 0 {
            tell_list(list, &mut log);
            libc::freeaddrinfo(list);
        }
    }
    log
}

#[test]
fn getaddrinfo_answers_the_same() {
    patched(1);
    assert!(is_patched(Family::Dns));
    let hints = [
        None,
        Some([0, 0, 0, 0]),
        Some([libc::AI_CANONNAME, libc::AF_INET, libc::SOCK_STREAM, 0]),
        Some([libc::AI_NUMERICHOST, libc::AF_INET6, libc::SOCK_DGRAM, 0]),
        Some([libc::AI_PASSIVE, libc::AF_UNSPEC, 0, libc::IPPROTO_TCP]),
        Some([libc::AI_NUMERICSERV, libc::AF_INET, 0, 0]),
        Some([-1, 0, 0, 0]),
        Some([0, 77, 0, 0]),
        Some([0, 0, 77, 0]),
    ];
    let mut answers = 0;
    for name in [Some("localhost"), Some("127.0.0.1"), Some("::1"), None, Some("")] {
        for service in [None, Some("80"), Some("http"), Some("nonsense"), Some("99999")] {
            for hints in hints {
                let ask = move || addresses(name, service, hints);
                let (there, here) = (os(ask), green(ask));
                assert_eq!(there, here, "{name:?} {service:?} {hints:?}");
                answers += usize::from(there.starts_with("0: ("));
            }
        }
    }
    assert!(answers > 20, "{answers}");
}

#[test]
fn std_resolves() {
    patched(1);
    let ask = || ("localhost", 4711).to_socket_addrs().unwrap().collect::<Vec<_>>();
    assert_eq!(os(ask), green(ask));
    let wrong = || (WRONG, 1).to_socket_addrs().unwrap_err().to_string();
    assert_eq!(os(wrong), green(wrong));
}

/// The name and the service of loopback, with so much room.
fn names(host: usize, service: usize, flags: c_int, family: c_int, len: usize) -> String {
    // SAFETY: all zero is an address.
    let mut addr: sockaddr_in = unsafe { std::mem::zeroed() };
    addr.sin_family = family as u16;
    addr.sin_port = 80u16.to_be();
    addr.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let mut room = [[b'#' as c_char; 64]; 2];
    let [h, s] = &mut room;
    let place = |room: &mut [c_char; 64], len| if len > 0 { room.as_mut_ptr() } else { null_mut() };
    let (h, s) = (place(h, host), place(s, service));
    // SAFETY: as C wants it.
    let code = unsafe {
        let at = (&raw const addr).cast();
        libc::getnameinfo(at, len as u32, h, host as u32, s, service as u32, flags)
    };
    let text = |room: &[c_char]| room.iter().map(|c| *c as u8 as char).collect::<String>();
    match code {
        0 => format!("{} {}", text(&room[0]), text(&room[1])),
        code => code.to_string(),
    }
}

#[test]
fn getnameinfo_answers_the_same() {
    patched(1);
    let flags = [
        0,
        libc::NI_NUMERICHOST,
        libc::NI_NUMERICSERV,
        libc::NI_NUMERICHOST | libc::NI_NUMERICSERV,
        -1,
    ];
    let mut answers = 0;
    for (host, service) in [(64, 64), (3, 64), (64, 2), (0, 64), (64, 0), (0, 0), (10, 5), (9, 4)] {
        for flags in flags {
            for (family, len) in [(libc::AF_INET, 16), (libc::AF_INET, 3), (99, 16)] {
                let ask = move || names(host, service, flags, family, len);
                let (there, here) = (os(ask), green(ask));
                assert_eq!(there, here, "{host} {service} {flags} {family} {len}");
                answers += usize::from(there.contains('\0'));
            }
        }
    }
    assert!(answers > 10, "{answers}");
}

/// # Safety
/// Null, or an entry that is valid now.
unsafe fn tell(entry: *const hostent) -> String {
    // SAFETY: the caller's promise.
    let Some(entry) = (unsafe { entry.as_ref() }) else { return "none".into() };
    let mut log = format!("{} {} ", entry.h_addrtype, entry.h_length);
    // SAFETY: as above; lists end with null. In a buffer that is not aligned,
    // libc does not align them.
    unsafe {
        write!(log, "{:?} ", CStr::from_ptr(entry.h_name)).unwrap();
        let mut at = entry.h_aliases;
        while !at.read_unaligned().is_null() {
            write!(log, "{:?} ", CStr::from_ptr(at.read_unaligned())).unwrap();
            at = at.add(1);
        }
        let mut at = entry.h_addr_list;
        while !at.read_unaligned().is_null() {
            let addr = at.read_unaligned();
            let addr = std::slice::from_raw_parts(addr.cast::<u8>(), entry.h_length as usize);
            write!(log, "{addr:?} ").unwrap();
            at = at.add(1);
        }
    }
    log
}

fn by(kind: usize, name: &str) -> String {
    let name = c(name);
    let addr = [127u8, 0, 0, 1, 0, 0];
    // SAFETY: as C wants it.
    unsafe {
        *__h_errno_location() = 99;
        let found = match kind {
            0 => gethostbyname(name.as_ptr()),
            1 => gethostbyname2(name.as_ptr(), libc::AF_INET),
            2 => gethostbyname2(name.as_ptr(), libc::AF_INET6),
            3 => gethostbyname2(name.as_ptr(), 77),
            4 => gethostbyaddr(addr.as_ptr().cast(), 4, libc::AF_INET),
            5 => gethostbyaddr(addr.as_ptr().cast(), 6, libc::AF_INET),
            _ => gethostbyaddr(addr.as_ptr().cast(), 4, 77),
        };
        // Read before anything else may set it.
        let error = *__h_errno_location();
        format!("{} {error}", tell(found))
    }
}

#[test]
fn hosts_answer_the_same() {
    patched(1);
    let _alone = common_net::alone(); // libc keeps one answer for the process
    for name in NAMES {
        for kind in 0..7 {
            let ask = move || by(kind, name);
            let (there, here) = (os(ask), green(ask));
            assert_eq!(there, here, "{kind} {name:?}");
        }
    }
}

fn into(kind: usize, name: &str, len: usize, skew: usize) -> String {
    let name = c(name);
    let addr = [127u8, 0, 0, 1];
    let mut room = vec![0u128; 64];
    // SAFETY: all zero is an empty one.
    let mut entry: hostent = unsafe { std::mem::zeroed() };
    let (mut found, mut error) = (null_mut(), 99);
    let family = if name.as_bytes().contains(&b':') { libc::AF_INET6 } else { libc::AF_INET };
    // SAFETY: as C wants it.
    unsafe {
        let buf = room.as_mut_ptr().cast::<c_char>().add(skew);
        let (to, out, err) = (&raw mut entry, &raw mut found, &raw mut error);
        let code = match kind {
            0 => gethostbyname_r(name.as_ptr(), to, buf, len, out, err),
            1 => gethostbyname2_r(name.as_ptr(), family, to, buf, len, out, err),
            _ => {
                let addr = addr.as_ptr().cast();
                gethostbyaddr_r(addr, 4, libc::AF_INET, to, buf, len, out, err)
            }
        };
        let inside = |p: *const c_char| (p.addr().wrapping_sub(buf.addr())) < len;
        let mine = found.is_null()
            || (found == to && inside(entry.h_name) && inside(entry.h_addr_list.read_unaligned()));
        format!("{code} {error} {mine} {}", tell(found))
    }
}

/// Whatever fits into libc's buffer fits into ours, and lies in the caller's.
#[test]
fn reentrant_forms_answer_the_same() {
    patched(1);
    let mut short = 0;
    for name in NAMES {
        for len in (0..300).step_by(9).chain([1000]) {
            for (kind, skew) in [(0, 0), (0, 3), (1, 0), (2, 5)] {
                let ask = move || into(kind, name, len, skew);
                let (there, here) = (os(ask), green(ask));
                assert_eq!(there, here, "{kind} {name:?} {len} {skew}");
                assert!(here.contains("true"), "{here}");
                short += usize::from(here.starts_with(&libc::ERANGE.to_string()));
            }
        }
    }
    assert!(short > 10, "{short}");
}

/// Each green thread has its own answer, until its next; libc has one for all.
#[test]
fn answers_are_their_askers() {
    patched(1);
    let ask = |n: u8| {
        greenroom::spawn(move || {
            for round in 0..3 {
                let name = c(&format!("10.{round}.0.{n}"));
                // SAFETY: a C string; the answer is this green thread's own.
                unsafe {
                    let found = gethostbyname(name.as_ptr());
                    greenroom::yield_now();
                    greenroom::sleep(common_net::ms(2));
                    assert!(tell(found).contains(&format!("[10, {round}, 0, {n}]")));
                }
            }
        })
    };
    all_done((0..200).map(ask));
}
