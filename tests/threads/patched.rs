//! Patches this binary before `main`.

use greenroom::{Config, ThreadLocals, patch_all};

extern "C" fn patch() {
    Config::new().thread_locals(ThreadLocals::Own).install().unwrap();
    patch_all().unwrap();
}

#[used]
#[unsafe(link_section = ".init_array")]
static PATCH: extern "C" fn() = patch;

/// Whether the caller is a green thread.
pub(crate) fn is_green() -> bool {
    greenroom::current().is_some()
}
