//! Calls as fortified programs make them: those that would write beyond their
//! buffer end the process, on green threads as on any.

mod common;

use common::{Ended, in_child};
use libc::{c_char, c_int, c_void, size_t, ssize_t};

unsafe extern "C" {
    fn __read_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t) -> ssize_t;
    fn __pread_chk(fd: c_int, buf: *mut c_void, len: size_t, at: i64, room: size_t) -> ssize_t;
    fn __pread64_chk(fd: c_int, buf: *mut c_void, len: size_t, at: i64, room: size_t) -> ssize_t;
    fn __recv_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t, flags: c_int) -> ssize_t;
    fn __open_2(path: *const c_char, flags: c_int) -> c_int;
}

/// Runs `deed` on a green thread.
fn on_a_green_thread(deed: fn()) {
    greenroom::patch_all().unwrap();
    greenroom::spawn(deed).join().unwrap();
}

const OVERFLOW: &str = "buffer overflow detected";

fn nine_into_eight(call: impl FnOnce(*mut c_void) -> ssize_t) {
    let mut buf = [0u8; 16];
    let n = call(buf.as_mut_ptr().cast());
    panic!("it went on, with {n}");
}

/// Ended by libc, in its own words.
fn check(ended: &Ended, says: &str) {
    ended.assert_signal(libc::SIGABRT);
    ended.assert_says(says, 1);
}

#[test]
fn reading_too_much() {
    let ended = in_child(&[], || {
        // SAFETY: the buffer has room for more than is said.
        on_a_green_thread(|| nine_into_eight(|to| unsafe { __read_chk(0, to, 9, 8) }));
    });
    check(&ended, OVERFLOW);
}

#[test]
fn reading_too_much_at_a_place() {
    let ended = in_child(&[], || {
        // SAFETY: the buffer has room for more than is said.
        on_a_green_thread(|| nine_into_eight(|to| unsafe { __pread_chk(0, to, 9, 0, 8) }));
    });
    check(&ended, OVERFLOW);
}

#[test]
fn reading_too_much_by_its_other_name() {
    let ended = in_child(&[], || {
        // SAFETY: the buffer has room for more than is said.
        on_a_green_thread(|| nine_into_eight(|to| unsafe { __pread64_chk(0, to, 9, 0, 8) }));
    });
    check(&ended, OVERFLOW);
}

#[test]
fn receiving_too_much() {
    let ended = in_child(&[], || {
        // SAFETY: the buffer has room for more than is said.
        on_a_green_thread(|| nine_into_eight(|to| unsafe { __recv_chk(0, to, 9, 8, 0) }));
    });
    check(&ended, OVERFLOW);
}

#[test]
fn creating_without_a_mode() {
    let ended = in_child(&[], || {
        on_a_green_thread(|| {
            // SAFETY: a C string.
            unsafe { __open_2(c"/nowhere".as_ptr(), libc::O_CREAT) };
        });
    });
    check(&ended, "invalid open call: O_CREAT or O_TMPFILE without mode");
}
