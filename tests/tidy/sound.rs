//! A small tree in which every rule holds, for `fixtures.rs` to break.

pub(crate) const SOUND: &[(&str, &str)] = &[
    (
        "src/lib.rs",
        "//! D.\n#![deny(missing_docs)]\nmod error;\nmod sys;\nmod green;\nmod task;\nmod patch;\n\
         pub use error::Oops;\npub use task::{spawn as start};\n/// D.\npub mod io {\n pub use crate::sys::fd;\n}\n",
    ),
    ("src/error.rs", "//! D.\npub struct Oops(corosensei::Inner);\n"),
    ("src/sys/mod.rs", "//! D.\npub mod lock;\npub mod fd;\n"),
    (
        "src/sys/lock.rs",
        "//! D.\nuse std::sync::{Arc, atomic::AtomicU32};\n#[cfg(target_os = \"linux\")]\n\
         pub fn lock() {\n // SAFETY: r\n unsafe { go() }\n}\n/// # Safety\n/// r\npub unsafe fn go() {}\n",
    ),
    (
        "src/sys/fd.rs",
        "//! D.\nuse super::lock::lock;\n#[cfg(test)]\nmod tests {\n use crate::task::spawn;\n use std::sync::Mutex;\n}\n",
    ),
    (
        "src/green/mod.rs",
        "//! D.\nmod state;\nmod park;\npub use self::park::park;\n#[cfg(test)]\nmod scenes;\n",
    ),
    ("src/green/state.rs", "//! D.\nuse crate::sys::fd;\npub enum State { A }\n"),
    (
        "src/green/park.rs",
        "//! D. crate::task\nuse super::state::State;\npub fn park() { let _ = '\"'; self::other(\"crate::task\"); }\n",
    ),
    ("src/green/scenes.rs", "//! D.\nuse crate::task::spawn;\nuse std::thread::sleep;\n"),
    ("src/task/mod.rs", "//! D.\nmod spawn;\npub use spawn::spawn;\n"),
    (
        "src/task/spawn.rs",
        "//! D.\nuse std::thread;\npub fn spawn() { crate::green::park(); thread::spawn(f); }\n",
    ),
    ("src/patch/mod.rs", "//! D.\nmod sleep;\n"),
    (
        "src/patch/sleep.rs",
        "//! D.\n/// # Safety\n/// r\n#[unsafe(no_mangle)]\npub unsafe extern \"C\" fn sleep(_: u32) {}\n",
    ),
];
