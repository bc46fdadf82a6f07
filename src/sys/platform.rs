//! What greenroom runs on, and a sentence for where it does not.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
compile_error!(
    "greenroom runs on Linux x86-64 with glibc; for another target, its `src/sys` and `src/patch` need a port first"
);

#[cfg(target_feature = "crt-static")]
compile_error!(
    "greenroom needs a dynamically linked libc: it finds libc's own functions behind its patched ones with dlsym; build without `-C target-feature=+crt-static`"
);

/// How many workers "one per core" means here: what the affinity mask and the
/// cgroup quota leave to this process.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The number of the process that called `note_process`.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// This process is the one for `is_our_process`.
pub(crate) fn note_process() {
    PROCESS.store(std::process::id(), Relaxed);
}

/// False in a vfork's child, which has our memory but descriptors of its own.
pub(crate) fn is_our_process() -> bool {
    std::process::id() == PROCESS.load(Relaxed)
}

/// The program's name, as the kernel names its first thread (but not cut).
pub(crate) fn program_name() -> &'static [u8] {
    unsafe extern "C" {
        static program_invocation_short_name: *const std::ffi::c_char;
    }
    // SAFETY: set by the C library before any code of ours, to a string that
    // lives as long as the process.
    unsafe { std::ffi::CStr::from_ptr(program_invocation_short_name) }.to_bytes()
}
