//! Green threads over mimalloc.

#[path = "common/allocating.rs"]
mod allocating;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
