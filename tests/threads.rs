//! With the family *threads*, everything that std does with threads works on
//! green ones. This binary is patched before `main`: libtest's own threads,
//! and so the tests themselves, are green threads.

#[path = "threads/patched.rs"]
mod patched;
#[path = "threads/c_threads.rs"]
mod c_threads;
#[path = "threads/children.rs"]
mod children;
#[path = "threads/stress.rs"]
mod stress;
#[path = "threads/std_threads.rs"]
mod std_threads;
