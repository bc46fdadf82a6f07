//! Patches this binary before `main`.

use greenroom::patch::Patch;

extern "C" fn patch() {
    Patch::all().sync(true).threads(true).apply().unwrap();
}

#[used]
#[unsafe(link_section = ".init_array")]
static PATCH: extern "C" fn() = patch;

/// Whether the caller is a green thread.
pub(crate) fn is_green() -> bool {
    greenroom::current().is_some()
}
