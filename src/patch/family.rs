//! Which families of calls are patched.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};

/// Calls that are patched together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// `clock_nanosleep`, `nanosleep`, `usleep`, `sleep`, `sched_yield`.
    Sleep,
    /// Sockets: making, connecting, accepting, transferring (`recvmmsg` and
    /// `sendmmsg` too), `poll`, and the bookkeeping of their descriptors. With
    /// *file* as well: `splice`, `tee`, `vmsplice`, `sendfile`.
    Socket,
    /// `poll`, `ppoll`, `select`, `pselect`, `epoll_wait`, `epoll_pwait`,
    /// `epoll_pwait2`, on whatever descriptors: so event loops run on green
    /// threads. A signal that is blocked but for such a call's mask interrupts
    /// it; one that is not blocked does not.
    Select,
    /// `syscall(SYS_futex)`: `std::sync`, `std::thread::park`, parking_lot,
    /// crossbeam; and for code in other languages, what waits among
    /// `pthread_mutex_*`, `pthread_cond_*`, `pthread_rwlock_*`, `sem_*`,
    /// `pthread_once` and `pthread_barrier_*`, unless it is robust or shared
    /// between processes. The locks that libc takes inside (of stdio, malloc,
    /// `dlopen`) are not reached. Needs [`ThreadLocals::Own`](crate::ThreadLocals::Own).
    Sync,
    /// `pthread_create` and what works on its threads: `std::thread`. Needs
    /// [`ThreadLocals::Own`](crate::ThreadLocals::Own).
    Threads,
    /// `getaddrinfo`, `getnameinfo`, `gethostbyname`, `gethostbyname2`,
    /// `gethostbyaddr` and their `_r` forms: `std::net::ToSocketAddrs`. They run
    /// on threads that [`offload`](crate::offload()) uses, and with those
    /// threads' resolver options (`_res`), not the caller's.
    Dns,
    /// `wait`, `waitpid`, `wait3`, `wait4`, `waitid`, `system`, `pclose`:
    /// waiting for children, as `std::process` does.
    Process,
    /// `read`, `write` and their vectored and positioned forms on what is no
    /// socket: pipes, terminals, eventfds and their like are waited for, and
    /// regular files are served from memory, or else by threads that
    /// [`offload`](crate::offload()) uses. `fsync`, `fdatasync`,
    /// `sync_file_range`, `copy_file_range`, `flock`, `fcntl(F_SETLKW)`, `lockf`;
    /// `open` of a FIFO.
    ///
    /// No flag of a file is changed. Where the kernel cannot be asked not to
    /// wait (FIFOs, terminals, inotify), the call is made once the descriptor
    /// is ready; should somebody else take what was there just then, it blocks
    /// the worker. Writing to stdout and stderr is left to the kernel.
    File,
}

impl Family {
    pub(super) const ALL: [Family; 8] = [
        Family::Sleep,
        Family::Socket,
        Family::Select,
        Family::Sync,
        Family::Threads,
        Family::Dns,
        Family::Process,
        Family::File,
    ];

    /// The families that work only with own thread-locals.
    pub(super) const OWN: u32 = Family::Sync.bit() | Family::Threads.bit();

    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The families that are patched, a bit each.
pub(super) static PATCHED: AtomicU32 = AtomicU32::new(0);

/// Whether calls of `family` park on green threads.
///
/// ```
/// use greenroom::patch::{Family, Patch, is_patched};
/// Patch::none().sleep(true).apply()?;
/// assert!(is_patched(Family::Sleep) && !is_patched(Family::Socket));
/// # Ok::<(), greenroom::PatchError>(())
/// ```
#[inline]
pub fn is_patched(family: Family) -> bool {
    PATCHED.load(Relaxed) & family.bit() != 0
}

/// Whether any family is.
#[inline]
pub(super) fn is_any_patched() -> bool {
    PATCHED.load(Relaxed) != 0
}

/// Set by `apply`, cleared by the shim that it expects to be called.
pub(super) static PROBE: AtomicBool = AtomicBool::new(false);
