//! Green threads over jemalloc.

#[path = "common/allocating.rs"]
mod allocating;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
