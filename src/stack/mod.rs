//! Guarded stacks and their reuse. A map without logic; read in this order:
//!
//! - `class`: which sizes there are
//! - `slot`: one stack, its layout, `GreenStack`
//! - `tag`: whose a stack is, for those who look from outside
//! - `atlas`: all stacks, for the fault handler and for those who look from outside
//! - `slab`: how stacks are cut from large mappings
//! - `guard`: the page below a stack that turns overflow into a fault
//! - `list`: the free list and its low-water mark
//! - `depot`: what the workers share
//! - `cache`: what each worker keeps for itself, `StackCache`
//! - `label`: a stack of something that is no green thread, with its name on it

mod class;
mod guard;
mod list;
mod slab;
mod tag;
pub(crate) mod atlas;
mod depot;
mod slot;
mod cache;
mod label;
#[cfg(all(test, not(miri)))]
mod limit_tests;
#[cfg(all(test, not(miri)))]
mod tests;

pub(crate) use atlas::Places;
pub(crate) use cache::StackCache;
pub(crate) use class::{SizeClass, reserve};
pub(crate) use guard::made;
pub(crate) use label::{LabelledStack, Name, labelled, overflown};
pub(crate) use slot::GreenStack;
pub(crate) use tag::{Owner, Tag};
