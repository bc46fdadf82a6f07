//! What names an address.

use crate::green::current;
use crate::offload::everyone::libc_call;
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{io, option, slice, vec};

/// What can be resolved to addresses: as [`std::net::ToSocketAddrs`], for the
/// same types, but looking a name up on a green thread parks it. std's own has
/// no way to.
///
/// ```
/// use greenroom::net::ToSocketAddrs;
/// let found = greenroom::spawn(|| "localhost:80".to_socket_addrs().map(Vec::from_iter));
/// assert!(found.join()??.iter().all(|a| a.ip().is_loopback() && a.port() == 80));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ToSocketAddrs {
    /// The addresses.
    type Iter: Iterator<Item = SocketAddr>;

    /// Looks the addresses up.
    ///
    /// # Errors
    /// It names none, or the lookup failed.
    ///
    /// ```
    /// use greenroom::net::ToSocketAddrs;
    /// assert_eq!("[::1]:53".to_socket_addrs()?.count(), 1);
    /// assert!("no port".to_socket_addrs().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

macro_rules! ready {
    ($($type:ty),*) => {$(
        impl ToSocketAddrs for $type {
            type Iter = option::IntoIter<SocketAddr>;

            fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
                net::ToSocketAddrs::to_socket_addrs(self)
            }
        }
    )*};
}

ready!(SocketAddr, SocketAddrV4, SocketAddrV6);
ready!((IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = std::iter::Cloned<slice::Iter<'a, SocketAddr>>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.iter().cloned())
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;

    fn to_socket_addrs(&self) -> io::Result<T::Iter> {
        (**self).to_socket_addrs()
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        if current::get().is_none() || self.parse::<SocketAddr>().is_ok() {
            return net::ToSocketAddrs::to_socket_addrs(self);
        }
        let name = self.to_owned();
        libc_call(move || net::ToSocketAddrs::to_socket_addrs(name.as_str()))
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        self.as_str().to_socket_addrs()
    }
}

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        if current::get().is_none() || self.0.parse::<IpAddr>().is_ok() {
            return net::ToSocketAddrs::to_socket_addrs(self);
        }
        let (name, port) = (self.0.to_owned(), self.1);
        libc_call(move || net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), port)))
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (self.0.as_str(), self.1).to_socket_addrs()
    }
}

/// All of them, in the form that std takes without a lookup.
pub(super) fn resolve(name: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    Ok(name.to_socket_addrs()?.collect())
}
