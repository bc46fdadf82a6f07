//! Guarded stacks and their reuse. A map without logic; read in this order:
//!
//! - `class`: which sizes there are
//! - `slot`: one stack, its layout, `GreenStack`
//! - `slab`: how stacks are cut from large mappings
//! - `atlas`: which slot an address lies in, for the fault handler
//! - `guard`: the page below a stack that turns overflow into a fault
//! - `list`: the free list and its low-water mark
//! - `depot`: what the workers share
//! - `cache`: what each worker keeps for itself, `StackCache`
//! - `label`: a stack of something that is no green thread, with its name on it

mod class;
mod guard;
mod list;
mod slab;
mod atlas;
mod depot;
mod slot;
mod cache;
mod label;
#[cfg(all(test, not(miri)))]
mod limit_tests;
#[cfg(all(test, not(miri)))]
mod tests;

pub(crate) use cache::StackCache;
pub(crate) use class::{SizeClass, reserve};
pub(crate) use guard::made;
pub(crate) use label::{LabelledStack, Name, labelled, overflown};
pub(crate) use slot::GreenStack;
