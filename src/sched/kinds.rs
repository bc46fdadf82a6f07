//! What a descriptor is: asked of the kernel, or told by how it was made.

use super::entry::{Dir, Entry, Kind, LINGERS, LOW_WATER, NO_INFERENCE};
use crate::sys::raw;

/// An option whose value is a number.
pub(crate) fn option(fd: i32, level: i32, name: i32) -> Option<i32> {
    let mut value = 0i32;
    let mut len = size_of::<i32>() as u32;
    let args = [fd as usize, level as usize, name as usize];
    // SAFETY: `value` has `len` bytes.
    let got = unsafe {
        raw::syscall(
            libc::SYS_getsockopt,
            [args[0], args[1], args[2], &raw mut value as usize, &raw mut len as usize, 0],
        )
    };
    got.is_ok().then_some(value)
}

/// Asks the kernel what kind of descriptor `fd` is.
pub(crate) fn kind_of(fd: i32) -> Kind {
    let of = |name| option(fd, libc::SOL_SOCKET, name);
    let Some(ty) = of(libc::SO_TYPE) else {
        return other_kind(fd);
    };
    kind(of(libc::SO_DOMAIN).unwrap_or(-1), ty, of(libc::SO_PROTOCOL).unwrap_or(-1))
}

/// The kind of what is no socket.
fn other_kind(fd: i32) -> Kind {
    match file_type(fd) {
        Some(libc::S_IFREG | libc::S_IFBLK) => Kind::File,
        Some(libc::S_IFDIR | libc::S_IFLNK) | None => Kind::Other,
        // What has no type at all is an eventfd and its like.
        Some(_) => Kind::Waitable,
    }
}

/// What `fstat` says of its type; `None` if that fails.
pub(crate) fn file_type(fd: i32) -> Option<libc::mode_t> {
    // SAFETY: all zero is an empty one.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    let args = [fd as usize, &raw mut stat as usize, 0, 0, 0, 0];
    // SAFETY: an out pointer, of the type that this system call fills.
    let asked = unsafe { raw::syscall(libc::SYS_fstat, args) };
    asked.is_ok().then_some(stat.st_mode & libc::S_IFMT)
}

/// The flags that the options of a descriptor need.
pub(crate) fn options(fd: i32, kind: Kind) -> u32 {
    if !kind.is_socket() {
        return 0;
    }
    let layered = if kind == Kind::Tcp { layered(fd) } else { 0 };
    low_water_flags(low_water(fd)) | lingers(fd) | layered
}

/// LINGERS if SO_LINGER is set.
pub(crate) fn lingers(fd: i32) -> u32 {
    let mut value = libc::linger { l_onoff: 0, l_linger: 0 };
    let mut len = size_of::<libc::linger>() as u32;
    let at = [&raw mut value as usize, &raw mut len as usize];
    let call = [fd as usize, libc::SOL_SOCKET as usize, libc::SO_LINGER as usize, at[0], at[1], 0];
    // SAFETY: `value` has `len` bytes.
    let asked = unsafe { raw::syscall(libc::SYS_getsockopt, call) };
    if asked.is_ok() && value.l_onoff != 0 && value.l_linger > 0 { LINGERS } else { 0 }
}

/// NO_INFERENCE if a protocol on top of TCP (kTLS) frames what is read.
fn layered(fd: i32) -> u32 {
    let mut name = [0u8; 16];
    let mut len = 16u32;
    let at = [&raw mut name as usize, &raw mut len as usize];
    let call = [fd as usize, libc::SOL_TCP as usize, libc::TCP_ULP as usize, at[0], at[1], 0];
    // SAFETY: `name` has `len` bytes.
    match unsafe { raw::syscall(libc::SYS_getsockopt, call) } {
        Ok(_) if len > 0 => NO_INFERENCE,
        _ => 0,
    }
}

/// SO_RCVLOWAT.
pub(crate) fn low_water(fd: i32) -> usize {
    option(fd, libc::SOL_SOCKET, libc::SO_RCVLOWAT).map_or(1, |n| n.max(1) as usize)
}

/// The flags that a low-water mark of so many bytes needs.
pub(crate) fn low_water_flags(bytes: usize) -> u32 {
    if bytes > 1 { LOW_WATER | NO_INFERENCE } else { 0 }
}

/// The kind of a socket made with these arguments.
pub(crate) fn kind(domain: i32, ty: i32, protocol: i32) -> Kind {
    const FLAGS: i32 = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    match ty & !FLAGS {
        libc::SOCK_STREAM
            if matches!(domain, libc::AF_INET | libc::AF_INET6)
                && matches!(protocol, 0 | libc::IPPROTO_TCP) =>
        {
            Kind::Tcp
        }
        libc::SOCK_STREAM => Kind::Stream,
        libc::SOCK_SEQPACKET => Kind::Packets,
        _ => Kind::Datagram,
    }
}

/// Copies SO_RCVTIMEO and SO_SNDTIMEO from the kernel.
pub(crate) fn read_timeouts(fd: i32, entry: &Entry) {
    for (name, dir) in [(libc::SO_RCVTIMEO, Dir::Read), (libc::SO_SNDTIMEO, Dir::Write)] {
        let mut value = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let mut len = size_of::<libc::timeval>() as u32;
        let at = [&raw mut value as usize, &raw mut len as usize];
        let call = [fd as usize, libc::SOL_SOCKET as usize, name as usize, at[0], at[1], 0];
        // SAFETY: `value` has `len` bytes.
        let ok = unsafe { raw::syscall(libc::SYS_getsockopt, call) }.is_ok();
        entry.set_timeout(dir, if ok { timeout(value) } else { 0 });
    }
}

/// What the kernel makes of a socket timeout: zero is none, negative is "at
/// once".
pub(crate) fn timeout(value: libc::timeval) -> u64 {
    if value.tv_sec < 0 {
        return 1;
    }
    (value.tv_sec as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add((value.tv_usec as u64).saturating_mul(1000))
}
