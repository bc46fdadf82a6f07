//! Saying something on stderr, from wherever it is.

use crate::sys::raw;

/// Writes to stderr; async-signal-safe.
pub(crate) fn say(text: &[u8]) {
    // SAFETY: `text` is that long.
    let _ =
        unsafe { raw::syscall(libc::SYS_write, [2, text.as_ptr() as usize, text.len(), 0, 0, 0]) };
}
