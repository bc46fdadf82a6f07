//! Sockets that whoever started this process has opened for it.
//!
//! The convention is systemd's socket activation (sd_listen_fds(3)): they are
//! the descriptors from 3 on, LISTEN_FDS says how many there are, LISTEN_PID for
//! which process they are meant, and LISTEN_FDNAMES how they are called.

use crate::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener};
use crate::sched::kinds;
use crate::sys::raw;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::*};

/// The first of them.
const FIRST: RawFd = 3;

/// A socket that this process was started with; see [`inherited`].
///
/// ```
/// let sockets = greenroom::server::inherited()?;
/// let admin = sockets.into_iter().find(|one| one.name == "admin");
/// println!("{admin:?}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Inherited {
    /// What the socket's unit calls it; empty if there are no names.
    pub name: String,
    /// The socket.
    pub socket: InheritedSocket,
}

/// What an [`Inherited`] socket is.
///
/// ```
/// use greenroom::server::{InheritedSocket, StreamServer, inherited};
/// let tcp = inherited()?.into_iter().filter_map(|one| match one.socket {
///     InheritedSocket::Tcp(listener) => Some(listener),
///     _ => None,
/// });
/// let tcp = tcp.collect::<Vec<_>>();
/// if !tcp.is_empty() {
///     StreamServer::listening(tcp, |_stream, _peer| ())?.serve_forever()?;
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum InheritedSocket {
    /// Listens for TCP connections.
    Tcp(TcpListener),
    /// Listens for connections of a Unix socket.
    Unix(UnixListener),
    /// Receives UDP.
    Udp(UdpSocket),
    /// Receives datagrams of a Unix socket.
    UnixDatagram(UnixDatagram),
    /// Something else.
    Other(OwnedFd),
}

/// The sockets that systemd, or another that follows its convention, has opened
/// for this process: a service that is started on demand, or restarted while
/// those who connect only wait a little longer. None if there are none.
///
/// Only the first call gets them. They are closed in programs that this one
/// starts. A listener that is accepted from becomes non-blocking, and stays so
/// for other processes that have it too: those that start after this one, say.
/// So here listeners block, in whatever mode they come; what is made of the bare
/// descriptor keeps its mode, and so does every other socket. Which numbers are
/// sockets is what the environment says: call this before anything that might
/// trust the same numbers to somebody else.
///
/// # Errors
/// The environment names descriptors that are not open (EBADF); or there is no
/// memory left to know them.
///
/// ```
/// let sockets = greenroom::server::inherited()?;
/// println!("started with {} sockets", sockets.len());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn inherited() -> io::Result<Vec<Inherited>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let var = |name| std::env::var(name).ok();
    let count = announced(var("LISTEN_PID"), var("LISTEN_FDS"), std::process::id());
    if count == 0 || TAKEN.swap(true, AcqRel) {
        return Ok(Vec::new());
    }
    let numbers = FIRST..FIRST.saturating_add(count);
    // All are looked at before one of them is owned.
    numbers.clone().try_for_each(close_on_exec)?;
    let names = var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let sockets = numbers.map(|fd| Inherited {
        name: names.next().unwrap_or_default().to_owned(),
        socket: socket(fd),
    });
    let sockets = sockets.collect::<Vec<_>>();
    sockets.iter().try_for_each(|one| match &one.socket {
        InheritedSocket::Tcp(listener) => listener.block_anyway(),
        InheritedSocket::Unix(listener) => listener.block_anyway(),
        _ => Ok(()),
    })?;
    Ok(sockets)
}

/// How many there are for process `me`.
fn announced(pid: Option<String>, count: Option<String>, me: u32) -> RawFd {
    let for_me = pid.and_then(|pid| pid.parse().ok()) == Some(me);
    let count = count.and_then(|count| count.parse().ok()).filter(|_| for_me);
    count.unwrap_or(0).max(0)
}

/// Also finds out whether it is open.
fn close_on_exec(fd: RawFd) -> io::Result<()> {
    let set = [fd as usize, libc::F_SETFD as usize, libc::FD_CLOEXEC as usize, 0, 0, 0];
    // SAFETY: takes no pointer.
    unsafe { raw::syscall(libc::SYS_fcntl, set) }?;
    Ok(())
}

fn socket(fd: RawFd) -> InheritedSocket {
    let option = |name| kinds::option(fd, libc::SOL_SOCKET, name);
    let listens = option(libc::SO_ACCEPTCONN) == Some(1);
    let (family, sort) = (option(libc::SO_DOMAIN), option(libc::SO_TYPE));
    let inet = matches!(family, Some(libc::AF_INET | libc::AF_INET6));
    // SAFETY: open, and given to this process by the one that started it;
    // `inherited` takes it once.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    match sort {
        Some(libc::SOCK_STREAM) if listens && inet => InheritedSocket::Tcp(owned.into()),
        Some(libc::SOCK_STREAM) if listens && family == Some(libc::AF_UNIX) => {
            InheritedSocket::Unix(owned.into())
        }
        Some(libc::SOCK_DGRAM) if inet => InheritedSocket::Udp(owned.into()),
        Some(libc::SOCK_DGRAM) if family == Some(libc::AF_UNIX) => {
            InheritedSocket::UnixDatagram(owned.into())
        }
        _ => InheritedSocket::Other(owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_for_this_process() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(announced(text("7"), text("2"), 7), 2);
        assert_eq!(announced(text("8"), text("2"), 7), 0);
        assert_eq!(announced(None, text("2"), 7), 0);
        assert_eq!(announced(text("7"), None, 7), 0);
        for odd in ["", "-1", "two", "99999999999"] {
            assert_eq!(announced(text("7"), text(odd), 7), 0, "{odd}");
        }
    }
}
