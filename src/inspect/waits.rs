//! What a parked green thread waits for: by the runtime's tables, or by what it
//! has said itself.

use super::view::{Holder, WaitsFor};
use crate::futex::table;
use crate::green::why::Kind;
use crate::sched::entry::Dir;
use crate::sched::{fds, kinds};
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// Who waits according to the tables, by the addresses of their records.
pub(super) struct Tables {
    descriptors: HashMap<usize, Vec<(i32, bool)>>,
    addresses: HashMap<usize, usize>,
    /// Descriptors that were looked at already.
    known: HashMap<i32, Descriptor>,
    /// Until when there is time to look at more.
    until: Instant,
}

#[derive(Clone)]
enum Descriptor {
    Child(u32),
    Other(String),
}

impl Tables {
    pub(super) fn read(until: Instant) -> Tables {
        let mut descriptors: HashMap<usize, Vec<(i32, bool)>> = HashMap::new();
        for waits in fds::all_waits() {
            descriptors.entry(waits.record).or_default().push((waits.fd, waits.dir == Dir::Write));
        }
        let addresses = table::all_waits().into_iter().collect();
        Tables { descriptors, addresses, known: HashMap::new(), until }
    }

    /// What `record` waits for, which has `said` that.
    pub(super) fn of(&mut self, record: usize, said: Option<(Kind, u64)>) -> Vec<WaitsFor> {
        // Who says it stands in no table; or in that of addresses, with one of C's
        // locks. What they had when they were read was another wait.
        if let Some((kind, what)) = said {
            return vec![meaning(kind, what)];
        }
        let fds = self.descriptors.remove(&record).unwrap_or_default();
        let mut found: Vec<_> =
            fds.into_iter().map(|(fd, write)| self.descriptor(fd, write)).collect();
        found.extend(self.addresses.get(&record).map(|at| WaitsFor::Address(*at)));
        found
    }

    fn descriptor(&mut self, fd: i32, write: bool) -> WaitsFor {
        let in_time = Instant::now() < self.until;
        let look = || if in_time { look(fd) } else { Descriptor::Other(String::new()) };
        match self.known.entry(fd).or_insert_with(look).clone() {
            Descriptor::Child(pid) => WaitsFor::Child(pid),
            Descriptor::Other(what) => WaitsFor::Descriptor { fd, write, what },
        }
    }
}

/// Who holds a lock is said later (`holders.rs`).
pub(super) fn meaning(kind: Kind, what: u64) -> WaitsFor {
    let at = what as usize;
    match kind {
        Kind::Join => WaitsFor::Join(what),
        Kind::Job => WaitsFor::Job,
        Kind::PoolPlace => WaitsFor::PoolPlace,
        Kind::PoolEnd => WaitsFor::PoolEnd,
        Kind::Permit => WaitsFor::Permit(at),
        Kind::Mutex | Kind::Turn | Kind::Reentrant | Kind::CMutex | Kind::CLock => {
            WaitsFor::Lock { at, holder: Holder::Unknown }
        }
        Kind::Scope => WaitsFor::Scope,
        Kind::Item => WaitsFor::Item(at),
        Kind::Room => WaitsFor::Room(at),
        Kind::Event => WaitsFor::Event(at),
        Kind::Condition => WaitsFor::Condition(at),
        Kind::Group => WaitsFor::Group(at),
        Kind::First => WaitsFor::First(at),
        Kind::Sleep => WaitsFor::Time,
    }
}

/// What `fd` is now. It may be closed, or be another by now.
fn look(fd: i32) -> Descriptor {
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}"));
    let link = link.map_or_else(|_| String::new(), |link| link.to_string_lossy().into_owned());
    if link == "anon_inode:[pidfd]" || link.starts_with("pidfd:") {
        return child(fd).map_or(Descriptor::Other(link), Descriptor::Child);
    }
    if !link.is_empty() && !link.starts_with("socket:") {
        return Descriptor::Other(link);
    }
    Descriptor::Other(socket(fd).unwrap_or(link))
}

/// Whose end a pidfd reports.
fn child(pidfd: i32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{pidfd}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

/// A socket's addresses.
fn socket(fd: i32) -> Option<String> {
    let domain = kinds::option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)?;
    let kind = kinds::option(fd, libc::SOL_SOCKET, libc::SO_TYPE)?;
    let (name, local, peer) = match (domain, kind) {
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM) => {
            // SAFETY: not closed with it, and only asked for its addresses.
            let s = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(fd) });
            ("TCP", shown(s.local_addr()), shown(s.peer_addr()))
        }
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_DGRAM) => {
            // SAFETY: as above.
            let s = ManuallyDrop::new(unsafe { UdpSocket::from_raw_fd(fd) });
            ("UDP", shown(s.local_addr()), shown(s.peer_addr()))
        }
        (libc::AF_UNIX, _) => {
            // SAFETY: as above.
            let s = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(fd) });
            let debug = |address: std::os::unix::net::SocketAddr| format!("{address:?}");
            ("Unix", s.local_addr().ok().map(debug), s.peer_addr().ok().map(debug))
        }
        _ => return None,
    };
    let local = local.unwrap_or_else(|| "no address".into());
    let listens = kinds::option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN) == Some(1);
    Some(match peer {
        Some(peer) => format!("{name} {local} with {peer}"),
        None if listens => format!("{name} {local} listening"),
        None => format!("{name} {local}"),
    })
}

fn shown(address: std::io::Result<std::net::SocketAddr>) -> Option<String> {
    address.ok().map(|address| address.to_string())
}
