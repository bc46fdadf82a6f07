//! Guarded stacks and their reuse. A map without logic; read in this order:
//!
//! - `class`: which sizes there are
//! - `slot`: one stack, its layout, `GreenStack`
//! - `slab`: how stacks are cut from large mappings
//! - `guard`: the page below a stack that turns overflow into a fault
//! - `list`: the free list and its low-water mark
//! - `depot`: what the workers share
//! - `cache`: what each worker keeps for itself, `StackCache`

mod class;
mod guard;
mod list;
mod slab;
mod depot;
mod slot;
mod cache;
#[cfg(all(test, not(miri)))]
mod limit_tests;
#[cfg(all(test, not(miri)))]
mod tests;

pub(crate) use cache::StackCache;
pub(crate) use class::{SizeClass, reserve};
pub(crate) use slot::GreenStack;
