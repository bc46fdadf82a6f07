//! Memory for small things of one size that are made and dropped all the time: the
//! records of green threads. A map without logic; read in this order:
//!
//! - `class`: which sizes there are
//! - `slab`: 64 KiB that are cut into blocks of one size
//! - `list`: slabs in a row
//! - `region`: where slabs come from, and go to when they have long been empty
//! - `owned`: `Heap`, the slabs of one worker
//!
//! After J. Bonwick, "The Slab Allocator" (1994), whose slabs these are (but not his
//! colours), and D. Leijen, B. Zorn, L. de Moura, "Mimalloc: Free List Sharding in Action"
//! (2019): each slab has a free list of its own, and an owner, who alone touches it without
//! an atomic instruction; what others give back goes to a list of the owner's, which it
//! empties when it runs out.
//!
//! libc's allocator takes longer for this than all the rest of a spawn: a worker is never
//! the main thread, so its heap grows by a page at a time, with a system call for each, and
//! a thousand blocks that are given back are merged and split again one by one.

mod class;
mod slab;
mod list;
mod region;
mod owned;

pub(crate) use class::Class;
pub(crate) use owned::Heap;
pub(crate) use slab::{Returned, is_of, return_to_owner};
