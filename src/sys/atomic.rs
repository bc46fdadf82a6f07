//! The atomics of what loom checks: std's, or loom's under `--cfg loom`.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, fence};

/// As `fence(SeqCst)`, which the compiler makes an `mfence` here; a locked
/// instruction orders all but non-temporal stores as well, in half the time.
#[inline(always)]
pub(crate) fn full_fence() {
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    // SAFETY: changes nothing but flags.
    unsafe {
        std::arch::asm!("lock or dword ptr [rsp], 0")
    };
    #[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
    fence(std::sync::atomic::Ordering::SeqCst);
}

/// As `fence(SeqCst)`, right after an atomic read-modify-write: which is one
/// already, here.
#[inline(always)]
pub(crate) fn fence_after_rmw() {
    #[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
    fence(std::sync::atomic::Ordering::SeqCst);
}
