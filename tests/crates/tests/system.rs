//! Green threads over the system's allocator, for comparison.

#[path = "common/allocating.rs"]
mod allocating;
