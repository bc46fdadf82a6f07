//! What libc tells green threads with thread-locals of their own by. Workers have their own
//! numbers to give, by whichever green thread they are asked: in that one's thread-locals
//! they would begin anew with each.

use super::local;
use crate::sys::lock::Lock;
use crate::sys::tls::Numbers;

/// For those that OS threads start.
static OUTSIDE: Lock<Numbers> = Lock::new(Numbers::new());

/// Another one. Any thread.
pub(crate) fn next() -> u32 {
    local::get().map_or_else(|| OUTSIDE.lock().take(), |local| local.number())
}
