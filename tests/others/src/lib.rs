//! Linked into a test binary, patches it before `main`: from then on every
//! thread that it makes is a green thread, and its main thread stays what it
//! is.

/// Called by the C library before `main`.
extern "C" fn patch() {
    if let Err(e) = greenroom::patch_all() {
        eprintln!("greenroom-harness: {e}");
        std::process::exit(1);
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static PATCH: extern "C" fn() = patch;
