//! The words in which a descriptor is described: direction, kind, flags.

/// Reading or writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dir {
    Read,
    Write,
}

/// What a descriptor is, as far as it matters for waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    /// None of these: calls pass through.
    Other = 0,
    /// TCP over IPv4 or IPv6: a short read means "nothing left".
    Tcp = 1,
    /// Another stream.
    Stream = 2,
    /// A datagram or raw socket.
    Datagram = 3,
    /// A seqpacket socket: connected, and keeps messages apart.
    Packets = 4,
    /// No socket, but it can be waited for: a pipe, a terminal, an eventfd.
    Waitable = 5,
    /// A regular file, or a disk.
    File = 6,
}

impl Kind {
    #[inline]
    pub(crate) fn is_socket(self) -> bool {
        matches!(self, Kind::Tcp | Kind::Stream | Kind::Datagram | Kind::Packets)
    }
}

/// `Entry::flags`: it describes the descriptor that is open now.
pub(crate) const KNOWN: u32 = 1;
pub(super) const KIND: u32 = 0b1110;
/// The user asked for O_NONBLOCK.
pub(crate) const USER_NONBLOCK: u32 = 16;
/// We set O_NONBLOCK; what the user sees is `USER_NONBLOCK`.
pub(crate) const FORCED_NONBLOCK: u32 = 32;
/// A short read proves nothing: the end, an error or urgent data has been
/// reported, or something frames or holds back what arrives.
pub(crate) const NO_INFERENCE: u32 = 64;
/// Registered with a selector.
pub(super) const REGISTERED: u32 = 128;
/// The user set SO_RCVLOWAT.
pub(crate) const LOW_WATER: u32 = 256;
/// The user set SO_LINGER: to close it may take long.
pub(crate) const LINGERS: u32 = 512;
/// It has a timeout.
pub(super) const TIMED: u32 = 1024;

/// Of what is no socket: it knows no RWF_NOWAIT in this direction, so a plain
/// call has to do. Shifted left by one for writing.
pub(crate) const PLAIN: u32 = 2048;
/// Likewise, and a plain call may wait for the disk. Shifted as `PLAIN`.
pub(crate) const SLOW: u32 = 8192;

/// The kind that `flags` hold.
pub(super) fn kind_of(flags: u32) -> Kind {
    match (flags & KIND) >> 1 {
        1 => Kind::Tcp,
        2 => Kind::Stream,
        3 => Kind::Datagram,
        4 => Kind::Packets,
        5 => Kind::Waitable,
        6 => Kind::File,
        _ => Kind::Other,
    }
}
