//! The kernel and libc. A map without logic.

#[allow(dead_code, reason = "the layers above are not written yet")]
pub(crate) mod fault;
pub(crate) mod lock;
pub(crate) mod mem;
#[cfg(all(test, not(miri)))]
pub(crate) mod reexec;
