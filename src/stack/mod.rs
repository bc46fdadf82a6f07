//! Guarded stacks and their reuse. A map without logic; read in this order:
//!
//! - `class`: which sizes there are
//! - `slot`: one stack, its layout, `GreenStack`
//! - `slab`: how stacks are cut from large mappings
//! - `guard`: the page below a stack that turns overflow into a fault
//! - `list`: the free list and its low-water mark
//! - `depot`: what the workers share
//! - `cache`: what each worker keeps for itself, `StackCache`

mod cache;
mod class;
mod depot;
mod guard;
#[cfg(all(test, not(miri)))]
mod limit_tests;
mod list;
mod slab;
mod slot;
#[cfg(all(test, not(miri)))]
mod tests;

#[allow(unused_imports, reason = "the layers above are not written yet")]
pub(crate) use cache::StackCache;
#[allow(unused_imports, reason = "the layers above are not written yet")]
pub(crate) use class::{DEFAULT_SIZE, MAX_SIZE, MIN_SIZE, SizeClass, StackSizeError};
#[allow(unused_imports, reason = "the layers above are not written yet")]
pub(crate) use depot::{Usage, usage};
#[allow(unused_imports, reason = "the layers above are not written yet")]
pub(crate) use guard::{GuardMode, guard_mode_from_env};
#[allow(unused_imports, reason = "the layers above are not written yet")]
pub(crate) use slot::GreenStack;
