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
            _ => return,
        }
    }
}
