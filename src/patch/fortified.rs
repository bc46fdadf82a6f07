//! Calls as fortified C programs make them: with the room there is, beyond
//! which libc ends the process.

use super::gate::Shim;
use super::{file, transfer};
use crate::sys::real;
use libc::{c_int, c_void, off64_t, size_t, sockaddr, socklen_t, ssize_t};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(__read_chk as *const ()),
    Shim::new(__pread_chk as *const ()),
    Shim::new(__pread64_chk as *const ()),
    Shim::new(__recv_chk as *const ()),
    Shim::new(__recvfrom_chk as *const ()),
];

/// `name(arguments, room) = call`, which `len > room` ends.
macro_rules! fortified {
    ($($name:ident($($arg:ident: $type:ty),*; $len:ident > $room:ident) = $call:expr;)*) => {$(
        /// As the call that it is named after.
        ///
        /// # Safety
        /// As libc's.
        #[cfg_attr(not(miri), unsafe(no_mangle))]
        unsafe extern "C" fn $name($($arg: $type),*) -> ssize_t {
            if $len > $room {
                // SAFETY: libc ends the process.
                return unsafe { real::$name($($arg),*) };
            }
            // SAFETY: the caller's promise.
            unsafe { $call }
        }
    )*};
}

fortified! {
    __read_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t; len > room)
        = transfer::read(fd, buf, len);
    __pread_chk(fd: c_int, buf: *mut c_void, len: size_t, at: off64_t, room: size_t; len > room)
        = file::pread(fd, buf, len, at);
    __pread64_chk(fd: c_int, buf: *mut c_void, len: size_t, at: off64_t, room: size_t; len > room)
        = file::pread(fd, buf, len, at);
    __recv_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t, flags: c_int; len > room)
        = transfer::recv(fd, buf, len, flags);
    __recvfrom_chk(
        fd: c_int, buf: *mut c_void, len: size_t, room: size_t, flags: c_int,
        addr: *mut sockaddr, addr_len: *mut socklen_t; len > room
    ) = transfer::recvfrom(fd, buf, len, flags, addr, addr_len);
}
