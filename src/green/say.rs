//! Saying something on stderr, from wherever it is.

use crate::sys::errno::Errno;
use crate::sys::raw;

/// Writes to stderr, as far as that takes it; async-signal-safe.
pub(crate) fn say(mut text: &[u8]) {
    while !text.is_empty() {
        let args = [2, text.as_ptr() as usize, text.len(), 0, 0, 0];
        // SAFETY: `text` is that long.
        match unsafe { raw::syscall(libc::SYS_write, args) } {
            // A pipe with less room takes a part, as it does before a signal.
            Ok(written) if written > 0 => text = &text[written..],
            Err(Errno(libc::EINTR)) => {}
            // Somebody else has made it non-blocking.
            Err(Errno(libc::EAGAIN)) if has_room() => {}
            _ => return,
        }
    }
}

/// Waits for a moment until it takes more.
fn has_room() -> bool {
    const MOMENT: usize = 1000; // ms
    let mut stderr = libc::pollfd { fd: 2, events: libc::POLLOUT, revents: 0 };
    let args = [(&raw mut stderr).addr(), 1, MOMENT, 0, 0, 0];
    // SAFETY: one entry, which the kernel writes to.
    let polled = unsafe { raw::syscall(libc::SYS_poll, args) };
    matches!(polled, Ok(1) | Err(Errno(libc::EINTR)))
}
