//! Layer 12: libc's blocking functions, defined again in this program.
//!
//! Every function here has the name of one of libc's, and so takes its place
//! for all code that is linked into the program, std included. Each is a thin
//! cover: on a green thread whose family is patched it calls a function of the
//! layers below that parks; else it passes straight through to libc's own.
//! Miri, which has no libc to pass on to, sees plain functions.

mod family;
mod gate;
mod sleep;
mod socket;
mod select;
mod file;
mod transfer;
mod bulk;
mod fortified;
mod descriptor;
mod open;
mod dns;
mod process;
mod sync;
mod mutex;
mod rwlock;
mod threads;
mod thread_facts;
mod fork;
mod thread_end;
mod signal;
mod native;
mod apply;

pub use apply::{Patch, patch_all};
pub use family::{Family, is_patched};
pub use native::native;
