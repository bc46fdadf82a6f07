//! Addresses as the kernel writes them.

use libc::{AF_INET, AF_INET6, AF_UNIX, sockaddr, sockaddr_storage, socklen_t};
use libc::{sockaddr_in, sockaddr_in6, sockaddr_un};
use std::ffi::OsStr;
use std::io;
use std::mem::offset_of;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::Path;

/// Any address, in room for every one.
pub(super) struct Address {
    storage: sockaddr_storage,
    len: socklen_t,
}

/// Where the name begins in a Unix address.
const PATH: usize = offset_of!(sockaddr_un, sun_path);

impl Address {
    /// Room for one.
    pub(super) fn room() -> Address {
        // SAFETY: all zero is an address of no family.
        let storage = unsafe { std::mem::zeroed() };
        Address { storage, len: size_of::<sockaddr_storage>() as socklen_t }
    }

    pub(super) fn place(&mut self) -> (*mut sockaddr, *mut socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.len)
    }

    pub(super) fn as_ptr(&self) -> (*const sockaddr, socklen_t) {
        ((&raw const self.storage).cast(), self.len)
    }

    pub(super) fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    fn store<T>(value: T) -> Address {
        let mut address = Address::room();
        address.len = size_of::<T>() as socklen_t;
        // SAFETY: room for every address, suitably aligned.
        unsafe { (&raw mut address.storage).cast::<T>().write(value) };
        address
    }

    /// # Safety
    /// The family is that of `T`.
    unsafe fn load<T>(&self) -> T {
        // SAFETY: room for every address, all of it initialised.
        unsafe { (&raw const self.storage).cast::<T>().read() }
    }

    /// What the kernel wrote, of the internet families.
    pub(super) fn inet(&self) -> io::Result<SocketAddr> {
        match self.family() {
            AF_INET => {
                // SAFETY: the family says so.
                let a: sockaddr_in = unsafe { self.load() };
                let ip = u32::from_be(a.sin_addr.s_addr).into();
                Ok(SocketAddrV4::new(ip, u16::from_be(a.sin_port)).into())
            }
            AF_INET6 => {
                // SAFETY: the family says so.
                let a: sockaddr_in6 = unsafe { self.load() };
                let (ip, port) = (Ipv6Addr::from(a.sin6_addr.s6_addr), u16::from_be(a.sin6_port));
                Ok(SocketAddrV6::new(ip, port, a.sin6_flowinfo, a.sin6_scope_id).into())
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "invalid argument")),
        }
    }

    /// Whether it is a path that fills all of its room: the kernel counts the NUL
    /// that did not fit.
    pub(super) fn is_longest(&self) -> bool {
        self.family() == AF_UNIX && self.len as usize > size_of::<sockaddr_un>()
    }

    /// What the kernel wrote, of a Unix socket. A path so long that no NUL fits
    /// behind it, std has no way to make: it is one without a name then.
    pub(super) fn unix(&self) -> io::Result<net::SocketAddr> {
        let len = (self.len as usize).min(size_of::<sockaddr_un>());
        if len > PATH && self.family() == AF_UNIX {
            // SAFETY: the family says so.
            let a: sockaddr_un = unsafe { self.load() };
            let name = a.sun_path[..len - PATH].iter().map(|c| *c as u8).collect::<Vec<_>>();
            if name[0] == 0 {
                return net::SocketAddr::from_abstract_name(&name[1..]);
            }
            if let Some(end) = name.iter().position(|c| *c == 0) {
                return net::SocketAddr::from_pathname(OsStr::from_bytes(&name[..end]));
            }
        }
        net::SocketAddr::from_pathname("") // one without a name
    }

    /// Of the socket at `path`.
    ///
    /// # Errors
    /// InvalidInput if it is too long or has a NUL.
    pub(super) fn at(path: &Path) -> io::Result<Address> {
        Ok((&net::SocketAddr::from_pathname(path)?).into())
    }
}

impl From<&SocketAddr> for Address {
    fn from(from: &SocketAddr) -> Address {
        match from {
            SocketAddr::V4(a) => Address::store(sockaddr_in {
                sin_family: AF_INET as u16,
                sin_port: a.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*a.ip()).to_be() },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(a) => Address::store(sockaddr_in6 {
                sin6_family: AF_INET6 as u16,
                sin6_port: a.port().to_be(),
                sin6_flowinfo: a.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: a.ip().octets() },
                sin6_scope_id: a.scope_id(),
            }),
        }
    }
}

impl From<&net::SocketAddr> for Address {
    fn from(from: &net::SocketAddr) -> Address {
        let path = from.as_pathname().map(|path| path.as_os_str().as_bytes());
        let hidden = from.as_abstract_name();
        let (name, before, after) = match (path, hidden) {
            (Some(path), _) => (path, 0, 1),
            (_, Some(name)) => (name, 1, 0),
            _ => (&[][..], 0, 0),
        };
        let mut address = sockaddr_un { sun_family: AF_UNIX as u16, sun_path: [0; 108] };
        for (to, from) in address.sun_path[before..].iter_mut().zip(name) {
            *to = *from as libc::c_char;
        }
        let mut address = Address::store(address);
        address.len = (PATH + before + name.len() + after) as socklen_t;
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_there_and_back() {
        for text in ["127.0.0.1:80", "[::1]:65535", "[fe80::1%7]:9", "255.1.2.3:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::from(&address).inet().unwrap(), address);
        }
        let path = net::SocketAddr::from_pathname("/tmp/a socket").unwrap();
        let back = Address::from(&path).unix().unwrap();
        assert_eq!(back.as_pathname(), path.as_pathname());
        let hidden = net::SocketAddr::from_abstract_name(b"a\0b").unwrap();
        let back = Address::from(&hidden).unix().unwrap();
        assert_eq!(back.as_abstract_name(), Some(&b"a\0b"[..]));
        let none = net::SocketAddr::from_pathname("").unwrap();
        assert!(none.is_unnamed() && Address::from(&none).unix().unwrap().is_unnamed());
    }
}
